"""Who reaches whom on a host with two NICs and a published port, for each layout that people use.

A cell is decided by a TCP request and its answer; one that failed is asked again by UDP, alone on
the wires, to see where its packets went. If that one is answered, nothing is decided: an error.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from srcroutd.core.net import IP
from srcroutd.lab.calls import LabError
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import ETH0, ETH1, Eni
from tests.packets import layouts, published
from tests.packets.published import PORT, SERVICE
from tests.packets.wires import first, neighbour, outside

RP_FILTERS = (0, 1, 2)
_WAIT_S = {"tcp": 1.5, "udp": 0.3}
"""How long a question waits: long enough for a second SYN; by UDP only to see where packets go."""
_NICS = ("all", "default", "eth0", "eth1", "docker0", "vethc")
_PEOPLE = ("eth0", "eth1", "client", "container", "neighbour")


@dataclass(frozen=True, slots=True)
class Site:
    """One cloud with everybody who asks or is asked."""

    cloud: Cloud
    container: Machine
    neighbour: Machine
    beside: Eni
    """The neighbour's."""

    def address(self, whose: str, version: int) -> IP:
        """Where somebody is reached: "eth0" and "eth1" are the host's addresses there."""
        match whose:
            case "eth0" | "eth1":
                return first({"eth0": ETH0, "eth1": ETH1}[whose], version)
            case "client":
                return outside(version)
            case "container":
                return published.INSIDE[version]
            case _:
                return first(self.beside, version)

    def machine(self, whose: str) -> Machine:
        """Who asks."""
        others = {"client": self.cloud.client, "container": self.container}
        return {**others, "neighbour": self.neighbour}.get(whose, self.cloud.instance)


@dataclass(frozen=True, slots=True)
class Column:
    """One question. Who asks, at whose address and port: an end that is the host's is named by the
    NIC whose address it is.
    """

    head: tuple[str, str]
    asker: str
    asked: str
    port: int = SERVICE


