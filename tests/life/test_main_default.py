"""The default of a secondary NIC in main: behind everybody else's, gone where it is in the way, and
nobody else's ever touched. Each story in IPv4 and IPv6.
"""

import signal
import subprocess
import time
from dataclasses import dataclass

import pytest

from tests.life.enis import ETH1, ETH2, Eni
from tests.life.host import HEALED_S, SETTLED_S, Host, same, until
from tests.life.running import Running


@dataclass(frozen=True, slots=True)
class Family:
    """How one family is spelled."""

    option: str
    primary: str
    """What leads out by the gateway of eth0."""
    own: str
    """The default of eth1 as ``ip`` shows it, without its metric."""
    gateway: str
    foreign: str
    source: str

    def __str__(self) -> str:
        return "v6" if self.option else "v4"


V4 = Family(
    "",
    "default via 172.16.0.253 dev eth0",
    "default via 172.16.1.253 dev eth1 proto 83 src 172.16.1.5",
    "via 172.16.1.253 dev eth1",
    "198.51.100.1",
    "172.16.1.5",
)
V6 = Family(
    "-6 ",
    "default via fd00:0::253 dev eth0",
    "default via fd00:1::253 dev eth1 proto 83 src fd00:1::5",
    "via fd00:1::253 dev eth1",
    "2001:db8::1",
    "fd00:1::5",
)
BOTH = pytest.mark.parametrize("family", [V4, V6], ids=str)
SIX0 = Eni(0, (10,), (10,))
AUTO = 'name = "eth[1-9]"\nmain_default_metric = "auto"'


def nic(words: str) -> str:
    return f"[[nic]]\n{words}\n"


def lead_out(host: Host) -> None:
    """Give eth0 a default of each family."""
    host.ip("-6 address add fd00:0::10/64 dev eth0 nodad", "route flush default")
    host.ip("route add default via 172.16.0.253 dev eth0 metric 100")
    host.ip("-6 route add default via fd00:0::253 dev eth0 metric 100")


def begin(host: Host, words: str = AUTO, *enis: Eni) -> Running:
    """The daemon with an entry for NICs, beside the defaults of eth0."""
    lead_out(host)
    return start(host, words, *enis)


def start(host: Host, words: str = AUTO, *enis: Eni) -> Running:
    host.configure(SIX0, *(enis or (ETH1,)), extra=nic(words))
    return host.start()


def defaults(host: Host, family: Family) -> list[str]:
    """The defaults of main in one family."""
    lines = host.ip(f"-N {family.option}route show default table main").splitlines()
    return [line.replace(" pref medium", "").strip() for line in lines]


def has(host: Host, family: Family, *lines: str, within_s: float = HEALED_S) -> None:
    """Wait until main's defaults are exactly these, and see that they stay so."""
    wanted = sorted(lines)
    until(
        lambda: sorted(defaults(host, family)) == wanted,
        within_s,
        f"{wanted}, but {defaults(host, family)}",
    )
    time.sleep(SETTLED_S)
    assert sorted(defaults(host, family)) == wanted


def at(line: str, metric: int) -> str:
    """A default with its metric, as ``ip`` shows it."""
    return f"{line} metric {metric}"


def primary(family: Family, metric: int = 100) -> str:
    return at(family.primary.replace("fd00:0::", "fd00::"), metric)


@BOTH
def test_it_stands_behind_the_primarys_and_carries_who_binds_to_nothing_else(
    host: Host, family: Family
) -> None:
    begin(host)
    has(host, family, primary(family), at(family.own, 18001))
    unbound = host.ip(f"{family.option}route get {family.foreign}")
    assert "dev eth0" in unbound
    host.ip(f"{family.option}route del default dev eth0")
    assert "dev eth1" in host.ip(f"{family.option}route get {family.foreign}")


@BOTH
def test_each_nic_has_a_metric_of_its_own_that_a_restart_keeps(host: Host, family: Family) -> None:
    daemon = begin(host, AUTO, ETH2, ETH1)
    two = at(family.own, 18001), at(family.own.replace("eth1", "eth2").replace("1.", "2."), 18002)
    if family is V6:
        two = two[0], at(family.own.replace("eth1", "eth2").replace(":1:", ":2:"), 18002)
    has(host, family, primary(family), *two)
    daemon.close()
    has(host, family, primary(family), *two)
    generation = host.start().generation
    has(host, family, primary(family), *two)
    assert generation == 0


@BOTH
def test_somebody_elses_default_by_that_nic_makes_ours_go(host: Host, family: Family) -> None:
    daemon = begin(host)
    has(host, family, primary(family), at(family.own, 18001))
    host.ip(f"{family.option}route add default {family.gateway} proto dhcp metric 1024")
    theirs = f"default {family.gateway} proto 16 metric 1024"
    has(host, family, primary(family), theirs)
    daemon.wait_said("it has one already", "metric 1024)")
    host.ip(f"{family.option}route del default {family.gateway} proto dhcp metric 1024")
    has(host, family, primary(family), at(family.own, 18001))


