"""The vendor folder: one for every Python, no newer C library than an RPM system of 2021 has, and
what was taken out of the modules is missed by nobody.
"""

import subprocess
import sys
from pathlib import Path, PurePosixPath

from tests.packaging import elf
from tests.packaging.deb import Deb

VENDOR = "/usr/lib/srcroutd/vendor/"
PYTHONS = ("311", "312", "313", "314")
OLDEST_GLIBC = (2, 28)
LIBRARIES = {
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
}

LOAD = """
import importlib, pathlib, sys
vendor = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(vendor))
tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}-"
for file in sorted(vendor.rglob(f"*.{tag}*.so")):
    path = file.relative_to(vendor)
    importlib.import_module(".".join([*path.parts[:-1], path.name.partition(".")[0]]))
    print(path)
import aiohttp, pydantic, pyroute2, sdnotify
assert all(one.__file__.startswith(str(vendor)) for one in (aiohttp, pydantic, pyroute2, sdnotify))
"""


def test_each_compiled_module_is_there_for_every_python(package: Deb) -> None:
    of: dict[str, set[str]] = {python: set() for python in PYTHONS}
    for place in _modules(package):
        name, tag = PurePosixPath(place).name.split(".")[:2]
        python = tag.split("-")[1]
        of[python].add(str(PurePosixPath(place).with_name(name)))
    assert of["311"]
    assert of["311"] == of["312"] == of["313"] == of["314"]


def test_no_module_asks_for_a_newer_c_library_than_2_28(package: Deb) -> None:
    for place in _modules(package):
        module = elf.read(package.content[place])
        assert module.machine == "x86_64"
        asked = {version for some in module.versions.values() for version in some}
        glibc = {
            tuple(int(part) for part in version.removeprefix("GLIBC_").split("."))
            for version in asked
            if version.startswith("GLIBC_")
        }
        assert glibc, f"{place} asks for no version at all"
        assert max(glibc) <= OLDEST_GLIBC, f"{place}: {max(glibc)}"


def test_no_module_uses_a_library_that_a_small_system_lacks(package: Deb) -> None:
    asked = {
        library
        for place in _modules(package)
        for library in elf.read(package.content[place]).versions
        if not library.startswith("ld-linux")
    }
    assert asked <= LIBRARIES


def test_no_module_carries_debug_information(package: Deb) -> None:
    for place in _modules(package):
        names = elf.read(package.content[place]).sections
        assert ".dynsym" in names
        assert [name for name in names if name.startswith((".debug", ".symtab"))] == [], place


def test_every_module_for_this_python_loads(package: Deb, root: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-IS", "-c", LOAD, f"{root}{VENDOR}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    python = f".cpython-{sys.version_info.major}{sys.version_info.minor}-"
    wanted = {place.removeprefix(VENDOR) for place in _modules(package) if python in place}
    assert set(ran.stdout.split()) == wanted


def test_what_only_compilers_and_tests_of_others_read_is_left_out(package: Deb) -> None:
    endings = (".c", ".h", ".pxd", ".pyi", ".pyx", ".hash")
    assert [place for place in package.files if place.endswith(endings)] == []
    assert [place for place in package.files if "_testcapi" in place] == []


def _modules(package: Deb) -> list[str]:
    return sorted(place for place in package.files if place.endswith(".so"))
