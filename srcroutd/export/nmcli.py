"""The view as a POSIX shell script that calls nmcli, for hosts where NetworkManager keeps the NICs.

Promise: a profile gets the same rules and routes as the daemon would make (NetworkManager gives
them its own protocol number, static), in one change a NIC: all of it or, where NetworkManager
refuses, nothing. Each run first takes out what an earlier one put in, which it knows by the NIC's
table and priorities; ``--undo`` does only that. Left out is the pair of rules that saves strangers'
packets some time: NetworkManager has no goto. Format: nm-settings-nmcli(5).
"""

from srcroutd.core.net import Action, Family, Route, RouteType, Rule, Scope, span
from srcroutd.core.view import View
from srcroutd.export.document import Document
from srcroutd.export.kept import Kept, Line, comment, kept, short


def nmcli(view: View, *, temporary: bool = False) -> tuple[Document, ...]:
    """One script for all kept NICs. Raises NotSayable."""
    nics = kept(view)
    if not nics:
        return ()
    form = "temporary" if temporary else "persistent"
    lasts = (
        "until the profile is activated anew or the host restarts"
        if temporary
        else "kept in the profile, so it outlives restarts"
    )
    text = "".join(
        [
            _HEAD.replace("FORM", form).replace("LASTS", lasts),
            _TEMPORARY if temporary else _PERSISTENT,
            _BODY,
            *(_nic(nic) for nic in nics),
        ]
    )
    name = f"srcroutd-nmcli-{form}"
    apply = (
        f"Run it as root: {lasts}. IPv4 addresses stay on the NICs; IPv6 ones are away for the "
        "second or two of duplicate address detection."
    )
    return (Document(name, f"/usr/local/sbin/{name}", text, apply, executable=True),)


def _nic(nic: Kept) -> str:
    lines = [
        "\n",
        comment(nic.heading),
        f"nic {nic.name} {nic.mac} {nic.table} {nic.first} {nic.last} <<'END'\n",
    ]
    said = ""
    for family in Family:
        for entry in nic.of(family):
            words = _words(entry)
            if words and entry.because != said:
                lines.append(comment((entry.because,)))
                said = entry.because
            lines.append(words)
    return "".join([*lines, "END\n"])


def _words(entry: Line) -> str:
    """A line ``PROPERTY VALUE``, empty for what is left out."""
    ip = "ipv4" if entry.thing.family is Family.V4 else "ipv6"
    match entry.thing:
        case Rule(action=Action.GOTO | Action.NOP):
            return ""
        case Rule():
            return f"{ip}.routing-rules {_rule(entry.thing)}\n"
        case Route():
            return f"{ip}.routes {_route(entry.thing)}\n"


def _rule(rule: Rule) -> str:
    """In the order in which nmcli prints it, so that a second run leaves the same bytes."""
    words = [f"priority {rule.priority}"]
    if rule.invert:
        words.append("not")
    if rule.src or not rule.dst:
        # NetworkManager wants one of the two; it takes the family from them.
        words.append(f"from {short(rule.src or rule.family.everything)}")
    if rule.dst:
        words.append(f"to {short(rule.dst)}")
    if rule.tos:
        words.append(f"tos {rule.tos:#04x}")
    if rule.ip_proto:
        words.append(f"ipproto {rule.ip_proto}")
    if rule.mark or rule.mask:
        words.append(f"fwmark {rule.mark:#x}/{rule.mask:#x}")
    for word, ports in (("sport", rule.sport), ("dport", rule.dport)):
        if ports:
            words.append(f"{word} {span(ports)}")
    words += [f"{word} {name}" for word, name in (("iif", rule.iif), ("oif", rule.oif)) if name]
    if rule.uids:
        words.append(f"uidrange {rule.uids[0]}-{rule.uids[1]}")
    if rule.suppress_prefixlength >= 0:
        words.append(f"suppress_prefixlength {rule.suppress_prefixlength}")
    if rule.action is Action.LOOKUP:
        words.append(f"table {rule.table}")
    else:
        words.append(f"type {rule.action.name.lower()}")
    return " ".join(words)


def _route(route: Route) -> str:
    """Destination, gateway, metric, attributes; without a metric NetworkManager takes its own."""
    words = [str(route.dst)]
    if route.gateway:
        words.append(str(route.gateway))
    words.append(str(route.identity[3]))
    if route.onlink:
        words.append("onlink=true")
    if route.family is Family.V4 and route.gateway is None and route.scope is Scope.GLOBAL:
        words.append("scope=0")  # else NetworkManager takes link
    if route.prefsrc:
        words.append(f"src={route.prefsrc}")
    words.append(f"table={route.table}")
    if route.type is not RouteType.UNICAST:
        words.append(f"type={route.type.name.lower()}")
    return " ".join(words)


