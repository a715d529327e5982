"""Which values are in force, and which are enough, by what the real kernel then does.

Whether ARP speaks for itself is seen on the wire (tests/packets/test_arp_flux.py).
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from srcroutd.core.sysctl_needs import Needs, needed
from srcroutd.core.sysctls import ALL, Knob, Sysctl, in_force
from srcroutd.kernel.sysctl_write import look

Ip = Callable[[str], str]
ROOT = Path("/proc/sys/net")
CLIENT, CONTAINER = "203.0.113.9", "172.17.0.2"
MARK = "0x10000/0xff0000"


def put(knob: Knob, value: int, nic: str = "eth1") -> None:
    """What a stranger does."""
    ROOT.joinpath(*Sysctl(knob, nic).path).write_text(str(value))


@pytest.mark.parametrize("every", [-1, 0, 1])
@pytest.mark.parametrize("own", [-1, 0, 1])
def test_keep_addr_on_down_is_in_force_as_we_say(
    ip: Ip, nics: dict[str, int], every: int, own: int
) -> None:
    put(Knob.KEEP_ADDR_ON_DOWN, every, ALL)
    put(Knob.KEEP_ADDR_ON_DOWN, own)
    ip("link set eth1 down")
    kept = "2001:db8::1" in ip("-6 address show dev eth1")
    assert kept == (every > 0 or (every == 0 and own > 0))
    seen = {**look(nics), Sysctl(Knob.KEEP_ADDR_ON_DOWN, "eth1"): 0}
    wants = needed(Needs("eth1", "source", static6=True), seen)
    assert bool(wants) == (every >= 0), "wanted exactly where the NIC's own value can have it"


@pytest.mark.parametrize(("every", "own"), [(0, 0), (0, 1), (1, 0), (-1, 0), (0, -1)])
def test_promote_secondaries_is_in_force_as_we_say(
    ip: Ip, nics: dict[str, int], every: int, own: int
) -> None:
    put(Knob.PROMOTE_SECONDARIES, every, ALL)
    put(Knob.PROMOTE_SECONDARIES, own)
    ip("address add 192.0.2.7/24 dev eth1")
    ip("address delete 192.0.2.1/24 dev eth1")
    assert ("192.0.2.7" in ip("-4 address show dev eth1")) == bool(every or own)
    assert nics


# --- a packet for a published port, as it is once its destination was rewritten ------------------


@pytest.fixture
def containers(ip: Ip, nics: dict[str, int]) -> None:
    """eth1 beside eth2, which has the default route; a bridge; and what mode connmark adds."""
    assert nics
    ip("address add 198.51.100.1/24 dev eth2")
    ip("route add default via 198.51.100.2 dev eth2")
    ip("route add default via 192.0.2.2 dev eth1 table 18001")
    ip("link add docker0 type bridge")
    ip("address add 172.17.0.1/16 dev docker0")
    ip("link set docker0 up")
    ip(f"rule add pref 18001 fwmark {MARK} lookup main suppress_prefixlength 0")
    ip(f"rule add pref 18002 fwmark {MARK} lookup 18001")
    (ROOT / "ipv4/ip_forward").write_text("1")


def goes_on(dst: str, src: str, iif: str) -> str:
    """By which NIC the kernel sends on a marked packet that came in by ``iif``; empty: refused."""
    words = f"route get {dst} from {src} iif {iif} mark 0x10000"
    done = subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
    found = done.stdout.split()
    return found[found.index("dev") + 1] if not done.returncode else ""


@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize("own", [0, 1, 2])
@pytest.mark.usefixtures("containers")
def test_what_connmark_wants_of_the_nic_is_what_a_published_port_needs_and_no_more(
    every: int, own: int
) -> None:
    put(Knob.RP_FILTER, every, ALL)
    put(Knob.RP_FILTER, own)
    wants = needed(Needs("eth1", "connmark"), look(["eth1"]))
    strict = in_force(Knob.RP_FILTER, own, every) == 1
    assert goes_on(CONTAINER, CLIENT, "eth1") == ("" if strict else "docker0")
    for want in wants:
        put(want.sysctl.knob, want.value, want.sysctl.nic)
    assert len(wants) == strict
    assert goes_on(CONTAINER, CLIENT, "eth1") == "docker0"


@pytest.mark.parametrize("rp_filter", [0, 1, 2])
@pytest.mark.parametrize("src_valid_mark", [0, 1])
@pytest.mark.usefixtures("containers")
def test_the_bridge_needs_nothing_for_the_answer_and_cannot_help_the_question(
    rp_filter: int, src_valid_mark: int
) -> None:
    put(Knob.RP_FILTER, rp_filter, "docker0")
    put(Knob.SRC_VALID_MARK, src_valid_mark, "docker0")
    assert goes_on(CLIENT, CONTAINER, "docker0") == "eth1"
    put(Knob.RP_FILTER, 1)
    assert goes_on(CONTAINER, CLIENT, "eth1") == ""


@pytest.mark.parametrize(("every", "own"), [(1, 0), (0, -1), (-1, 0)])
@pytest.mark.usefixtures("containers")
def test_src_valid_mark_is_in_force_if_either_is_not_zero(every: int, own: int) -> None:
    put(Knob.RP_FILTER, 1)
    put(Knob.SRC_VALID_MARK, every, ALL)
    put(Knob.SRC_VALID_MARK, own)
    assert goes_on(CONTAINER, CLIENT, "eth1") == "docker0"
    put(Knob.SRC_VALID_MARK, 0, ALL)
    put(Knob.SRC_VALID_MARK, 0)
    assert goes_on(CONTAINER, CLIENT, "eth1") == ""


@pytest.mark.usefixtures("containers")
def test_loose_on_the_nic_outweighs_strict_on_all_and_off_does_not() -> None:
    put(Knob.RP_FILTER, 1, ALL)
    put(Knob.RP_FILTER, 0)
    assert goes_on(CONTAINER, CLIENT, "eth1") == ""
    put(Knob.RP_FILTER, 2)
    assert goes_on(CONTAINER, CLIENT, "eth1") == "docker0"


@pytest.mark.parametrize("rp_filter", [0, 1, 2])
def test_mode_source_needs_nothing_of_rp_filter(
    ip: Ip, nics: dict[str, int], rp_filter: int
) -> None:
    assert nics
    ip("route add default dev eth2")
    ip("route add default via 192.0.2.2 dev eth1 table 18001")
    ip("rule add pref 18001 from 192.0.2.1 lookup 18001")
    put(Knob.RP_FILTER, rp_filter)
    assert needed(Needs("eth1", "source"), look(["eth1"])) == ()
    assert "local 192.0.2.1" in ip(f"route get 192.0.2.1 from {CLIENT} iif eth1")
