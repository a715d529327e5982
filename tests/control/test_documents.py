"""Views to documents to JSON and back; and the schemas that describe them."""

import json
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from srcroutd.control.decode import WrongShape, parse, read
from srcroutd.control.documents import (
    VERSION,
    CleanupDocument,
    Document,
    EntryDocument,
    PlanDocument,
    StatusDocument,
    ViewDocument,
)
from srcroutd.control.encode import encode, plain, to_line, to_text
from srcroutd.control.generate import name, schemas
from srcroutd.control.pages import SCHEMAS
from srcroutd.control.translate import (
    cleaned_of,
    cleanup_document,
    entry_document,
    plan_document,
    plan_json,
    rfc3339,
    status_document,
    status_json,
    view_document,
    view_of,
)
from srcroutd.core.entries import ready
from srcroutd.core.view import Cleaned, View
from tests.control.views import cleanups, views
from tests.control.world import NOW_S, a_view, cleaned


def written(document: object) -> bytes:
    return "".join(encode(document)).encode()


@settings(max_examples=300)
@given(views)
def test_a_view_survives_its_way_through_json(view: View) -> None:
    text = written(view_document(view))
    assert view_of(read(ViewDocument, parse(text))) == view


@given(cleanups)
def test_a_cleanup_survives_its_way_through_json(done: Cleaned) -> None:
    text = written(cleanup_document(done, a_view(), dry_run=False))
    assert cleaned_of(read(CleanupDocument, parse(text))) == done


def test_a_view_comes_back_from_its_fields_and_never_from_its_texts() -> None:
    view = a_view(drift=True)
    found = parse(written(view_document(view)))
    for part in _parts(found):
        if "text" in part and "phase" not in part:  # an operation's text is its key
            part["text"] = "nonsense"
    assert view_of(read(ViewDocument, found)).nics == view.nics


