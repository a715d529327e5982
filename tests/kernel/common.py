"""What the tests of requests and codecs share: rules, the types of the fixtures, and a dump."""

from collections.abc import Callable, Coroutine
from ipaddress import IPv4Network

from srcroutd.core.net import Family, Rule
from srcroutd.kernel.messages import Message
from srcroutd.kernel.requests import Requests

V4, V6 = Family.V4, Family.V6
TABLE = 18001
Ip = Callable[[str], str]
Tell = Callable[[Callable[[Requests], Coroutine[None, None, None]]], None]

RULES = [
    Rule(V4, 18000 + n // 64, table=TABLE, src=IPv4Network((0x0A000000 + n, 32)), protocol=83)
    for n in range(1000)
]


async def dump_after(messages: list[Message], family: Family) -> list[bytes]:
    """The bodies of all rules after some messages that must all succeed."""
    requests = Requests()
    try:
        assert not await requests.execute(messages)
        return await requests.rules(family)
    finally:
        requests.close()
