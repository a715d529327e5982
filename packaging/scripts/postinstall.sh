#!/bin/sh
# After the files are there: user and group, directories, catalog, compiled modules; on an upgrade a
# running daemon is replaced, and routing stands meanwhile. Nothing is enabled, nothing is started.
# Called by dpkg (configure, abort-...), rpm (posttrans: the old version's files are gone) and pacman; what
# has to be done is the same each time. When the system gets another Python, dpkg says triggered.
set -e

make_user() {
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers srcroutd.conf
        return
    fi
    getent group srcroutd >/dev/null || groupadd --system srcroutd
    getent passwd srcroutd >/dev/null || useradd --system --gid srcroutd --no-create-home \
        --home-dir /var/lib/srcroutd --shell /usr/sbin/nologin --comment "Source routing daemon" srcroutd
}

# Without compiled modules a start takes a second longer; nothing else is lost, so no failure here is fatal.
compile() {
    find /usr/lib/srcroutd/vendor -type d -name __pycache__ -prune -exec rm -rf {} +
    # A folder that only an older version had is left behind if it held compiled modules.
    find /usr/lib/srcroutd/vendor -depth -type d -empty -delete
    /usr/lib/srcroutd/python -m compileall -q /usr/lib/srcroutd/vendor >/dev/null || true
}

set_up() {
    make_user
    compile
    if command -v systemd-tmpfiles >/dev/null; then
        systemd-tmpfiles --create srcroutd.conf || true
    fi
    if command -v journalctl >/dev/null; then
        journalctl --update-catalog || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        systemctl try-restart srcroutd.service || true
    fi
}

case ${1-} in
triggered) compile ;;
*) set_up ;;
esac
