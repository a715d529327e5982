"""What the tests of requests share: a thousand rules, and the types of the fixtures."""

from collections.abc import Callable, Coroutine
from ipaddress import IPv4Network

from srcroutd.core.net import Family, Rule
from srcroutd.kernel.requests import Requests

V4, V6 = Family.V4, Family.V6
TABLE = 18001
Ip = Callable[[str], str]
Tell = Callable[[Callable[[Requests], Coroutine[None, None, None]]], None]

RULES = [
    Rule(V4, 18000 + n // 64, table=TABLE, src=IPv4Network((0x0A000000 + n, 32)), protocol=83)
    for n in range(1000)
]
