"""What the tests ask of a machine: the kernel's rules, srcroutd's own word, and who answers.

Each is the state of the world and never a call that was made.
"""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from srcroutd.lab.topology import ETH0, Eni
from tests.e2e_vm.cloud import VmCloud
from tests.e2e_vm.machine import Vm

PATIENCE_S = 60.0
"""For what takes a second or two: the processor is emulated and the host is shared."""
TIMES = 5
_METRICS = """
import http.client, socket
line = http.client.HTTPConnection("srcroutd")
line.sock = socket.socket(socket.AF_UNIX)
line.sock.connect("/run/srcroutd/control.sock")
line.request("GET", "/v1/metrics")
print(line.getresponse().read().decode())
"""

T = TypeVar("T")


def until(look: Callable[[], T], holds: Callable[[T], bool], limit_s: float = PATIENCE_S) -> T:
    """What ``look`` gives once it holds. Fails the test if it never does."""
    deadline = time.monotonic() + limit_s
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"still, after {limit_s:.0f} s: {seen}"
        time.sleep(0.2)
    return seen


def rules(vm: Vm) -> list[dict[str, Any]]:
    """The rules of both families inside our band, as ``ip -N -j rule`` has them."""
    found = [*vm.json("ip -N -j rule"), *vm.json("ip -N -6 -j rule")]
    return [rule for rule in found if 18000 <= rule["priority"] <= 18999]


def rules_by_table(vm: Vm) -> dict[int, int]:
    """How many of our rules each NIC's numbers hold: {18001: 12}, by priority."""
    count: dict[int, int] = {}
    for rule in rules(vm):
        table = 18000 + (rule["priority"] - 18000) // 10
        count[table] = count.get(table, 0) + 1
    return dict(sorted(count.items()))


def table_of(vm: Vm, nic: Eni) -> int | None:
    """The table that the kernel looks into for packets from the ENI's first address."""
    address = str(nic.v4[0])
    found = {int(rule["table"]) for rule in rules(vm) if rule.get("src") == address}
    found.discard(254)
    assert len(found) <= 1, found
    return found.pop() if found else None


def devices(vm: Vm) -> set[str]:
    """The device names that our rules bear."""
    return {rule["oif"] for rule in rules(vm) if "oif" in rule}


def routes(vm: Vm, table: int) -> list[str]:
    """The routes of a table, both families; none if there is no such table."""
    script = f"for family in -4 -6; do ip $family route show table {table} 2>/dev/null || :; done"
    return vm.run(script).splitlines()


def links(vm: Vm) -> dict[str, str]:
    """The name of each NIC by its MAC."""
    return {link["address"]: link["ifname"] for link in vm.json("ip -j link")}


def status(vm: Vm) -> dict[str, Any]:
    """What srcroutctl says, empty while there is nobody to say it."""
    said = vm.said("srcroutctl status --json 2>/dev/null")
    return json.loads(said.out) if said.code in {0, 1} else {}


def kept(vm: Vm) -> dict[str, int]:
    """The table of each ENI that srcroutd says is in sync, by the ENI's id."""
    nics = status(vm).get("nics", ())
    return {nic["eni"]: nic["table"] for nic in nics if nic["condition"] == "in sync"}


def secondaries(cloud: VmCloud) -> list[Eni]:
    """The ENIs in the machine but for the primary."""
    return [cloud.enis[name] for name in cloud.attached if name != ETH0.name]


def wait_in_sync(cloud: VmCloud, *enis: Eni) -> None:
    """Wait until srcroutd keeps these ENIs and no others, and see each answer by itself."""
    until(lambda: kept(cloud.vm), lambda seen: sorted(seen) == sorted(nic.id for nic in enis))
    for nic in enis:
        answers_by_itself(cloud, nic)


def answers_by_itself(cloud: VmCloud, nic: Eni) -> None:
    """The client outside is answered on both families, each time out of the ENI's own wire."""
    for address in nic.addresses:
        cloud.client.until_answered(address, every_ms=50, limit_s=PATIENCE_S)
        cloud.wire.reset()
        asked = cloud.client.ping(address, TIMES)
        assert asked.answered == TIMES, (nic.name, address, asked)
        left_by = cloud.wire.answered_by(address)
        assert set(left_by) == {nic.name}, (nic.name, address, left_by)


def requests_sent(vm: Vm) -> int:
    """How many requests srcroutd has sent to the metadata service, answered or not."""
    figures = vm.run(f"python3 -c '{_METRICS}'").splitlines()
    counts = [line for line in figures if line.startswith("srcroutd_metadata_requests_total")]
    return sum(int(line.split()[1]) for line in counts)


def journal(vm: Vm, words: str = "") -> str:
    """The record of srcroutd since this boot."""
    return vm.run(f"journalctl -b -o cat --no-pager -u srcroutd.service {words}", check=False)
