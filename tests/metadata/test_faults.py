"""Every way in which a metadata service fails: never an exception, a deletion, or a hang."""

import pytest

from srcroutd.core.inventory import Inventory
from srcroutd.lab.metadata_facts import Fault
from tests.metadata.scene import QUICK, Scene, facts, fault, mac, play, read_once, tree

TOTAL = {
    "the port is closed": (fault("refuse"), "unreachable"),
    "it hangs": (fault("hang"), "timeout"),
    "it drips": (fault("drip"), "timeout"),
    "everything is 403": (fault("status", status=403), "forbidden"),
    "everything is 404": (fault("status", status=404), "absent"),
    "everything is 401": (fault("status", status=401), "token"),
    "everything is 400": (fault("status", status=400), "refused"),
    "everything is 429": (fault("status", status=429, retry_after="7"), "throttled"),
    "everything is 500": (fault("status", status=500), "server"),
    "everything is 503": (fault("status", status=503), "throttled"),
    "everything is HTML": (fault("status", status=200), "malformed"),
    "everything is another type": (fault("body", body='{"a": [1, null]}'), "malformed"),
    "everything is empty": (fault("body", body=""), "malformed"),
    "nothing is text": (fault("binary"), "malformed"),
    "every body is cut": (fault("cut"), "cut"),
    "everything is redirected": (fault("redirect"), "redirect"),
    "everything is a gzip bomb": (fault("gzip"), "encoding"),
    "everything is 10 MB": (fault("huge"), "oversize"),
    "the token is 500": (fault("status", status=500, method="PUT"), "server"),
    "the token is 403": (fault("status", status=403, method="PUT"), "forbidden"),
    "the token is HTML": (fault("status", status=200, method="PUT"), "malformed"),
    "the token hangs": (fault("hang", method="PUT"), "timeout"),
    "the token is 10 MB": (fault("huge", method="PUT"), "oversize"),
    "the values are 401": (fault("status", status=401, method="GET"), "token"),
    "the values are 429": (fault("status", status=429, method="GET"), "throttled"),
    "the values are empty lists": (fault("body", body="[]", method="GET"), "malformed"),
    "the values are words": (fault("body", body="a b c", method="GET"), "malformed"),
    "the values are cut": (fault("cut", method="GET"), "cut"),
}


@pytest.mark.parametrize(("broken", "kind"), TOTAL.values(), ids=TOTAL)
def test_a_service_in_trouble_is_unknown_and_takes_nothing_away(broken: Fault, kind: str) -> None:
    async def story(here: Scene) -> None:
        known = (await here.read()).learnt(Inventory())
        assert len(known.enis) == 2
        # A new token is due, so that the trouble meets each kind of request.
        here.clock[0] += 21601
        here.service.facts = facts(fault=broken)
        await here.service.follow()
        asked = len(here.asked())
        told = await here.read()
        assert told.failure.kind == kind
        assert told.failure.reason.isprintable()
        assert told.learnt(known).enis == known.enis
        assert told.at_s[-1] < QUICK.read_s + 1
        assert len(here.asked()) - asked <= 8
        here.service.facts = facts()
        await here.service.follow()
        assert (await here.read()).learnt(known) == known

    play(facts(), story)


TREE = {
    "hangs": (fault("hang", path=f"{mac(2)}/"), "no whole answer in time"),
    "is 500": (fault("status", status=500, path=f"{mac(2)}/"), "status 500"),
    "is HTML": (fault("status", status=200, path=f"{mac(2)}/"), "a page of HTML"),
    "is cut": (fault("cut", path=f"{mac(2)}/"), "cut off"),
    "is redirected": (fault("redirect", path=f"{mac(2)}/"), "redirects are not followed"),
    "is a gzip bomb": (fault("gzip", path=f"{mac(2)}/"), "refused a body in 'gzip'"),
    "is 10 MB": (fault("huge", path=f"{mac(2)}/"), "more than 262144 bytes"),
    "is no text": (fault("binary", path=f"{mac(2)}/"), "not text"),
    "is an empty list": (fault("body", body="[]", path=f"{mac(2)}/private"), "is empty although"),
}


@pytest.mark.parametrize(("broken", "why"), TREE.values(), ids=TREE)
def test_one_eni_in_trouble_waits_while_the_others_go_on(broken: Fault, why: str) -> None:
    told = read_once(tree(fault=broken))
    assert list(told.enis) == [mac(1)]
    assert why in told.pending[mac(2)]
    assert told.listed == {mac(1), mac(2)}


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (fault("status", status=429, retry_after="9", path=f"{mac(2)}/gateway"), "throttled"),
        (fault("status", status=403, path=f"{mac(2)}/gateway"), "forbidden"),
    ],
)
def test_trouble_with_the_service_itself_ends_the_walk(broken: Fault, kind: str) -> None:
    told = read_once(tree(fault=broken))
    assert told.failure.kind == kind
    assert set(told.enis) <= {mac(1)}


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("99999999", 600.0),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (None, None),
    ],
)
def test_the_wait_that_a_service_asks_for_is_passed_on_within_bounds(
    asked: str | None, seconds: float | None
) -> None:
    told = read_once(facts(fault=fault("status", status=429, retry_after=asked)))
    assert told.failure.retry_after_s == seconds


@pytest.mark.parametrize("status", [500, 502])
def test_trouble_with_all_alone_is_met_by_the_tree(status: int) -> None:
    told = read_once(facts(fault=fault("status", status=status, path="meta-data/all")))
    assert list(told.enis) == [mac(1), mac(2)]


@pytest.mark.parametrize(
    "body", ["", "\n", "[]", f"{mac(1)}/\n00:16:3e:0", f"{mac(1)}/\nsecurity-groups/", "null"]
)
def test_a_list_that_is_no_list_of_macs_is_not_believed_in_part(body: str) -> None:
    told = read_once(tree(fault=fault("body", body=body, path="macs/", times=1)))
    assert told.failure.kind == "malformed"
    assert told.readings == []


def test_a_redirect_is_not_followed() -> None:
    async def story(here: Scene) -> None:
        assert (await here.read()).failure.kind == "redirect"
        assert here.asked("instance-id") == []

    play(facts(fault=fault("redirect", method="GET")), story)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert list(read_once(facts()).enis) == [mac(1), mac(2)]
