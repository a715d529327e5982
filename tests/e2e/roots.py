"""Makes the systems that the package is installed on: a root folder of each distribution, from its
own packages.

    python -m tests.e2e.roots [bookworm|noble|trixie]...

A root is made once and kept below .cache/roots; another list of packages, or another step below,
makes it anew. It is never changed afterwards: a machine works on an overlay above it. No package
source is named here: Debian's are this machine's own of apt with the release exchanged, Ubuntu's is
the one that mmdebstrap knows, and Ubuntu's key comes in a package that Debian signs.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CACHE = PROJECT / ".cache" / "roots"
NEEDED = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "apt-get": "apt"}
"""Commands this tier calls, and the Debian packages that bring them."""

_PACKAGES = """
    apt systemd systemd-sysv dbus udev libpam-systemd
    iproute2 iputils-ping nftables procps python3
    network-manager isc-dhcp-client libfaketime
""".split()
_OPTIONS = [
    '--aptopt=Apt::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
]
_DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_UBUNTU_KEYS = "usr/share/keyrings/ubuntu-archive-keyring.gpg"
_DEBIANS = ("/debian", "/debian-security")
_BUILD_S = 900
_UNUSED_S = 3 * 86400

# What must not happen in a machine that shares its kernel with this one, and what nobody here is
# about. A test starts what it is about.
_QUIET = r"""
systemctl disable NetworkManager.service NetworkManager-wait-online.service \
    NetworkManager-dispatcher.service systemd-networkd.service systemd-networkd.socket \
    systemd-networkd-wait-online.service nftables.service || true
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    fstrim.timer motd-news.timer console-getty.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount systemd-modules-load.service

# Of the distribution's own sysctls only the network's: those of the kernel at large would be this
# machine's.
mkdir -p /etc/sysctl.d
for file in /usr/lib/sysctl.d/*.conf /etc/sysctl.d/*.conf; do
    [ -e "$file" ] || continue
    kept=$(grep -E '^[[:space:]]*-?net\.' "$file" || true)
    rm -f "/etc/sysctl.d/${file##*/}"
    echo "$kept" >"/etc/sysctl.d/${file##*/}"
done
# /sys shows all devices of the kernel: the machine's NICs are all that udev is to look at.
mkdir -p /etc/systemd/system/systemd-udev-trigger.service.d
cat >/etc/systemd/system/systemd-udev-trigger.service.d/network.conf <<'unit'
[Service]
ExecStart=
ExecStart=udevadm trigger --type=devices --action=add --subsystem-match=net
unit

passwd -d root
echo machine >/etc/hostname
: >/etc/machine-id
mkdir -p /var/log/journal
# What kept the build small must not keep the package's own files away.
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/e2e
"""


class CannotBuild(Exception):
    """A root cannot be had here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a distribution. ``python`` is the version of its own python3."""

    suite: str
    title: str
    python: str
    ubuntu: bool = False


BOOKWORM = Release("bookworm", "Debian 12", "3.11")
NOBLE = Release("noble", "Ubuntu 24.04", "3.12", ubuntu=True)
TRIXIE = Release("trixie", "Debian 13", "3.13")
RELEASES = {release.suite: release for release in (BOOKWORM, NOBLE, TRIXIE)}


def root_of(release: Release) -> Path:
    """The folder of a release's root, made now if need be (about a minute). Raises CannotBuild."""
    _check_needed()
    path = CACHE / f"{release.suite}-{_key(release)}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone(CACHE / f".{release.suite}.lock"):
        if not path.exists():
            _sweep(release)
            _build(release, path)
        os.utime(path)
    return path


def _sweep(release: Release) -> None:
    """Remove the roots that nobody has used for long; a younger one may be in use right now."""
    for old in CACHE.glob(f"{release.suite}-*"):
        if time.time() - old.stat().st_mtime > _UNUSED_S:
            shutil.rmtree(old)


def _check_needed() -> None:
    lacking = [package for command, package in NEEDED.items() if not shutil.which(command)]
    if lacking:
        names = " ".join(lacking)
        raise CannotBuild(f"missing here: {names} (Debian's names); next: apt-get install {names}")


def _key(release: Release) -> str:
    what = f"{release} {_PACKAGES} {_OPTIONS} {_QUIET}"
    return hashlib.sha256(what.encode()).hexdigest()[:12]


def _build(release: Release, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".building-") as scratch:
        made, hook = Path(scratch) / "root", Path(scratch) / "quiet.sh"
        hook.write_text(_QUIET)
        options = ["--variant=minbase", f'--customize-hook=chroot "$1" sh -e <{hook}']
        mmdebstrap(release, made, _PACKAGES, options)
        made.rename(path)


def mmdebstrap(release: Release, path: Path, packages: list[str], options: list[str]) -> None:
    """Run mmdebstrap with the right sources. Raises CannotBuild with its last words."""
    command = [
        "mmdebstrap",
        "--mode=root",
        f"--include={','.join(packages)}",
        *_OPTIONS,
        *options,
    ]
    if release.ubuntu:
        command += ["--components=main,universe", f"--keyring={_ubuntu_keys(path.parent)}"]
        command += [release.suite, str(path)]
        sources = ""
    else:
        command += [release.suite, str(path), "-"]
        sources = _debian_sources(release)
    done = subprocess.run(
        command,
        input=sources,
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
        check=False,
        env=os.environ | {"TMPDIR": str(path.parent), "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-15:])
        raise CannotBuild(f"no root of {release.title}; mmdebstrap said:\n{said}")


def _debian_sources(release: Release) -> str:
    """This machine's own sources of Debian, with its release exchanged for another."""
    line = f"deb [signed-by={_DEBIAN_KEYS}] $(REPO_URI) $(RELEASE) main"
    command = ["apt-get", "indextargets", "--format", line, "Created-By: Packages"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours = {one for one in said.splitlines() if one.split()[2].rstrip("/").endswith(_DEBIANS)}
    here = next((word for one in ours for word in one.split()[3:4] if "-" not in word), None)
    if here is None:
        raise CannotBuild("apt here knows no source of Debian; next: apt-get update")
    return "".join(sorted(f"{one.replace(here, release.suite)}\n" for one in ours))


def _ubuntu_keys(scratch: Path) -> Path:
    """Ubuntu's key, out of the package of Debian's that carries it."""
    box = scratch / "keys"
    mmdebstrap(TRIXIE, box, ["ubuntu-archive-keyring"], ["--variant=extract"])
    return box / _UBUNTU_KEYS


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One build of a release at a time, whoever starts it."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def main(suites: list[str]) -> int:
    """Make the named roots, or all of them, and print where they are."""
    for suite in suites or RELEASES:
        began = time.monotonic()
        root = root_of(RELEASES[suite])
        sys.stdout.write(f"{root} {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
