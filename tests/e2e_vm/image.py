"""Makes the disk that the virtual machine boots from: Debian 12, its own kernel, and our package.

    python -m tests.e2e_vm.image [PACKAGE.deb]

The kernel is Debian's cloud kernel, whose NVMe and ext4 need no initial file system. The package
is installed by dpkg and enabled by systemctl, and nothing of it is configured. NICs get their
addresses as cloud-init has networkd give them: a file an ENI, found by its MAC; IPv4 by DHCP. A
disk is kept below .cache/vm under a key of all that went into it and is never changed: a machine
works on an overlay above it.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from srcroutd.lab.topology import ETH0, ETH1, ETH2, Eni, eni
from tests.e2e import roots
from tests.e2e.roots import CannotBuild

CACHE = roots.PROJECT / ".cache" / "vm"
GUEST = Path(__file__).parent / "guest"
NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "dnsmasq": "dnsmasq-base",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
}
"""Commands this tier calls, and the Debian packages that bring them."""

ETH3, ETH4 = eni(3), eni(4)
ENIS = (ETH0, ETH1, ETH2, ETH3, ETH4)
"""The ENIs whose addresses the machine's networkd knows where to get."""

_PACKAGES = """
    systemd systemd-sysv dbus udev libpam-systemd iproute2 iputils-ping nftables procps python3
""".split()
_SIZE = "2G"
_BUILD_S = 600.0
_AGENT_UNIT = """\
[Unit]
Description=Runs what the tests ask for
DefaultDependencies=no
After=basic.target

[Service]
ExecStart=/usr/bin/python3 /opt/e2e/agent.py
Restart=always

[Install]
WantedBy=multi-user.target
"""
_SETUP = """
    depmod "$1"
    # What kept the root small must not keep the package's own files away.
    rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap
    dpkg -i /package.deb
    rm /package.deb
    systemctl enable srcroutd.service systemd-networkd.service agent.service
    systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
    passwd -d root
    echo machine > /etc/hostname
    : > /etc/machine-id
    mkdir -p /var/log/journal
"""


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel and a raw disk, both never to be written."""

    kernel: Path
    disk: Path


def image(package: Path | None = None) -> Image:
    """The disk with this package, the newest in dist/ by default, made now if need be (a minute).

    Raises CannotBuild.
    """
    _check_needed()
    package = package or _newest()
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / f"disk-{_key(package)}"
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            root = _unpacked("root", "minbase", _PACKAGES)
            kernel = _unpacked("kernel", "extract", ["linux-image-cloud-amd64"])
            for old in CACHE.glob("disk-*"):
                shutil.rmtree(old)
            _build(root, kernel, package, folder)
    return Image(folder / "vmlinuz", folder / "disk.img")


def _check_needed() -> None:
    lacking = [package for command, package in NEEDED.items() if not shutil.which(command)]
    if lacking:
        names = " ".join(lacking)
        raise CannotBuild(f"missing here: {names} (Debian's names); next: apt-get install {names}")


def _newest() -> Path:
    found = (roots.PROJECT / "dist").glob("srcroutd_*_amd64.deb")
    packages = sorted(found, key=lambda path: path.stat().st_mtime)
    if not packages:
        raise CannotBuild("there is no srcroutd_*_amd64.deb in dist/; next: make packages")
    return packages[-1]


def _key(package: Path) -> str:
    inputs = (Path(__file__), *sorted(GUEST.glob("*.py")), package)
    return hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()[:12]


def _unpacked(what: str, variant: str, packages: list[str]) -> Path:
    """A folder with these packages of Debian 12; fetched once."""
    key = hashlib.sha256(f"{variant} {packages}".encode()).hexdigest()[:12]
    folder = CACHE / f"{what}-{key}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=CACHE, prefix=".building-") as scratch:
            fresh = Path(scratch) / what
            roots.mmdebstrap(roots.BOOKWORM, fresh, packages, [f"--variant={variant}"])
            fresh.rename(folder)
    return folder


def _build(root: Path, kernel: Path, package: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".building-") as scratch:
        tree, made = Path(scratch) / "root", Path(scratch) / "made"
        made.mkdir()
        _call("cp", "-a", str(root), str(tree))
        (modules,) = (kernel / "lib/modules").iterdir()
        (tree / "usr/lib/modules").mkdir(exist_ok=True)
        _call("cp", "-a", str(modules), str(tree / "usr/lib/modules"))
        shutil.copy(kernel / f"boot/vmlinuz-{modules.name}", made / "vmlinuz")
        shutil.copy(kernel / "bin/kmod", tree / "usr/bin/kmod")
        for name in ("depmod", "modprobe"):
            (tree / "usr/sbin" / name).symlink_to("../bin/kmod")
        shutil.copy(package, tree / "package.deb")
        _furnish(tree)
        _call("chroot", str(tree), "sh", "-euc", _SETUP, "setup", modules.name)
        _call("mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(made / "disk.img"), _SIZE)
        made.rename(folder)


def _furnish(tree: Path) -> None:
    """What a cloud's image brings along, and the tests' own way in."""
    (tree / "opt/e2e").mkdir(parents=True)
    for script in GUEST.glob("*.py"):
        shutil.copy(script, tree / "opt/e2e")
    (tree / "etc/systemd/system/agent.service").write_text(_AGENT_UNIT)
    for nic in ENIS:
        (tree / f"etc/systemd/network/10-{nic.id}.network").write_text(_network(nic))


def _network(nic: Eni) -> str:
    """The file by which networkd configures one ENI. Two default routes need different metrics."""
    primary = nic == ETH0
    lines = ["[Match]", f"MACAddress={nic.mac}", "[Network]", "DHCP=ipv4", "IPv6AcceptRA=no"]
    lines += [f"Address={one}/{nic.vswitch.v6.prefixlen}" for one in nic.v6]
    lines += ["[DHCPv4]", f"RouteMetric={100 if primary else 1000 + nic.number}"]
    if primary:
        lines += ["[Route]", f"Gateway={nic.vswitch.gateway6}", "GatewayOnLink=yes"]
    return "\n".join([*lines, ""])


def _call(*command: str) -> None:
    """Run one step. Raises CannotBuild with its last words."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_BUILD_S, check=False, errors="replace"
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise CannotBuild(f"no disk for the virtual machine; {command[0]} said:\n{said}")


if __name__ == "__main__":
    print(image(*map(Path, sys.argv[1:2])).disk)  # noqa: T201
