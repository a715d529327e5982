"""What must survive a reboot, as two small files: who has which number, and the last facts known to
be good.

Written atomically (temporary file, fsync, rename) with mode 0600; read with suspicion: a damaged,
foreign or outdated file is reported and set aside, and nothing is deleted because of it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from srcroutd.core.inventory import Addressing, Eni, Inventory
from srcroutd.core.net import IP, Network
from srcroutd.core.numbering import Domain, Seat, Seating
from srcroutd.core.refusals import clashes, refusals
from srcroutd.daemon.ownership import give_to_owner

SCHEMA = 1
SIZE_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Numbers:
    """The content of numbers.json: the present domain, earlier ones not yet cleared, and the
    seating.
    """

    domain: Domain
    former: tuple[Domain, ...] = ()
    seating: Seating = Seating()


class Damaged(Exception):
    """A state file cannot be used; the text says which, why and what happens instead."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file}: {why}; it is not used and will be written anew")
        self.file = file


class Store:
    """The state directory."""

    def __init__(self, directory: Path) -> None:
        self.numbers = directory / "numbers.json"
        self.inventory = directory / "inventory.json"

    def load_numbers(self) -> Numbers | None:
        """The numbers of earlier runs, None on the first. Raises Damaged."""
        content = load_file(self.numbers)
        if content is None:
            return None
        try:
            seats = tuple(
                Seat(int(seat["number"]), str(seat["eni"]), str(seat["mac"]))
                for seat in content["seats"]
            )
            if len({seat.number for seat in seats}) != len(seats):
                raise Damaged(self.numbers, "two ENIs share a number")
            former = tuple(_domain(domain) for domain in content["former"])
            return Numbers(_domain(content["domain"]), former, Seating(seats))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(self.numbers, f"{type(error).__name__} at {error}") from None

    def save_numbers(self, numbers: Numbers) -> None:
        """Write the numbers. Raises OSError."""
        seats = [
            {"number": seat.number, "eni": seat.eni, "mac": seat.mac}
            for seat in numbers.seating.seats
        ]
        save_file(
            self.numbers,
            {
                "domain": _domain_json(numbers.domain),
                "former": [_domain_json(domain) for domain in numbers.former],
                "seats": seats,
            },
        )

    def load_inventory(self, now: float, max_age_s: float) -> Inventory | None:
        """The last-known-good facts, None if there are none. Raises Damaged, also when they are too
        old.

        A clock that stands before the file's own time proves nothing about its age: the facts are
        used.
        """
        content = load_file(self.inventory)
        if content is None:
            return None
        try:
            age_s = now - float(content["saved_at"])
            enis = [_eni(eni) for eni in content["enis"]]
            source, primary = str(content["source"]), content["primary"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(self.inventory, f"{type(error).__name__} at {error}") from None
        if age_s > max_age_s:
            raise Damaged(self.inventory, f"older than max_age, {age_s / 86400:.0f} days")
        said = [text for eni in enis for text in refusals(eni)] + list(clashes(enis).values())
        if said:
            raise Damaged(self.inventory, said[0])
        return Inventory(
            f"{source.removesuffix(' (remembered)')} (remembered)",
            {eni.mac: eni for eni in enis},
            primary=primary if isinstance(primary, str) else None,
        )

    def save_inventory(self, inventory: Inventory, now: float) -> None:
        """Write the facts. Raises OSError."""
        save_file(
            self.inventory,
            {
                "saved_at": now,
                "source": inventory.source,
                "primary": inventory.primary,
                "enis": [_eni_json(eni) for eni in inventory.enis.values()],
            },
        )


def load_file(file: Path) -> dict[str, Any] | None:
    """The content of a state file of our schema, None where there is none. Raises Damaged."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(file, error.strerror or str(error)) from None
    try:
        content = json.loads(raw) if len(raw) <= SIZE_LIMIT else None
    except (ValueError, RecursionError):
        raise Damaged(file, "not JSON") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise Damaged(file, f"not of schema {SCHEMA}")
    return content


def save_file(file: Path, content: Mapping[str, Any]) -> None:
    """Write a state file atomically, for its directory's owner alone. Raises OSError."""
    raw = json.dumps({"schema": SCHEMA, **content}, indent=1, sort_keys=True).encode() + b"\n"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            give_to_owner(descriptor, file.parent)
            opened.write(raw)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _domain(content: Mapping[str, Any]) -> Domain:
    (first, last), (low, high) = content["priorities"], content["tables"]
    begin, end = content.get("policies", (17000, 17999))  # a file of before there were any
    return Domain(
        int(content["protocol"]),
        range(int(first), int(last) + 1),
        range(int(low), int(high) + 1),
        range(int(begin), int(end) + 1),
        tuple(range(int(a), int(b) + 1) for a, b in content.get("main_metrics", ())),
    )


def _domain_json(domain: Domain) -> dict[str, object]:
    return {
        "protocol": domain.protocol,
        "priorities": [domain.priorities.start, domain.priorities.stop - 1],
        "tables": [domain.tables.start, domain.tables.stop - 1],
        "policies": [domain.policies.start, domain.policies.stop - 1],
        "main_metrics": [[band.start, band.stop - 1] for band in domain.main_metrics],
    }


def _eni(content: Mapping[str, Any]) -> Eni:
    return Eni(
        str(content["id"]),
        str(content["mac"]),
        _addressing(content["v4"]),
        _addressing(content["v6"]),
    )


def _addressing(content: Mapping[str, Any] | None) -> Addressing | None:
    if content is None:
        return None
    subnet, gateway = content["subnet"], content["gateway"]
    prefixes: tuple[Network, ...] = tuple(ip_network(text) for text in content["prefixes"])
    addresses: tuple[IP, ...] = tuple(ip_address(text) for text in content["addresses"])
    return Addressing(
        addresses,
        ip_network(subnet) if subnet else None,
        ip_address(gateway) if gateway else None,
        prefixes,
    )


def _eni_json(eni: Eni) -> dict[str, object]:
    return {
        "id": eni.id,
        "mac": eni.mac,
        "v4": _addressing_json(eni.v4),
        "v6": _addressing_json(eni.v6),
    }


def _addressing_json(addressing: Addressing | None) -> dict[str, object] | None:
    if addressing is None:
        return None
    return {
        "addresses": [str(ip) for ip in addressing.addresses],
        "subnet": str(addressing.subnet) if addressing.subnet else None,
        "gateway": str(addressing.gateway) if addressing.gateway else None,
        "prefixes": [str(prefix) for prefix in addressing.prefixes],
    }
