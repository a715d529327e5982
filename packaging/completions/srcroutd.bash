# Completion of srcroutctl and srcroutd for bash. Made by packaging/completions.py.
_srcroutd_words() {
    case $1 in
    "srcroutctl") echo "-h --help --socket --config --state-dir --version status plan explain verify watch doctor export graph adopt cleanup apply reconcile lab" ;;
    "srcroutctl status") echo "-h --help --socket --config --state-dir --json --watch" ;;
    "srcroutctl plan") echo "-h --help --socket --config --state-dir --json --nic" ;;
    "srcroutctl explain") echo "-h --help --socket --config --state-dir --json --from --iif --oif --mark --proto --sport --dport --uid --tos --all" ;;
    "srcroutctl verify") echo "-h --help --socket --config --state-dir --json --nic --quiet" ;;
    "srcroutctl watch") echo "-h --help --socket --config --state-dir --json" ;;
    "srcroutctl doctor") echo "-h --help --socket --config --state-dir --json --no-notes" ;;
    "srcroutctl export") echo "-h --help --socket --config --state-dir --json --nic --temporary --output --force iproute2 nmcli networkd netplan windows" ;;
    "srcroutctl graph") echo "-h --help --socket --config --state-dir --json --format --output --nic --ascii" ;;
    "srcroutctl adopt") echo "-h --help --socket --config --state-dir --dry-run --nic --yes --json" ;;
    "srcroutctl cleanup") echo "-h --help --socket --config --state-dir --dry-run" ;;
    "srcroutctl apply") echo "-h --help --socket --config --state-dir --dry-run --confirm --keep" ;;
    "srcroutctl reconcile") echo "-h --help --socket --config --state-dir --dry-run" ;;
    "srcroutctl lab") echo "-h --help --ascii --json run up shell attach detach status down" ;;
    "srcroutctl lab run") echo "-h --help --ascii --json" ;;
    "srcroutctl lab up") echo "-h --help --without-daemon --ascii" ;;
    "srcroutctl lab shell") echo "-h --help" ;;
    "srcroutctl lab attach") echo "-h --help" ;;
    "srcroutctl lab detach") echo "-h --help" ;;
    "srcroutctl lab status") echo "-h --help --ascii --json" ;;
    "srcroutctl lab down") echo "-h --help" ;;
    "srcroutd") echo "-h --help --config --state-dir --runtime-dir --once --check --log --verbose --version" ;;
    esac
}

_srcroutd_values() {
    case $1 in
    "srcroutctl --socket") echo :file ;;
    "srcroutctl --config") echo :file ;;
    "srcroutctl --state-dir") echo :file ;;
    "srcroutctl status --socket") echo :file ;;
    "srcroutctl status --config") echo :file ;;
    "srcroutctl status --state-dir") echo :file ;;
    "srcroutctl plan --socket") echo :file ;;
    "srcroutctl plan --config") echo :file ;;
    "srcroutctl plan --state-dir") echo :file ;;
    "srcroutctl plan --nic") echo :nic ;;
    "srcroutctl explain --socket") echo :file ;;
    "srcroutctl explain --config") echo :file ;;
    "srcroutctl explain --state-dir") echo :file ;;
    "srcroutctl explain --from") echo :any ;;
    "srcroutctl explain --iif") echo :nic ;;
    "srcroutctl explain --oif") echo :nic ;;
    "srcroutctl explain --mark") echo :nic ;;
    "srcroutctl explain --proto") echo :any ;;
    "srcroutctl explain --sport") echo :nic ;;
    "srcroutctl explain --dport") echo :nic ;;
    "srcroutctl explain --uid") echo :nic ;;
    "srcroutctl explain --tos") echo :nic ;;
    "srcroutctl verify --socket") echo :file ;;
    "srcroutctl verify --config") echo :file ;;
    "srcroutctl verify --state-dir") echo :file ;;
    "srcroutctl verify --nic") echo :nic ;;
    "srcroutctl watch --socket") echo :file ;;
    "srcroutctl watch --config") echo :file ;;
    "srcroutctl watch --state-dir") echo :file ;;
    "srcroutctl doctor --socket") echo :file ;;
    "srcroutctl doctor --config") echo :file ;;
    "srcroutctl doctor --state-dir") echo :file ;;
    "srcroutctl export --socket") echo :file ;;
    "srcroutctl export --config") echo :file ;;
    "srcroutctl export --state-dir") echo :file ;;
    "srcroutctl export --nic") echo :nic ;;
    "srcroutctl export --output") echo :file ;;
    "srcroutctl graph --socket") echo :file ;;
    "srcroutctl graph --config") echo :file ;;
    "srcroutctl graph --state-dir") echo :file ;;
    "srcroutctl graph --format") echo "terminal svg dot mermaid" ;;
    "srcroutctl graph --output") echo :file ;;
    "srcroutctl graph --nic") echo :nic ;;
    "srcroutctl adopt --socket") echo :file ;;
    "srcroutctl adopt --config") echo :file ;;
    "srcroutctl adopt --state-dir") echo :file ;;
    "srcroutctl adopt --nic") echo :nic ;;
    "srcroutctl cleanup --socket") echo :file ;;
    "srcroutctl cleanup --config") echo :file ;;
    "srcroutctl cleanup --state-dir") echo :file ;;
    "srcroutctl apply --socket") echo :file ;;
    "srcroutctl apply --config") echo :file ;;
    "srcroutctl apply --state-dir") echo :file ;;
    "srcroutctl apply --confirm") echo :any ;;
    "srcroutctl reconcile --socket") echo :file ;;
    "srcroutctl reconcile --config") echo :file ;;
    "srcroutctl reconcile --state-dir") echo :file ;;
    "srcroutd --config") echo :file ;;
    "srcroutd --state-dir") echo :file ;;
    "srcroutd --runtime-dir") echo :file ;;
    "srcroutd --log") echo "auto journal json text" ;;
    *) return 1 ;;
    esac
}

_srcroutd_complete() {
    local word=${COMP_WORDS[COMP_CWORD]} path=${COMP_WORDS[0]##*/} at said skip=""
    for ((at = 1; at < COMP_CWORD; at++)); do
        said=${COMP_WORDS[at]}
        if [ -n "$skip" ]; then skip=""; continue; fi
        if _srcroutd_values "$path $said" >/dev/null; then skip=yes; continue; fi
        if [ -n "$(_srcroutd_words "$path $said")" ]; then path="$path $said"; fi
    done
    local kind
    if kind=$(_srcroutd_values "$path ${COMP_WORDS[COMP_CWORD - 1]}"); then
        case $kind in
        :file) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        :nic) mapfile -t COMPREPLY < <(compgen -W "$(ls /sys/class/net)" -- "$word") ;;
        :any) COMPREPLY=() ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$kind" -- "$word") ;;
        esac
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$(_srcroutd_words "$path")" -- "$word")
}

complete -F _srcroutd_complete srcroutctl
complete -F _srcroutd_complete srcroutd
