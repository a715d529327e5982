"""A file that root makes in the daemon's directory is the daemon's.

The service runs as a user of its own. An administrator who types ``srcroutd --once`` is root, and
what he leaves behind must be the service's to read and write again.
"""

import os
from pathlib import Path


def give_to_owner(descriptor: int, directory: Path) -> None:
    """Give an open file the owner and group of its directory. Raises OSError.

    Only root can, and only root has to. A file with a second name is left as it is: that name may
    lie elsewhere.
    """
    if os.geteuid() != 0:
        return
    theirs = directory.stat()
    ours = os.fstat(descriptor)
    same = (ours.st_uid, ours.st_gid) == (theirs.st_uid, theirs.st_gid)
    if not same and ours.st_nlink == 1:
        os.fchown(descriptor, theirs.st_uid, theirs.st_gid)
