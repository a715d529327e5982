"""One rewritten source as a value: which connections bear which mark, and which source they get."""

from dataclasses import dataclass

from srcroutd.core.net import IP, Family, Network


@dataclass(frozen=True, slots=True)
class Snat:
    """Connections of this host that leave by ``device`` from another address get ``source``.

    ``number`` is their mark's within the mask. ``to`` are destinations of the source's family, none
    for all; ``port`` and ``uids`` are ranges, both ends included. With ``outer`` containers'
    connections count too: those that come in by a device that is none of these.
    """

    number: int
    device: str
    source: IP
    to: tuple[Network, ...] = ()
    ip_proto: int = 0
    port: tuple[int, int] | None = None
    uids: tuple[int, int] | None = None
    mark: int = 0
    mask: int = 0
    outer: tuple[str, ...] = ()

    @property
    def family(self) -> Family:
        """The family whose packets it rewrites."""
        return Family.of(self.source)
