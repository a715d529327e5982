#!/usr/bin/env bash
# Makes .venv from the locks beside this file: every download is checked against its hash, nothing else is
# fetched. "runtime" has what srcroutd runs on, "development" the tools and tests as well; both have srcroutd
# itself, installed editable (what you edit is what runs). Done work is remembered in .venv/.made-*, so a
# second call costs milliseconds; another lock, Python or folder makes .venv anew.
# Usage: packaging/venv.sh runtime|development
set -euo pipefail

python=${PYTHON:-python3}
venv=.venv
locks=packaging/locks

case ${1:-} in
runtime | development) kind=$1 ;;
*) echo "usage: packaging/venv.sh runtime|development" >&2 && exit 64 ;;
esac
[ -f "$locks/runtime.txt" ] || { echo "Type this in the project's own folder." >&2 && exit 64; }

main() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "srcroutd needs Python 3.11 or newer, $python is $("$python" -V 2>&1). Choose another: make PYTHON=python3.12 ..." >&2
        exit 1
    }
    # Another environment that is active, or settings of one, must not leak into this one.
    unset PYTHONHOME PYTHONPATH VIRTUAL_ENV
    once base "$({ "$python" -c 'import os, sys; print(sys.version, os.path.realpath(sys.executable))' && pwd && cat $locks/{build,development,runtime}.txt; } | key)" new_venv
    [ "$kind" = runtime ] || once development "" install_lock development
    once project "$(key <pyproject.toml)" install_project
}

# once NAME KEY COMMAND...: runs COMMAND unless it has been run for this KEY.
once() {
    local stamp=$venv/.made-$1 key=$2
    shift 2
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then return; fi
    "$@"
    echo "$key" >"$stamp"
}

key() { sha256sum | cut -d' ' -f1; }

new_venv() {
    echo "Making $venv with $("$python" -V)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    install_lock build
    install_lock runtime
}

install_lock() {
    echo "Installing $(grep -c == "$locks/$1.txt") packages of $locks/$1.txt"
    # Wheels only, so that a machine without a compiler gets a sentence and not a page of errors. sdnotify
    # has never been published as a wheel; it is built by the setuptools of the build lock.
    pip install --require-hashes --only-binary :all: --no-binary sdnotify -r "$locks/$1.txt"
}

install_project() { pip install --no-deps -e .; }

# -qq leaves errors only: a machine may have package folders of its own, about which pip warns at each package.
pip() { "$venv/bin/python" -m pip -qq --disable-pip-version-check "$1" --no-build-isolation "${@:2}"; }

main
