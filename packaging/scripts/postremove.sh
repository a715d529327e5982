#!/bin/sh
# After the files are gone. A removed package leaves configuration, state, user and routing; a purged one
# (dpkg only) leaves nothing of srcroutd, and everything of everybody else.
set -e

state=/var/lib/srcroutd

# The lines "PRIORITIES PROTOCOL TABLES POLICIES" of what srcroutd marked as its own, now and under an
# earlier configuration: numbers.json says it (written by srcroutd with sorted keys), else the defaults hold.
marks() {
    told=$(tr -d ' \n' 2>/dev/null <"$state/numbers.json" |
        grep -oE '("policies":\[[0-9]{1,10},[0-9]{1,10}\],)?"priorities":\[[0-9]{1,10},[0-9]{1,10}\],"protocol":[0-9]{1,3},"tables":\[[0-9]{1,10},[0-9]{1,10}\]' |
        sed -E 's/^("policies":[^]]*\]),(.*)$/\2 \1/' |
        tr -cs '0-9\n' ' ')
    echo "${told:-18000 18999 83 18000 18999 17000 17999}"
}

# Its table of nftables, known by one of its chains: the name alone could be anybody's.
delete_marks() {
    command -v nft >/dev/null || return 0
    if nft list table inet srcroutd 2>/dev/null | tr -d '\t\n' | grep -qE \
        -e 'chain prerouting \{type filter hook prerouting priority (mangle \+ 1|-149);' \
        -e 'chain output \{type route hook output priority (mangle \+ 1|-149);' \
        -e 'chain egress \{type route hook output priority (mangle \+ 2|-148);' \
        -e 'chain source \{type nat hook postrouting priority (srcnat - 1|99);'; then
        nft delete table inet srcroutd || true
    fi
}

# The lines "PROTOCOL FIRST LAST ..." of the metrics of its default routes in table main, if it ever had any.
metrics() {
    tr -d ' \n' 2>/dev/null <"$state/numbers.json" |
        grep -oE '"main_metrics":\[[][0-9,]+\],"policies":\[[0-9,]+\],"priorities":\[[0-9,]+\],"protocol":[0-9]{1,3}' |
        sed -nE 's/^"main_metrics":(.*),"policies":.*"protocol":([0-9]+)$/\2 \1/p' |
        tr -cs '0-9\n' ' '
}

delete_defaults() {
    metrics | while read -r protocol bands; do
        for family in -4 -6; do
            ip -N $family route show default table main proto "$protocol" |
                sed -nE 's/^(default via .* dev [^ ]+ .*)?metric ([0-9]+)( .*)?$/\2/p' |
                while read -r metric; do
                    # shellcheck disable=SC2086 # pairs of numbers
                    set -- $bands
                    while [ $# -gt 1 ]; do
                        if [ "$metric" -ge "$1" ] && [ "$metric" -le "$2" ]; then
                            ip $family route del unicast default table main metric "$metric" proto "$protocol" || true
                            break
                        fi
                        shift 2
                    done
                done
        done
    done
}

# Marks before the rules that they lead to, rules before routes: no rule ever points to a table without
# its route.
delete_routing() {
    delete_marks
    marks | while read -r low high protocol first last begin end; do
        for family in -4 -6; do
            ip -N $family rule show | sed -nE "s/^([0-9]+):.* proto $protocol( .*)?\$/\1/p" |
                while read -r priority; do
                    if { [ "$priority" -ge "$low" ] && [ "$priority" -le "$high" ]; } ||
                        { [ "$priority" -ge "${begin:-1}" ] && [ "$priority" -le "${end:-0}" ]; }; then
                        ip $family rule del priority "$priority" protocol "$protocol" || true
                    fi
                done
        done
        for family in -4 -6; do
            ip -N $family route show table all proto "$protocol" |
                sed -nE 's/.* table ([0-9]+)( .*)?$/\1/p' | sort -u |
                while read -r table; do
                    if [ "$table" -ge "$first" ] && [ "$table" -le "$last" ]; then
                        ip $family route flush table "$table" proto "$protocol" || true
                    fi
                done
        done
    done
    delete_defaults
}

# In a chroot the network is that of the machine around it, where srcroutd may well be running.
purge_routing() {
    if ischroot; then
        return
    elif command -v ip >/dev/null; then
        delete_routing
    else
        echo "srcroutd: the command ip is not installed; rules and routes of srcroutd stay until the next boot." >&2
    fi
}

purge() {
    purge_routing
    rm -rf "$state" /var/cache/srcroutd /run/srcroutd /etc/srcroutd
    # What "systemctl enable" made after the package was removed, or could not be undone then.
    rm -f /etc/systemd/system/*.target.wants/srcroutd.service \
        /etc/systemd/system/*.target.wants/srcroutd-once.service \
        /etc/systemd/system/*.target.wants/srcroutd-online.service
    if getent passwd srcroutd >/dev/null; then userdel srcroutd || true; fi
    if getent group srcroutd >/dev/null; then groupdel srcroutd || true; fi
}

forget() {
    # Root may have run srcroutctl, and Python compiled again, while the files were going.
    rm -rf /usr/lib/srcroutd
    if command -v journalctl >/dev/null; then
        journalctl --update-catalog || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        systemctl reset-failed 'srcroutd*' 2>/dev/null || true
    fi
}

case ${1-} in
remove | 0 | *.*) forget ;;
purge) purge ;;
esac
