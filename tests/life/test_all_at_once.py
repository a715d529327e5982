"""Everything that can be configured, at the same time: it stands together, is healed together, and
goes without a trace.
"""

import signal
import subprocess

import pytest

from tests.life.enis import ETH0, ETH1, Eni
from tests.life.host import Host, same, until
from tests.life.marked_host import everything
from tests.life.strangers_tables import nft, ruleset

SPARE = Eni(2, (5, 9))
"""eth2, whose second address nobody has put on it."""
WHOLE = """
[[nic]]
name = "eth[12]"
mode = "connmark"
sysctls = "auto"
keep_main = ["192.0.2.0/24"]
mirror = ["10.50.0.0/16"]
main_default_metric = "auto"
addresses = "assign"

[[nic]]
name = "eth1"
routes = [{ to = "10.8.0.0/16", via = "172.16.1.77" }]

[[access]]
action = "prohibit"
to = ["198.51.100.0/28", "2001:db8:bad::/48"]
uid = "1000-1999"

[[egress]]
to = ["203.0.113.0/24", "2001:db8:cafe::/48"]
protocol = "tcp"
port = 25
nic = "eth1"

[[egress]]
to = "198.51.100.128/25"
source = "172.16.1.6"
snat = true

[[load]]
nics = { eth1 = 2, eth2 = 1 }
to = ["100.70.0.0/16", "2001:db8:10ad::/48"]
"""
HARMS = (
    "rule del priority 18010",
    "rule del priority 17000",
    "rule del priority 17501",
    "-6 rule del priority 17999",
    "route flush table 18001",
    "route flush table 18100",
    "-6 route flush table 18163",
    "route del default dev eth1 table main",
    "route del 10.50.1.0/24 table 18002",
    "address del 172.16.2.9/32 dev eth2",
)


@pytest.fixture
def plain(bare: Host) -> Host:
    """Three NICs, a route of main that is to be copied, and only events to heal by."""
    bare.plug(ETH0, ETH1)
    bare.plug(SPARE, addresses=False)
    bare.ip(*SPARE.address_lines())
    bare.ip("address del 172.16.2.9/24 dev eth2")
    bare.ip("route add 10.50.1.0/24 via 172.16.0.253 dev eth0 proto static")
    bare.configure(ETH0, ETH1, SPARE, more="look = 3600")
    return bare


def state(host: Host) -> str:
    """All that there is to give back, addresses too."""
    addresses = host.ip("-4 -o address show").splitlines()
    kept = [" ".join(line.split()[1:4]) for line in addresses]
    return "\n".join([*kept, everything(host)])


def settled(host: Host) -> str:
    """All that there is, once the last of it stands and nothing moves."""
    until(lambda: "chain source" in ruleset() and "chain output" in ruleset(), 5.0, "the table")
    until(lambda: "172.16.2.9/32" in host.ip("-4 -o address show dev eth2"), 5.0, "the address")
    until(lambda: "from 172.16.2.9" in host.ours(), 5.0, "its rules")
    host.settled()
    return comparable(state(host))


def comparable(text: str) -> str:
    """What may differ without meaning anything: handles, the order within one priority."""
    return "\n".join(sorted(line.split(" # handle")[0] for line in text.splitlines()))


def configure(host: Host, extra: str = "") -> None:
    host.configure(ETH0, ETH1, SPARE, more="look = 3600", extra=extra)


def test_all_of_it_stands_and_what_is_harmed_comes_back(plain: Host) -> None:
    configure(plain, WHOLE)
    daemon = plain.start()
    whole = settled(plain)
    for said in ("default via 172.16.1.253 dev eth1", "nexthop via 172.16.2.253", "prohibit"):
        assert said in whole
    for harm in HARMS:
        generation = daemon.generation
        plain.ip(harm)
        until(lambda before=generation: daemon.generation > before, 3.0, f"seen: {harm}")  # type: ignore[misc]
        until(lambda: comparable(state(plain)) == whole, 3.0, f"healed after {harm}")
    nft("flush", "ruleset")
    until(lambda: comparable(state(plain)) == whole, 3.0, "healed after nft flush ruleset")


def test_a_link_that_went_down_and_up_has_all_of_it_again(plain: Host) -> None:
    configure(plain, WHOLE)
    plain.start()
    whole = settled(plain).splitlines()
    plain.ip("link set eth1 down", "link set eth1 up")
    missing = set(whole)
    until(
        lambda: (
            not {
                line
                for line in missing - set(comparable(state(plain)).splitlines())
                if "proto 83" in line or line.startswith("1") or "lookup" in line
            }
        ),
        5.0,
        "all of ours is back",
    )


def test_it_goes_with_the_configuration_byte_for_byte(plain: Host) -> None:
    daemon = plain.start()
    plain.settled()
    before = state(plain)
    configure(plain, WHOLE)
    daemon.send(signal.SIGHUP)
    settled(plain)
    configure(plain)
    daemon.send(signal.SIGHUP)
    until(lambda: state(plain) == before, 5.0, "all is as before")


@pytest.mark.parametrize("running", [True, False])
def test_a_cleanup_leaves_no_trace_of_any_of_it(plain: Host, running: bool) -> None:
    before = state(plain)
    configure(plain, WHOLE)
    daemon = plain.start()
    settled(plain)
    if not running:
        daemon.kill()
    code, said = plain.cleanup()
    assert code == 0, said
    same(before, state(plain))


def test_a_kill_and_a_start_change_nothing(plain: Host) -> None:
    configure(plain, WHOLE)
    plain.start().kill()
    plain.start()
    whole = settled(plain)
    plain.daemons[-1].kill()
    daemon = plain.start()
    plain.settled()
    assert comparable(state(plain)) == whole
    assert not daemon.said("generation 1")


def test_every_reader_has_words_for_it(plain: Host) -> None:
    configure(plain, WHOLE)
    code, said = plain.ctl("plan")
    assert code == 1, said
    assert "the whole host" in said
    plain.start()
    settled(plain)
    for words in ("status", "plan", "verify", "graph", "doctor --no-notes", "export iproute2"):
        code, said = plain.ctl(*words.split())
        assert code in {0, 1}, f"{words}: {said}"
        assert "Traceback" not in said
        code, said = plain.ctl(*words.split(), "--json")
        assert code in {0, 1}, f"{words} --json: {said}"
    done = subprocess.run(["ip", "-o", "rule"], capture_output=True, text=True, check=True)
    assert "17000:" in done.stdout
