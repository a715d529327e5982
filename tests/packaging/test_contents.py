"""What a package puts where: the places, modes and owners, and that nothing else comes along."""

import gzip
from pathlib import PurePosixPath

import pytest

from tests.packaging.conftest import EPOCH_S, ROOT
from tests.packaging.deb import Deb
from tests.packaging.rpm import CONFIG, FLAGS, GROUPS, MODES, NOREPLACE, OWNERS, TIMES, Rpm

VENDOR = "/usr/lib/srcroutd/vendor/"
PROGRAMS = {
    "/usr/bin/srcroutctl": "packaging/launch/srcroutctl",
    "/usr/sbin/srcroutd": "packaging/launch/srcroutd",
    "/usr/lib/srcroutd/python": "packaging/launch/python",
}
CONFIGURATION = {
    "/etc/srcroutd/srcroutd.toml": "packaging/srcroutd.toml",
    "/etc/iproute2/rt_tables.d/srcroutd.conf": "systemd/rt_tables.conf",
    "/etc/iproute2/rt_protos.d/srcroutd.conf": "systemd/rt_protos.conf",
}
LOGCHECK = {"/etc/logcheck/ignore.d.server/srcroutd": "systemd/logcheck"}
COMMON = {
    **PROGRAMS,
    **CONFIGURATION,
    "/usr/lib/srcroutd/run.py": "packaging/launch/run.py",
    "/usr/lib/systemd/system/srcroutd.service": "systemd/srcroutd.service",
    "/usr/lib/systemd/system/srcroutd-once.service": "systemd/srcroutd-once.service",
    "/usr/lib/systemd/system/srcroutd-online.service": "systemd/srcroutd-online.service",
    "/usr/lib/systemd/catalog/srcroutd.catalog": "systemd/srcroutd.catalog",
    "/usr/lib/systemd/networkd.conf.d/50-srcroutd.conf": "systemd/networkd.conf",
    "/usr/lib/sysusers.d/srcroutd.conf": "systemd/srcroutd.sysusers",
    "/usr/lib/tmpfiles.d/srcroutd.conf": "systemd/srcroutd.tmpfiles",
    "/usr/share/bash-completion/completions/srcroutctl": "packaging/completions/srcroutd.bash",
    "/usr/share/bash-completion/completions/srcroutd": "packaging/completions/srcroutd.bash",
    "/usr/share/fish/vendor_completions.d/srcroutctl.fish": "packaging/completions/srcroutctl.fish",
    "/usr/share/fish/vendor_completions.d/srcroutd.fish": "packaging/completions/srcroutd.fish",
    "/usr/share/man/man1/srcroutctl.1.gz": "docs/man/srcroutctl.1",
    "/usr/share/man/man5/srcroutd.toml.5.gz": "docs/man/srcroutd.toml.5",
    "/usr/share/man/man8/srcroutd.8.gz": "docs/man/srcroutd.8",
    "/usr/share/doc/srcroutd/CHANGELOG.md": "CHANGELOG.md",
    "/usr/share/doc/srcroutd/README.md": "README.md",
    "/usr/share/doc/srcroutd/examples/metrics.conf": "systemd/metrics.conf",
    "/usr/share/doc/srcroutd/examples/sysctls.conf": "systemd/sysctls.conf",
}
PAPERS = {f"/usr/share/doc/srcroutd/{n}" for n in ("LICENSES.txt", "copyright", "sbom.cdx.json")}
ZSH = ("_srcroutctl", "_srcroutd")


def test_the_deb_holds_these_files_and_the_vendor_folder_and_nothing_else(package: Deb) -> None:
    zsh = {f"/usr/share/zsh/vendor-completions/{name}" for name in ZSH}
    told = {place for place in package.files if not place.startswith(VENDOR)}
    assert told == {*COMMON, *LOGCHECK, *PAPERS, *zsh}


