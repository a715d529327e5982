#!/usr/bin/env bash
# Sees to it that the commands named on the command line are there; "venv" means that $PYTHON can make
# a virtual environment. What is there already is left alone: nothing is asked of apt, no root is needed.
# Usage: packaging/debian.sh venv ip nft
set -euo pipefail

python=${PYTHON:-python3}
PATH=$PATH:/usr/sbin:/sbin # where ip and nft live, outside an ordinary user's PATH

declare -A brought_by=(
    [ip]=iproute2 [nft]=nftables [nsenter]=util-linux [unshare]=util-linux [mke2fs]=e2fsprogs
    [systemd-nspawn]=systemd-container [qemu-system-x86_64]=qemu-system-x86
    [qemu-img]=qemu-utils [dnsmasq]=dnsmasq-base
)

is_there() {
    case $1 in
    # Debian and Ubuntu ship Python without ensurepip, so "import venv" alone proves nothing.
    venv) "$python" -c 'import ensurepip, venv' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

package_of() {
    case $1 in
    venv) # python3.12 -> python3.12-venv, python3 -> python3-venv
        echo "$(basename "$python")-venv" ;;
    *) echo "${brought_by[$1]:-$1}" ;;
    esac
}

lacking=()
for command in "$@"; do
    is_there "$command" || lacking+=("$(package_of "$command")")
done
[ ${#lacking[@]} -gt 0 ] || exit 0

install="apt-get install -y --no-install-recommends ${lacking[*]}"
if ! command -v apt-get >/dev/null; then
    echo "Missing here: ${lacking[*]} (Debian's names). Install them with this system's own package manager, then type the same again." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Missing here: ${lacking[*]}. Only root can install them: sudo $install" >&2
    exit 1
fi

echo "Installing from Debian: ${lacking[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A package source that has nothing to do with us may be unreachable: the install decides.
apt-get update >"$log" 2>&1 || true
# shellcheck disable=SC2086
if ! $install >>"$log" 2>&1; then
    cat "$log" >&2
    echo "apt could not install ${lacking[*]}: its own words are above." >&2
    exit 1
fi

for command in "$@"; do
    if ! is_there "$command"; then
        echo "$command is still missing after installing $(package_of "$command"). For Python: choose another with PYTHON=/usr/bin/python3." >&2
        exit 1
    fi
done
