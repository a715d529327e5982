"""What the story measures, and shows as a line of facts while it does."""

from srcroutd.core.net import IP
from srcroutd.lab.story import Step, Tale
from srcroutd.lab.topology import CLIENT_V4, CLIENT_V6, ETH1, Eni

TIMES = 10
"""Questions a measurement."""


def lose(tale: Tale, step: Step, version: int) -> None:
    """Ping eth1 without srcroutd, and follow the packets along the wires."""
    address: IP = ETH1.v4[0] if version == CLIENT_V4.version else ETH1.v6[0]
    client: IP = CLIENT_V4 if version == CLIENT_V4.version else CLIENT_V6
    wire = tale.cloud.wire
    wire.reset()
    tale.cloud.client.ping(address, TIMES)
    entered = wire.count("eth1", "down", "ping", client, address)
    left = wire.answered_by(address)
    arrived = wire.count("client", "down", "pong", address, client)
    by = by_wire(left)
    tale.show(f"ping {address}: {entered} of {TIMES} in by eth1; out: {by}; arrived: {arrived}")
    step.figures[f"ipv{version}"] = {
        "sent": TIMES,
        "entered": entered,
        "left": left,
        "arrived": arrived,
    }
    step.expect(left == {"eth0": TIMES}, f"replies of {address} left by {by}, expected by eth0")
    step.expect(arrived == 0, f"{arrived} replies of {address} passed the source check")


def plug(tale: Tale, step: Step, nic: Eni) -> None:
    """Attach while the client pings every 2 ms; the time from the plug to the first reply."""
    tale.cloud.wire.reset()
    waiting = tale.cloud.client.begin(nic.v4[0], every_ms=2, first=True)
    began = tale.cloud.attach(nic).began
    first = waiting.result().first_at
    step.figures["first_reply_ms"] = (first - began) * 1000 if first else None
    step.expect(first, f"{nic.name} does not answer within 10 s")
    wrong = tale.cloud.wire.answered_by(nic.v4[0]).get("eth0", 0)
    tale.show(f"pinged every 2 ms; {wrong} replies left by eth0 before the first by {nic.name}")


def answers(tale: Tale, step: Step, nic: Eni) -> None:
    """Both families: all replies leave by the NIC's own wire and arrive."""
    for address in (nic.v4[0], nic.v6[0]):
        tale.cloud.wire.reset()
        pings = tale.cloud.client.ping(address, TIMES)
        left = tale.cloud.wire.answered_by(address)
        by = by_wire(left)
        tale.show(f"ping {address}: {TIMES} sent; out: {by}; arrived: {pings.answered}")
        held = left == {nic.name: TIMES} and pings.answered == TIMES
        step.expect(held, f"{address} should answer by {nic.name}: {by}, {pings.answered} arrived")


def by_wire(left: dict[str, int]) -> str:
    """Counts by wire in words: "10 by eth1"."""
    return ", ".join(f"{number} by {name}" for name, number in left.items()) or "none"


def printed(tale: Tale, commands: tuple[str, ...]) -> str:
    """What ``ip`` prints, all in one."""
    return "".join(f"# ip {words}\n{tale.cloud.instance.ip(words)}" for words in commands)
