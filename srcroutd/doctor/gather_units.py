"""Which services start at boot: links in folders *.wants, with masked units left out.

systemd itself is not asked: the answer lies in its folders, also where it does not run.
"""

import os

from srcroutd.doctor.files import Files

FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")


def read_units(files: Files) -> frozenset[str]:
    """Names of units that another unit wants, the masked ones left out."""
    enabled = {
        unit
        for folder in FOLDERS
        for wants in files.names(f"{folder}/systemd/system", "*.wants")
        for unit in files.names(f"{folder}/systemd/system/{wants}")
    }
    return frozenset(unit for unit in enabled if not _masked(files, unit))


def _masked(files: Files, unit: str) -> bool:
    for folder in FOLDERS[:2]:
        try:
            link = (files.root / f"{folder[1:]}/systemd/system/{unit}").readlink()
        except OSError:
            continue
        if str(link) == os.devnull:
            return True
    return False
