"""From the moment the kernel announces a new NIC to the last of its rules, and how much of that is
metadata.

Every round attaches an ENI that nobody has seen before: moved in, given two addresses, brought up,
while the metadata service is ready to tell about it. The same ENI is then detached and attached
again, which needs no metadata: the difference is the price of asking.
"""

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator

from bench.figures import median, quantile
from bench.inside import Stage
from bench.programs import Daemon, Metadata
from bench.wires import ADDRESSES, LINKS, RULES, Event, Orders, Recorder
from bench.world import METADATA, Card, Pen, machine
from srcroutd.kernel.wire import RTM_DELRULE, RTM_NEWLINK, RTM_NEWRULE
from srcroutd.lab.metadata import TOKEN_HEADER, TOKEN_PATH, TTL_HEADER

PRIMARY = Card(0, 1)
PAUSE_S = 0.3
"""Between rounds, so that no round meets the end of the one before."""


def run(stage: Stage) -> None:
    """Measure attach with and without metadata."""
    rounds = stage.rounds(30, 5)
    pen = Pen()
    machine([PRIMARY])
    with (
        Metadata(stage.folder, [PRIMARY.facts()]) as metadata,
        Daemon(stage.folder, 'provider = "aliyun"\n'),
        Recorder(LINKS, ADDRESSES, RULES) as recorder,
    ):
        time.sleep(1.0)
        bay = _Bay(pen, metadata, recorder)
        bay.learn(Card(1, 2))
        firsts, agains, began = [], [], time.monotonic()
        for number in range(2, rounds + 2):
            stage.progress(f"attach {number - 1} of {rounds}")
            with bay.offered(Card(number, 2)) as card:
                firsts.append(bay.attach(card))
                agains.append(bay.attach(card))
        reads = len([told for told in metadata.requests(began) if told["method"] == "GET"])
        plain_ms = [_plain_read_ms() for _ in range(20)]
    _report(stage, firsts, agains, plain_ms)
    note = "one is due, when the NIC appears; those beyond it eat into the budget of later ENIs"
    stage.figure("metadata requests an ENI", reads / rounds, "", target=1, note=note)


class _Bay:
    """Where ENIs are attached and detached, and what a complete attach looks like."""

    def __init__(self, pen: Pen, metadata: Metadata, recorder: Recorder) -> None:
        self._pen = pen
        self._metadata = metadata
        self._recorder = recorder
        self._orders = Orders()
        self._expected = 0

    def learn(self, card: Card) -> None:
        """Attach once to see how many rules an ENI gets."""
        with self.offered(card):
            self._put_in(card)
            self._recorder.settle(1.0, 10.0)
            self._expected = _count(self._recorder.events, RTM_NEWRULE)
            if self._expected < 3 * card.count:
                raise ValueError(f"{self._expected} rules for {card.count} addresses")
            self._take_out()

    @contextlib.contextmanager
    def offered(self, card: Card) -> Iterator[Card]:
        """Have the metadata service list the ENI, and nothing but it and the primary."""
        self._metadata.tell([PRIMARY.facts(), card.facts()])
        time.sleep(self._metadata.LOOK_AGAIN_S)
        yield card

    def attach(self, card: Card) -> tuple[float, float, float]:
        """Attach and detach; the milliseconds from link, from last address, and to the first HTTP
        request.
        """
        self._put_in(card)
        expected = self._expected
        if not self._recorder.wait(lambda seen: _count(seen, RTM_NEWRULE) >= expected, 10.0):
            raise TimeoutError(f"{card.name} was not routed in 10 s")
        seen = list(self._recorder.events)
        link = next(event.at for event in seen if event.kind == RTM_NEWLINK)
        routed = [event.at for event in seen if event.kind == RTM_NEWRULE][expected - 1]
        asked = self._metadata.requests(link)
        self._take_out()
        ask_ms = (asked[0]["at_s"] - link) * 1e3 if asked and asked[0]["at_s"] < routed else 0.0
        return (routed - link) * 1e3, (routed - self._addressed) * 1e3, ask_ms

    def _put_in(self, card: Card) -> None:
        self._pen.batch(card.device())
        waiting = self._pen.index(card.name)
        self._recorder.events.clear()
        self._pen.orders.move(waiting, self._pen.instance)
        # Its number may have been taken in here: then the kernel gave it another.
        index = socket.if_nametoindex(card.name)
        for address in card.addresses:
            self._orders.address(index, address)
        self._orders.up(index)
        self._addressed = time.monotonic()
        self._index = index

    def _take_out(self) -> None:
        self._recorder.settle(PAUSE_S / 2, 5.0)
        self._recorder.events.clear()
        self._orders.remove(self._index)
        expected = self._expected
        self._recorder.wait(lambda seen: _count(seen, RTM_DELRULE) >= expected, 5.0)
        time.sleep(PAUSE_S)


def _count(events: list[Event], kind: int) -> int:
    return sum(event.kind == kind for event in events)


def _plain_read_ms() -> float:
    """How long a bare client, with its token in hand, waits for ``meta-data/all``: the service's
    own part.
    """
    connection = http.client.HTTPConnection(METADATA, timeout=5)
    connection.request("PUT", TOKEN_PATH, headers={TTL_HEADER: "60"})
    token = connection.getresponse().read().decode()
    began = time.monotonic()
    connection.request("GET", "/latest/meta-data/all", headers={TOKEN_HEADER: token})
    connection.getresponse().read()
    spent_ms = (time.monotonic() - began) * 1e3
    connection.close()
    return spent_ms


def _report(
    stage: Stage,
    firsts: list[tuple[float, float, float]],
    agains: list[tuple[float, float, float]],
    plain_ms: list[float],
) -> None:
    whole = [spent[0] for spent in firsts]
    known = [spent[0] for spent in agains]
    note = f"{len(whole)} ENIs; from the kernel's word of the link to its word of the last rule"
    stage.figure(
        "link appears to last rule, median",
        median(whole),
        "ms",
        target=25,
        note=note,
        samples=whole,
    )
    stage.figure("the same, 90th percentile", quantile(whole, 0.9), "ms")
    configured = [spent[1] for spent in firsts]
    stage.figure(
        "from when it is up with its addresses, median",
        median(configured),
        "ms",
        samples=configured,
    )
    asked = [spent[2] for spent in firsts]
    stage.figure("until the metadata service is asked, median", median(asked), "ms", samples=asked)
    stage.figure(
        "the service's answer to a bare client, median", median(plain_ms), "ms", samples=plain_ms
    )
    note = "detached and attached again: the facts are known"
    stage.figure(
        "without asking, link to last rule, median", median(known), "ms", note=note, samples=known
    )
    note = "the difference of the two medians"
    stage.figure("what asking costs", median(whole) - median(known), "ms", note=note)
