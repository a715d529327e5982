"""The lab's metadata service itself: it keeps to ECS's rules and follows its facts file."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from srcroutd.lab.metadata import TOKEN_HEADER, TOKEN_PATH, TTL_HEADER, MetadataService
from srcroutd.lab.metadata_facts import Facts
from tests.metadata.scene import eni, facts, fault, mac

MACS = "/latest/meta-data/network/interfaces/macs/"


def ask(
    port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def answers(told: Facts, *asked: tuple[str, str, dict[str, str]]) -> list[tuple[int, str]]:
    """The answers to (method, path, headers), one after the other."""

    async def stage() -> list[tuple[int, str]]:
        service = MetadataService(told)
        port = await service.start()
        try:
            return [
                await asyncio.to_thread(ask, port, path, method, headers)
                for method, path, headers in asked
            ]
        finally:
            await service.stop()

    return asyncio.run(stage())


def test_a_hardened_service_keeps_to_the_rules_of_tokens() -> None:
    told = answers(
        facts(),
        ("GET", MACS, {}),
        ("GET", MACS, {TOKEN_HEADER: "made-up"}),
        ("PUT", TOKEN_PATH, {}),
        ("PUT", TOKEN_PATH, {TTL_HEADER: "0"}),
        ("PUT", TOKEN_PATH, {TTL_HEADER: "21601"}),
        ("PUT", TOKEN_PATH, {TTL_HEADER: "60", "X-Forwarded-For": "192.0.2.1"}),
        ("PUT", TOKEN_PATH, {TTL_HEADER: "60"}),
    )
    assert [status for status, _ in told] == [403, 401, 400, 400, 400, 403, 200]


def test_a_service_of_the_normal_mode_answers_with_and_without_a_token() -> None:
    told = answers(
        facts(token_mode="optional"),
        ("GET", MACS, {}),
        ("GET", MACS, {TOKEN_HEADER: "made-up"}),
        ("PUT", TOKEN_PATH, {TTL_HEADER: "60"}),
    )
    assert [status for status, _ in told] == [200, 401, 200]


def test_texts_are_spelled_as_ecs_spells_them() -> None:
    upper = "00:16:3E:00:00:AB"
    told = answers(
        facts(
            eni(1, ipv6s=("2001:db8::1", "2001:db8::2"), private_ipv4s=("192.0.2.1", "192.0.2.7")),
            eni(2, mac=upper),
            token_mode="absent",
        ),
        ("GET", MACS, {}),
        ("GET", f"{MACS}{mac(1)}/ipv6s", {}),
        ("GET", f"{MACS}{mac(1)}/private-ipv4s", {}),
        ("GET", f"/2016-01-01{MACS.removeprefix('/latest')}{mac(1)}/netmask", {}),
        ("GET", f"{MACS}{upper.lower()}/netmask", {}),
        ("GET", "/latest/meta-data/mac", {}),
        ("PUT", TOKEN_PATH, {TTL_HEADER: "60"}),
    )
    assert [text for status, text in told if status == 200] == [
        f"{mac(1)}/\n{upper}/",
        "[2001:db8::1,2001:db8::2]",
        '["192.0.2.1","192.0.2.7"]',
        "255.255.255.0",
        mac(1),
    ]
    assert [(status, "<html" in text) for status, text in told if status != 200] == [
        (404, True)
    ] * 2


def test_a_token_dies_at_the_end_of_its_life() -> None:
    async def stage() -> list[int]:
        clock = [0.0]
        service = MetadataService(facts(), clock=lambda: clock[0])
        port = await service.start()
        headers = {TTL_HEADER: "60"}
        _, token = await asyncio.to_thread(ask, port, TOKEN_PATH, "PUT", headers)
        statuses = []
        for clock[0] in (59.0, 61.0):
            status, _ = await asyncio.to_thread(ask, port, MACS, "GET", {TOKEN_HEADER: token})
            statuses.append(status)
        await service.stop()
        return statuses

    assert asyncio.run(stage()) == [200, 401]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """The service as the lab starts it: the process, its port, its facts file."""
    path = tmp_path / "facts.json"
    path.write_text(facts(token_mode="absent").model_dump_json())
    words = ["-m", "srcroutd.lab.metadata", "--listen", "127.0.0.1", "--port", "0"]
    words += ["--facts", str(path), "--log", str(tmp_path / "log")]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().removeprefix("ready on port "))
        yield process, port, path
        process.kill()


def until(port: int, expected: str) -> None:
    """Wait until the list of MACs is this; "" waits for a closed port."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            heard = ask(port, MACS)[1]
        except OSError:
            heard = ""
        if heard == expected:
            return
        time.sleep(0.01)
    raise AssertionError(expected)


def test_the_program_follows_its_facts_file(
    program: tuple[subprocess.Popen[str], int, Path],
) -> None:
    process, port, path = program
    until(port, f"{mac(1)}/\n{mac(2)}/")
    told = facts(eni(1), eni(2), eni(3), token_mode="absent")
    fresh = path.with_suffix(".new")
    fresh.write_text(told.model_dump_json())
    fresh.replace(path)
    until(port, f"{mac(1)}/\n{mac(2)}/\n{mac(3)}/")
    path.write_text('{"enis": [')
    time.sleep(0.2)
    until(port, f"{mac(1)}/\n{mac(2)}/\n{mac(3)}/")
    path.write_text(told.model_copy(update={"fault": fault("refuse")}).model_dump_json())
    until(port, "")
    path.write_text(told.model_dump_json())
    until(port, f"{mac(1)}/\n{mac(2)}/\n{mac(3)}/")
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    first = json.loads((path.parent / "log").read_text().splitlines()[0])
    assert (first["method"], first["path"], first["status"]) == ("GET", MACS, 200)