COLUMNS = (
    Column(("host", "by eth0"), "client", "eth0"),
    Column(("host", "by eth1"), "client", "eth1"),
    Column(("port", "by eth0"), "client", "eth0", PORT),
    Column(("port", "by eth1"), "client", "eth1", PORT),
    Column(("container", "to eth1"), "container", "eth1"),
    Column(("eth1 to", "container"), "eth1", "container"),
    Column(("neighbour", "to eth1"), "neighbour", "eth1"),
    Column(("neighbour", "to eth0"), "neighbour", "eth0"),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a cell was measured under: IPv4 with an rp_filter, or IPv6, which has none."""

    version: int
    rp_filter: int = 0


SETTINGS = (*(Setting(4, value) for value in RP_FILTERS), Setting(6))


@dataclass(frozen=True, slots=True, order=True)
class Astray:
    """A packet that left the host by ``wire`` and reached nobody; its ends by their names."""

    src: str
    dst: str
    wire: str


@dataclass(frozen=True, slots=True)
class Cell:
    """Whether an answer came, and if none did, what was seen to become of the packets.

    ``dropped``: the host's rp_filter counted drops. ``unresolved``: the host does not know the
    asker's MAC, and was not told when it asked.
    """

    answered: bool
    astray: tuple[Astray, ...] = ()
    dropped: bool = False
    unresolved: bool = False


Cells = Mapping[Column, Cell]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All that was measured, by layout and setting."""

    cells: Mapping[tuple[str, Setting], Cells]

    def __getitem__(self, where: tuple[str, Setting]) -> Cells:
        return self.cells[where]

    @property
    def rows(self) -> tuple[str, ...]:
        """The layouts, in the order of measuring."""
        return tuple(dict.fromkeys(row for row, _ in self.cells))


def measure(rows: Mapping[str, layouts.Put], rp_filters: Iterable[int] = RP_FILTERS) -> Matrix:
    """Build a cloud for each layout and rp_filter, several at a time, and ask."""
    asked = [(row, value) for row in rows for value in rp_filters]
    with ThreadPoolExecutor((os.cpu_count() or 1) + 2) as pool:
        told = pool.map(lambda one: _row(rows[one[0]], one[1]), asked)
        found = {
            (row, setting): cells
            for (row, _), by_setting in zip(asked, told, strict=True)
            for setting, cells in by_setting.items()
        }
    return Matrix(found)


def _row(put: layouts.Put, rp_filter: int) -> dict[Setting, Cells]:
    """One layout under one rp_filter; IPv6 with the first, for it is the same with all."""
    # A folder of its own: who starts a cloud sweeps away those in his that have ended.
    with (
        tempfile.TemporaryDirectory(prefix="srcroutd-") as base,
        Cloud.start((ETH0, ETH1), base=Path(base)) as cloud,
    ):
        container = published.publish(cloud)
        machine, nic = neighbour(cloud, ETH1.vswitch.number)
        cloud.instance.sysctl({f"net/ipv4/conf/{name}/rp_filter": str(rp_filter) for name in _NICS})
        put(cloud)
        settings = [one for one in SETTINGS if one.rp_filter == rp_filter]
        return _cells(Site(cloud, container, machine, nic), settings)


def _cells(site: Site, settings: Sequence[Setting]) -> dict[Setting, Cells]:
    asked = [(column, setting) for setting in settings for column in COLUMNS]
    # Until the host knows the neighbour's MAC, a question of his that cannot be answered holds up
    # the one that can.
    before = [one for one in asked if (one[0].asker, one[0].asked) == ("neighbour", "eth1")]
    answered = _ask(site, before) | _ask(site, [one for one in asked if one not in before])
    cells = {
        one: Cell(answered=True) if answered[one] else _failed(site, one[0], one[1].version)
        for one in asked
    }
    return {setting: {one: cells[one, setting] for one in COLUMNS} for setting in settings}


def _ask(site: Site, asked: Sequence[tuple[Column, Setting]]) -> dict[tuple[Column, Setting], bool]:
    """All of them at the same time."""
    with ThreadPoolExecutor(len(asked)) as pool:
        told = pool.map(lambda one: _answered(site, one[0], one[1].version, "tcp"), asked)
        return dict(zip(asked, told, strict=True))


def _answered(site: Site, column: Column, version: int, kind: str) -> bool:
    request = {
        "do": "probe",
        "kind": kind,
        "dst": str(site.address(column.asked, version)),
        "src": str(site.address(column.asker, version)),
        "port": column.port,
        "timeout_s": _WAIT_S[kind],
    }
    return bool(site.machine(column.asker).ask(request)["answered"])


def _failed(site: Site, column: Column, version: int) -> Cell:
    """Ask again by UDP: what TCP repeats of earlier questions would be seen as well."""
    instance, wire = site.cloud.instance, site.cloud.wire
    before = _drops(instance)
    wire.reset()
    if _answered(site, column, version, "udp"):
        raise LabError(f"{' '.join(column.head)}: answered by UDP and not by TCP; measure again")
    names = {site.address(name, version): name for name in _PEOPLE}
    astray = {
        Astray(names[seen.src], names[seen.dst], seen.wire)
        for seen in wire.counts()
        if (seen.way, seen.kind) == ("up", "udp")
        and seen.wire in {"eth0", "eth1"}
        and {seen.src, seen.dst} <= names.keys()
    }
    asker = site.address(column.asker, version)
    return Cell(
        answered=False,
        astray=tuple(sorted(astray)),
        dropped=_drops(instance) > before,
        unresolved=any(
            {"FAILED", "INCOMPLETE"} & set(known["state"])
            for known in instance.ip_json(f"neigh show {asker}")
        ),
    )


def _drops(machine: Machine) -> int:
    """How many packets rp_filter has dropped (IPReversePathFilter of netstat)."""
    heads, values = (
        line.split()
        for line in machine.run("cat", "/proc/net/netstat").out.splitlines()
        if line.startswith("TcpExt:")
    )
    return int(values[heads.index("IPReversePathFilter")])
