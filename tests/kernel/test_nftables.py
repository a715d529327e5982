"""Our table against the real nftables: put, looked at, disturbed, taken away; and its bells."""

import asyncio
import os
import select
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.marking import MarkedNic, Marking, Mask
from srcroutd.core.marking_listing import Listing
from srcroutd.core.marking_nft import script
from srcroutd.kernel import nft_program
from srcroutd.kernel.errors import KernelLacks, NotPermitted, TornDump
from srcroutd.kernel.nft_events import NftEvents
from srcroutd.kernel.nft_generation import generation
from srcroutd.kernel.nft_program import NftRefused, run_nft
from srcroutd.kernel.nftables import MarkTable

ONE = Marking((MarkedNic("eth1", 1),))
TWO = Marking((MarkedNic("eth1", 1), MarkedNic("eth2", 2, strict=True)))
MASKS = (0x00FF0000, 0xFF000000, 0x0000007F, 0x7FFFFFFF, 0xFFFFFFFE)
FOREIGN_RULES = 10_000

Run = Callable[[Coroutine[Any, Any, Any]], Any]
pytestmark = pytest.mark.usefixtures("netns")


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(story)


def nft(words: str) -> str:
    """What a person types."""
    done = subprocess.run(
        ["nft", "-f", "-"], input=words, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def ruleset() -> str:
    """What ``nft list ruleset`` prints."""
    return subprocess.run(
        ["nft", "list", "ruleset"], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def table() -> MarkTable:
    """Our door to the namespace's table, with nothing remembered."""
    return MarkTable()


def looked(table: MarkTable) -> Listing:
    found = run(table.look())
    assert isinstance(found, Listing)
    return found


@pytest.mark.parametrize("bits", MASKS, ids=hex)
def test_an_untouched_table_is_as_we_put_it_for_a_daemon_that_has_forgotten_everything(
    bits: int,
) -> None:
    mask = Mask(bits)
    for seat in {1, 98, min(mask.highest, 255)}:
        marking = Marking((MarkedNic("eth1", seat, strict=True), MarkedNic("eth2", 2)), mask)
        run(MarkTable().put(marking))
        after_restart = MarkTable()
        assert after_restart.drift(marking, looked(after_restart)) == ()


def test_the_script_for_people_makes_the_same_table(table: MarkTable) -> None:
    for bits in MASKS:
        marking = Marking(TWO.nics, Mask(bits))
        nft(script(marking))
        assert table.drift(marking, looked(table)) == ()


def test_another_marking_replaces_the_one_that_stands(table: MarkTable) -> None:
    run(table.put(ONE))
    assert table.drift(TWO, looked(table)) != ()
    run(table.put(TWO))
    assert table.drift(TWO, looked(table)) == ()
    assert table.drift(ONE, looked(table)) != ()


@pytest.mark.parametrize(
    "deed",
    [
        "flush chain inet srcroutd output",
        "flush table inet srcroutd",
        "delete table inet srcroutd",
        "add rule inet srcroutd prerouting drop",
        "insert rule inet srcroutd prerouting accept",
        "add chain inet srcroutd mine",
        "add set inet srcroutd mine { type ipv4_addr; }",
        "add chain inet srcroutd output { policy drop; }",
        "add table inet srcroutd { flags dormant; }",
    ],
)
def test_whatever_is_done_to_our_table_is_seen_rings_and_is_put_right(
    table: MarkTable, deed: str
) -> None:
    run(table.put(TWO))
    before = ruleset()
    events = NftEvents()
    nft(deed)
    assert events.drain()
    found = run(table.look())
    assert found is None or not found.foreign
    assert table.drift(TWO, found) != ()
    run(table.put(TWO))
    assert table.drift(TWO, looked(table)) == ()
    assert ruleset() == before
    events.close()


def test_taking_our_table_away_leaves_the_ruleset_as_it_was(table: MarkTable) -> None:
    nft("add table ip other; add chain ip other c; add rule ip other c counter accept")
    nft("add table ip srcroutd; add chain ip srcroutd c")
    before = ruleset()
    run(table.remove())
    assert ruleset() == before
    run(table.put(TWO))
    assert ruleset() != before
    run(table.remove())
    run(table.remove())
    assert ruleset() == before
    assert run(table.look()) is None
    assert table.drift(TWO, None) == ("- table inet srcroutd",)


def test_a_table_that_a_stranger_made_under_our_name_is_known_as_his(table: MarkTable) -> None:
    nft("add table inet srcroutd")
    assert not looked(table).foreign
    nft("add chain inet srcroutd prerouting { type nat hook prerouting priority dstnat; }")
    assert looked(table).foreign
    run(table.remove())
    run(table.put(ONE))
    nft("flush table inet srcroutd")
    assert not looked(table).foreign


def test_a_nft_that_spells_unlike_any_we_know_costs_one_replacement(tmp_path: Path) -> None:
    """It lists an attribute more in each rule and chain than nft does here."""
    other = tmp_path / "nft"
    other.write_text(
        "#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
        'told=$(nft "$@") || exit\n'
        'echo "$told" | sed \'s/"handle":/"novelty": 1, "handle":/g\'\n'
    )
    other.chmod(0o755)
    run(MarkTable().put(TWO))
    table = MarkTable((str(tmp_path),))
    assert table.drift(TWO, looked(table)) != ()
    run(table.put(TWO))
    for _ in range(3):
        assert table.drift(TWO, looked(table)) == ()
        nft("add table ip other; delete table ip other")
    assert table.drift(ONE, looked(table)) != ()
    nft("flush chain inet srcroutd output")
    assert table.drift(TWO, looked(table)) != ()


def test_what_somebody_changed_right_after_our_put_is_not_taken_for_ours(tmp_path: Path) -> None:
    other = tmp_path / "nft"
    other.write_text(
        "#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
        'nft "$@" || exit\n'
        '[ "$2" != -f ] || nft flush chain inet srcroutd output\n'
    )
    other.chmod(0o755)
    table = MarkTable((str(tmp_path),))
    run(table.put(TWO))
    assert table.drift(TWO, looked(table)) != ()


def test_a_round_in_which_nobody_touched_nftables_starts_no_program(
    table: MarkTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(table.put(TWO))
    with monkeypatch.context() as patch:
        patch.setattr(table, "_folders", ("/nowhere",))
        assert table.drift(TWO, looked(table)) == ()
        nft("add table ip other")
        with pytest.raises(KernelLacks):
            run(table.look())
    assert table.drift(TWO, looked(table)) == ()


def test_every_change_raises_the_generation() -> None:
    first = generation()
    assert first is not None
    nft("add table ip other")
    second = generation()
    assert second is not None
    assert second != first
    assert generation() == second


# --- what can go wrong --------------------------------------------------------------------------


def test_without_nft_the_error_names_the_package() -> None:
    with pytest.raises(KernelLacks) as told:
        run(MarkTable(("/nowhere", "/nor/here")).look())
    assert str(told.value) == (
        "mode connmark and snat need the program nft, and none of /nowhere, /nor/here has it; "
        'next: install the package nftables, or say mode = "source" and leave out snat'
    )
    assert told.value.exit_code is Exit.KERNEL_LACKS


def test_without_the_capability_the_error_says_so(table: MarkTable) -> None:
    """In a child, for it cannot be taken back."""
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65534)
        code = 1
        try:
            run(table.put(ONE))
        except NotPermitted as error:
            code = 0 if "needs CAP_NET_ADMIN" in str(error) else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run(table.look()) is None


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("netlink: Error: cache initialization failed: Protocol not supported", KernelLacks),
        ("internal:0:0-0: Error: Could not process rule: Operation not supported", KernelLacks),
        ("internal:0:0-0: Error: Could not process rule: No such file or directory", KernelLacks),
        ("JSON support not compiled-in", KernelLacks),
        ("netlink: Error: cache initialization failed: Operation not permitted", NotPermitted),
        ("Error: No such file or directory\nlist table inet srcroutd\n", nft_program.NoSuchTable),
        ("Error: syntax error, unexpected string\nfoo bar\n^^^", NftRefused),
        ("", NftRefused),
    ],
)
def test_what_nft_says_becomes_a_sentence_with_the_right_exit_code(
    words: str, kind: type[OperatorError]
) -> None:
    error = nft_program._failure("/usr/sbin/nft", words)
    assert type(error) is kind
    assert "\n" not in str(error)