_HEAD = """\
#!/bin/sh
# Source routing by NetworkManager, written by: srcroutctl export nmcli
# The FORM form: LASTS.
#
# Run it as root. With --undo it takes out what it put in.
# IPv4 addresses stay on the NICs. IPv6 ones are away for the second or two of duplicate address
# detection: NetworkManager (1.42) takes them off and on again when it reapplies a profile.
# This instead of srcroutd, not beside it: what NetworkManager makes is NetworkManager's.
# Left out: the rules with goto and nop, which it cannot say and which only save time.
set -eu
export LC_ALL=C

die() {
    echo "srcroutd-nmcli: $*" >&2
    exit 1
}

case ${1-} in
'') undo='' ;;
--undo) undo=yes ;;
*) echo "usage: $0 [--undo]" >&2 && exit 64 ;;
esac
"""

_PERSISTENT = r"""
# What an earlier run left in the profile: the routes of this table, the rules of these priorities.
earlier() { # UUID PROPERTY TABLE FIRST LAST
    nmcli -e no -g "$2" connection show uuid "$1" | tr ',' '\n' |
        awk -v property="$2" -v table="table=$3" -v first="$4" -v last="$5" '
        { sub(/^ */, ""); ours = 0 }
        $1 == "priority" { ours = $2 >= first + 0 && $2 <= last + 0 }
        $1 != "priority" { for (at = 2; at <= NF; at++) if ($at == table) ours = 1 }
        ours { print property " " $0 }'
}

# Whether a profile is as it should be: then it is left alone.
same() { # LINES LINES
    [ "$(echo "$1" | sort)" = "$(echo "$2" | sort)" ]
}

change() { # UUID NIC WORDS
    uuid=$1 nic=$2
    shift 2
    [ $# -eq 0 ] || nmcli connection modify uuid "$uuid" "$@" ||
        die "$nic: its profile $uuid is as it was"
    nmcli device reapply "$nic" >/dev/null ||
        die "$nic: the profile is changed but not in force; next: nmcli connection up uuid $uuid"
}
"""

_TEMPORARY = r"""
# Nothing to take out of the profile; what an earlier run changed in force goes with a reapply.
earlier() { :; }

same() { false; }

change() { # UUID NIC WORDS
    nic=$2
    shift 2
    nmcli device reapply "$nic" >/dev/null ||
        die "$nic: its profile cannot be put in force again; next: nmcli connection up uuid $uuid"
    [ $# -eq 0 ] || nmcli device modify "$nic" "$@" >/dev/null || die "$nic: refused, see above"
}
"""

_BODY = r"""
# type=unreachable came with NetworkManager 1.36.
version=$(nmcli -t -f VERSION general status) || die "NetworkManager does not run; nothing changed"
minor=${version#*.}
if [ "${version%%.*}" -eq 1 ] && [ "${minor%%.*}" -lt 36 ]; then
    guarded=''
    echo "srcroutd-nmcli: NetworkManager $version knows no unreachable routes, so there is no" \
        "guard: when a NIC loses its default route, its packets leave by another NIC" >&2
else
    guarded=yes
fi

# Brings one NIC's profile to the lines PROPERTY VALUE that it reads.
nic() { # NIC MAC TABLE FIRST LAST
    uuid=$(nmcli -g GENERAL.CON-UUID device show "$1" 2>/dev/null) ||
        die "there is no $1 here; next: srcroutctl export nmcli"
    [ -n "$uuid" ] || die "$1 has no active profile; next: nmcli device connect $1"
    case $(nmcli -g GENERAL.STATE device show "$1") in
    *externally*) die "NetworkManager only watches $1; next: srcroutctl export iproute2" ;;
    esac
    mac=$(nmcli -e no -g GENERAL.HWADDR device show "$1" | tr A-F a-f)
    [ "$mac" = "$2" ] || die "$1 has the MAC $mac, not $2; next: srcroutctl export nmcli"

    wanted=$(grep -v '^#' || :)
    [ -n "$guarded" ] || wanted=$(echo "$wanted" | grep -v 'type=unreachable$')
    case $(nmcli -g ipv6.method connection show uuid "$uuid") in
    ignore | disabled)
        wanted=$(echo "$wanted" | grep -v '^ipv6' || :)
        echo "srcroutd-nmcli: $1: the profile says no IPv6, so its IPv6 rules are left out" >&2
        ;;
    esac
    [ -z "$undo" ] || wanted=''

    nic=$1 table=$3 first=$4 last=$5
    old=$(
        for property in ipv4.routes ipv4.routing-rules ipv6.routes ipv6.routing-rules; do
            earlier "$uuid" "$property" "$table" "$first" "$last"
        done
    )
    if same "$old" "$wanted"; then
        echo "$nic: its profile is as it should be; to put it in force: nmcli device reapply $nic"
        return
    fi
    set --
    while read -r property value; do
        [ -z "$property" ] || set -- "$@" "-$property" "$value"
    done <<OLD
$old
OLD
    while read -r property value; do
        [ -z "$property" ] || set -- "$@" "+$property" "$value"
    done <<WANTED
$wanted
WANTED
    change "$uuid" "$nic" "$@"
    echo "$nic: done"
}
"""
