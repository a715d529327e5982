"""This host to a ``Scene``: reads files, /proc and the kernel; decides nothing, changes nothing.

What cannot be looked at is named in ``Scene.unseen`` and never taken for absent or in order.
"""

from pathlib import Path

from srcroutd.core.entry import one_line
from srcroutd.core.view import View
from srcroutd.doctor.files import Files
from srcroutd.doctor.gather_kernel import read_kernel
from srcroutd.doctor.gather_nft import read_firewall
from srcroutd.doctor.gather_processes import read_running, read_udp
from srcroutd.doctor.gather_sysctl import read_static6, read_sysctls
from srcroutd.doctor.gather_units import read_units
from srcroutd.doctor.scene import Ailments, Blind, Scene

SYSTEMD = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
SCRIPT = "config_dual_traffic.sh"
CONFIGURATION = (
    *(f"{folder}/systemd/networkd.conf" for folder in SYSTEMD),
    *(f"{folder}/systemd/networkd.conf.d/*.conf" for folder in SYSTEMD),
    *(
        f"{folder}/NetworkManager/system-connections/*.nmconnection"
        for folder in ("/etc", "/run", "/usr/lib")
    ),
    *(f"/etc/sysconfig/network-scripts/{kind}-*" for kind in ("rule", "rule6", "route", "route6")),
    *(f"/etc/sysconfig/network/{kind}-*" for kind in ("ifrule", "ifroute")),
    *("/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/boot.local"),
    *(f"{folder}/netplan/*.yaml" for folder in ("/etc", "/run", "/lib")),
    *("/etc/systemd/network/*.network", "/etc/cloud/cloud.cfg.d/*.cfg"),
    *("/etc/network/interfaces", "/etc/network/interfaces.d/*"),
    *("/etc/iproute2/rt_tables", "/etc/iproute2/rt_tables.d/*.conf"),
    *("/etc/iproute2/rt_protos", "/etc/iproute2/rt_protos.d/*.conf"),
    "/usr/lib/udev/rules.d/99-vpc-policy-routes.rules",
    *("/etc/sysctl.conf", "/etc/sysctl.d/*.conf", "/run/sysctl.d/*.conf"),
)
HEALTHY = Ailments()
SCRIPT_FOLDERS = "/root /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin /opt /etc".split()


def gather(
    view: View | None, blind: Blind | None, root: Path, ailments: Ailments = HEALTHY
) -> Scene:
    """Look at everything; ``root`` is where the host's files are, / but in tests."""
    files = Files(root)
    files.read(CONFIGURATION)
    for folder in files.names("/etc/systemd/network", "*.network.d"):
        files.read((f"/etc/systemd/network/{folder}/*.conf",))
    scripts = Files(root)  # where people's folders are closed to us, there is nothing to say
    scripts.read(f"{folder}/{SCRIPT}" for folder in SCRIPT_FOLDERS)
    scripts.read(f"/home/{user}/{SCRIPT}" for user in scripts.names("/home"))
    enabled = read_units(files)
    running = read_running(files)
    udp = read_udp(files)
    sysctls = read_sysctls(files, [nic.link.name for nic in view.nics] if view else [])
    rpdbs, no_kernel = read_kernel(view)
    firewall, no_firewall = read_firewall()
    legacy = Files(root)
    legacy.read(["/proc/net/ip_tables_names"])
    if "nat" in legacy.texts.get("/proc/net/ip_tables_names", "").split():
        files.unseen.append("what the firewall rewrites by iptables-legacy: nft does not show it")
    return Scene(
        view=view,
        blind=blind,
        ailments=ailments,
        files=files.texts | scripts.texts,
        executable=frozenset(files.executable),
        unread=frozenset(files.unread),
        enabled=enabled,
        running=running,
        rpdbs=rpdbs,
        sysctls=sysctls,
        static6=read_static6(files),
        udp=udp,
        firewall=firewall,
        unseen=tuple(dict.fromkeys(map(one_line, (*files.unseen, *no_kernel, *no_firewall)))),
    )
