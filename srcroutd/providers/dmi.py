"""Which cloud this machine says it is, from its DMI strings: no network involved.

A metadata address belongs to somebody else on a machine that is not in that cloud, so ``auto`` asks
here first and sends nothing unless a string matches exactly.
"""

import os
from pathlib import Path

DMI = Path("/sys/class/dmi/id")

_STRINGS = {
    "sys_vendor": {"Alibaba Cloud": "aliyun"},
    "product_name": {"Alibaba Cloud ECS": "aliyun"},
}
_LONGEST = 256


def detect(dmi_dir: Path = DMI) -> str | None:
    """The provider's name for this machine, None where it names no cloud we know."""
    for name, clouds in _STRINGS.items():
        if found := clouds.get(_string(dmi_dir / name)):
            return found
    return None


def _string(path: Path) -> str:
    """One DMI string, "" where there is none. A file that is no plain text cannot match anyway."""
    try:
        # Not blocking, because the directory can be configured and a pipe there would hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _LONGEST).decode("ascii", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)