@BOTH
@pytest.mark.parametrize("metric", [100, 99, 1])
def test_a_number_that_would_win_over_the_primarys_is_not_used_and_status_says_why(
    host: Host, family: Family, metric: int
) -> None:
    begin(host, f'name = "eth1"\nmain_default_metric = {metric}')
    has(host, family, primary(family))
    said = host.ctl("status")[1]
    assert f"metric {metric} would win over" in said
    assert "choose main_default_metric above 100" in said
    assert f"dev eth1 table {254} metric {metric}" not in host.ours()


@BOTH
def test_a_number_is_taken_as_it_is_and_goes_when_the_primarys_falls_behind_it(
    host: Host, family: Family
) -> None:
    begin(host, 'name = "eth1"\nmain_default_metric = 1024')
    shown = at(family.own, 1024)
    has(host, family, primary(family), shown)
    option = family.option
    host.ip(f"{option}route add {family.primary} metric 2000")
    has(host, family, primary(family), primary(family, 2000), shown)
    host.ip(f"{option}route del {family.primary} metric 100")
    has(host, family, primary(family, 2000))
    host.ip(f"{option}route add {family.primary} metric 100")
    has(host, family, primary(family), primary(family, 2000), shown)


@BOTH
def test_auto_goes_behind_whatever_comes(host: Host, family: Family) -> None:
    begin(host)
    host.ip(f"{family.option}route add {family.primary} metric 20100")
    two = primary(family), primary(family, 20100)
    has(host, family, *two, at(family.own, 4000000001))
    host.ip(f"{family.option}route add unreachable default metric 4100000000")
    until(lambda: not any("eth1" in line for line in defaults(host, family)), 1.0, "ours is gone")
    host.ip(f"{family.option}route del unreachable default metric 4100000000")
    host.ip(f"{family.option}route del {family.primary} metric 20100")
    has(host, family, primary(family), at(family.own, 18001))


@BOTH
def test_a_strangers_default_with_our_very_metric_is_never_replaced(
    host: Host, family: Family
) -> None:
    lead_out(host)
    host.ip(f"{family.option}route add {family.primary} metric 18001")
    start(host)
    has(host, family, primary(family), primary(family, 18001), at(family.own, 4000000001))
    # Taken over by force: what stands at our place is his now.
    host.ip(f"{family.option}route del {family.primary} metric 18001")
    has(host, family, primary(family), at(family.own, 18001))
    host.ip(f"{family.option}route replace {family.primary} metric 18001")
    has(host, family, primary(family), primary(family, 18001), at(family.own, 4000000001))


@BOTH
@pytest.mark.parametrize("flush", ["route del", "link"])
def test_it_is_healed(host: Host, family: Family, flush: str) -> None:
    begin(host)
    full = primary(family), at(family.own, 18001)
    has(host, family, *full)
    if flush == "link":
        host.ip("link set eth1 down", "link set eth1 up")
        host.ip("-6 address add fd00:1::5/64 dev eth1 nodad")
    else:
        host.ip(f"{family.option}route del default dev eth1 metric 18001")
    has(host, family, *full)


@BOTH
@pytest.mark.parametrize(
    "after", ["asked no more", "other number", "left alone", "asked no more, stopped"]
)
def test_it_goes_when_it_is_asked_for_no_more(host: Host, family: Family, after: str) -> None:
    daemon = begin(host, 'name = "eth1"\nmain_default_metric = 300')
    has(host, family, primary(family), at(family.own, 300))
    entry = {
        "other number": 'name = "eth1"\nmain_default_metric = 400',
        "left alone": 'name = "eth1"\nmanage = false',
    }.get(after, 'name = "eth9"\nipv6 = true')
    if "stopped" in after:
        daemon.close()
    host.configure(SIX0, ETH1, extra=nic(entry))
    if "stopped" in after:
        host.start()
    else:
        daemon.send(signal.SIGHUP)
    expected = [at(family.own, 400)] if after == "other number" else []
    has(host, family, primary(family), *expected)


def test_a_nic_that_is_not_explained_any_more_keeps_it(host: Host) -> None:
    daemon = begin(host)
    has(host, V4, primary(V4), at(V4.own, 18001))
    daemon.close()
    host.forget()
    host.configure(extra=nic(AUTO), more="#")
    host.config.write_text('provider = "aliyun"\n' + nic(AUTO))
    host.start(ready=False)
    time.sleep(3.0)
    has(host, V4, primary(V4), at(V4.own, 18001))
    has(host, V6, primary(V6), at(V6.own, 18001))


