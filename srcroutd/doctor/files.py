"""Files below a root folder as texts: small, decoded somehow, and never waited for.

What is not there is passed over; what may not or cannot be read is said, once a folder or file.
"""

import errno
import os
import stat
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

LONGEST = 1 << 18
"""Bytes; no file that sets up a network is longer."""
MANY = 200
"""Files of one folder that are read at most."""
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR)


class Files:
    """Reads below ``root``; ``texts`` are what was found by the host's path, those of
    ``executable`` may be run; ``unread`` are files and folders that are there and could not be
    read, ``unseen`` says so in words.
    """

    def __init__(self, root: Path) -> None:
        """Begin with nothing read."""
        self.root = root
        self.texts: dict[str, str] = {}
        self.executable: set[str] = set()
        self.unread: set[str] = set()
        self.unseen: list[str] = []

    def read(self, patterns: Iterable[str]) -> None:
        """Take in what each pattern names; only its last part may be a pattern."""
        for pattern in patterns:
            folder, _, name = pattern.rpartition("/")
            if set("*?[") & set(name):
                names = self.names(folder, name)
                if len(names) > MANY:
                    self.unseen.append(f"{folder}: only the first {MANY} files were read")
                for found in names[:MANY]:
                    self._take(f"{folder}/{found}")
            else:
                self._take(pattern)

    def names(self, folder: str, pattern: str = "*") -> list[str]:
        """The names in a folder that match, sorted; none where it does not exist."""
        try:
            found = [entry.name for entry in self._at(folder).iterdir()]
        except OSError as error:
            self._cannot(folder, error)
            return []
        return sorted(name for name in found if fnmatchcase(name, pattern))

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _take(self, path: str) -> None:
        try:
            # O_PATH opens nothing yet: people's folders are read too, and a link there may lead to
            # a device that acts as soon as it is opened (/dev/watchdog), or to a FIFO that waits.
            handle = os.open(self._at(path), os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            self._cannot(path, error)
            return
        try:
            kind = os.fstat(handle).st_mode
            if stat.S_ISCHR(kind):
                self.texts[path] = ""  # a link to /dev/null: masked
            elif stat.S_ISREG(kind):
                try:
                    with Path(f"/proc/self/fd/{handle}").open("rb") as file:
                        content = file.read(LONGEST + 1)
                except OSError as error:
                    self._cannot(path, error)
                    return
                if len(content) > LONGEST:
                    self.unseen.append(f"the end of {path}: it is longer than {LONGEST >> 10} KiB")
                if kind & 0o111:
                    self.executable.add(path)
                self.texts[path] = content[:LONGEST].decode(errors="replace")
        finally:
            os.close(handle)

    def _cannot(self, path: str, error: OSError) -> None:
        if error.errno not in _NOTHING_THERE:
            self.unread.add(path)
            self.unseen.append(f"{path}: {(error.strerror or 'unreadable').lower()}")