def _parts(value: Any) -> list[dict[str, Any]]:
    """Every object in a piece of JSON."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    here = [value] if isinstance(value, dict) else []
    return here + [part for one in below for part in _parts(one)]


@given(views)
def test_the_pieces_of_a_document_are_the_document(view: View) -> None:
    for document in (view_document(view), status_document(view), plan_document(view)):
        assert json.loads(written(document)) == plain(document)


@given(views)
def test_what_is_written_is_of_the_very_types_that_are_documented(view: View) -> None:
    for shape, document in (
        (ViewDocument, view_document(view)),
        (StatusDocument, status_document(view)),
        (PlanDocument, plan_document(view)),
    ):
        text = written(document)
        if b"\\ud" not in text:  # pydantic takes no half of a character; JSON does
            TypeAdapter(shape).validate_json(text, strict=True, extra="forbid")


def test_status_and_plan_are_told_for_people() -> None:
    view = a_view(1, 1, drift=True)
    status, plan = json.loads(status_json(view)), json.loads(plan_json(view))
    assert [nic["name"] for nic in status["nics"]] == ["eth0", "eth1"]
    assert status["nics"][1]["addresses"] == ["198.51.100.9", "2001:db8:0:1::5"]
    assert status["nics"][1]["gateways"] == ["198.51.100.14", "2001:db8:0:1::1"]
    assert status["nics"][1]["condition"] == f"drift ({len(view.operations)})"
    assert status["taken_at"] == "2026-11-18T11:06:40.250Z"
    assert plan["add"] == len(plan["operations"]) == len(view.operations)
    first = plan["operations"][0]
    assert first["text"] == "+ ip route unreachable default table 18001 metric 4278198272"
    assert (first["nic"], first["eni"], first["rule"]) == ("eth1", "eni-1", None)
    assert first["because"] == "guard: packets of eni-1 never leave by another NIC"


def test_a_rule_is_told_as_it_is_typed_and_field_by_field() -> None:
    rules = json.loads(written(view_document(a_view(1, 1))))["nics"][1]["rules"]
    found = next(rule for rule in rules if rule["src"] and rule["family"] == "ipv6")
    assert found == {
        "text": ("-6 rule 18014: from 2001:db8:0:1::5 lookup 18001 suppress_prefixlength 0"),
        "because": "first address of eni-1, read from aliyun",
        "family": "ipv6",
        "priority": 18014,
        "action": "lookup",
        "table": 18001,
        "src": "2001:db8:0:1::5/128",
        "dst": None,
        "iif": None,
        "oif": None,
        "mark": 0,
        "mask": 0,
        "invert": False,
        "goto": None,
        "suppress_prefixlength": 0,
        "protocol": 83,
        "tos": 0,
        "ip_proto": None,
        "sport": None,
        "dport": None,
        "uids": None,
        "beyond": [],
    }


def test_an_entry_bears_its_time_and_the_journals_id() -> None:
    document = entry_document(ready(12.0, "in sync"), NOW_S)
    again = read(EntryDocument, parse(to_line(document).encode()))
    assert again.time == "2026-11-18T11:06:40.250Z"
    assert again.event == "ready"
    assert len(again.message_id) == 32
    assert again.fields == {"status": "in sync", "ready_ms": "12"}
    assert json.loads(again.json()) == plain(document)


@pytest.mark.parametrize("seconds", [0.0, 0.9996, 1_795_000_000.9999, 3.5e9])
def test_a_time_is_rounded_as_a_whole(seconds: float) -> None:
    text = rfc3339(seconds)
    assert len(text) == len("1970-01-01T00:00:00.000Z")
    assert "1000Z" not in text


def test_the_text_for_people_is_the_same_json() -> None:
    document = cleanup_document(cleaned(a_view(drift=True)), a_view(), dry_run=True)
    assert json.loads(to_text(document)) == json.loads(written(document))


def test_the_schemas_that_are_shipped_are_those_of_the_types() -> None:
    shipped = {path.stem: path.read_text() for path in SCHEMAS.glob("*")}
    assert shipped == schemas(), "python -m srcroutd.control.generate"


def test_each_document_says_its_version_and_kind_and_leaves_no_key_out() -> None:
    for shape in get_args(Document):
        schema = json.loads(schemas()[name(shape)])
        assert schema["properties"]["version"]["const"] == VERSION
        assert schema["properties"]["kind"]["const"] == f"srcroutd.{name(shape)}"
        for part in (schema, *schema.get("$defs", {}).values()):
            left_out = part["properties"].keys() - set(part["required"])
            assert left_out <= {"version", "kind"}


def test_a_key_of_a_newer_srcroutd_is_skipped() -> None:
    found = parse(written(view_document(a_view())))
    found["weather"] = found["nics"][0]["weather"] = "fine"
    assert view_of(read(ViewDocument, found)) == a_view()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.pop("nics"), "nics is missing"),
        (lambda found: found["nics"][1].pop("table"), "nics[1]: table is missing"),
        (
            lambda found: found["nics"][1].update(table="18001"),
            "nics[1].table: should be a whole number, is '18001'",
        ),
        (
            lambda found: found["nics"][1]["rules"][2].update(invert=0),
            "nics[1].rules[2].invert: should be true or false, is 0",
        ),
        (lambda found: found.update(generation=True), "generation: should be a whole number"),
        (lambda found: found.update(taken_at_s="now"), "taken_at_s: should be a number"),
        (lambda found: found.update(taken_at_s=1e999), "taken_at_s: should be a number"),
        (lambda found: found.update(nics={}), "nics: should be a list, is {}"),
        (lambda found: found.update(facts=[]), "facts: should be an object, is []"),
        (lambda found: found.update(why=None), "why: should be text, is None"),
        (
            lambda found: found["nics"][0].update(role="third"),
            "nics[0].role: should be 'primary' or 'secondary', is 'third'",
        ),
        (lambda found: found.update(version=True), "version: should be 1, is True"),
    ],
)
def test_a_wrong_document_is_told_where_it_is_wrong(change: Any, said: str) -> None:
    found = parse(written(view_document(a_view())))
    change(found)
    with pytest.raises(WrongShape) as raised:
        read(ViewDocument, found)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b"[" * 100_000,
        b'{"version": 1' + b"0" * 10_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(WrongShape):
        parse(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=300)
@given(st.data())
def test_any_value_in_any_place_is_read_or_refused_in_words(data: st.DataObject) -> None:
    found = parse(written(view_document(a_view(1, 1, drift=True))))
    part = data.draw(st.sampled_from(_parts(found)))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(json_values)
    with suppress(ValueError):  # any other exception would reach a person as a traceback
        view_of(read(ViewDocument, found))