def test_a_stranger_who_uses_our_protocol_in_main_keeps_what_he_has(host: Host) -> None:
    lines = [
        "route add 203.0.113.0/24 via 172.16.0.253 dev eth0 proto 83",
        "route add default via 172.16.0.253 dev eth0 proto 83 metric 7000",
        "route add default via 172.16.2.253 dev eth2 proto 83 metric 18002",
        "route add blackhole default proto 83 metric 18500",
        "-6 route add default via fd00:2::253 dev eth2 proto 83 metric 7000",
    ]
    lead_out(host)
    host.ip(*lines)
    strangers = {line for family in (V4, V6) for line in defaults(host, family)}
    daemon = start(host, AUTO.replace("[1-9]", "1"))
    until(lambda: at(V4.own, 4000000001) in defaults(host, V4), 1.0, f"{defaults(host, V4)}")
    host.ip("route del default dev eth1 table main metric 4000000001")
    until(lambda: at(V4.own, 4000000001) in defaults(host, V4), 1.0, "healed")
    found = {line for family in (V4, V6) for line in defaults(host, family)}
    assert strangers <= found
    assert not daemon.said("- ip route default via 172.16.2.253 dev eth2")


def test_cleanup_leaves_everything_as_it_was(host: Host) -> None:
    lead_out(host)
    host.ip("route add 203.0.113.0/24 via 172.16.0.77 dev eth0 proto static")
    everything = "route show table all", "-6 route show table all", "rule", "-6 rule"
    before = [host.ip(f"-d {line}") for line in everything]
    extra = nic(f'{AUTO}\nmirror = ["static", "203.0.113.0/24"]')
    for beside in (True, False):
        host.configure(SIX0, ETH1, extra=extra)
        daemon = host.start()
        has(host, V4, primary(V4), at(V4.own, 18001))
        assert "203.0.113.0/24 via 172.16.0.77" in host.ours()
        if not beside:
            daemon.close()
        code, said = host.cleanup()
        assert code == 0, said
        same("\n".join(before), "\n".join(host.ip(f"-d {line}") for line in everything))
        if beside:
            daemon.close()


def test_the_only_default_does_not_make_its_nic_the_primary(host: Host) -> None:
    """Who the primary is may be learned from main's default; ours must not be taken for it."""
    host.ip("-6 address add fd00:0::10/64 dev eth0 nodad")
    text = "\n".join(eni.toml() for eni in (SIX0, ETH1)).replace("primary = true\n", "")
    host.config.write_text(f'provider = "static"\n{text}\n{nic(AUTO)}')
    daemon = host.start()
    has(host, V4, "default via 172.16.0.253 dev eth0", at(V4.own, 18001))
    full = host.settled()
    daemon.close()
    host.forget()
    host.ip("route del default dev eth0")
    daemon = host.start(ready=False)
    time.sleep(2.0)
    same(full, host.ours())
    has(host, V4, at(V4.own, 18001))
    host.ip("route add default via 172.16.0.253 dev eth0")
    has(host, V4, "default via 172.16.0.253 dev eth0", at(V4.own, 18001))
    same(full, host.ours())


def test_the_script_of_export_makes_the_same_and_takes_it_out_again(host: Host) -> None:
    lead_out(host)
    host.ip("route add 10.8.1.0/24 via 172.16.0.77 dev eth0")
    everything = "route show table all", "-6 route show table all", "rule", "-6 rule"

    def dump() -> str:
        return "\n".join(host.ip(f"-d {line}") for line in everything)

    before = dump()
    daemon = start(host, f'{AUTO}\nmirror = ["10.8.0.0/16"]')
    has(host, V4, primary(V4), at(V4.own, 18001))
    host.settled()
    whole = dump()
    asked = [*host.tool(), "export", "iproute2"]
    script = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert "10.8.1.0/24 via 172.16.0.77 dev eth0 table 18001" in script
    host.cleanup()
    daemon.close()
    same(before, dump())
    file = host.folder / "srcroutd-routes"
    file.write_text(script)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(file), *words], capture_output=True, text=True, check=False
        )

    for words, expected in (((), whole), ((), whole), (("--undo",), before), (("--undo",), before)):
        done = run(*words)
        assert done.returncode == 0, done.stderr
        same(expected, dump())
    host.ip("-6 route add default via fd00:0::253 dev eth0 metric 18001")
    before = dump()
    done = run()
    assert "a default of others with metric 18001" in done.stderr
    assert done.returncode == 1
    same(before, dump())
    assert "default in main" in host.ctl("export", "networkd")[1]
    assert "table=254" not in host.ctl("export", "nmcli")[1].lower()
