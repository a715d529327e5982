"""The view as a POSIX shell script for iproute2.

Promise: after it has run, the kernel holds what the daemon would put in, rule by rule and route by
route, protocol number included, and nothing else of ours for these NICs; a second run changes
nothing, ``--undo`` takes all of it out again. A stranger's route is not touched: the script ends
before its first change.
"""

from srcroutd.core.net import Action, Family, Route, RouteType, Rule, Scope, span
from srcroutd.core.view import View
from srcroutd.export.document import Document
from srcroutd.export.kept import Kept, Line, comment, kept, short

PATH = "/usr/local/sbin/srcroutd-routes"


def iproute2(view: View, *, temporary: bool = False) -> tuple[Document, ...]:
    """One script for all kept NICs, the same in both forms: the kernel forgets, a boot may run it.

    Raises NotSayable.
    """
    nics = kept(view, whole=True)
    if not nics:
        return ()
    apply = (
        "Run it as root; the kernel forgets all of it at a reboot."
        if temporary
        else f"Put it at {PATH}, run it as root, and have it run at each boot once the NICs have "
        "their addresses: the kernel forgets all of it."
    )
    return (Document("srcroutd-routes", PATH, _script(view, nics), apply, executable=True),)


def _script(view: View, nics: tuple[Kept, ...]) -> str:
    parts = [
        _HEAD,
        f"protocol={view.domain.protocol}\n",
        f"tables='{' '.join(str(nic.table) for nic in nics)}'\n",
        f"priorities='{' '.join(str(nic.first) for nic in nics)}' # the first of ten each\n\n",
        "# The NICs that must be there, with their MACs.\nnics() {\n    cat <<'END'\n",
        *(f"{nic.name} {nic.mac}\n" for nic in nics),
        "END\n}\n",
    ]
    for family, number in ((Family.V4, 4), (Family.V6, 6)):
        for word, kind in (("routes", Route), ("rules", Rule)):
            parts.append(f"\n{word}_{number}() {{\n    cat <<'END'\n")
            for nic in nics:
                parts += _lines(nic, [one for one in nic.of(family) if isinstance(one.thing, kind)])
            parts.append("END\n}\n")
        parts.append(f"\nmain_{number}() {{\n    cat <<'END'\n")
        for nic in nics:
            parts += _lines(nic, [one for one in nic.main if one.thing.family is family])
        parts.append("END\n}\n")
    return "".join([*parts, _BODY])


def _lines(nic: Kept, entries: list[Line]) -> list[str]:
    """The entries as words for ip, the reason above each group that shares one."""
    lines = [comment(nic.heading)] if entries else []
    said = ""
    for entry in entries:
        if entry.because != said:
            lines.append(comment((f"  {entry.because}",)))
            said = entry.because
        thing = entry.thing
        lines.append((rule_words(thing) if isinstance(thing, Rule) else route_words(thing)) + "\n")
    return lines


def rule_words(rule: Rule) -> str:
    """A rule as ``ip -N rule`` prints it, so that the two can be compared, with its priority in
    front.
    """
    words = [f"priority {rule.priority}"]
    if rule.invert:
        words.append("not")
    words.append(f"from {short(rule.src) if rule.src else 'all'}")
    if rule.dst:
        words.append(f"to {short(rule.dst)}")
    if rule.tos:
        words.append(f"tos {rule.tos:#04x}")
    if rule.mark or rule.mask:
        words.append(f"fwmark {rule.mark:#x}{'' if rule.mask == 2**32 - 1 else f'/{rule.mask:#x}'}")
    words += [f"{word} {name}" for word, name in (("iif", rule.iif), ("oif", rule.oif)) if name]
    if rule.uids:
        words.append(f"uidrange {rule.uids[0]}-{rule.uids[1]}")
    if rule.ip_proto:
        words.append(f"ipproto {rule.ip_proto}")
    for word, ports in (("sport", rule.sport), ("dport", rule.dport)):
        if ports:
            words.append(f"{word} {span(ports)}")
    match rule.action:
        case Action.LOOKUP:
            words.append(f"lookup {rule.table}")
        case Action.GOTO:
            words.append(f"goto {rule.goto}")
        case _:
            words.append(rule.action.name.lower())
    if rule.suppress_prefixlength >= 0:
        words.append(f"suppress_prefixlength {rule.suppress_prefixlength}")
    return " ".join([*words, f"protocol {rule.protocol}"])


def route_words(route: Route) -> str:
    """A route as one would type it, with what the kernel would fill in: its metric."""
    words = [] if route.type is RouteType.UNICAST else [route.type.name.lower()]
    words.append("default" if route.dst.prefixlen == 0 else short(route.dst))
    if route.gateway:
        words.append(f"via {route.gateway}")
    if route.oif:
        words.append(f"dev {route.dev}")
    words.append(f"table {route.table}")
    if route.scope is Scope.LINK:
        words.append("scope link")
    if route.prefsrc:
        words.append(f"src {route.prefsrc}")
    words.append(f"metric {route.identity[3]}")
    if route.onlink:
        words.append("onlink")
    return " ".join([*words, f"protocol {route.protocol}", *map(str, route.paths)])


_HEAD = """\
#!/bin/sh
# Source routing for this host, written by: srcroutctl export iproute2
# The kernel state that srcroutd would make, made once: nothing repairs it later. A link that goes
# down loses its routes, and only another run brings them back.
#
# Run it as root; a second run changes nothing. With --undo it takes out what it put in.
# It needs iproute2 5.2 or later, and awk.
set -eu
export LC_ALL=C

"""

