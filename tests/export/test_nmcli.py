"""nmcli's script, run by the real nmcli against the real NetworkManager."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from srcroutd.export.nmcli import nmcli
from tests.export.asking import ASKING, additions, asking
from tests.export.host import Host, settled
from tests.export.neighbour import UUID, start_network_manager, static
from tests.export.scene import links, nics, operations, scene

PERSISTENT = nmcli(scene())[0].text
TEMPORARY = nmcli(scene(), temporary=True)[0].text
SHOW = (
    "for n in 1 2 3; do nmcli -g ipv4.routes,ipv4.routing-rules,ipv6.routes,ipv6.routing-rules "
    'connection show "Wired: no. $n"; done'
)


@pytest.fixture
def managed(new_host: Callable[[], Host], tools: str) -> Host:
    """The host of the scene as NetworkManager keeps it."""
    made = new_host()
    made.run("ip -batch -", given=links(addresses=False))
    start_network_manager(made, tools)
    return made


def test_the_persistent_form_gives_the_daemons_rules_and_routes(
    managed: Host, daemons: Host, tools: str
) -> None:
    expected = static(daemons.ours())
    managed.run(tools + PERSISTENT)
    assert settled(managed.ours, expected) == expected


def test_a_second_run_leaves_the_profiles_as_they_are(managed: Host, tools: str) -> None:
    managed.run(tools + PERSISTENT)
    first = managed.run("cat /run/profiles/*")
    managed.run(tools + PERSISTENT)
    assert without_times(managed.run("cat /run/profiles/*")) == without_times(first)
    assert first.count("priority 18014 from 198.51.100.5 ") == 1


def test_rules_that_ask_for_ports_and_users_are_made_and_known_again(
    managed: Host, new_host: Callable[[], Host], tools: str
) -> None:
    fresh = new_host()
    fresh.run("ip -batch -", given=links())
    fresh.put_in(additions())
    expected = static(fresh.ours())
    (document,) = nmcli(asking())
    managed.run(tools + document.text)
    assert settled(managed.ours, expected) == expected
    assert len(expected) == len(ASKING)
    assert "as it should be" in managed.run(tools + document.text)


def test_undo_leaves_the_profiles_and_the_kernel_as_they_were(managed: Host, tools: str) -> None:
    profiles = managed.run(f"{tools} {SHOW}")
    managed.run(tools + PERSISTENT)
    assert managed.run(f"{tools} {SHOW}") != profiles
    managed.run(tools + PERSISTENT, words=["--undo"])
    assert managed.run(f"{tools} {SHOW}") == profiles
    assert settled(managed.ours, []) == []
    assert "from 203.0.113.77 lookup 99" in managed.run("ip rule")


def test_a_newer_script_takes_out_what_only_the_older_one_wanted(
    managed: Host, new_host: Callable[[], Host], tools: str
) -> None:
    first, second, third = nics()
    newer = (replace(first, addresses=first.addresses[1:7], delegated=()), second, third)
    managed.run(tools + PERSISTENT)
    managed.run(tools + nmcli(scene(*newer))[0].text)
    fresh = new_host()
    fresh.run("ip -batch -", given=links())
    fresh.put_in(operations(*newer))
    expected = static(fresh.ours())
    assert settled(managed.ours, expected) == expected


def test_the_temporary_form_leaves_the_profiles_alone_and_goes_with_them(
    managed: Host, daemons: Host, tools: str
) -> None:
    profiles = managed.run(f"{tools} {SHOW}")
    expected = static(daemons.ours())
    for _ in range(2):
        managed.run(tools + TEMPORARY)
        assert settled(managed.ours, expected) == expected
    assert managed.run(f"{tools} {SHOW}") == profiles
    managed.run(tools + TEMPORARY, words=["--undo"])
    assert settled(managed.ours, []) == []


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("ip link del eth1", "there is no eth1 here"),
        ("nmcli device disconnect eth1", "eth1 has no active profile"),
        (
            "ip link set eth1 address 00:16:3e:00:00:99; sleep 1",
            "eth1 has the MAC 00:16:3e:00:00:99",
        ),
    ],
)
def test_a_nic_that_is_not_as_it_was_is_named_and_left_alone(
    managed: Host, tools: str, spoil: str, why: str
) -> None:
    managed.run(tools + spoil)
    before = managed.run(f"{tools} {SHOW}")
    done = managed.attempt(tools + PERSISTENT)
    assert (done.returncode, why in done.stderr) == (1, True), done.stderr
    assert managed.run(f"{tools} {SHOW}") == before


def test_what_network_manager_refuses_leaves_the_profile_whole(managed: Host, tools: str) -> None:
    before = managed.run(f"{tools} {SHOW}")
    done = managed.attempt(
        tools + PERSISTENT.replace("priority 18020 from 0.0.0.0/0", "priority x")
    )
    assert done.returncode == 1
    assert f"eth2: its profile {UUID}2 is as it was" in done.stderr
    second = f"nmcli connection show uuid {UUID}2 | grep -c 'table=18002' || :"
    assert managed.run(tools + second).strip() == "0"
    assert managed.run(f"{tools} {SHOW}") != before


def test_a_profile_without_ipv6_gets_ipv4_only_and_says_so(managed: Host, tools: str) -> None:
    managed.run(
        f"{tools} nmcli connection modify 'Wired: no. 3' ipv6.addresses '' ipv6.method disabled; "
        "nmcli device reapply eth3"
    )
    done = managed.attempt(tools + PERSISTENT)
    assert (done.returncode, "eth3: the profile says no IPv6" in done.stderr) == (0, True), done
    profile = managed.run(
        f"{tools} nmcli -g ipv4.routes,ipv6.routes connection show 'Wired: no. 3'"
    )
    assert ("table=18003" in profile, "2001" in profile) == (True, False)


def test_without_network_manager_it_says_so(host: Host, tools: str) -> None:
    done = host.attempt(tools + PERSISTENT)
    assert (done.returncode, "NetworkManager does not run" in done.stderr) == (1, True), done


def test_an_older_network_manager_gets_no_guard_and_says_so(managed: Host, tools: str) -> None:
    done = managed.attempt(tools + PERSISTENT.replace("-lt 36", "-lt 99"))
    assert (done.returncode, "NetworkManager 1." in done.stderr) == (0, True), done.stderr
    profiles = managed.run(f"{tools} {SHOW}")
    assert ("unreachable" in profiles, "priority 18016" in profiles) == (False, True)


def test_busybox_makes_the_same_of_it(managed: Host, daemons: Host, tools: str, box: str) -> None:
    expected = static(daemons.ours())
    managed.run(box + tools + PERSISTENT)
    assert settled(managed.ours, expected) == expected
    managed.run(box + tools + PERSISTENT, words=["--undo"])
    assert settled(managed.ours, []) == []


def without_times(keyfiles: str) -> list[str]:
    """Without when each profile was last in use."""
    return [line for line in keyfiles.splitlines() if not line.startswith("timestamp=")]


def test_ipv4_addresses_stay_and_a_second_run_touches_none(managed: Host, tools: str) -> None:
    def look() -> str:
        mark = "ip address add 203.0.113.99/32 dev lo; ip address del 203.0.113.99/32 dev lo"
        return managed.run(f"{mark}; grep -q Deleted.*203.0.113.99 /run/seen && echo seen || :")

    def deleted(words: str) -> list[str]:
        assert settled(look, "seen\n") == "seen\n"
        gone = managed.run(f"grep '^Deleted.*{words}' /run/seen || :").splitlines()
        return [line for line in gone if "203.0.113.99" not in line]

    assert settled(lambda: managed.run("ip -6 address show tentative"), "") == ""
    managed.start("exec ip monitor address >>/run/seen")
    assert settled(look, "seen\n") == "seen\n"
    for script in (PERSISTENT, TEMPORARY):
        managed.run(tools + script)
    assert deleted("inet ") == []
    assert settled(lambda: managed.run("ip -6 address show tentative"), "") == ""
    managed.run(": >/run/seen")
    assert "eth1: its profile is as it should be" in managed.run(tools + PERSISTENT)
    assert deleted("") == []
