"""Load over several ENIs through the daemon: kept, healed, followed by the links, cleaned up."""

import signal
from collections.abc import Callable

import pytest

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, same, until

WITHIN_S = 1.0
"""What is promised for a dead ENI."""


def shared(eth1: int = 1, eth2: int = 1) -> str:
    return f"[[load]]\nnics = {{ eth1 = {eth1}, eth2 = {eth2} }}\n"


@pytest.fixture
def calm(host: Host) -> Host:
    """A host on which only events can heal: the full look comes once an hour."""
    host.configure(ETH0, ETH1, ETH2, more="look = 3600", extra=shared())
    return host


def ways(host: Host, family: str = "-4") -> str:
    """The NICs and weights of the table's default."""
    lines = host.ip(f"-o {family} route show table all").splitlines()
    wanted = [line for line in lines if line.startswith("default") and " table 18100 " in line]
    said = "".join(wanted).split()
    found = [
        (word, said[place + 2 : place + 4])
        for place, word in enumerate(said[1:])
        if said[place] == "dev"
    ]
    return " ".join(f"{nic} {after[1]}" if after[:1] == ["weight"] else nic for nic, after in found)


def comes_to(host: Host, wanted: str, *families: str) -> None:
    """Within a second the ways are these."""
    for family in families or ("-4", "-6"):
        until(lambda family=family: ways(host, family) == wanted, WITHIN_S, wanted)  # type: ignore[misc]


def test_it_comes_with_the_entry_and_goes_with_it_byte_for_byte(host: Host) -> None:
    daemon = host.start()
    before, theirs = host.settled(), host.theirs()
    host.configure(ETH0, ETH1, ETH2, extra=shared())
    daemon.send(signal.SIGHUP)
    comes_to(host, "eth1 1 eth2 1")
    same(theirs, host.theirs())
    host.configure(ETH0, ETH1, ETH2)
    daemon.send(signal.SIGHUP)
    host.healed(before)
    same(theirs, host.theirs())


HARMS = {
    "route deleted": "route del default table 18100",
    "weights changed": "route replace default table 18100 proto 83"
    " nexthop via 172.16.1.253 dev eth1 weight 9 nexthop via 172.16.2.253 dev eth2 weight 1",
    "way taken": "route replace default table 18100 proto 83 via 172.16.1.253 dev eth1",
    "table flushed": "route flush table 18100",
    "v6 way taken": "-6 route del default table 18100 via fd00:1::253 dev eth1",
    "v6 table flushed": "-6 route flush table 18100",
    "rule deleted": "rule del priority 17752",
    "v6 jump deleted": "-6 rule del priority 17500",
    "landing deleted": "-6 rule del priority 17999",
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_what_somebody_does_to_it_is_healed_by_its_event(calm: Host, harm: str) -> None:
    calm.start()
    whole = calm.settled()
    calm.ip(harm)
    calm.healed(whole)


DEATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "carrier lost": ("link set port1 down", ("link set port1 up",)),
    "link down": ("link set eth1 down", ("link set eth1 up", *ETH1.address_lines()[2:])),
    "detached": ("link del eth1", ()),
}


@pytest.mark.parametrize(("death", "life"), DEATHS.values(), ids=DEATHS)
def test_a_dead_eni_leaves_within_a_second_and_comes_back(
    calm: Host, death: str, life: tuple[str, ...]
) -> None:
    calm.start()
    comes_to(calm, "eth1 1 eth2 1")
    calm.ip(death)
    comes_to(calm, "eth2")
    if life:
        calm.ip(*life)
    else:
        calm.plug(ETH1)
    comes_to(calm, "eth1 1 eth2 1")


def test_with_the_last_nic_gone_new_connections_go_by_main_and_status_says_so(calm: Host) -> None:
    calm.start()
    calm.ip("link set port1 down", "link set port2 down")
    until(lambda: "lookup 18100" not in calm.ours(), WITHIN_S, "no rule leads there")
    assert "dev eth0" in calm.ip("route get 198.18.0.1")
    _, said = calm.ctl("status")
    assert "load: eth1 has no carrier" in said
    assert "load: no NIC is left for 0.0.0.0/0" in said


def test_a_socket_bound_to_a_nic_has_all_of_the_nics_own_table(host: Host) -> None:
    routes = 'routes = [{ to = "10.8.0.0/16", via = "172.16.1.77" }]'
    extra = f'{shared()}[[nic]]\nname = "eth1"\n{routes}\n'
    host.configure(ETH0, ETH1, ETH2, extra=extra)
    host.start()
    comes_to(host, "eth1 1 eth2 1")
    assert "via 172.16.1.77 dev eth1" in host.ip("route get 10.8.0.1 oif eth1")


def test_weights_change_with_a_reload_and_nothing_else_does(calm: Host) -> None:
    daemon = calm.start()
    comes_to(calm, "eth1 1 eth2 1")
    rules = calm.ip("rule"), calm.ip("-6 rule")
    calm.configure(ETH0, ETH1, ETH2, more="look = 3600", extra=shared(5, 2))
    daemon.send(signal.SIGHUP)
    comes_to(calm, "eth1 5 eth2 2")
    assert (calm.ip("rule"), calm.ip("-6 rule")) == rules


def test_a_restart_finds_nothing_to_do(calm: Host) -> None:
    calm.start().stop()
    whole = calm.ours()
    again = calm.start()
    assert "generation 0" in "\n".join(again.said()) or not again.said("+ ip")
    same(whole, calm.ours())


def test_who_lost_the_state_reads_no_number_off_the_table_of_the_whole_host(calm: Host) -> None:
    daemon = calm.start()
    calm.ip("link del eth1")
    comes_to(calm, "eth2")
    whole = calm.settled()
    assert "18002" in whole
    daemon.stop()
    calm.forget()
    calm.start()
    same(whole, calm.settled())


def test_cleanup_leaves_no_trace(calm: Host) -> None:
    before = everything(calm)
    daemon = calm.start()
    comes_to(calm, "eth1 1 eth2 1")
    daemon.stop()
    code, said = calm.cleanup()
    assert code == 0, said
    same(before, everything(calm))


def everything(host: Host) -> str:
    """All rules and routes as iproute2 tells them."""
    ask: Callable[[str], str] = host.ip
    return "\n".join(
        ask(f"{family} {what}")
        for family in ("-4", "-6")
        for what in ("rule", "route show table all")
    )
