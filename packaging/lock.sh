#!/usr/bin/env bash
# Writes packaging/locks/*.txt from pyproject.toml: one pin and all its hashes a package, right for every
# Python from 3.11 on, x86_64 and aarch64 alike. Versions already locked stay, unless asked otherwise:
# Usage: packaging/lock.sh [--upgrade | --upgrade-package NAME]
set -euo pipefail

python=${PYTHON:-python3}
locks=packaging/locks
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
"$tools/bin/python" -m pip -qq --disable-pip-version-check install uv==0.13.8

# lock NAME SOURCE...: no index, address or path is written, so the same lock serves behind any mirror.
lock() {
    local file=$locks/$1.txt
    shift
    "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-annotate --no-emit-index-url --no-emit-find-links "${upgrade[@]}" "$@" --output-file "$file" >/dev/null
    sed -i '1i # Written by make lock from pyproject.toml; not by hand.' "$file"
    echo "$file: $(grep -c == "$file") packages"
}

upgrade=("$@")
mkdir -p "$locks"
lock runtime pyproject.toml
# What two locks share is pinned alike, so that the later install never undoes the earlier one.
lock build --group build --constraints $locks/runtime.txt
lock packages --group packages
lock development --group dev --constraints $locks/runtime.txt --constraints $locks/build.txt
