"""Not knowing never deletes (promise 2): the metadata service fails, and routing stands.

An independent witness listens to the kernel all the while.
"""

import signal
import time

import pytest

from srcroutd.lab.metadata_facts import Fault
from tests.life.cloud import Cloud, fault
from tests.life.enis import ETH0, ETH1, ETH2, ETH3
from tests.life.host import Host, same, until
from tests.life.witness import Witness

LIST = "network/interfaces/macs/"
FAULTS = {
    "refuses": fault("refuse"),
    "hangs": fault("hang"),
    "sends its page for 404": fault("status", status=404),
    "sends its page for 403": fault("status", status=403),
    "is throttled": fault("status", status=429, retry_after="1"),
    "has an error": fault("status", status=500),
    "lists nothing": fault("body", body=""),
    "sends something else": fault("body", body='["a", 7, {"macs": null}]'),
    "breaks off": fault("cut"),
    "sends no text": fault("binary"),
}


@pytest.mark.parametrize("trouble", FAULTS.values(), ids=FAULTS.keys())
def test_not_one_rule_or_route_goes_when_the_service(
    trouble: Fault, bare: Host, cloud: Cloud
) -> None:
    bare.start().kill()
    full = bare.ours()
    assert "lookup 18001" in full
    cloud.tell(ETH0.facts(), ETH1.facts(), fault=trouble)
    with Witness() as witness:
        daemon = bare.start()
        bare.plug(ETH3)
        until(lambda: "1 waiting" in daemon.status, 1.0, "eth3 waits")
        # Long enough to have been told, but for the one that hangs.
        time.sleep(0.5)
        same(full, bare.ours())
        assert not witness.ours()
        cloud.tell(ETH0.facts(), ETH1.facts(), ETH3.facts())
        until(lambda: "from 172.16.3.5 lookup 18002" in bare.ours(), 12.0, "eth3 has its rules")
        assert not witness.deletes()
    daemon.wait_for(lambda: daemon.status.startswith("in sync"), "in sync", 1.0)


def test_a_reload_does_not_make_ready_what_knows_nothing_yet(bare: Host, cloud: Cloud) -> None:
    cloud.tell(ETH0.facts(), ETH1.facts(), fault=fault("hang"))
    daemon = bare.start(ready=False)
    daemon.wait_for(lambda: bool(daemon.status), "the first round", 3.0)
    daemon.send(signal.SIGHUP)
    daemon.wait_for(lambda: bool(daemon.told("RELOADING=1")), "the reload", 1.0)
    assert not daemon.told("READY=1")
    cloud.tell(ETH0.facts(), ETH1.facts())
    daemon.wait_ready()


RECORDS: dict[str, dict[str, object]] = {
    "has no gateway yet": {"raw": {"gateway": None}},
    "has a page of HTML for a gateway": {"raw": {"gateway": "<html>404</html>"}},
    "has no address yet": {"raw": {"private-ipv4s": None, "primary-ip-address": None}},
    "has an empty list of addresses": {"raw": {"private-ipv4s": "[]"}},
    "has no subnet": {"raw": {"vswitch-cidr-block": None}},
    "has a subnet that is none": {"cidr": "172.16.1.0/240"},
    "has a multicast address": {"private_ipv4s": ["224.0.0.5"], "primary_ip": "224.0.0.5"},
    "has an address outside its subnet": {"private_ipv4s": ["198.51.100.5"]},
    "has the address of another": {"private_ipv4s": ["172.16.0.10"], "cidr": "172.16.0.0/24"},
    "has no id": {"raw": {"network-interface-id": None}},
    "is missing": {"listed": False},
}


def test_not_one_rule_or_route_goes_when_a_record_is_not_sound(bare: Host, cloud: Cloud) -> None:
    daemon = bare.start()
    full = bare.settled()
    with Witness() as witness:
        for what, changes in RECORDS.items():
            cloud.tell(ETH0.facts(), ETH1.facts(**changes))
            time.sleep(0.1)
            asked = len(cloud.requests())
            daemon.send(signal.SIGHUP)
            _wait_asked(cloud, asked)
            time.sleep(0.1)
            assert not witness.ours(), f"the record {what}: {witness.ours()}"
            assert daemon.status.startswith("in sync"), what
    same(full, bare.ours())
    # And what was restarted in the meantime knows what it has to know.
    daemon.kill()
    daemon = bare.start()
    assert daemon.operations() == []


def _wait_asked(cloud: Cloud, before: int) -> None:
    until(lambda: len(cloud.requests()) > before, 5.0, "it has asked")


def test_a_nic_that_the_list_forgets_keeps_its_routing_and_says_so(
    bare: Host, cloud: Cloud
) -> None:
    bare.start().kill()
    full = bare.ours()
    cloud.tell(ETH0.facts())
    daemon = bare.start()
    daemon.wait_for(lambda: "1 kept" in daemon.status, "one NIC is kept", 3.0)
    bare.ip("rule flush protocol 83")
    bare.healed(full)
    # Only when the NIC goes too, it goes.
    bare.ip("link del eth1")
    bare.healed("")


