"""The files that one command makes: their names, that they come out the same each time, and what
pip and pipx get.
"""

import hashlib
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from srcroutd import __version__
from tests.packaging.conftest import EPOCH_S, ROOT, build


def test_one_command_makes_these_files_the_same_each_time(made: Path) -> None:
    # The fixture has built all of them twice, in two folders, and compared every byte.
    assert {path.name for path in made.iterdir()} == {
        f"srcroutd-{__version__}-1-x86_64.pkg.tar.zst",
        f"srcroutd-{__version__}-1.x86_64.rpm",
        f"srcroutd-{__version__}-py3-none-any.whl",
        f"srcroutd-{__version__}.tar.gz",
        f"srcroutd_{__version__}_amd64.cdx.json",
        f"srcroutd_{__version__}_amd64.deb",
        f"srcroutd_{__version__}_amd64.licences.txt",
    }


def test_a_build_says_the_hash_of_each_file(tmp_path: Path) -> None:
    said = build(tmp_path, "--form=archlinux")
    told = {line.split()[-1]: line.split()[0] for line in said.splitlines()}
    assert told == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()
    }


def test_the_wheel_holds_the_code_and_both_programs(made: Path) -> None:
    (wheel,) = made.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        info = f"srcroutd-{__version__}.dist-info"
        programs = opened.read(f"{info}/entry_points.txt").decode()
        said = HeaderParser().parsestr(opened.read(f"{info}/METADATA").decode())
    here = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "srcroutd").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert here == {name for name in names if not name.startswith(info)}
    assert "srcroutd = srcroutd.cli.srcroutd:main" in programs
    assert "srcroutctl = srcroutd.cli.srcroutctl:main" in programs
    assert said["Requires-Python"] == ">=3.11"
    assert f"{info}/licenses/LICENSE" in names


def test_the_source_distribution_builds_again_and_brings_no_leftovers(made: Path) -> None:
    (sdist,) = made.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        members = {member.name.partition("/")[2]: member for member in opened}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "srcroutd/__init__.py"}
    wanted |= {"packaging/packages.sh", "systemd/srcroutd.service", "docs/man/srcroutd.8"}
    assert wanted <= set(members)
    leftovers = ("__pycache__", ".venv", ".cache", ".git/", "dist/", "build/", ".hypothesis")
    assert [name for name in members if any(left in f"{name}/" for left in leftovers)] == []
    assert {member.mtime for member in members.values()} == {EPOCH_S}
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}
