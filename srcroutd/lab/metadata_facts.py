"""What the lab's metadata service is to say, and how ECS spells it: facts in, a tree of texts out.

The facts are a JSON file (unknown keys are refused):

    {"token_mode": "required",       "optional" or "absent" (the PUT is then 404)
     "all": true,                    false: meta-data/all is 404, as on older hosts
     "versions": ["latest", "2016-01-01"],
     "primary": "00:16:3e:00:00:01", null: the key "mac" is 404
     "enis": [{"mac": "00:16:3e:00:00:01", "id": "eni-lab1", "primary_ip": "172.16.0.10",
               "cidr": "172.16.0.0/24", "gateway": "172.16.0.253",
               "netmask": null,               null: made from cidr
               "private_ipv4s": null,         null or []: just the primary
                                              (for an empty list see "raw")
               "ipv4_prefixes": [], "ipv6s": [], "ipv6_cidr": null, "ipv6_gateway": null,
               "ipv6_prefixes": [], "vpc_id": "vpc-lab", "vswitch_id": "vsw-lab",
               "listed": true,                false: missing in the list, its keys still answer
               "raw": {"gateway": "nonsense", "netmask": null},   by key: this text, null is 404
               "late_s": {"gateway": 2.0},    by key or "*": 404 for so long after the attach
               "slow_s": {"gateway": 3.0}}],  by key or "*": each answer takes so long
     "fault": {"kind": "status", "status": 429, "retry_after": "7", "path": "", "times": null}}

Formats are those of the vendor's page "Instance metadata": a trailing slash on each MAC, no final
newline, ``private-ipv4s`` as JSON, ``ipv6s`` without quotes, a page of HTML for an absent key.
"""

