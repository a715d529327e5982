"""Hosts prepared by each seed's recipe are taken over: no packet is lost, nothing else touched."""

import json
import sys
import time
from collections.abc import Callable

import pytest

from srcroutd.core.net import IP
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Ran
from srcroutd.lab.topology import CLIENT_V4, ETH0, ETH1, ETH2, Eni
from tests.packets.wires import assert_answers, left_by

EVERY_MS = 2
LASTING_S = 2.5
BREATH_S = 0.3
IP1, IP2 = ETH1.v4[0], ETH2.v4[0]
GATEWAY = ETH1.vswitch.gateway4

StartCloud = Callable[..., Cloud]


def by_nmcli(nic: Eni, metric: int = 101) -> list[str]:
    """Seed 000, persistent and temporary alike: what NetworkManager puts into the kernel."""
    network = nic.vswitch
    how = f"table 200 proto static metric {metric}"
    return [
        f"rule add priority 100 from {nic.v4[0]} table 200 protocol static",
        f"route add 0.0.0.0/0 via {network.gateway4} dev {nic.name} {how}",
        f"route add {network.v4} dev {nic.name} scope link {how}",
    ]


IN_RC_LOCAL = [
    f"-4 route add default via {GATEWAY} dev eth1 table 1001",
    f"-4 rule add from {IP1} lookup 1001",
]
"""Seed 001."""
IPV6 = [
    f"-6 route add default via {ETH1.vswitch.gateway6} dev eth1 table 1001",
    f"-6 rule add from {ETH1.v6[0]} lookup 1001",
]
"""The same by somebody who knows of IPv6."""
SECOND_DEFAULT = [f"-4 route add default via {GATEWAY} dev eth1 metric 200"]
"""Seed 001, for images that leave a secondary NIC without one."""
BY_MARK = [
    "rule add priority 1000 fwmark 0x1 table 100",
    f"route add table 100 default via {GATEWAY} dev eth1 src {IP1}",
]
"""Seed 003, but for what iptables does."""


def prepare(cloud: Cloud, *recipes: list[str]) -> None:
    """Type the lines of these recipes, one ``ip`` each."""
    for line in (line for recipe in recipes for line in recipe):
        cloud.instance.ip(line)


def all_of(cloud: Cloud) -> str:
    """Everybody's rules and routes, as ``ip`` tells them."""
    asked = [f"{six} {what}" for six in ("-4", "-6") for what in ("rule", "route show table all")]
    return "\n".join(cloud.instance.ip(f"-N -d {words}") for words in asked)


def theirs(cloud: Cloud) -> list[str]:
    """All of it but ours."""
    return [line for line in all_of(cloud).splitlines() if " proto 83" not in line]


def adopt(cloud: Cloud, *words: str) -> Ran:
    return cloud.daemon.ctl("adopt", *words, check=False)


DAEMON = pytest.mark.parametrize("daemon", [True, False], ids=["beside srcroutd", "without it"])


