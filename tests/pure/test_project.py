"""What no import holds together: README, Makefile, CI, locks, licence, decisions, the layout."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from srcroutd import __version__

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "packaging" / "locks"
DECISIONS = ROOT / "docs" / "decisions"
LONGEST_MODULE = 350

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED: Mapping[str, list[str]] = {
    "build": PROJECT["build-system"]["requires"] + PROJECT["dependency-groups"]["build"],
    "runtime": PROJECT["project"]["dependencies"],
    "development": PROJECT["dependency-groups"]["dev"],
    "packages": PROJECT["dependency-groups"]["packages"],
}


def test_every_module_opens_with_a_docstring() -> None:
    assert [name for name, tree in _modules() if not ast.get_docstring(tree)] == []


def test_no_module_is_too_long_to_read_in_one_sitting() -> None:
    lines = {name: (ROOT / name).read_text().count("\n") for name, _ in _modules()}
    assert {name: count for name, count in lines.items() if count > LONGEST_MODULE} == {}


def test_core_opens_no_file_and_prints_nothing() -> None:
    # What core imports is held by import-linter; builtins need no import.
    calls = [
        f"{name}:{node.lineno} {node.func.id}"
        for name, tree in _modules()
        if name.startswith("srcroutd/core/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"open", "print", "input", "breakpoint", "exec", "eval"}
    ]
    assert calls == []


def test_each_program_names_a_function_that_exists() -> None:
    for target in PROJECT["project"]["scripts"].values():
        module, function = target.split(":")
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in names, f"{target} is in pyproject.toml, but not in the module"


@pytest.mark.parametrize("lock", WANTED)
def test_the_lock_has_what_pyproject_asks_for(lock: str) -> None:
    pins = _pins(lock)
    for text in WANTED[lock]:
        requirement = Requirement(text)
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is missing from {lock}.txt: make lock"
        assert pin in requirement.specifier, f"{text}, but {lock}.txt has {pin}: make lock"


@pytest.mark.parametrize("lock", WANTED)
def test_a_lock_says_nothing_but_names_versions_and_hashes(lock: str) -> None:
    text = "".join(line for line in _lock_lines(lock) if not line.startswith("#"))
    rest = re.sub(r"--hash=sha256:[0-9a-f]{64}|\\\n|\s", "", text)
    assert not re.search(r"--|/|@|file:", rest), (
        "an option, address or path would tie it to one machine"
    )


@pytest.mark.parametrize("lock", WANTED)
def test_each_pin_has_a_hash(lock: str) -> None:
    pins = re.split(r"^(?=[a-zA-Z0-9])", "".join(_lock_lines(lock)), flags=re.MULTILINE)[1:]
    assert pins
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_what_two_locks_share_is_pinned_alike() -> None:
    pinned: dict[str, set[Version]] = {}
    for lock in WANTED:
        for name, version in _pins(lock).items():
            pinned.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in pinned.items() if len(versions) > 1} == {}


def test_no_lock_file_is_forgotten() -> None:
    assert {path.stem for path in LOCKS.glob("*")} == set(WANTED)


def test_the_readme_names_only_targets_that_exist() -> None:
    assert _makes("README.md") - _targets() == set()


def test_the_readme_names_the_targets_that_a_newcomer_needs() -> None:
    assert {"demo", "test", "venv", "check", "bench"} - _makes("README.md") == set()


def test_ci_runs_only_what_the_readme_tells_a_person_to_type() -> None:
    assert _makes(".ci/run") == {"test"}
    assert _makes(".ci/run") <= _makes("README.md")


def test_ci_ends_with_the_summary_of_pytest() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "make test"
    assert _recipe("test")[-1] == "@$(BIN)/python -m pytest $(ARGS)"


def test_the_makefile_lists_each_of_its_targets_with_a_word_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile.replace("\\\n", " "), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == _targets()
    told = set(re.findall(r"^([a-z0-9-]+):.*## \S", makefile, re.MULTILINE))
    assert told == _targets()


def test_the_scripts_that_make_calls_are_there_and_may_be_run() -> None:
    called = set(re.findall(r"packaging/[\w.-]+\.sh", (ROOT / "Makefile").read_text()))
    assert called == {f"packaging/{path.name}" for path in (ROOT / "packaging").glob("*.sh")}
    for name in [*called, ".ci/run"]:
        assert (ROOT / name).stat().st_mode & 0o111, f"chmod +x {name}"


def test_each_decision_has_its_own_number_and_none_is_skipped() -> None:
    names = sorted(path.name for path in DECISIONS.iterdir())
    assert [name for name in names if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    for name in names:
        heading = (DECISIONS / name).read_text().splitlines()[0]
        assert heading.startswith(f"# {int(name[:4])}. "), f"{name} opens with {heading!r}"


@pytest.mark.parametrize(
    ("page", "locks"),
    [
        ("0001-runtime-packages.md", ["runtime"]),
        ("0002-development-packages.md", ["build", "development"]),
        ("0011-packages-by-nfpm-with-a-vendor-folder.md", ["packages"]),
    ],
)
def test_each_package_asked_for_has_its_reason_on_a_page(page: str, locks: list[str]) -> None:
    text = (DECISIONS / page).read_text()
    asked = {Requirement(want).name for lock in locks for want in WANTED[lock]}
    assert [name for name in sorted(asked) if f"**{name}**" not in text] == []


def test_the_changelog_has_a_heading_for_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_licence_is_the_one_that_pyproject_names() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def _modules() -> Iterator[tuple[str, ast.Module]]:
    """Every Python file of the project, by its name from the root, with its syntax tree."""
    for folder in ("srcroutd", "tests", "bench"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(), path)


def _lock_lines(lock: str) -> list[str]:
    return (LOCKS / f"{lock}.txt").read_text().splitlines(keepends=True)


def _pins(lock: str) -> dict[str, Version]:
    """What a lock pins for Linux, by canonical name."""
    pins: dict[str, Version] = {}
    for line in _lock_lines(lock):
        found = re.match(r"(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+))?", line)
        if found and (
            not found["marker"] or Marker(found["marker"]).evaluate({"sys_platform": "linux"})
        ):
            pins[canonicalize_name(found["name"])] = Version(found["version"])
    return pins


def _targets() -> set[str]:
    """The targets of the Makefile that a person can type."""
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _recipe(target: str) -> list[str]:
    """The lines that make runs for a target."""
    found = re.search(
        rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert found is not None
    return [line.strip() for line in found[1].splitlines()]


def _makes(name: str) -> set[str]:
    """Each X of a ``make X`` that a file tells a person or a shell to type."""
    text = (ROOT / name).read_text()
    typed = re.findall(
        r"^ *(?:\$ |sudo )*make ([a-z0-9-]+)|`(?:sudo )?make ([a-z0-9-]+)", text, re.MULTILINE
    )
    return {first or second for first, second in typed}
