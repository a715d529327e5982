"""The real daemon and a real journald: every change is an entry that is found by its fields,
explained by the catalog, and never in the way of routing.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator

import pytest

from srcroutd.core.entry import Entry, Kind, Level
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.journal_sink import PATIENCE_S, Journal
from tests.life.cloud import Cloud
from tests.life.enis import ETH0, ETH1, Eni
from tests.life.host import Host, until
from tests.life.journald import Journald
from tests.pure.records import ADD, ENI1
from tests.pure.test_audit import Kept

NASTY = {
    "lines": "one\ntwo\n",
    "another field": "x\nPRIORITY=0\nSRCROUTD_ENI=eni-forged\n",
    "an empty line": "\n\n",
    "a frame": "x\nSRCROUTD_ENI\n\x05\0\0\0\0\0\0\0admin\n",
    "bytes that no terminal likes": "\x00\x1b[2J\x7f\x85\u2028 \u202e",
    "all of Unicode": "ä 中 🐙 \U0010ffff",
    "a megabyte": "0123456789abcdef" * 65536,
    "a megabyte of lines": "0123456789abcde\n" * 65536,
    "more than a datagram takes": "0123456789abcde\n" * 1_300_000,
}


@pytest.fixture
def journald(bare: Host) -> Iterator[Journald]:  # noqa: ARG001 - it lives in the host's namespace
    """A journald beside the host."""
    running = Journald()
    try:
        yield running
    finally:
        running.close()


def rules_in(text: str) -> int:
    """How many rules of both families are in a listing."""
    return text.count("ip rule") + text.count("ip -6 rule")


def message_id(kind: Kind) -> str:
    return f"MESSAGE_ID={kind.message_id}"


def test_every_operation_is_an_entry_that_its_nic_and_its_eni_lead_to(
    host: Host, journald: Journald
) -> None:
    daemon = journald.run(host)
    mine = [line for line in host.ours().splitlines() if re.search(r"rule 1801|table 18001", line)]
    found = journald.wait_entries(len(mine), "SRCROUTD_ENI=eni-1", "SRCROUTD_VERB=add")
    assert len(found) == len(mine)
    assert {entry["INTERFACE"] for entry in found} == {"eth1"}
    assert {entry["SRCROUTD_GENERATION"] for entry in found} == {"1"}
    rule = next(entry for entry in found if entry.get("SRCROUTD_PRIORITY") == "18016")
    assert rule["MESSAGE"].startswith("generation 1  eth1 eni-1  + ip ")
    assert rule["MESSAGE_ID"] == Kind.RULE_ADDED.message_id
    assert (rule["PRIORITY"], rule["_TRANSPORT"], rule["_PID"]) == ("6", "journal", f"{daemon.pid}")
    assert rule["SRCROUTD_BECAUSE"] in rule["MESSAGE"]
    by_nic = journald.entries("INTERFACE=eth1", "SRCROUTD_VERB=add")
    assert [entry["__CURSOR"] for entry in by_nic] == [entry["__CURSOR"] for entry in found]
    # Nothing of it went another way.
    assert not journald.entries("_TRANSPORT=stdout")
    assert daemon.said() == []


def test_the_catalog_explains_an_entry(host: Host, journald: Journald) -> None:
    journald.run(host)
    journald.wait_entries(1, message_id(Kind.READY))
    said = journald.text("--catalog", "INTERFACE=eth1", message_id(Kind.RULE_ADDED))
    assert "Subject: A rule was added" in said
    assert "srcroutd added this rule of its own, for a NIC or for the whole host:" in said
    assert "     + ip rule 1801" in said
    assert "SRCROUTD_GENERATION=1" in said
    assert not re.search(r"@[A-Z_]+@", journald.text("--catalog", "SYSLOG_IDENTIFIER=srcroutd"))


def test_a_generation_binds_what_metadata_said_and_what_was_done_about_it(
    cloud: Cloud, bare: Host, journald: Journald
) -> None:
    daemon = journald.run(bare)
    bare.settled()
    facts = Eni(1, (5, 9)).facts(gateway="172.16.1.254")
    cloud.tell(ETH0.facts(), facts, Eni(2).facts())
    # A new NIC is a reason to ask the metadata service.
    bare.plug(Eni(2))
    (change,) = journald.wait_entries(1, message_id(Kind.ENI_CHANGED))
    difference = "+172.16.1.9 -172.16.1.6 IPv4 gateway 172.16.1.253 -> 172.16.1.254"
    assert change["SRCROUTD_CHANGE"] == difference
    assert change["MESSAGE"] == f"metadata: eni-1 changed: {difference}"
    assert (change["SRCROUTD_ENI"], change["INTERFACE"]) == ("eni-1", "eth1")
    replaced = journald.wait_entries(1, message_id(Kind.ROUTE_REPLACED))
    generations = {entry["SRCROUTD_GENERATION"] for entry in (change, *replaced)}
    assert generations == {change["SRCROUTD_GENERATION"]}
    assert replaced[0]["SRCROUTD_WAS"].startswith("default via 172.16.1.253 dev eth1")
    assert daemon.said() == []


def test_in_sync_nothing_is_said_however_many_rounds(host: Host, journald: Journald) -> None:
    daemon = journald.run(host)
    host.settled()
    journald.wait_entries(1, message_id(Kind.READY))
    before = len(journald.entries())
    for number in range(60):
        # Each of these makes the daemon look; none is its business.
        host.ip(f"rule add priority {100 + number} to 198.51.100.{number} lookup main")
        host.ip(f"address add 192.0.2.{number + 1}/32 dev lo")
        time.sleep(0.01)
    host.settled()
    assert daemon.status.startswith("in sync; generation 1")
    assert len(journald.entries()) == before


def test_a_refusal_tells_what_and_the_kernels_words(host: Host, journald: Journald) -> None:
    # An address of the host itself is no gateway to the kernel.
    good = host.config.read_text()
    host.config.write_text(good.replace("172.16.2.253", "172.16.1.5"))
    journald.run(host, ready=False)
    found = journald.wait_entries(1, message_id(Kind.OPERATION_REFUSED))
    entry = next(entry for entry in found if "default" in entry["SRCROUTD_OPERATION"])
    assert entry["PRIORITY"] == "3"
    assert entry["SRCROUTD_ERRNO"] == "22"
    assert "gateway" in entry["SRCROUTD_ERROR"]
    assert entry["SRCROUTD_OPERATION"].startswith("+ ip route default via 172.16.1.5 dev eth2")
    assert (entry["SRCROUTD_ENI"], entry["INTERFACE"]) == ("eni-2", "eth2")
    # It is tried again and again, and said once.
    time.sleep(1.0)
    assert len(journald.entries(message_id(Kind.OPERATION_REFUSED))) == len(found)


def test_a_journald_that_hangs_holds_up_nothing_and_gets_it_later(
    host: Host, journald: Journald
) -> None:
    journald.run(host)
    full = host.settled()
    journald.wait_entries(1, message_id(Kind.READY))
    journald.freeze()
    host.ip("rule flush protocol 83")
    host.healed(full)
    journald.thaw()
    journald.wait_entries(rules_in(full) + full.count("ip rule"), "SRCROUTD_KIND=rule")
    assert not journald.entries(message_id(Kind.NOT_DELIVERED))


def test_what_a_journald_that_hangs_for_long_did_not_get_is_counted(
    host: Host, journald: Journald
) -> None:
    journald.run(host)
    full = host.settled()
    journald.wait_entries(1, message_id(Kind.READY))
    journald.freeze()
    for _ in range(6):
        host.ip("rule flush protocol 83")
        host.healed(full)
        time.sleep(PATIENCE_S / 4)
    journald.thaw()
    host.ip("route flush table 18002")
    host.healed(full)
    (missed,) = journald.wait_entries(1, message_id(Kind.NOT_DELIVERED))
    assert int(missed["SRCROUTD_MISSED"]) > 0
    # They came as lines, on the stream that stderr is.
    lines = journald.wait_entries(int(missed["SRCROUTD_MISSED"]), "_TRANSPORT=stdout")
    assert all("ip" in line["MESSAGE"] and line["PRIORITY"] == "6" for line in lines)


def test_a_journald_that_ends_and_comes_back_is_found_again(host: Host, journald: Journald) -> None:
    daemon = journald.run(host, "--log", "journal", stream=False)
    full = host.settled()
    journald.wait_entries(1, message_id(Kind.READY))
    assert daemon.said() == []
    journald.stop()
    host.ip("rule flush protocol 83")
    host.healed(full)
    added = full.count("ip rule")
    until(lambda: len(daemon.said("+ ip rule")) == added, 5.0, "lines on stderr")
    journald.start()
    host.ip("route flush table 18001")
    host.healed(full)
    journald.wait_entries(1, "SRCROUTD_KIND=route", f"SRCROUTD_GENERATION={daemon.generation}")
    (missed,) = journald.wait_entries(1, message_id(Kind.NOT_DELIVERED))
    assert missed["SRCROUTD_MISSED"] == str(added)


def test_without_journald_the_same_entries_are_lines_of_json(host: Host) -> None:
    place = host.folder / "json"
    place.mkdir()
    code, said = host.run("--once", "--log", "json")
    assert code == 0
    entries = [json.loads(line) for line in said.splitlines()]
    rules = [entry for entry in entries if entry["kind"] == "rule-added"]
    assert len(rules) == host.ours().count("rule 18")
    one = next(entry for entry in rules if entry.get("address") == ETH1.v4[0])
    assert one["message_id"] == Kind.RULE_ADDED.message_id
    assert (one["eni"], one["interface"], one["object"]) == ("eni-1", "eth1", "rule")
    assert (one["level"], one["generation"], one["verb"]) == ("info", "1", "add")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", one["time"])
    assert entries[-1]["kind"] == "once-done"


def test_as_text_the_fields_stand_below_when_asked_for(host: Host) -> None:
    code, said = host.run("--once", "--verbose")
    assert code == 0
    assert re.search(
        r"(?m)^\d\d:\d\d:\d\d\.\d{3} INFO generation 1  eth1 eni-1  \+ ip rule .*\)\n"
        r"    INTERFACE=eth1\n    SRCROUTD_ENI=eni-1\n",
        said,
    )


def test_no_value_forges_a_field_and_none_is_cut(journald: Journald) -> None:
    lost = Kept()
    audit = Audit(Journal(lost, journald.path))
    for name, value in NASTY.items():
        audit.say(Entry(Kind.BUG, f"{name}: {value[:99]}", Level.ERROR, {"SRCROUTD_WAS": value}))
    audit.close()
    found = journald.wait_entries(len(NASTY))
    for entry, (name, value) in zip(found, NASTY.items(), strict=True):
        was = entry["SRCROUTD_WAS"]
        # journalctl shows what is not printable as numbers.
        text = bytes(was).decode() if isinstance(was, list) else was
        assert text == value, name
        assert entry["MESSAGE"].startswith(f"{name}: ")
        assert entry["PRIORITY"] == "3"
        assert "SRCROUTD_ENI" not in entry
    assert lost.entries == []


def test_a_storm_reaches_the_journal_whole_and_in_order(journald: Journald) -> None:
    lost, number = Kept(), 6000

    async def storm() -> None:
        audit = Audit(Journal(lost, journald.path))
        for start in range(0, number, 100):
            audit.applied(start // 100, [(ADD, ENI1)] * 100)
            await audit.breathe()
        audit.close()

    asyncio.run(storm())
    assert lost.entries == []
    found = journald.wait_entries(number, within_s=20.0)
    told = [int(entry["SRCROUTD_GENERATION"]) for entry in found]
    assert told == sorted(told)
    assert len(told) == number
