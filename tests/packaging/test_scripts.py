"""The scripts that package managers run: they are plain sh, each word that a manager may say does
what it should, and nothing happens on the way to an upgrade that should happen on the way out.

They run in a folder of their own with programs that only write down how they were called; the paths
of the system are replaced by that folder's. The whole life on a real systemd is in tests/e2e.
"""

import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT
from tests.packaging.deb import Deb
from tests.packaging.rpm import AFTER_ERASE, AFTER_TRANSACTION, BEFORE_ERASE, Rpm

SCRIPTS = ROOT / "packaging/scripts"
AFTER, BEFORE, LAST = (
    (SCRIPTS / f"{name}.sh").read_text() for name in ("postinstall", "preremove", "postremove")
)
STAYS = "its rules and routes stay until the next boot"
UNITS = "srcroutd.service srcroutd-once.service srcroutd-online.service"
RECORDED = "systemctl systemd-sysusers systemd-tmpfiles journalctl userdel groupdel ip ischroot"


class System:
    """A folder that stands for the root of a system, with programs that write down their calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("bin", "usr/lib/srcroutd/vendor/x/__pycache__", "run/systemd/system"):
            (root / name).mkdir(parents=True)
        (root / "usr/lib/srcroutd/vendor/x/__pycache__/old.pyc").touch()
        for program in (*RECORDED.split(), "usr/lib/srcroutd/python"):
            self.program(program, "exit 0")
        self.program("ischroot", "exit 1")
        self.program("getent", "exit 0")
        self.called = root / "called"

    def program(self, name: str, ends: str) -> None:
        """Put a program there; ``ends`` is its last line."""
        path = self.root / (name if "/" in name else f"bin/{name}")
        path.write_text(f'#!/bin/sh\necho "{Path(name).name} $*" >>"{self.root}/called"\n{ends}\n')
        path.chmod(0o755)

    def run(self, script: str, *words: str) -> str:
        """Run a script with this folder for /; returns what it told the operator."""
        for folder in ("/usr/lib/srcroutd", "/run/", "/var/", "/etc/"):
            script = script.replace(folder, f"{self.root}{folder}")
        ran = subprocess.run(
            ["sh", "-c", script, "script", *words],
            env={"PATH": f"{self.root}/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @property
    def calls(self) -> list[str]:
        """How programs were called so far, paths as the system has them."""
        text = self.called.read_text() if self.called.exists() else ""
        return text.replace(str(self.root), "").splitlines()

    @property
    def compiled(self) -> bool:
        """Whether compiled modules are there."""
        return any(self.root.rglob("*.pyc"))


@pytest.fixture
def system(tmp_path: Path) -> System:
    """A system with systemd running and srcroutd installed."""
    return System(tmp_path)


def test_the_packages_carry_these_scripts(package: Deb, rpm_package: Rpm) -> None:
    names = ("postinst", "prerm", "postrm")
    assert [package.control[name].decode() for name in names] == [AFTER, BEFORE, LAST]
    tags = (AFTER_TRANSACTION, BEFORE_ERASE, AFTER_ERASE)
    assert [rpm_package.tags[tag].strip() for tag in tags] == [
        text.strip() for text in (AFTER, BEFORE, LAST)
    ]
    assert set(package.control) == {"control", "conffiles", "md5sums", "triggers", *names}


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.iterdir()))
def test_a_script_is_plain_sh(script: str) -> None:
    assert (SCRIPTS / script).read_text().startswith("#!/bin/sh\n")
    ran = subprocess.run(["sh", "-n", SCRIPTS / script], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize("words", [("configure", ""), ("configure", "0.0.9"), ("1",), ("2",)])
def test_installing_enables_and_starts_nothing_but_replaces_what_runs(
    system: System, words: tuple[str, ...]
) -> None:
    system.run(AFTER, *words)
    assert [call for call in system.calls if call.startswith("systemctl")] == [
        "systemctl daemon-reload",
        "systemctl try-restart srcroutd.service",
    ]


def test_installing_makes_the_user_the_folders_the_catalog_and_compiles(system: System) -> None:
    system.run(AFTER, "configure", "")
    assert system.calls[:4] == [
        "systemd-sysusers srcroutd.conf",
        "python -m compileall -q /usr/lib/srcroutd/vendor",
        "systemd-tmpfiles --create srcroutd.conf",
        "journalctl --update-catalog",
    ]


def test_installing_drops_what_an_older_version_compiled(system: System) -> None:
    system.run(AFTER, "configure", "0.0.9")
    assert not system.compiled
    assert not (system.root / "usr/lib/srcroutd/vendor/x").exists()


def test_another_python_of_the_system_has_the_modules_compiled_and_nothing_else(
    system: System, package: Deb
) -> None:
    assert package.control["triggers"].decode() == "interest-noawait /usr/bin/python3\n"
    system.run(AFTER, "triggered", "/usr/bin/python3")
    assert system.calls == ["python -m compileall -q /usr/lib/srcroutd/vendor"]


def test_installing_where_no_systemd_runs_asks_it_for_nothing(system: System) -> None:
    (system.root / "run/systemd/system").rmdir()
    system.run(AFTER, "configure", "")
    assert [call for call in system.calls if call.startswith("systemctl")] == []


def test_a_system_without_a_python_for_us_can_still_be_set_up(system: System) -> None:
    system.program("usr/lib/srcroutd/python", "exit 69")
    system.run(AFTER, "configure", "")
    assert "systemctl daemon-reload" in system.calls


@pytest.mark.parametrize("words", [("remove",), ("0",), ("0.1.0-1",)])
def test_removing_stops_and_disables_and_says_that_routing_stays(
    system: System, words: tuple[str, ...]
) -> None:
    said = system.run(BEFORE, *words)
    assert system.calls == [f"systemctl stop {UNITS}", f"systemctl --quiet disable {UNITS}"]
    assert STAYS in said
    assert "srcroutctl cleanup" in said
    assert not system.compiled


@pytest.mark.parametrize("words", [("upgrade", "0.2.0"), ("1",), ("failed-upgrade", "0.2.0")])
def test_an_upgrade_stops_and_disables_nothing(system: System, words: tuple[str, ...]) -> None:
    said = system.run(BEFORE, *words) + system.run(LAST, *words)
    assert (said, system.calls) == ("", [])


def test_before_an_rpm_of_the_old_version_goes_the_new_ones_modules_stay(system: System) -> None:
    system.run(BEFORE, "1")
    assert system.compiled


@pytest.mark.parametrize("words", [("remove",), ("0",), ("0.1.0-1",)])
def test_a_removed_package_leaves_state_user_and_routing(
    system: System, words: tuple[str, ...]
) -> None:
    state = system.root / "var/lib/srcroutd/numbers.json"
    state.parent.mkdir(parents=True)
    state.touch()
    system.run(LAST, *words)
    assert state.exists()
    assert not (system.root / "usr/lib/srcroutd").exists()
    assert system.calls == [
        "journalctl --update-catalog",
        "systemctl daemon-reload",
        "systemctl reset-failed srcroutd*",
    ]


def test_a_purged_package_leaves_nothing_of_ours_and_all_of_others(system: System) -> None:
    wants = "etc/systemd/system/multi-user.target.wants"
    ours = [
        *("var/lib/srcroutd/numbers.json", "run/srcroutd/lock", "etc/srcroutd/srcroutd.toml.d/x"),
        *(f"{wants}/{unit}" for unit in UNITS.split()),
    ]
    others = ["var/lib/other/x", f"{wants}/ssh.service", "etc/systemd/system/srcroutd2.service"]
    for name in (*ours, *others):
        (system.root / name).parent.mkdir(parents=True, exist_ok=True)
        (system.root / name).touch()
    system.run(LAST, "purge")
    assert [name for name in ours if (system.root / name).exists()] == []
    assert [name for name in others if not (system.root / name).exists()] == []
    for folder in ("var/lib/srcroutd", "run/srcroutd", "etc/srcroutd"):
        assert not (system.root / folder).exists()
    assert "userdel srcroutd" in system.calls
    assert "groupdel srcroutd" in system.calls
    assert "ip -N -4 rule show" in system.calls


def test_a_purge_in_a_chroot_leaves_the_network_of_the_machine_around_it_alone(
    system: System,
) -> None:
    system.program("ischroot", "exit 0")
    system.run(LAST, "purge")
    assert [call for call in system.calls if call.startswith("ip ")] == []
    assert "userdel srcroutd" in system.calls


@pytest.mark.parametrize("word", ["upgrade", "failed-upgrade", "abort-install", "disappear", "1"])
def test_whatever_else_dpkg_and_rpm_may_say_at_the_end_does_nothing(
    system: System, word: str
) -> None:
    assert system.run(LAST, word) == ""
    assert system.calls == []
