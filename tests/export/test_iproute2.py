"""The script for iproute2 gives the kernel state that the daemon would, to the byte."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from itertools import groupby

import pytest

from srcroutd.core.desired import NicDesired, Want
from srcroutd.core.net import Action, Family, Rule
from srcroutd.core.operation import Operation, Phase
from srcroutd.export.iproute2 import iproute2
from tests.export.host import Host, settled
from tests.export.scene import FAR, links, nics, operations, scene
from tests.pure.views import view
from tests.pure.worlds import address

SCRIPT = iproute2(scene())[0].text
FOREIGN = """\
rule add priority 17000 from 203.0.113.77 lookup 99
rule add priority 18014 from 198.51.100.5 lookup 18001 suppress_prefixlength 0
rule add priority 18017 to 203.0.113.0/24 lookup main
rule add priority 18990 from 203.0.113.78 lookup main protocol 83
route add 203.0.113.128/25 dev eth1 table 99 protocol 83
route add 172.17.0.0/16 dev eth3
"""
"""What the administrator made: outside our bands, and inside them without our protocol number."""
MARK = "ip rule add priority 17999 nop; ip rule del priority 17999"


def in_order(dump: str) -> list[str]:
    """The lines of a dump, rules of one priority sorted: between them the order has no meaning."""
    lines = dump.splitlines()
    groups = groupby(lines, lambda line: line.partition(":\t")[0])
    return [line for _, group in groups for line in sorted(group)]


def test_the_script_gives_the_kernel_state_that_the_daemon_would(host: Host, daemons: Host) -> None:
    host.run(SCRIPT)
    assert in_order(host.dump()) == in_order(daemons.dump())
    assert "goto 18019" in host.dump()


def test_without_delegated_prefixes_the_dumps_are_equal_to_the_byte(
    new_host: Callable[[], Host],
) -> None:
    plain = tuple(replace(one, delegated=()) for one in nics())
    ours, daemons = new_host(), new_host()
    for one in (ours, daemons):
        one.run("ip -batch -", given=links())
    ours.run(iproute2(scene(*plain))[0].text)
    daemons.put_in(operations(*plain))
    assert ours.dump() == daemons.dump()


def test_a_second_run_changes_nothing(host: Host) -> None:
    host.run(SCRIPT)
    first = host.dump()
    host.start("exec ip monitor rule")
    look = f"{MARK}; grep -q 17999 /run/said && echo seen || :"
    assert settled(lambda: host.run(look), "seen\n") == "seen\n"
    host.run(f": >/run/said\n{SCRIPT.removeprefix('#!/bin/sh')}")
    assert host.dump() == first
    assert settled(lambda: host.run(look), "seen\n") == "seen\n"
    assert [line for line in host.run("cat /run/said").splitlines() if "17999:" not in line] == []


def test_undo_leaves_the_host_as_it_was(host: Host) -> None:
    host.run("ip -batch -", given=FOREIGN)
    before = host.dump()
    host.run(SCRIPT)
    assert host.dump() != before
    host.run(SCRIPT, words=["--undo"])
    assert host.dump() == before
    host.run(SCRIPT, words=["--undo"])
    assert host.dump() == before


def test_undo_works_where_a_nic_has_gone(host: Host) -> None:
    host.run(SCRIPT)
    host.run("ip link del eth2")
    host.run(SCRIPT, words=["--undo"])
    assert host.ours() == []


def test_a_newer_script_takes_out_what_only_the_older_one_wanted(
    host: Host, new_host: Callable[[], Host]
) -> None:
    first, second, third = nics()
    fewer = replace(first, addresses=first.addresses[1:3], delegated=(), elsewhere=())
    newer = (fewer, replace(second, elsewhere=second.elsewhere[:1]), third)
    host.run(SCRIPT)
    host.run(iproute2(scene(*newer))[0].text)
    fresh = new_host()
    fresh.run("ip -batch -", given=links())
    fresh.put_in(operations(*newer))
    assert in_order(host.dump()) == in_order(fresh.dump())


def test_what_somebody_deleted_comes_back_at_the_next_run(host: Host) -> None:
    host.run(SCRIPT)
    first = host.dump()
    host.run("ip rule del priority 18016 && ip -6 rule del priority 18020")
    host.run("ip route flush table 18001; ip -6 route flush table 18002")
    assert host.dump() != first
    host.run(SCRIPT)
    assert sorted(host.dump().splitlines()) == sorted(first.splitlines())


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("ip link del eth2", "there is no eth2 here"),
        ("ip link set eth2 address 00:16:3e:00:00:99", "eth2 is not the NIC 00:16:3e:00:00:02"),
        ("ip route add 203.0.113.0/24 dev eth3 table 18002", "table 18002 has routes of others"),
        (
            "ip -6 route add 2001:db8:9::/64 dev eth3 table 18003",
            "table 18003 has routes of others",
        ),
    ],
)
def test_where_the_host_is_not_as_it_was_nothing_is_changed(
    host: Host, spoil: str, why: str
) -> None:
    host.run(spoil)
    before = host.dump()
    done = host.attempt(SCRIPT)
    assert done.returncode == 1
    assert why in done.stderr
    assert "nothing was changed; next: " in done.stderr
    assert host.dump() == before


@pytest.mark.parametrize("shell", ["dash", "bash", "bash --posix", "busybox"])
def test_every_shell_makes_the_same_of_it(host: Host, daemons: Host, shell: str, box: str) -> None:
    first = box if shell == "busybox" else f"#!/bin/{shell}\n"
    for _ in range(2):
        host.run(first + SCRIPT)
        assert in_order(host.dump()) == in_order(daemons.dump())
    host.run(first + SCRIPT, words=["--undo"])
    assert host.ours() == []


def test_an_unknown_word_is_refused_with_the_usage(host: Host) -> None:
    before = host.dump()
    done = host.attempt(SCRIPT, words=["--help"])
    assert (done.returncode, "usage: " in done.stderr) == (64, True)
    assert host.dump() == before


def test_a_thousand_addresses_are_not_too_many(host: Host) -> None:
    first = nics()[0]
    many = tuple(address(1, f"198.51.{100 + n // 250}.{n % 250}/16") for n in range(1, 1000))
    assert first.eni.v4
    crowded = replace(
        first,
        addresses=many,
        delegated=(),
        eni=replace(
            first.eni, v4=replace(first.eni.v4, addresses=tuple(a.ip for a in many), prefixes=())
        ),
    )
    host.run("ip -batch -", given="".join(f"address add {a.interface} dev eth1\n" for a in many))
    script = iproute2(scene(crowded))[0].text
    host.run(script)
    host.run(script)
    ours = [line for line in host.run("ip rule").splitlines() if line.startswith("18")]
    assert len(ours) == 3 * len(many) + 3
    host.run(script, words=["--undo"])
    assert host.ours() == []


def test_what_no_mode_asks_for_yet_is_said_and_recognised_all_the_same(
    host: Host, new_host: Callable[[], Host]
) -> None:
    one = Rule(Family.V4, 18017, src=ip_network("203.0.113.0/24"), protocol=83)
    rules = [
        replace(one, priority=18018, table=18001, mark=0x10000, mask=0xFF0000, iif="eth1"),
        replace(one, priority=18018, table=18001, mark=0x10, mask=0xFFFFFFFF, oif="gone"),
        replace(one, action=Action.UNREACHABLE, invert=True, dst=ip_network(FAR)),
        replace(one, action=Action.BLACKHOLE),
        replace(one, priority=18018, table=18001, ip_proto=6, dport=(80, 90), tos=0x1C),
        replace(one, priority=18018, table=18001, ip_proto=253, sport=(5, 5), uids=(0, 99)),
        Rule(Family.V6, 18017, Action.PROHIBIT, protocol=83),
    ]
    kept = scene(nics()[0]).nics[1]
    wants = tuple(Want(rule, "a test") for rule in rules)
    text = iproute2(view(replace(kept, desired=NicDesired(rules=wants))))[0].text
    fresh = new_host()
    fresh.run("ip -batch -", given=links())
    fresh.put_in(
        tuple(Operation(Phase.ADD_RULES, "add", rule, rule, 1, "a test") for rule in rules)
    )
    for _ in range(2):
        host.run(text)
        assert host.ours() == fresh.ours()
    host.run(text, words=["--undo"])
    assert host.ours() == []