@pytest.mark.parametrize(
    ("recipe", "ip"),
    [(by_nmcli(ETH1), IP1), (IN_RC_LOCAL, IP1), (IPV6, ETH1.v6[0])],
    ids=["seed 000", "seed 001", "seed 001 with IPv6"],
)
@DAEMON
def test_no_packet_of_a_running_connection_is_lost_while_a_recipe_is_taken_over(
    start_cloud: StartCloud, recipe: list[str], ip: IP, daemon: bool
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    untouched = theirs(cloud)
    prepare(cloud, recipe)
    if daemon:
        cloud.daemon.start()
    cloud.wire.reset()
    times = round(LASTING_S * 1000 / EVERY_MS)
    kinds = ("tcp", "udp", "icmp")
    streams = [
        cloud.client.begin(ip, kind=kind, times=times, every_ms=EVERY_MS, limit_s=LASTING_S + 10)
        for kind in kinds
    ]
    time.sleep(BREATH_S)
    done = adopt(cloud, "--yes")
    over = time.monotonic()
    told = [stream.result() for stream in streams]
    assert done.code == 0, done.out + done.err
    assert [one.last_at is not None and one.last_at > over for one in told] == [True] * 3
    assert [(one.sent, one.lost, one.reason) for one in told] == [(times, 0, "")] * 3
    assert [*left_by(cloud, ip)] == ["eth1"]
    assert theirs(cloud) == untouched


@DAEMON
def test_the_second_run_finds_nothing_and_changes_nothing(
    start_cloud: StartCloud, daemon: bool
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    prepare(cloud, by_nmcli(ETH1), IN_RC_LOCAL)
    if daemon:
        cloud.daemon.start()
    assert adopt(cloud, "--yes").code == 0
    before = all_of(cloud)
    again = adopt(cloud, "--yes")
    assert (again.code, "Nothing to adopt." in again.out) == (0, True)
    assert adopt(cloud, "--dry-run").code == 0
    assert all_of(cloud) == before


@DAEMON
def test_looking_changes_nothing_and_neither_does_a_run_that_nobody_confirmed(
    start_cloud: StartCloud, daemon: bool
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    prepare(cloud, by_nmcli(ETH1), IN_RC_LOCAL, SECOND_DEFAULT, BY_MARK)
    if daemon:
        cloud.daemon.start()
    before = all_of(cloud)
    looked = adopt(cloud, "--dry-run")
    assert looked.code == 1
    assert f"- ip rule  100: from {IP1} lookup 200" in looked.out
    unasked = adopt(cloud)
    assert (unasked.code, unasked.out) == (64, "")
    assert "--yes" in unasked.err
    told = json.loads(adopt(cloud, "--dry-run", "--json").out)
    assert (told["version"], told["kind"], len(told["adopt"])) == (1, "srcroutd.adopt", 5)
    assert all_of(cloud) == before


@pytest.mark.parametrize(("answer", "goes"), [("n\n", False), ("\n", False), ("y\n", True)])
def test_on_a_terminal_it_shows_all_and_asks(
    start_cloud: StartCloud, answer: str, goes: bool
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    prepare(cloud, IN_RC_LOCAL)
    cloud.daemon.start()
    before = all_of(cloud)
    on_terminal = (
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    )
    words = [sys.executable, "-m", "srcroutd.cli.srcroutctl", "adopt"]
    done = cloud.instance.run(sys.executable, "-c", on_terminal, *words, text=answer)
    shown, _, after = done.out.partition("[y/N]")
    assert f"from {IP1} lookup 1001" in shown
    assert ("adopted" in after, "nothing was changed" in after) == (goes, not goes)
    assert (all_of(cloud) == before) is not goes


def test_what_is_not_ours_to_take_stays_and_is_explained(start_cloud: StartCloud) -> None:
    cloud = start_cloud((ETH0, ETH1))
    prepare(cloud, SECOND_DEFAULT, BY_MARK)
    prepare(cloud, [f"rule add priority 90 from {ETH0.v4[0]} table 201"])
    cloud.daemon.start()
    before = all_of(cloud)
    done = adopt(cloud, "--yes")
    assert done.code == 0
    assert "containers behind DNAT" in " ".join(done.out.split())
    assert "main is not ours" in done.out
    assert "eth0 is left alone" in done.out
    assert all_of(cloud) == before


@DAEMON
def test_two_nics_that_one_table_mixed_up_each_answer_for_themselves_afterwards(
    start_cloud: StartCloud, daemon: bool
) -> None:
    cloud = start_cloud((ETH0, ETH1, ETH2))
    untouched = theirs(cloud)
    prepare(cloud, by_nmcli(ETH1, 101), by_nmcli(ETH2, 102))
    if daemon:
        cloud.daemon.start()
    cloud.wire.reset()
    cloud.client.probe(IP2, kind="udp", timeout_s=0.3)
    assert [*left_by(cloud, IP2)] == ["eth1"]  # seed 000's collision
    assert adopt(cloud, "--yes").code == 0
    assert_answers(cloud, IP1, "eth1")
    assert_answers(cloud, IP2, "eth2")
    assert theirs(cloud) == untouched


def test_one_nic_alone_can_be_taken_over_and_the_shared_table_waits_for_the_other(
    start_cloud: StartCloud,
) -> None:
    cloud = start_cloud((ETH0, ETH1, ETH2))
    untouched = theirs(cloud)
    prepare(cloud, by_nmcli(ETH1, 101), by_nmcli(ETH2, 102))
    cloud.daemon.start()
    table = cloud.instance.ip("route show table 200")
    assert adopt(cloud, "--yes", "--nic", "eth1").code == 0
    assert cloud.instance.ip("route show table 200") == table
    assert f"from {IP2} lookup 200" in cloud.instance.ip("rule")
    assert f"from {IP1} lookup 200" not in cloud.instance.ip("rule")
    assert adopt(cloud, "--yes", "--nic", "eth2").code == 0
    assert theirs(cloud) == untouched


TWICE = """
import asyncio, sys
from ipaddress import ip_network
from srcroutd.core.net import Family, Rule
from srcroutd.kernel.messages import add_rule
from srcroutd.kernel.requests import Requests
rule = Rule(Family.V4, 100, table=200, src=ip_network(sys.argv[1]), protocol=4)
asyncio.run(Requests().execute([add_rule(rule, exclusive=False)] * 2))
"""


def test_copies_that_runs_of_a_recipe_have_left_all_go(start_cloud: StartCloud) -> None:
    cloud = start_cloud((ETH0, ETH1))
    untouched = theirs(cloud)
    prepare(cloud, by_nmcli(ETH1), IN_RC_LOCAL)
    cloud.instance.run(sys.executable, "-c", TWICE, str(IP1))
    prepare(cloud, [f"rule add priority {n} from {IP1} lookup 1001" for n in (97, 98, 32765)])
    assert cloud.instance.ip("rule").count(f"from {IP1} ") == 7
    cloud.daemon.start()
    assert adopt(cloud, "--yes").code == 0
    assert theirs(cloud) == untouched


def test_a_strangers_things_in_the_same_table_stay(start_cloud: StartCloud) -> None:
    cloud = start_cloud((ETH0, ETH1))
    prepare(cloud, by_nmcli(ETH1), ["rule add priority 300 from 10.9.0.0/16 table 200"])
    prepare(cloud, IN_RC_LOCAL, [f"route add 10.8.0.0/16 via {GATEWAY} dev eth1 table 1001"])
    cloud.daemon.start()
    before = theirs(cloud)
    assert adopt(cloud, "--yes").code == 0
    (gone,) = set(before) - set(theirs(cloud))
    assert f"from {IP1} lookup 200" in gone
    assert len(before) == len(theirs(cloud)) + 1


def test_a_rule_without_which_the_address_leaves_wrongly_is_put_back_at_once(
    start_cloud: StartCloud,
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    elsewhere = f"route add default via {ETH0.vswitch.gateway4} dev eth0 table 300"
    prepare(cloud, by_nmcli(ETH1), [elsewhere])
    # It matches what the user of this number sends, and the question to the kernel, too.
    prepare(cloud, ["rule add priority 150 uidrange 0-0 lookup 300"])
    cloud.daemon.start()
    before = all_of(cloud)
    done = adopt(cloud, "--yes")
    assert done.code == 1
    assert "put back at once" in done.out
    assert all_of(cloud) == before


def test_a_rule_that_carries_a_running_connection_is_put_back_and_the_connection_lives(
    start_cloud: StartCloud,
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    elsewhere = f"route add default via {ETH0.vswitch.gateway4} dev eth0 table 300"
    prepare(cloud, by_nmcli(ETH1), [elsewhere])
    prepare(cloud, [f"rule add priority 150 from {IP1} to {CLIENT_V4} lookup 300"])
    cloud.daemon.start()
    before = all_of(cloud)
    stream = cloud.client.begin(IP1, kind="tcp", times=400, every_ms=5, limit_s=15)
    time.sleep(BREATH_S)
    done = adopt(cloud, "--yes")
    assert done.code == 1
    assert f"does not reach {CLIENT_V4} by eth1: it was put back at once" in done.out
    assert all_of(cloud) == before
    assert (stream.result().lost, stream.result().reason) == (0, "")


def test_beside_a_daemon_that_stands_by_nothing_is_taken_over(start_cloud: StartCloud) -> None:
    cloud = start_cloud((ETH0, ETH1))
    prepare(cloud, by_nmcli(ETH1))
    cloud.daemon.start()
    cloud.daemon.ctl("cleanup")
    before = all_of(cloud)
    done = adopt(cloud, "--yes")
    assert "srcroutd is not in sync" in done.out
    assert all_of(cloud) == before


STALE = """
import sys
from dataclasses import replace
from pathlib import Path
from srcroutd.daemon.adopt import carry_out, foresee
from srcroutd.daemon.places import Places
from srcroutd.daemon.survey import survey
view = survey(Places(*map(Path, sys.argv[1:])))
view = replace(view, by_daemon=True, in_sync=True, operations=())
print(carry_out(view, foresee(view)).trouble)
"""


def test_where_ours_are_believed_to_stand_and_do_not_nothing_of_theirs_goes(
    start_cloud: StartCloud,
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    prepare(cloud, by_nmcli(ETH1))
    before = all_of(cloud)
    daemon = cloud.daemon
    places = (daemon.config, daemon.state_dir, daemon.runtime_dir)
    done = cloud.instance.run(sys.executable, "-c", STALE, *map(str, places))
    assert "nothing of theirs was touched" in done.out
    assert all_of(cloud) == before