_BODY = r"""
die() {
    echo "srcroutd-routes: $*" >&2
    exit 1
}

case ${1-} in
'') undo='' ;;
--undo) undo=yes ;;
*) echo "usage: $0 [--undo]" >&2 && exit 64 ;;
esac

families=-4
[ ! -e /proc/sys/net/ipv6 ] || families='-4 -6'

# What should be: routes or rules of a family, without the comments.
wanted() { # routes|rules -4|-6
    [ -n "$undo" ] || "$1_${2#-}" | grep -v '^#' || :
}

# What is ours now, in the same words as above.
rules_now() { # -4|-6
    ip -N "$1" rule show | awk -v protocol="$protocol" -v priorities="$priorities" '
        {
            gsub(/ \[(detached|unresolved)\]/, "")
            priority = $1 + 0
            ours = 0
            count = split(priorities, first, " ")
            for (at = 1; at <= count; at++)
                if (priority >= first[at] && priority < first[at] + 10)
                    ours = 1
        }
        ours && $(NF - 1) == "proto" && $NF == protocol {
            line = "priority " priority
            for (at = 2; at < NF - 1; at++)
                line = line " " $at
            sub(/ 6$/, " blackhole", line)
            sub(/ 7$/, " unreachable", line)
            sub(/ 8$/, " prohibit", line)
            sub(/ ipproto ipproto-/, " ipproto ", line)
            print line " protocol " protocol
        }'
}

routes_now() { # -4|-6
    for table in $tables; do
        ip "$1" route show table "$table" proto "$protocol" 2>/dev/null | sed "s/$/ table $table/"
    done
}

# Routes as what the kernel tells them apart by: kind, destination, metric, table.
keys() {
    awk '{
        kind = ($1 ~ /^(unreachable|blackhole|prohibit|throw)$/) ? $1 " " : ""
        destination = (kind == "") ? $1 : $2
        metric = 0
        for (at = 2; at < NF; at++) {
            if ($at == "metric") metric = $(at + 1)
            if ($at == "table") table = $(at + 1)
        }
        print kind destination " metric " metric " table " table
    }'
}

# The word after another one in a line.
after() { # WORD LINE
    echo "$2" | awk -v word="$1" '{ for (at = 1; at < NF; at++) if ($at == word) print $(at + 1) }'
}

# The defaults in main that are still missing. One of others with the same metric ends it all: in
# main nothing is replaced.
main_due() { # -4|-6
    "main_${1#-}" | grep -v '^#' | while read -r line; do
        metric=$(after metric "$line")
        there=$(ip -N "$1" route show default table main | grep -E " metric $metric( |\$)" || :)
        if [ -z "$there" ]; then
            echo "$line"
        elif ! echo "$there" | grep -qE " proto $protocol( |\$)"; then
            die "main has a default of others with metric $metric; next: ip $1 route show default"
        fi
    done
}

# Takes out of main what is wanted there by this script.
main_undo() { # -4|-6
    "main_${1#-}" | grep -v '^#' | while read -r line; do
        metric=$(after metric "$line")
        dev=$(after dev "$line")
        ip "$1" route del default dev "$dev" table main metric "$metric" proto "$protocol" \
            2>/dev/null || :
    done
}

# Reads two lists with an empty line between them: what of the second is not in the first.
lacking() {
    awk '!second && $0 == "" { second = 1; next } !second { first[$0] = 1; next } !($0 in first)'
}

# Does the same with each line. They come as a word, not through a pipe: a list of rules that is
# still being read while the first of them go has gaps.
each() { # LINES -4|-6 WORDS
    [ -n "$1" ] || return 0
    lines=$1 family=$2
    shift 2
    printf '%s\n' "$lines" | sed "s/^/$* /" | ip "$family" -batch - ||
        die "ip refused the above; next: $0 --undo"
}

ip -N rule show >/dev/null || die "this ip knows no -N; next: iproute2 5.2 or later"

if [ -z "$undo" ]; then
    nics | while read -r nic mac; do
        case $(ip -o link show dev "$nic" 2>/dev/null) in
        *"$mac"*) ;;
        '') die "there is no $nic here; nothing was changed; next: srcroutctl export iproute2" ;;
        *) die "$nic is not the NIC $mac; nothing was changed; next: srcroutctl export iproute2" ;;
        esac
    done
    for family in $families; do
        main_due "$family" >/dev/null
        for table in $tables; do
            all=$(ip "$family" route show table "$table" 2>/dev/null | wc -l)
            ours=$(ip "$family" route show table "$table" proto "$protocol" 2>/dev/null | wc -l)
            show="ip $family route show table $table"
            [ "$all" -eq "$ours" ] ||
                die "table $table has routes of others; nothing was changed; next: $show"
        done
    done
fi

# Routes before the rules that need them, and the other way round when they go.
for family in $families; do
    each "$(wanted routes "$family")" "$family" route replace
    if [ -n "$undo" ]; then
        main_undo "$family"
    else
        each "$(main_due "$family")" "$family" route add
    fi
    due=$({ rules_now "$family" && echo && wanted rules "$family"; } | lacking)
    each "$due" "$family" rule add
    due=$({ wanted rules "$family" && echo && rules_now "$family"; } | lacking)
    each "$due" "$family" rule del
    due=$({ wanted routes "$family" | keys && echo && routes_now "$family" | keys; } | lacking)
    each "$due" "$family" route del
done
"""