import json
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Tree = dict[str, "str | Tree"]
"""A folder of the service: names to texts or folders."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EniFacts(_Strict):
    """One ENI as the service is to tell it."""

    mac: str
    id: str
    primary_ip: str | None = None
    cidr: str | None = None
    gateway: str | None = None
    netmask: str | None = None
    private_ipv4s: tuple[str, ...] | None = None
    ipv4_prefixes: tuple[str, ...] = ()
    ipv6s: tuple[str, ...] = ()
    ipv6_cidr: str | None = None
    ipv6_gateway: str | None = None
    ipv6_prefixes: tuple[str, ...] = ()
    vpc_id: str = "vpc-lab"
    vswitch_id: str = "vsw-lab"
    listed: bool = True
    raw: dict[str, Any] = Field(default_factory=dict)
    late_s: dict[str, float] = Field(default_factory=dict)
    slow_s: dict[str, float] = Field(default_factory=dict)


class Fault(_Strict):
    """What is to go wrong. ``path`` is a part of the path ("" is every path), ``method`` likewise.

    ``times`` counts requests that meet it, null is for ever. Kinds: ``refuse`` closes the port,
    ``hang`` never answers, ``drip`` sends a byte now and then, ``status`` answers with ``status``
    and a page of HTML, ``body`` answers 200 with ``body``, ``binary`` with bytes that are no text,
    ``cut`` breaks off half-way, ``redirect`` points elsewhere, ``gzip`` is a bomb of 10 MB and
    ``huge`` is 10 MB of text.
    """

    kind: Literal[
        "refuse", "hang", "drip", "status", "body", "binary", "cut", "redirect", "gzip", "huge"
    ]
    status: int = 500
    retry_after: str | None = None
    body: str = ""
    path: str = ""
    method: str = ""
    times: int | None = None


class Facts(_Strict):
    """All that the service is to say and do."""

    token_mode: Literal["required", "optional", "absent"] = "required"  # noqa: S105
    all: bool = True
    versions: tuple[str, ...] = ("latest", "2016-01-01")
    primary: str | None = None
    enis: tuple[EniFacts, ...] = ()
    fault: Fault | None = None


def tree(facts: Facts, ages_s: Mapping[str, float]) -> Tree:
    """The folder ``meta-data``. ``ages_s`` is the time since each MAC was attached, in seconds."""
    macs: Tree = {eni.mac: _keys(eni, ages_s.get(eni.mac, 0.0)) for eni in facts.enis}
    found: Tree = {
        "instance-id": "i-lab",
        "network-type": "vpc",
        "region-id": "lab",
        "network": {"interfaces": {"macs": macs}},
    }
    if facts.primary:
        found["mac"] = facts.primary
    return found


def whole(facts: Facts, ages_s: Mapping[str, float]) -> str:
    """The answer of ``meta-data/all``: the same tree as one JSON, without unlisted MACs."""
    found = tree(facts, ages_s)
    hidden = {eni.mac for eni in facts.enis if not eni.listed}
    macs = {mac: keys for mac, keys in _folder_of_macs(found).items() if mac not in hidden}
    return json.dumps(found | {"network": {"interfaces": {"macs": macs}}})


def look_up(facts: Facts, ages_s: Mapping[str, float], path: str) -> str | None:
    """The text at a path below ``meta-data/``: a key's value, a folder's list, None for 404."""
    here: str | Tree = tree(facts, ages_s)
    for word in filter(None, path.split("/")):
        if isinstance(here, str) or word not in here:
            return None
        here = here[word]
    if isinstance(here, str):
        return here
    hidden = {eni.mac for eni in facts.enis if not eni.listed}
    return "\n".join(
        name + ("/" if isinstance(below, dict) else "")
        for name, below in here.items()
        if name not in hidden
    )


def slowness_s(facts: Facts, path: str) -> float:
    """How long the answer at this path is to take."""
    mac, _, key = path.partition("network/interfaces/macs/")[2].strip("/").partition("/")
    for eni in facts.enis:
        if eni.mac == mac:
            return eni.slow_s.get(key, eni.slow_s.get("*", 0.0))
    return 0.0


def _folder_of_macs(found: Tree) -> Tree:
    here: str | Tree = found
    for word in ("network", "interfaces", "macs"):
        assert isinstance(here, dict)  # noqa: S101 - tree() makes it so
        here = here[word]
    assert isinstance(here, dict)  # noqa: S101
    return here


def _keys(eni: EniFacts, age_s: float) -> Tree:
    # An ENI with IPv6 only has its vSwitch's IPv4 keys, but none that speak of itself.
    ipv4s = (eni.private_ipv4s or (eni.primary_ip,)) if eni.primary_ip else None
    spelled: dict[str, str | None] = {
        "gateway": eni.gateway if eni.primary_ip else None,
        "ipv4-prefixes": _bare(eni.ipv4_prefixes),
        "ipv6-gateway": eni.ipv6_gateway,
        "ipv6-prefixes": _bare(eni.ipv6_prefixes),
        "ipv6s": f"[{','.join(eni.ipv6s)}]" if eni.ipv6s else None,
        "netmask": eni.netmask or (str(ip_network(eni.cidr).netmask) if eni.cidr else None),
        "network-interface-id": eni.id,
        "primary-ip-address": eni.primary_ip,
        "private-ipv4s": None if ipv4s is None else json.dumps(ipv4s, separators=(",", ":")),
        "vpc-id": eni.vpc_id,
        "vswitch-cidr-block": eni.cidr,
        "vswitch-id": eni.vswitch_id,
        "vswitch-ipv6-cidr-block": eni.ipv6_cidr,
    }
    spelled |= {key: _raw(value) for key, value in eni.raw.items()}
    return {
        key: text
        for key, text in spelled.items()
        if text is not None and age_s >= eni.late_s.get(key, eni.late_s.get("*", 0.0))
    }


def _bare(prefixes: tuple[str, ...]) -> str | None:
    """One prefix bare, as the vendor's page has it; several as it has lists of IPv6 addresses."""
    if len(prefixes) > 1:
        return f"[{','.join(prefixes)}]"
    return prefixes[0] if prefixes else None


def _raw(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