def test_an_eni_that_is_detached_while_metadata_still_lists_it_is_cleared(
    bare: Host, cloud: Cloud
) -> None:
    bare.start()
    full = bare.settled()
    bare.ip("link del eth1")
    bare.healed("")
    cloud.tell(ETH0.facts())
    bare.plug(ETH1)
    time.sleep(0.3)
    cloud.tell(ETH0.facts(), ETH1.facts())
    bare.healed(full, 5.0)


def test_facts_older_than_the_kernels_state_take_nothing_away(bare: Host, cloud: Cloud) -> None:
    # Such facts remain when the disk was full, or the daemon was killed before it could write.
    daemon = bare.start()
    bare.settled()
    older = (bare.state / "inventory.json").read_text()
    bare.plug(ETH2)
    cloud.tell(*(eni.facts() for eni in (ETH0, ETH1, ETH2)))
    until(lambda: "from 172.16.2.5 lookup 18002" in bare.ours(), 3.0, "eth2 has its rules")
    full = bare.settled()
    daemon.kill()
    (bare.state / "inventory.json").write_text(older)
    cloud.stop()
    with Witness() as witness:
        daemon = bare.start()
        assert "1 waiting" in daemon.status
        time.sleep(0.3)
        same(full, bare.ours())
        assert not witness.deletes()


def test_an_address_that_metadata_drops_but_the_nic_still_has_keeps_its_rules(
    bare: Host, cloud: Cloud
) -> None:
    bare.start().kill()
    full = bare.ours()
    cloud.tell(ETH0.facts(), ETH1.facts(private_ipv4s=["172.16.1.5"]))
    daemon = bare.start()
    daemon.wait_said("-172.16.1.6", within_s=3.0)
    same(full, bare.settled())
    bare.ip("address del 172.16.1.6/24 dev eth1")
    bare.healed("\n".join(line for line in full.splitlines() if "172.16.1.6 " not in line))


def test_a_gateway_that_metadata_moves_is_followed_make_before_break(
    bare: Host, cloud: Cloud
) -> None:
    bare.start().kill()
    full = bare.ours()
    cloud.tell(ETH0.facts(), ETH1.facts(gateway="172.16.1.254"))
    with Witness() as witness:
        bare.start()
        bare.healed(full.replace("via 172.16.1.253", "via 172.16.1.254"), 3.0)
        assert not witness.deletes()


def test_a_waiting_nic_does_not_exceed_the_budget_of_requests(bare: Host, cloud: Cloud) -> None:
    daemon = bare.start()
    bare.settled()
    asked = len(cloud.requests())
    bare.plug(ETH3)
    until(lambda: "1 waiting" in daemon.status, 1.0, "eth3 waits")
    # Neighbours make noise meanwhile.
    for _ in range(25):
        bare.ip("address add 172.16.3.9/24 dev eth3", "address del 172.16.3.9/24 dev eth3")
        time.sleep(0.2)
    spent = len(cloud.requests()) - asked
    # 0.2, 0.4, 0.8, 1.6, 3.2 s and so on; half of each pause is luck.
    assert 3 <= spent <= 8, cloud.requests()[asked:]


def test_nics_that_come_together_share_one_read(bare: Host, cloud: Cloud) -> None:
    bare.start()
    bare.settled()
    cloud.tell(*(eni.facts() for eni in (ETH0, ETH1, ETH2, ETH3)))
    time.sleep(0.2)
    asked = len(cloud.requests())
    bare.plug(ETH2, ETH3)
    until(lambda: "from 172.16.3.5" in bare.ours(), 2.0, "eth3 has its rules")
    until(lambda: "from 172.16.2.5" in bare.ours(), 2.0, "eth2 has its rules")
    assert len(cloud.requests()) - asked <= 3


def wait_for_reads(cloud: Cloud, number: int) -> None:
    """Wait for the end of so many reads: requests with a silence after them."""
    for _ in range(number):
        before = len(cloud.requests())
        until(lambda before=before: len(cloud.requests()) > before, 20.0, "a read")  # type: ignore[misc]
        time.sleep(0.2)


def test_a_network_that_comes_late_is_a_reason_to_ask_at_once(bare: Host) -> None:
    bare.plug(ETH0, ETH1, addresses=False)
    cloud = Cloud(bare, ETH0, ETH1, primary=ETH0.mac)
    cloud.tell(ETH0.facts(), ETH1.facts(), fault=fault("status", status=500))
    cloud.start(bare)
    try:
        daemon = bare.start(ready=False)
        # Half a second at first, doubled each time: the next pause is four seconds at the least.
        wait_for_reads(cloud, 5)
        cloud.tell(ETH0.facts(), ETH1.facts())
        bare.ip(*ETH0.address_lines(), *ETH1.address_lines())
        until(lambda: "from 172.16.1.5 lookup 18001" in bare.ours(), 2.0, "eth1 has its rules")
        assert daemon.said("answers again")
    finally:
        cloud.stop()
