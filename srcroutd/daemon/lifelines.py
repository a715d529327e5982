"""This host's lifelines, from the kernel, resolv.conf and sshd's configuration: what access control
must not cut off (``core.access_danger``).

Nothing is sent to anybody. What cannot be learned is said, and judged by what is known.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import AddressValueError, IPv6Address, ip_address
from pathlib import Path

from srcroutd.core.access_danger import Around, Lifeline
from srcroutd.core.config import Config
from srcroutd.core.errors import OperatorError
from srcroutd.core.join import nics_by_mac
from srcroutd.core.net import IP, Address, Family, Link, Route, Rule
from srcroutd.daemon.hands import SOMEWHERE
from srcroutd.kernel.at_once import at_once
from srcroutd.kernel.codec_rule import decode_rule
from srcroutd.kernel.errors import TornDump
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.sock_diag import Connection, connections_at
from srcroutd.providers.registry import metadata_addresses, resolve

TCP, UDP = 6, 17
HTTP, DNS, DNS_OVER_TLS, SSH = 80, 53, 853, 22
RESOLV = "etc/resolv.conf"
BEHIND_A_STUB = ("run/systemd/resolve/resolv.conf", "run/NetworkManager/no-stub-resolv.conf")
"""Where the true servers stand if resolv.conf names one on this host itself."""
SSHD = ("etc/ssh/sshd_config", "etc/ssh/sshd_config.d")
LONGEST = 1 << 16
ATTEMPTS = 4
_SSH_PORT = re.compile(
    r"^\s*(?:Port[\s=]+|ListenAddress[\s=]+\S*[\]\w.]:)(\d{1,5})\b", re.MULTILINE | re.IGNORECASE
)


def look_around(config: Config, enis: Mapping[str, str], *, root: Path = Path("/")) -> Around:
    """The lifelines of this host as it is now.

    ``enis`` are the ids of ENIs by MAC, as far as known; files are read below ``root``. Raises
    KernelLacks, and TornDump where the NICs never hold still.
    """
    sight = _whole_sight(config, enis)
    try:
        lifelines = [*sight.metadata(), *sight.dns(root), *sight.ssh(root)]
        kept, standing = frozenset(sight.kept()), frozenset(sight.standing())
        return Around(tuple(lifelines), sight.devices, kept, standing, tuple(sight.unseen))
    finally:
        sight.requests.close()


def _whole_sight(config: Config, enis: Mapping[str, str]) -> "_Sight":
    for _ in range(ATTEMPTS - 1):
        with suppress(TornDump):
            return _Sight(config, enis)
    return _Sight(config, enis)


class _Sight:
    """The NICs and addresses of one moment, and the questions to the kernel about them."""

    def __init__(self, config: Config, enis: Mapping[str, str]) -> None:
        self.requests = Requests()
        self._config = config
        self._links: Sequence[Link] = at_once(self.requests.links())
        self._addresses: Sequence[Address] = at_once(self.requests.addresses())
        self._nics = nics_by_mac(self._links, self._addresses)
        self._names = {link.index: link.name for link in self._links}
        self.devices = {name: name for name in self._names.values()}
        self.devices |= {eni.id: eni.name for eni in config.enis if eni.name in self.devices}
        self.devices |= {enis[mac]: nic.name for mac, nic in self._nics.items() if mac in enis}
        self.unseen: list[str] = []

    def metadata(self) -> Iterator[Lifeline]:
        """Where the provider asks."""
        with suppress(OperatorError):  # no cloud: there is nobody to ask
            for address in metadata_addresses(resolve(self._config.provider)):
                if self._is_own(address):
                    continue  # a service on this host itself
                yield self._service("the metadata service", address, (TCP,), (HTTP,))

    def dns(self, root: Path) -> Iterator[Lifeline]:
        """The servers that names are asked of."""
        servers = list(name_servers(_text(root / RESOLV)))
        behind = [_text(root / name) for name in BEHIND_A_STUB]
        if any(server.is_loopback for server in servers):
            servers += [server for text in behind for server in name_servers(text)]
        others = {one for one in servers if not one.is_loopback and not self._is_own(one)}
        for server in sorted(others, key=str):
            # systemd-resolved binds what it asks to the link that the server was learned from.
            bound = None if behind[0] else ""
            ports = (DNS, DNS_OVER_TLS)
            yield self._service("the DNS server", server, (UDP, TCP), ports, bound)

    def ssh(self, root: Path) -> Iterator[Lifeline]:
        """Who is logged in."""
        ports = {SSH, *ssh_ports(self._sshd(root)), *_own_port(os.environ)}
        try:
            connections = connections_at(ports)
        except OperatorError as error:
            self.unseen.append(f"who is logged in by ssh: {error}")
            return
        for one in connections:
            if not one.peer.is_loopback and not self._is_own(one.peer):
                yield self._session(one)

    def kept(self) -> Iterator[str]:
        """The NICs that have a table of ours by now."""
        for nic in self._nics.values():
            if any(self._is_kept(address.ip) for address in self._of(nic.index)):
                yield nic.name

    def standing(self) -> Iterator[Rule]:
        """The rules of access control that the kernel has, without their numbers."""
        domain = self._config.domain
        for family in Family:
            for rule in map(decode_rule, at_once(self.requests.rules(family))):
                if rule and domain.owns_rule(rule) and rule.priority in domain.access:
                    yield replace(rule, priority=0, table=0, protocol=0)

    def _service(
        self,
        what: str,
        dst: IP,
        protocols: tuple[int, ...],
        ports: tuple[int, ...],
        bound: str | None = "",
    ) -> Lifeline:
        uids = tuple(sorted({0, os.geteuid()}))
        return Lifeline(what, dst, protocols, ports, self._sources(dst), uids=uids, oif=bound)

    def _session(self, one: Connection) -> Lifeline:
        bearer = next((own.index for own in self._addresses if own.ip == one.local), 0)
        return Lifeline(
            "the ssh session of",
            one.peer,
            (TCP,),
            (one.peer_port,),
            (one.local,),
            sport=one.port,
            uids=(one.uid,),
            oif=self._names.get(one.bound, ""),
            nic=self._names.get(bearer, ""),
        )

    def _sources(self, dst: IP) -> tuple[IP, ...]:
        """What the kernel would choose; where it finds no way now, every address that a NIC has."""
        answer = at_once(self.requests.route_to(dst))
        if isinstance(answer, Route) and answer.prefsrc:
            return (answer.prefsrc,)
        indexes = {nic.index for nic in self._nics.values()}
        found = (own.ip for own in self._addresses if own.index in indexes)
        return tuple(sorted((ip for ip in found if ip.version == dst.version), key=str))

    def _sshd(self, root: Path) -> str:
        """Sshd's configuration. Some distributions let only root read it."""
        file, folder = (root / name for name in SSHD)
        if file.exists() and not os.access(file, os.R_OK):
            self.unseen.append(f"other ports of sshd than {SSH}: {file} is not for this user")
        return "\n".join(map(_text, (file, *sorted(folder.glob("*.conf"))[:100])))

    def _of(self, index: int) -> Iterator[Address]:
        return (own for own in self._addresses if own.index == index)

    def _is_own(self, address: IP) -> bool:
        return any(own.ip == address for own in self._addresses)

    def _is_kept(self, address: IP) -> bool:
        if address.is_link_local:
            return False
        answer = at_once(self.requests.route_to(SOMEWHERE[address.version == 6], address))
        return isinstance(answer, Route) and answer.table in self._config.domain.tables


