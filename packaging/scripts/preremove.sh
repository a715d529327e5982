#!/bin/sh
# Before the files go: the units are stopped and disabled, the compiled modules deleted. Routing stays.
# On an upgrade the daemon goes on running until the new version is there.
# dpkg says remove or upgrade, rpm 0 (or 1 on an upgrade, when the new version is there already), pacman a
# version.
set -e

units="srcroutd.service srcroutd-once.service srcroutd-online.service"

stop() {
    command -v systemctl >/dev/null || return 0
    if [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2086
        systemctl stop $units || true
    fi
    # shellcheck disable=SC2086
    systemctl --quiet disable $units || true
}

forget_compiled() {
    find /usr/lib/srcroutd/vendor -type d -name __pycache__ -prune -exec rm -rf {} +
}

case ${1-} in
remove)
    stop
    forget_compiled
    echo "srcroutd: its rules and routes stay until the next boot; purging the package removes them (as srcroutctl cleanup would have)."
    ;;
0 | *.*)
    stop
    forget_compiled
    echo "srcroutd: its rules and routes stay until the next boot; srcroutctl cleanup, before the package is removed, removes them."
    ;;
upgrade) forget_compiled ;;
esac
