"""Which services start at boot: links below NAME.target.wants, with masked units left out.

systemd itself is not asked: the answer lies in its folders, also where it does not run.
"""

import os

from srcroutd.doctor.files import Files

FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
TARGETS = "multi-user network network-online sysinit timers default basic graphical".split()


def read_units(files: Files) -> frozenset[str]:
    """Names of units that some usual target wants, the masked ones left out."""
    enabled = {
        unit
        for folder in FOLDERS
        for target in TARGETS
        for unit in files.names(f"{folder}/systemd/system/{target}.target.wants")
    }
    return frozenset(unit for unit in enabled if not _masked(files, unit))


def _masked(files: Files, unit: str) -> bool:
    for folder in FOLDERS[:2]:
        try:
            if os.readlink(files.root / f"{folder[1:]}/systemd/system/{unit}") == os.devnull:
                return True
        except OSError:
            continue
    return False