def test_the_rpm_holds_the_same_but_for_zsh_and_logcheck(package: Deb, rpm_package: Rpm) -> None:
    modes = rpm_package.by_place(MODES)
    files = {place for place, mode in modes.items() if mode & 0o170000 == 0o100000}
    zsh = {f"/usr/share/zsh/site-functions/{name}" for name in ZSH}
    assert {place for place in files if not place.startswith(VENDOR)} == {*COMMON, *PAPERS, *zsh}
    assert {place for place in package.files if place.startswith(VENDOR)} == {
        place for place in files if place.startswith(VENDOR)
    }


@pytest.mark.parametrize("place", sorted({**COMMON, **LOGCHECK}))
def test_a_file_of_the_project_comes_as_it_is(package: Deb, place: str) -> None:
    content = package.content[place]
    if place.endswith(".gz"):
        content = gzip.decompress(content)
    assert content == (ROOT / {**COMMON, **LOGCHECK}[place]).read_bytes()


def test_the_code_is_the_code_of_this_folder(package: Deb) -> None:
    code = f"{VENDOR}srcroutd/"
    packed = {place: package.content[place] for place in package.files if place.startswith(code)}
    here = {
        f"{code}{path.relative_to(ROOT / 'srcroutd')}": path.read_bytes()
        for path in (ROOT / "srcroutd").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert packed == here


def test_everything_belongs_to_root_and_only_root_can_write(package: Deb) -> None:
    for place, member in package.members.items():
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "root", "root"), place
        assert member.isfile() or member.isdir(), f"{place} is neither file nor folder"
        wanted = 0o755 if member.isdir() or place in PROGRAMS else 0o644
        assert member.mode == wanted, f"{place}: {member.mode:o}"


def test_the_rpm_says_the_same_of_owners_and_modes(rpm_package: Rpm) -> None:
    assert set(rpm_package.by_place(OWNERS).values()) == {"root"}
    assert set(rpm_package.by_place(GROUPS).values()) == {"root"}
    for place, mode in rpm_package.by_place(MODES).items():
        folder = mode & 0o170000 == 0o040000
        assert mode & 0o7777 == (0o755 if folder or place in PROGRAMS else 0o644), place


def test_what_is_in_etc_is_configuration_that_an_upgrade_keeps(
    package: Deb, rpm_package: Rpm
) -> None:
    told = set(package.control["conffiles"].decode().split())
    assert told == {*CONFIGURATION, *LOGCHECK}
    assert told == {place for place in package.files if place.startswith("/etc/")}
    flags = rpm_package.by_place(FLAGS)
    assert {place for place in flags if flags[place]} == set(CONFIGURATION)
    assert {flags[place] for place in CONFIGURATION} == {CONFIG | NOREPLACE}


def test_the_folders_of_our_own_are_in_the_package_so_that_they_go_with_it(
    package: Deb, rpm_package: Rpm
) -> None:
    ours = ("/etc/srcroutd", "/usr/lib/srcroutd", "/usr/share/doc/srcroutd")
    wanted = {"/etc/srcroutd/srcroutd.toml.d"} | {
        str(parent)
        for place in package.files
        for parent in PurePosixPath(place).parents
        if str(parent).startswith(ours)
    }
    assert wanted <= {place for place, member in package.members.items() if member.isdir()}
    assert wanted <= set(rpm_package.places)


def test_every_time_is_the_one_that_was_given(package: Deb, rpm_package: Rpm) -> None:
    assert {member.mtime for member in package.members.values()} == {EPOCH_S}
    assert set(package.parts.values()) == {EPOCH_S}
    assert set(rpm_package.by_place(TIMES).values()) == {EPOCH_S}


def test_nothing_compiled_on_this_machine_and_no_cache_comes_along(package: Deb) -> None:
    strange = (".pyc", ".pyo", ".orig", ".rej", "~", ".swp", "/RECORD", "/direct_url.json")
    assert [place for place in package.files if place.endswith(strange)] == []
    assert [place for place in package.members if "__pycache__" in place] == []
