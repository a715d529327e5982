"""Provider ``static``: the facts come from the configuration file, for hosts without a cloud.

An entry that names a device is joined with whatever MAC that device has now; a device that is not
there yet is simply not listed, and the next link event asks again.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from srcroutd.core.config import StaticEni
from srcroutd.core.inventory import Eni, Reading, Unknown
from srcroutd.core.refusals import clashes, refusals

ENDPOINTS: tuple[str, ...] = ()
"""Nobody is asked."""


class StaticProvider:
    """Facts from ``[[eni]]`` entries. ``macs`` tells the MAC of each device name at the time of the
    call.
    """

    name = "static"

    def __init__(self, entries: Iterable[StaticEni], macs: Callable[[], Mapping[str, str]]) -> None:
        self._entries = tuple(entries)
        self._macs = macs

    @property
    def requests(self) -> Mapping[tuple[str, str], int]:
        """None are sent."""
        return {}

    async def read(self) -> AsyncGenerator[Reading | Unknown, None]:
        """One reading of all entries whose device exists."""
        macs = self._macs()
        enis: dict[str, Eni] = {}
        primary = None
        for entry in self._entries:
            mac = entry.mac or macs.get(entry.name or "")
            if mac is None:
                continue
            enis[mac] = Eni(entry.id, mac, entry.v4, entry.v6)
            primary = mac if entry.primary else primary
        pending = clashes(enis.values()) | {
            mac: "; ".join(said) for mac, eni in enis.items() if (said := refusals(eni))
        }
        good = tuple(eni for mac, eni in enis.items() if mac not in pending)
        yield Reading(self.name, good, pending, frozenset(enis), primary, final=True)

    async def close(self) -> None:
        """Nothing to give back."""
