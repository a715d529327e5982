"""Each entry can be read alone, found by its fields, and never passes for two."""

import re
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core import entries
from srcroutd.core.difference import differences
from srcroutd.core.entry import Entry, Kind, Level, Who, one_line
from srcroutd.core.inventory import Addressing
from tests.pure.records import (
    ADD,
    DELETE,
    ENI1,
    JUMP,
    NEW,
    NOBODY,
    OLD,
    REPLACE,
    ROUTE,
    inventory,
    of_everything,
)


def only(*found: Entry) -> Entry:
    (entry,) = found
    return entry


def test_every_kind_has_its_own_name_and_message_id() -> None:
    assert not [slug for slug, n in Counter(kind.slug for kind in Kind).items() if n > 1]
    assert not [uid for uid, n in Counter(kind.message_id for kind in Kind).items() if n > 1]
    for kind in Kind:
        assert kind.slug == kind.name.lower().replace("_", "-")
        # What a version 4 UUID looks like (RFC 9562): made by luck, not typed.
        assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", kind.message_id)


def test_there_is_a_way_to_say_each_kind() -> None:
    assert Counter(entry.kind for entry in of_everything()) == Counter(Kind)


def test_every_field_has_a_name_of_ours_a_value_and_the_generation() -> None:
    for entry in of_everything():
        assert "SRCROUTD_GENERATION" in entry.fields
        assert entry.level is entry.kind.level
        for name, value in entry.fields.items():
            assert name == "INTERFACE" or re.fullmatch(r"SRCROUTD_[A-Z_]+", name)
            assert value


def test_an_operation_tells_what_to_whom_and_why() -> None:
    entry = entries.applied(ADD, ENI1, 7)
    assert entry.kind is Kind.RULE_ADDED
    assert entry.message == (
        "generation 7  eth1 eni-1  + ip -6 rule 18016: from 2001:db8::5 lookup 18001  "
        "(first address of eni-1)"
    )
    assert entry.fields == {
        "INTERFACE": "eth1",
        "SRCROUTD_ENI": "eni-1",
        "SRCROUTD_OPERATION": "+ ip -6 rule 18016: from 2001:db8::5 lookup 18001",
        "SRCROUTD_VERB": "add",
        "SRCROUTD_BECAUSE": "first address of eni-1",
        "SRCROUTD_KIND": "rule",
        "SRCROUTD_PRIORITY": "18016",
        "SRCROUTD_TABLE": "18001",
        "SRCROUTD_ADDRESS": "2001:db8::5",
        "SRCROUTD_GENERATION": "7",
    }


def test_a_route_that_takes_anothers_place_names_it() -> None:
    entry = entries.applied(REPLACE, ENI1, 7)
    assert entry.kind is Kind.ROUTE_REPLACED
    assert entry.fields["SRCROUTD_WAS"] == "default via 192.0.2.9 table 18001"
    assert entry.message.endswith("; was: default via 192.0.2.9 table 18001)")
    assert entry.fields["SRCROUTD_ADDRESS"] == "192.0.2.5"


def test_a_route_as_the_kernel_tells_it_gets_the_name_of_its_nic() -> None:
    nameless = replace(ROUTE, dev="", gateway=None)
    was = entries.applied(replace(REPLACE, replaces=nameless), ENI1, 7).fields["SRCROUTD_WAS"]
    assert was == "default dev eth1 table 18001 src 192.0.2.5"
    elsewhere = replace(nameless, oif=9)
    was = entries.applied(replace(REPLACE, replaces=elsewhere), ENI1, 7).fields["SRCROUTD_WAS"]
    assert was == "default dev if9 table 18001 src 192.0.2.5"


def test_what_does_not_apply_is_absent() -> None:
    entry = entries.applied(DELETE, NOBODY, 7)
    assert "number 7" in entry.message
    absent = {"INTERFACE", "SRCROUTD_ENI", "SRCROUTD_TABLE", "SRCROUTD_ADDRESS", "SRCROUTD_WAS"}
    assert absent.isdisjoint(entry.fields)
    assert JUMP.priority == int(entry.fields["SRCROUTD_PRIORITY"])


def test_a_difference_of_metadata_is_a_line_an_eni() -> None:
    nics = {OLD.mac: "eth1"}
    entry = only(*differences(inventory(OLD), inventory(NEW), nics))
    assert entry.fields["SRCROUTD_CHANGE"] == (
        "+192.0.2.7 +198.51.100.0/28 -192.0.2.6 IPv4 subnet 192.0.2.0/24 -> 192.0.2.0/25 "
        "IPv4 gateway 192.0.2.1 -> 192.0.2.126 IPv4 primary 192.0.2.5 -> 192.0.2.7"
    )
    assert entry.message == f"metadata: eni-1 changed: {entry.fields['SRCROUTD_CHANGE']}"
    assert (entry.fields["INTERFACE"], entry.fields["SRCROUTD_ENI"]) == ("eth1", "eni-1")


def test_another_eni_under_the_same_mac_is_told() -> None:
    other = replace(OLD, id="eni-2")
    entry = only(*differences(inventory(OLD), inventory(other), {}))
    assert (entry.kind, entry.fields["SRCROUTD_CHANGE"]) == (Kind.ENI_CHANGED, "id eni-1 -> eni-2")
    assert entry.fields["SRCROUTD_ENI"] == "eni-2"


def test_a_family_that_comes_is_told_from_nothing() -> None:
    assert OLD.v4
    six = replace(OLD, v6=Addressing(OLD.v4.addresses[:1], OLD.v4.subnet, None))
    entry = only(*differences(inventory(OLD), inventory(six), {}))
    assert entry.fields["SRCROUTD_CHANGE"] == "+192.0.2.5 IPv6 subnet none -> 192.0.2.0/24"


def test_the_same_facts_again_are_no_news() -> None:
    same = inventory(replace(OLD, v4=replace(OLD.v4 or Addressing())))
    assert list(differences(inventory(OLD), same, {})) == []


@given(st.text())
def test_a_message_is_one_printable_line_whatever_is_in_it(text: str) -> None:
    message = Entry(Kind.BUG, text, Level.CRITICAL, {}).message
    assert message.isprintable()
    assert len(message.splitlines()) <= 1
    assert isinstance(message.encode(), bytes)
    assert one_line(message) == message


def test_what_would_move_the_cursor_or_forge_a_line_is_shown_as_what_it_is() -> None:
    evil = "eni-1\n12:00:00 INFO all is well\x1b[2J\u202e\r\x00\ud800"
    assert one_line(evil) == (r"eni-1 | 12:00:00 INFO all is well\x1b[2J\u202e | \x00\ud800")


def test_the_fields_have_plain_names_for_programs() -> None:
    plain = entries.applied(ADD, ENI1, 7).plain_fields()
    assert plain["object"] == "rule"
    assert plain["interface"] == "eth1"
    assert plain["generation"] == "7"
    # What a line of JSON has of its own is not among them.
    for entry in of_everything():
        assert {"time", "kind", "message_id", "level", "message"}.isdisjoint(entry.plain_fields())


def test_whom_it_is_about_is_said_in_words_and_in_fields() -> None:
    assert (str(ENI1), str(Who(eni="eni-1")), str(NOBODY)) == ("eth1 eni-1", "eni-1", "number 7")
    assert NOBODY.fields() == {}