def test_a_refused_document_changes_nothing(table: MarkTable) -> None:
    run(table.put(ONE))
    before = ruleset()
    with pytest.raises(OperatorError):
        run(run_nft(["-j", "-f", "-"], b'{"nftables": [{"delete": {"table": 3}}]}'))
    assert ruleset() == before


@pytest.mark.parametrize("script", ["exec sleep 30", "exec cat /dev/zero", "exec 1>&-; sleep 30"])
def test_a_program_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(nft_program, "LIMIT_S", 0.5)
    other = tmp_path / "nft"
    other.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    other.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(TornDump, match="look again"):
        run(run_nft(["list"], folders=(str(tmp_path),)))
    assert time.monotonic() - began < 5


def test_nothing_of_our_environment_reaches_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NFT_SECRET", "x")
    other = tmp_path / "nft"
    other.write_text("#!/bin/sh\n/usr/bin/env\n")
    other.chmod(0o755)
    assert b"NFT_SECRET" not in run(run_nft([], folders=(str(tmp_path),)))


# --- bells --------------------------------------------------------------------------------------


@pytest.fixture
def events() -> Iterator[NftEvents]:
    """The socket under test."""
    opened = NftEvents()
    yield opened
    opened.close()


def test_other_tables_do_not_ring(events: NftEvents) -> None:
    nft("add table inet other; add chain inet other c; add rule inet other c accept")
    nft("add table inet srcroutd2; delete table inet srcroutd2; delete table inet other")
    assert not events.drain()


def test_our_table_rings_in_the_midst_of_a_large_foreign_transaction(events: NftEvents) -> None:
    many = [f"add rule ip f c ip saddr 10.0.{n >> 8}.{n & 255} accept" for n in range(2000)]
    nft("\n".join(["add table ip f", "add chain ip f c", *many[:1000], "add table inet srcroutd"]))
    rang = [events.drain(limit=1) for _ in range(500)]
    assert any(rang)
    nft("\n".join([*many, "delete table inet srcroutd"]))
    assert events.drain(limit=10_000)
    assert not events.drain()


def test_lost_events_ring(table: MarkTable) -> None:
    small = NftEvents(receive_buffer=4096)
    nft("add table ip f; add chain ip f c")
    nft("\n".join(f"add rule ip f c ip saddr 10.0.0.{n % 256} accept" for n in range(2000)))
    assert small.drain()
    assert not small.drain()
    run(table.put(ONE))
    assert small.drain()
    small.close()


def test_ten_thousand_foreign_rules_cost_next_to_nothing(events: NftEvents) -> None:
    nft("add table ip f; add chain ip f c")
    rules = (
        f"add rule ip f c ip saddr 10.0.{n >> 8}.{n & 255} accept" for n in range(FOREIGN_RULES)
    )
    nft("\n".join(rules))
    began = time.process_time()
    rings = False
    while select.select([events], [], [], 0)[0]:
        rings |= events.drain()
    assert not rings
    assert time.process_time() - began < 0.5
