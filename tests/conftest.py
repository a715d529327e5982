"""What all tests share: which tiers need root, the loud word for a skipped one, repeatable luck.

A folder is a tier. Those in ``ROOT_TIERS`` make network namespaces; each of their tests gets the
marker ``root`` and is skipped where that is not allowed. A skipped tier proves nothing, so the run
says how much was skipped and what to type; with CI=true it fails.

A test that is marked ``long`` is left to ``make test-long``: stories that are told elsewhere in
fewer turns, and repetitions for rare moments.
"""

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
ROOT_TIERS = frozenset({"doctor", "e2e", "e2e_vm", "export", "kernel", "life", "packets", "purge"})
SLOW_TIERS = frozenset({"e2e", "e2e_vm"})
"""Those that boot whole systems; they run when they are named: make e2e, make e2e-vm."""
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
WHY_SKIPPED = "needs root: it makes network namespaces"
WHAT_TO_TYPE = """\
to run them, type one of
    sudo make test
    unshare --user --map-root-user --mount make test    (where users may make namespaces)"""
ROOT_IN_A_BOX = "this root may not make any: use a virtual machine, not a container"

# A deadline would measure the machine's other guests. In CI the same examples come each time, so
# that a change is judged by what it changed; at a desk hypothesis goes on looking for new ones.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if IN_CI else "desk")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tiers that nobody named."""
    tier = _tier(collection_path / "file")
    named = {_tier(Path(word.partition("::")[0]).resolve() / "file") for word in config.args}
    return True if tier in SLOW_TIERS and tier not in named else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--long``: the tests that take long, too."""
    parser.addoption("--long", action="store_true", help="the tests that take long, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long unless it is asked for; mark the tests of the tiers that need root,
    and skip them where namespaces cannot be made.
    """
    if not config.getoption("--long"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        if _tier(item.path) in ROOT_TIERS:
            item.add_marker(pytest.mark.root)
            if not _may_make_namespaces():
                item.add_marker(pytest.mark.skip(reason=WHY_SKIPPED))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a CI run that skipped a tier."""
    if IN_CI and exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say how much was skipped, below everything else but pytest's own last line."""
    yield
    skipped = _skipped(terminalreporter.config)
    if skipped:
        tiers = ", ".join(f"tests/{tier}" for tier in sorted(ROOT_TIERS))
        terminalreporter.section("NOT EVERYTHING WAS TESTED", red=True, bold=True)
        what_next = WHAT_TO_TYPE if os.geteuid() else ROOT_IN_A_BOX
        terminalreporter.write_line(f"{skipped} skipped, they need root ({tiers}); {what_next}")
        if IN_CI:
            terminalreporter.write_line("In CI a skipped tier is a failure.", red=True)


def _tier(path: Path) -> str:
    """The folder under tests/ that holds this file, empty for a file beside conftest.py."""
    folders = path.relative_to(TESTS).parts[:-1] if path.is_relative_to(TESTS) else ()
    return folders[0] if folders else ""


@cache
def _may_make_namespaces() -> bool:
    """Whether this process is root, its own user namespace's at least, and the kernel agrees."""
    if os.geteuid() != 0:
        return False
    probe = ["unshare", "--net", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _skipped(config: pytest.Config) -> int:
    """How many tests of the root tiers were skipped for want of namespaces, whatever they said."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if _may_make_namespaces() or not isinstance(reporter, pytest.TerminalReporter):
        return 0
    reports = reporter.stats.get("skipped", ())
    return sum(_tier(config.rootpath / report.nodeid) in ROOT_TIERS for report in reports)
