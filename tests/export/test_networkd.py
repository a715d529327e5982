"""networkd's drop-ins, read and carried out by the real networkd."""

from collections.abc import Callable

from srcroutd.export.networkd import networkd
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