def name_servers(text: str) -> Iterator[IP]:
    """The servers in a resolv.conf(5)."""
    for found in re.finditer(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE):
        with suppress(AddressValueError, ValueError):
            address = ip_address(found[1])
            yield _plain(address)


def ssh_ports(text: str) -> Iterator[int]:
    """The ports in an sshd_config(5)."""
    for found in re.finditer(
        r"^\s*(?:Port[\s=]+|ListenAddress[\s=]+\S*[\]\w.]:)(\d{1,5})\b",
        text,
        re.MULTILINE | re.IGNORECASE,
    ):
        if 0 < (port := int(found[1])) < 65536:
            yield port


def _plain(address: IP) -> IP:
    """Without the scope of a link-local one: rules compare addresses."""
    return IPv6Address(int(address)) if isinstance(address, IPv6Address) else address


def _own_port(environment: Mapping[str, str]) -> Iterable[int]:
    """The port that this program's own user came in by (sshd(8), SSH_CONNECTION)."""
    words = environment.get("SSH_CONNECTION", "").split()
    return ssh_ports(f"Port {words[3]}") if len(words) == 4 else ()


def _text(file: Path) -> str:
    """The beginning of a file, empty where it is not there or not for us."""
    try:
        with file.open(errors="replace") as opened:
            return opened.read(LONGEST)
    except OSError:
        return ""
