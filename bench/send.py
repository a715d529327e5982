"""What our rules cost others: one UDP send from an unconnected socket, each of which looks the
route up anew.

With no rules, with ours for 16 NICs of 64 addresses, and with the same rules but without the pair a
NIC that lets packets from outside its subnet pass by all of its addresses: the reason why that pair
is there. Sending itself, and Python's part of it, is in the figure without rules.
"""

import asyncio
import socket
import time
from collections import defaultdict
from itertools import repeat
from pathlib import Path

from bench.engine import Engine
from bench.figures import median
from bench.inside import Stage
from bench.wires import OURS, Orders
from bench.world import batch, cards, fresh_machine, static_config
from srcroutd.core.net import Action, Rule
from srcroutd.kernel.codec_rule import encode_rule
from srcroutd.kernel.wire import NLM_F_CREATE, RTM_DELRULE, RTM_NEWRULE

NICS, ADDRESSES = 16, 64
TO = ("198.51.100.1", 9)
SENDS = 4000
SENDERS = {
    "not ours": "10.0.0.1",
    "our first address": "10.1.0.1",
    "our last address": f"10.{NICS}.0.{ADDRESSES}",
}
NONE, OWN, FLAT = "no rules", "our rules", "our rules, flat"


def run(stage: Stage) -> None:
    """Measure the layouts in turns."""
    world = cards(NICS, ADDRESSES)
    config = stage.folder / "srcroutd.toml"
    config.write_text(static_config(world))
    fresh_machine(world)
    batch(
        f"neigh replace {card.gateway} lladdr 02:00:00:00:01:00 dev {card.name}" for card in world
    )
    rules = asyncio.run(_routed(config, stage.folder / "state"))
    around = tuple(rule for rule in rules if rule.action is not Action.LOOKUP)
    orders = Orders()
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    rounds = stage.rounds(9, 3)
    for number in range(rounds):
        stage.progress(f"turn {number + 1} of {rounds}")
        _measure(OWN, spent)
        _delete(orders, around)
        _measure(FLAT, spent)
        _delete(orders, tuple(rule for rule in rules if rule not in around))
        _measure(NONE, spent)
        for rule in reversed(rules):
            orders.send(RTM_NEWRULE, NLM_F_CREATE, encode_rule(rule))
    _report(stage, spent, len(rules))


async def _routed(config: Path, state: Path) -> tuple[Rule, ...]:
    """Have the daemon's parts make their rules; these, lowest priority first."""
    engine = Engine(config, state)
    await engine.start()
    await engine.round()
    rules = tuple(rule for rule in engine.eyes.picture.rules.values() if rule.protocol == OURS)
    engine.close()
    return rules


def _delete(orders: Orders, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        orders.send(RTM_DELRULE, 0, encode_rule(rule))


def _measure(layout: str, spent: dict[tuple[str, str], list[float]]) -> None:
    for sender, address in SENDERS.items():
        spent[layout, sender].append(_send_ns(address))


def _send_ns(source: str) -> float:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((source, 0))
        send = opened.sendto
        began = time.perf_counter_ns()
        for _ in repeat(None, SENDS):
            send(b"x", TO)
        return (time.perf_counter_ns() - began) / SENDS


def _report(stage: Stage, spent: dict[tuple[str, str], list[float]], count: int) -> None:
    for layout in (NONE, OWN, FLAT):
        for sender in SENDERS:
            samples = spent[layout, sender]
            note = f"{count} rules" if layout == OWN and sender == "not ours" else ""
            name = f"{layout}: from {sender}, median"
            stage.figure(name, median(samples), "ns", note=note, samples=samples)
    note = "median of the ratios of the turns, a packet that is not ours"
    for layout in (OWN, FLAT):
        pairs = zip(spent[layout, "not ours"], spent[NONE, "not ours"], strict=True)
        ratios = [some / none for some, none in pairs]
        stage.figure(f"{layout}, times no rules", median(ratios), "x", note=note, samples=ratios)
