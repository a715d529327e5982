"""The message catalog and the kinds of entries agree, and the real tool takes it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from srcroutd.cli.verbs import VERBS
from srcroutd.core.entry import Kind
from tests.pure.records import of_everything

CATALOG = Path(__file__).parents[2] / "systemd" / "srcroutd.catalog"
_HEAD = r"((?:[A-Z][A-Za-z-]*: [^\n]*\n)+)"
_BLOCK = re.compile(rf"(?ms)^-- ([0-9a-f]{{32}})\n{_HEAD}\n(.*?)(?=\n-- |\Z)")
BLOCKS = {uid: (head, text) for uid, head, text in _BLOCK.findall(CATALOG.read_text())}
KINDS = pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.slug)


def whole(kind: Kind) -> str:
    return "\n".join(BLOCKS[kind.message_id])


def test_every_kind_has_a_block_and_every_block_a_kind() -> None:
    assert BLOCKS.keys() == {kind.message_id for kind in Kind}
    assert CATALOG.read_text().count("\n-- ") == len(Kind)


@KINDS
def test_a_block_says_what_who_and_where_to_read_on(kind: Kind) -> None:
    head, text = BLOCKS[kind.message_id]
    keys = [line.split(":")[0] for line in head.splitlines()]
    assert keys == ["Subject", "Defined-By", "Support"]
    assert "Defined-By: srcroutd\n" in head
    assert len(text.split()) >= 12
    assert max(map(len, text.splitlines())) <= 100


@KINDS
def test_a_block_uses_only_fields_that_its_kind_always_has(kind: Kind) -> None:
    (entry,) = (entry for entry in of_everything() if entry.kind is kind)
    used = set(re.findall(r"@([^@\s]+)@", whole(kind)))
    assert used <= entry.fields.keys() | {"MESSAGE_ID"}
    assert whole(kind).count("@") == 2 * len(re.findall(r"@[A-Z_]+@", whole(kind)))


@KINDS
def test_what_a_block_tells_to_type_exists(kind: Kind) -> None:
    verbs = {verb.name for verb in VERBS}
    assert set(re.findall(r"(?m)(?:^    |\")srcroutctl ([a-z]+)", whole(kind))) <= verbs


def test_the_real_tool_takes_it_and_shows_it(tmp_path: Path) -> None:
    if not shutil.which("journalctl"):
        pytest.skip("NOT TESTED: journalctl is not installed")
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    shutil.copy(CATALOG, folder)
    tool = ["journalctl", f"--root={tmp_path}"]
    said = subprocess.run([*tool, "--update-catalog"], capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("", "")
    listed = subprocess.run([*tool, "--list-catalog"], capture_output=True, text=True, check=True)
    assert {line.split()[0] for line in listed.stdout.splitlines()} == BLOCKS.keys()
    assert all(" srcroutd: " in line for line in listed.stdout.splitlines())
