"""Tokens and endpoints: which requests are sent, with what, and to whom."""

import asyncio
import socket

import pytest

from srcroutd import __version__
from srcroutd.lab.metadata import TOKEN_HEADER, TTL_HEADER
from tests.metadata.scene import Scene, facts, fault, mac, play, tree

PUT = "PUT /latest/api/token"
ALL = "GET /latest/meta-data/all"


def test_a_token_is_asked_for_with_a_life_and_sent_with_each_request() -> None:
    async def story(here: Scene) -> None:
        await here.read()
        put, get = here.service.requests
        assert put.headers[TTL_HEADER] == "21600"
        assert get.headers[TOKEN_HEADER] in here.service.tokens
        assert get.headers["User-Agent"] == f"srcroutd/{__version__}"
        assert get.headers["Accept-Encoding"] == "identity"
        assert "Cookie" not in get.headers

    play(facts(), story)


def test_a_token_is_renewed_at_half_its_life_and_not_before() -> None:
    async def story(here: Scene) -> None:
        await here.read()
        here.clock[0] += 10799
        await here.read()
        assert here.asked() == [PUT, ALL, ALL]
        here.clock[0] += 2
        await here.read()
        assert here.asked() == [PUT, ALL, ALL, PUT, ALL]

    play(facts(), story)


def test_an_old_token_is_used_while_its_renewal_fails() -> None:
    async def story(here: Scene) -> None:
        await here.read()
        here.clock[0] += 12000
        here.service.facts = facts(fault=fault("status", status=500, method="PUT"))
        assert len((await here.read()).enis) == 2
        assert len((await here.read()).enis) == 2
        assert here.asked() == [PUT, ALL, PUT, ALL, ALL]
        here.clock[0] += 31
        assert len((await here.read()).enis) == 2
        assert len(here.asked(PUT)) == 3

    play(facts(), story)


def test_a_401_is_answered_with_one_new_token() -> None:
    async def story(here: Scene) -> None:
        await here.read()
        here.service.tokens.clear()
        assert len((await here.read()).enis) == 2
        assert here.asked() == [PUT, ALL, ALL, PUT, ALL]

    play(facts(), story)


def test_a_401_that_comes_again_is_not_fought() -> None:
    async def story(here: Scene) -> None:
        assert (await here.read()).failure.kind == "token"
        assert here.asked() == [PUT, ALL, PUT, ALL]

    play(facts(fault=fault("status", status=401, method="GET")), story)


def test_side_by_side_requests_that_are_turned_away_share_one_new_token() -> None:
    async def story(here: Scene) -> None:
        await here.read()
        here.service.tokens.clear()
        keys = ("mac", "instance-id", "region-id", "network-type")
        paths = [f"/latest/meta-data/{key}" for key in keys]
        answers = await asyncio.gather(*map(here.provider._imds.get, paths))
        assert answers == [mac(1), "i-lab", "lab", "vpc"]
        assert len(here.asked(PUT)) == 2

    play(tree(), story)


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_service_without_tokens_is_asked_plainly(status: int) -> None:
    async def story(here: Scene) -> None:
        assert len((await here.read()).enis) == 2
        assert len((await here.read()).enis) == 2
        assert here.asked() == [PUT, ALL, ALL]
        assert all(TOKEN_HEADER not in each.headers for each in here.service.requests)
        here.clock[0] += 301
        await here.read()
        assert here.asked() == [PUT, ALL, ALL, PUT, ALL]

    broken = fault("status", status=status, method="PUT")
    play(facts(token_mode="optional", fault=broken), story)


def test_a_service_that_is_hardened_while_we_run_gets_its_token() -> None:
    async def story(here: Scene) -> None:
        await here.read()
        here.service.facts = facts(token_mode="required")
        assert len((await here.read()).enis) == 2
        assert here.asked() == [PUT, ALL, ALL, PUT, ALL]

    play(facts(token_mode="absent"), story)


@pytest.mark.parametrize(("status", "kind"), [(400, "refused"), (403, "forbidden")])
def test_a_refused_token_request_is_not_repeated_in_the_same_read(status: int, kind: str) -> None:
    async def story(here: Scene) -> None:
        assert (await here.read()).failure.kind == kind
        assert here.asked() == [PUT]

    play(facts(fault=fault("status", status=status, method="PUT")), story)


def test_the_second_endpoint_is_asked_where_the_first_is_closed_and_is_first_from_then_on() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"

        async def story(here: Scene) -> None:
            for _ in range(2):
                assert list((await here.read()).enis) == [mac(1), mac(2)]
            assert here.provider.requests["PUT", "unreachable"] == 1
            assert here.asked() == [PUT, ALL, ALL]

        play(facts(), story, endpoints=(dead, "http://127.0.0.1:{port}"))


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_the_ipv6_endpoint_is_asked_where_ipv4_is_closed() -> None:
    async def story(here: Scene) -> None:
        assert list((await here.read()).enis) == [mac(1), mac(2)]

    bases = ("http://127.0.0.1:{port}", "http://[::1]:{port}")
    play(facts(), story, hosts=("::1",), endpoints=bases)


def test_an_endpoint_that_hangs_from_the_start_gives_way_to_the_other() -> None:
    async def story(here: Scene) -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            here.provider._imds._bases = (
                f"http://127.0.0.1:{mute.getsockname()[1]}",
                *here.provider._imds._bases,
            )
            told = await here.read()
            assert list(told.enis) == [mac(1), mac(2)]
            assert told.at_s[-1] < 4

    play(facts(), story)


def test_where_all_endpoints_are_closed_the_reason_names_each() -> None:
    async def story(here: Scene) -> None:
        here.service.facts = facts(fault=fault("refuse"))
        await here.service.follow()
        reason = (await here.read()).failure.reason
        assert f"127.0.0.1:{here.port}" in reason
        assert f"localhost:{here.port}" in reason
        assert reason.count("Connection refused") == 2

    play(facts(), story, endpoints=("http://127.0.0.1:{port}", "http://localhost:{port}"))
