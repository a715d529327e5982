"""Whether this process may change routing at all, known before the first change is due.

Where all is in sync the kernel is asked for nothing, so a daemon without CAP_NET_ADMIN would seem
to work until the day that it is needed.
"""

from pathlib import Path

from srcroutd.kernel.errors import NotPermitted

CAP_NET_ADMIN = 12
"""Its bit (include/uapi/linux/capability.h)."""


def require_net_admin(status: Path = Path("/proc/self/status")) -> None:
    """Raise NotPermitted without CAP_NET_ADMIN among the effective capabilities (proc(5)).

    Where /proc does not tell, the kernel's own refusal will.
    """
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), None)
    if effective is not None and not int(effective, 16) >> CAP_NET_ADMIN & 1:
        raise NotPermitted(
            "this process lacks CAP_NET_ADMIN and could change no rule and no route; run it as "
            "root, or see AmbientCapabilities= of the unit"
        )
