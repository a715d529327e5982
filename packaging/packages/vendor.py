"""Turns wheels into the files of one folder that serves every Python: the names of compiled
modules carry the Python they are for, what is pure Python is there once.

Two wheels may bring the same file only with the same content, so no Python gets another's code.
"""

import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from packages.elf import stripped
from packages.refusal import Refused

Files = dict[PurePosixPath, bytes]
"""Path below a folder -> content."""

_OF_PIP = frozenset({"RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json"})
"""What dist-info says of how it was installed: differs from wheel to wheel, nobody reads it."""

_FOR_COMPILERS = frozenset({".c", ".h", ".hash", ".pxd", ".pxi", ".pyi", ".pyx", ".typed"})
"""Sources of compiled modules and stubs for type checkers: nothing that runs reads them."""

_FOR_THEIR_TESTS = ("_testcapi.",)
"""Modules that only the tests of a package load."""


def unpack(wheels: Iterable[Path]) -> Files:
    """The files of all these wheels in one folder. Raises Refused."""
    files: Files = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as opened:
            for name in sorted(opened.namelist()):
                path = PurePosixPath(name)
                if name.endswith("/") or not _runs(path):
                    continue
                if ".." in path.parts or path.is_absolute() or path.parts[0].endswith(".data"):
                    raise Refused(f"{wheel}: {name} would lie outside the vendor folder")
                content = _content(opened.read(name), path)
                if files.setdefault(path, content) != content:
                    raise Refused(f"{wheel}: another wheel brings {name} with other content")
    return files


def _runs(path: PurePosixPath) -> bool:
    """Whether anything reads this file at run time, or a person for its licence."""
    if path.parts[0].endswith(".dist-info"):
        # What a wheel says of its own parts (sboms) is in our bill of materials.
        return path.name not in _OF_PIP and "sboms" not in path.parts
    return path.suffix not in _FOR_COMPILERS and not path.name.startswith(_FOR_THEIR_TESTS)


def _content(content: bytes, path: PurePosixPath) -> bytes:
    return stripped(content) if path.suffix == ".so" else content
