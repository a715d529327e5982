#!/usr/bin/env bash
# Unpacks NetworkManager, systemd-networkd, netplan and busybox, with the libraries that this machine lacks, below
# .cache/neighbours and prints that folder: the tests of srcroutctl export run them there, in namespaces of
# their own. Nothing is installed and no service starts. A second call costs milliseconds.
# Usage: packaging/neighbours.sh
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(busybox dbus-daemon fish graphviz libnetplan0 libnm0 netplan.io network-manager systemd zsh)
unpacked=$PWD/.cache/neighbours
system=$(. /etc/os-release && echo "$ID ${VERSION_ID-}")

if [ "$(cat "$unpacked/.packages" 2>/dev/null)" = "$system: ${packages[*]}" ]; then
    echo "$unpacked"
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "no apt here: NetworkManager, networkd and netplan cannot be fetched" >&2
    exit 1
fi

mkdir -p .cache
work=$(mktemp -d "$PWD/.cache/neighbours.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root/usr/"{bin,sbin,lib}
# Debian has /lib in /usr/lib since 12; some packages still bring the old path.
for folder in bin sbin lib; do ln -s "usr/$folder" "$work/root/$folder"; done

fetch() {
    # Only what is not installed here is fetched of their dependencies, so a mix with newer versions
    # of the same distribution is possible; what is named is fetched always.
    apt-get -qq -y --download-only --reinstall --no-install-recommends \
        -o Dir::Cache::archives="$work/archives" -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
        install "${packages[@]}"
}

log=$work/log
if ! fetch >"$log" 2>&1; then
    # A package source that has nothing to do with us may be unreachable: the second try decides.
    apt-get update >>"$log" 2>&1 || true
    if ! fetch >>"$log" 2>&1; then
        cat "$log" >&2
        echo "apt could not fetch ${packages[*]}: its own words are above" >&2
        exit 1
    fi
fi
for archive in "$work/archives/"*.deb; do
    dpkg-deb --fsys-tarfile "$archive" | tar -x --keep-directory-symlink -C "$work/root"
done
echo "$system: ${packages[*]}" >"$work/root/.packages"
rm -rf "$unpacked"
mv "$work/root" "$unpacked"
echo "$unpacked"
