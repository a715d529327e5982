"""What went over the VPC's wires: every ENI's port and the client's, counted by the router's packet
socket.
"""

from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_address

from srcroutd.core.net import IP
from srcroutd.lab.calls import LabError
from srcroutd.lab.machine import Machine


@dataclass(frozen=True, slots=True)
class Packets:
    """One kind of packet on one wire.

    ``wire`` is "eth1" for the cord of the ENI eth1, "client" for the client's. ``way`` is "up" when
    it came out of the instance (or the client) to the router, "down" when the router sent it there.
    ``kind`` is "ping" (echo request), "pong" (echo reply), "tcp" or "udp".
    """

    wire: str
    way: str
    kind: str
    src: IP
    dst: IP


class Wire:
    """A count that starts at its making and again at each ``reset``."""

    def __init__(self, router: Machine) -> None:
        self._router = router
        self._zero: Counter[Packets] = Counter()
        router.ask({"do": "sniff"})
        self.reset()

    def reset(self) -> None:
        """Count from nothing again."""
        self._zero = self._total()

    def counts(self) -> Counter[Packets]:
        """Everything seen since the last ``reset``. Raises LabError if any packet was lost."""
        return self._total() - self._zero

    def count(
        self,
        wire: str,
        way: str | None = None,
        kind: str | None = None,
        src: IP | None = None,
        dst: IP | None = None,
    ) -> int:
        """How many packets of that description, None meaning any."""
        wanted = (wire, way, kind, src, dst)
        return sum(
            number
            for seen, number in self.counts().items()
            if all(
                want is None or want == have
                for want, have in zip(
                    wanted, (seen.wire, seen.way, seen.kind, seen.src, seen.dst), strict=True
                )
            )
        )

    def answered_by(self, address: IP) -> dict[str, int]:
        """By which of the instance's wires the echo replies of ``address`` left, and how many by
        each.
        """
        left: Counter[str] = Counter()
        for seen, number in self.counts().items():
            if (seen.way, seen.kind, seen.src) == ("up", "pong", address):
                left[seen.wire] += number
        return dict(sorted(left.items()))

    def _total(self) -> Counter[Packets]:
        answer = self._router.ask({"do": "counts"})
        if answer["lost"]:
            raise LabError(f"the wire count is worthless: the kernel lost {answer['lost']} packets")
        total: Counter[Packets] = Counter()
        for interface, way, kind, src, dst, number in answer["seen"]:
            if interface.startswith("port-"):
                up = "up" if way == "in" else "down"
                wire = interface.removeprefix("port-")
                total[Packets(wire, up, kind, ip_address(src), ip_address(dst))] += number
        return total
