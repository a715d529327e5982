"""The kernel's rules, routes that decide, links, addresses and sysctls, both families."""

import asyncio

from srcroutd.core.errors import OperatorError
from srcroutd.core.lookup_values import Rpdb
from srcroutd.core.net import IP, Family
from srcroutd.core.view import View
from srcroutd.doctor.scene import FAR, sources
from srcroutd.kernel.errors import TornDump
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.rpdb import read_rpdb


def read_kernel(view: View | None) -> tuple[dict[Family, Rpdb], tuple[str, ...]]:
    """One RPDB a family for packets of the managed addresses; and what could not be read."""
    return asyncio.run(_read(view))


async def _read(view: View | None) -> tuple[dict[Family, Rpdb], tuple[str, ...]]:
    rpdbs: dict[Family, Rpdb] = {}
    unseen: list[str] = []
    names = [nic.link.name for nic in view.nics] if view else []
    try:
        requests = Requests()
    except OperatorError as error:
        return {}, (f"the kernel's rules and routes: {error}",)
    try:
        for family in Family:
            try:
                about = about_addresses(view, family)
                rpdbs[family] = await read_rpdb(requests, family, about, names)
            except (OperatorError, TornDump) as error:
                unseen.append(f"the kernel's IP{family.name.lower()} rules and routes: {error}")
    finally:
        requests.close()
    return rpdbs, tuple(unseen)


def about_addresses(view: View | None, family: Family) -> set[IP]:
    """The addresses that the checks ask about: far away, the NICs' own, their gateways."""
    about = {FAR[family]}
    for nic in view.nics if view else ():
        about |= {ip for ip in sources(nic) if Family.of(ip) is family}
        about |= {one.ip for one in nic.addresses if Family.of(one.interface) is family}
        half = nic.eni.addressing(family) if nic.eni else None
        if half and half.gateway:
            about.add(half.gateway)
    return about
