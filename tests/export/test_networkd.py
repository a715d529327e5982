"""networkd's drop-ins, read and carried out by the real networkd."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from srcroutd.export.networkd import networkd
from srcroutd.export.quoting import NotSayable
from tests.export.asking import ASKING, additions, asking
from tests.export.host import Host, settled
from tests.export.neighbour import network, put, start_networkd, static, with_onlink
from tests.export.scene import NUMBERS, links, scene


def test_the_drop_ins_give_the_daemons_rules_and_routes(
    new_host: Callable[[], Host], daemons: Host, tools: str
) -> None:
    host = new_host()
    host.run("ip -batch -", given=links(addresses=False))
    for number, document in zip(NUMBERS, networkd(scene(), temporary=True), strict=True):
        file = f"10-eth{number}.network"
        put(host, f"/run/systemd/network/{file}", network(number))
        put(host, document.path.replace("FILE", file), document.text)
    start_networkd(host, tools)
    expected = with_onlink(static(daemons.ours()))
    assert settled(host.ours, expected) == expected
    said = host.run("cat /run/said")
    assert "srcroutd" not in said, said


def test_rules_that_ask_for_ports_and_users_are_made(
    new_host: Callable[[], Host], tools: str
) -> None:
    host, fresh = new_host(), new_host()
    host.run("ip -batch -", given=links(addresses=False))
    fresh.run("ip -batch -", given=links())
    fresh.put_in(additions())
    (document,) = networkd(asking(), temporary=True)
    put(host, "/run/systemd/network/10-eth1.network", network(1))
    put(host, document.path.replace("FILE", "10-eth1.network"), document.text)
    start_networkd(host, tools)
    expected = static(fresh.ours())

    def made() -> list[str]:
        # A refusal without a table gets main's number from networkd, which changes nothing.
        return [line.replace("lookup main prohibit", "prohibit") for line in host.ours()]

    assert settled(made, expected) == expected
    assert len(expected) == len(ASKING)


@pytest.mark.parametrize("more", [{"ip_proto": 253}, {"uids": (5, 65535)}], ids=str)
def test_what_networkd_would_skip_is_not_said_to_it(more: dict[str, Any]) -> None:
    with pytest.raises(NotSayable, match=r"networkd .* next: "):
        networkd(asking(replace(ASKING[0], **more)))
