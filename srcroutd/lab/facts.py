"""What the lab's metadata service is told to say: its facts file, from the cloud's ENIs."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from srcroutd.lab.topology import Eni

Facts = dict[str, Any]


def facts(
    enis: Iterable[Eni], primary: Eni, token_mode: str, fault: Mapping[str, Any] | None = None
) -> Facts:
    """The facts of these ENIs. ``token_mode`` is "required" (hardened), "optional" or "absent"."""
    return {
        "token_mode": token_mode,
        "all": True,
        "primary": primary.mac,
        "enis": [_record(nic) for nic in enis],
        **({"fault": dict(fault)} if fault else {}),
    }


def write(path: Path, told: Facts) -> None:
    """Replace the file in one step: the service may read it at any moment."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(told, indent=1))
    fresh.replace(path)


def _record(nic: Eni) -> Facts:
    prefixes = {
        version: [str(one) for one in nic.prefixes if one.version == version] for version in (4, 6)
    }
    return {
        "mac": nic.mac,
        "id": nic.id,
        "primary_ip": str(nic.v4[0]) if nic.v4 else None,
        "netmask": str(nic.vswitch.v4.netmask),
        "cidr": str(nic.vswitch.v4),
        "gateway": str(nic.vswitch.gateway4),
        "private_ipv4s": [str(one) for one in nic.v4],
        "ipv6s": [str(one) for one in nic.v6],
        "ipv6_cidr": str(nic.vswitch.v6) if nic.v6 else None,
        "ipv6_gateway": str(nic.vswitch.gateway6) if nic.v6 else None,
        "ipv4_prefixes": prefixes[4],
        "ipv6_prefixes": prefixes[6],
    }
