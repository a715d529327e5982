"""The steps of the story, in order: from the problem of every second NIC to cleanup without a
trace.
"""

import time
from collections.abc import Callable

from srcroutd.lab.measures import TIMES, answers, by_wire, lose, plug, printed
from srcroutd.lab.recorder import Recorder
from srcroutd.lab.story import Tale
from srcroutd.lab.topology import ETH0, ETH1, ETH2

_EXTRA = ETH2.vswitch.v4[21]
_EVERYTHING = ("rule", "-6 rule", "route show table all", "-6 route show table all")
_PRIMARY = (
    f"addr show {ETH0.name}",
    f"route show dev {ETH0.name}",
    f"-6 route show dev {ETH0.name}",
)


def without(tale: Tale) -> None:
    """The problem: eth1 is attached as the image attaches it, and nothing more."""
    with tale.step(
        "Without srcroutd: requests come in by eth1, replies leave by eth0 and die",
        lambda _: "the source check drops what leaves eth0 with eth1's address",
    ) as step:
        tale.show("client ──▶ eth1     eth0 ──▶ ✗ source check")
        for version in (4, 6):
            lose(tale, step, version)
        control = tale.cloud.client.ping(ETH0.v4[0], TIMES)
        tale.show(f"eth0's own address {ETH0.v4[0]} answers: {control.answered} of {TIMES}")
        step.expect(control.answered == TIMES, "the client cannot even reach eth0")
        tale.remembered["everything"] = printed(tale, _EVERYTHING)


def empty_configuration(tale: Tale) -> None:
    """Start with nothing configured and only the primary NIC there."""
    with tale.step(
        "srcroutd starts with an empty configuration (eth1 is unplugged for now)",
        lambda step: (
            f"ready after {step.figures['ready_ms']:.0f} ms; the primary NIC is left alone"
        ),
    ) as step:
        tale.cloud.detach(ETH1)
        before = printed(tale, _EVERYTHING)
        tale.remembered["primary"] = printed(tale, _PRIMARY)
        ready = tale.cloud.daemon.start("")
        step.figures["ready_ms"] = ready.ms
        tale.show(f"its status: {tale.cloud.daemon.status() or 'none'}")
        step.expect(
            printed(tale, _EVERYTHING) == before, "rules or routes changed with no eth1 there"
        )
        step.expect(tale.cloud.client.probe(ETH0.v4[0]), "eth0 does not answer any more")


def attach(tale: Tale) -> None:
    """The same NIC, hot-plugged beside srcroutd."""
    with tale.step(
        "eth1 is plugged in",
        lambda step: f"{step.figures['first_reply_ms']:.0f} ms from the plug to the first reply",
    ) as step:
        plug(tale, step, ETH1)
        tale.show("client ──▶ eth1 ──▶ client")
        answers(tale, step, ETH1)
        rules = tale.cloud.instance.ip("rule")
        tale.show("ip rule")
        tale.quote("\n".join(line for line in rules.splitlines() if "proto" in line))
        for table in tale.tables(ETH1):
            tale.show(f"ip route show table {table}")
            tale.quote(tale.cloud.instance.ip(f"route show table {table}"))


def same_subnet(tale: Tale) -> None:
    """Two NICs in one vSwitch, the normal case on this cloud."""
    with tale.step(
        f"eth2 is plugged in, in the same subnet as eth1 ({ETH2.vswitch.v4})",
        lambda step: (
            f"{step.figures['first_reply_ms']:.0f} ms to the first reply;"
            " each answers on its own wire"
        ),
    ) as step:
        plug(tale, step, ETH2)
        answers(tale, step, ETH1)
        answers(tale, step, ETH2)


def another_address(tale: Tale) -> None:
    """A secondary private address, as the cloud's console adds one."""
    with tale.step(
        f"a second address, {_EXTRA}, is added to eth2",
        lambda step: f"{step.figures['first_reply_ms']:.0f} ms to the first reply, by eth2",
    ) as step:
        waiting = tale.cloud.client.begin(_EXTRA, every_ms=2, first=True)
        added = tale.cloud.add_address(ETH2, _EXTRA)
        first = waiting.result().first_at
        step.expect(first, "no reply within 10 s")
        step.figures["first_reply_ms"] = (first - added.began) * 1000 if first and added else None
        tale.cloud.wire.reset()
        tale.cloud.client.ping(_EXTRA, TIMES)
        left = tale.cloud.wire.answered_by(_EXTRA)
        tale.show(f"ping {_EXTRA}: {TIMES} sent; out: {by_wire(left)}")
        step.expect(left == {"eth2": TIMES}, f"replies left by {by_wire(left)}, expected by eth2")


def drift(tale: Tale) -> None:
    """Somebody's hand, or somebody's script."""
    with tale.step(
        "a rule is deleted by hand, then a whole table is flushed",
        lambda step: (
            f"rule back after {step.figures['rule_ms']:.1f} ms, table after"
            f" {step.figures['table_ms']:.1f} ms (by ip monitor's clock)"
        ),
    ) as step:
        before = printed(tale, _EVERYTHING)
        priority = tale.rules(ETH1)[-1]["priority"]
        for name, command in (
            ("rule_ms", f"rule del priority {priority}"),
            ("table_ms", f"route flush table {tale.tables(ETH1)[0]}"),
        ):
            tale.recorder.mark()
            tale.show(f"ip {command}")
            tale.cloud.instance.run("ip", *command.split(), check=False)
            step.figures[name] = tale.recorder.healed_ms()
            step.expect(step.figures[name] is not None, f"not healed: ip {command}")
        step.expect(printed(tale, _EVERYTHING) == before, "what came back is not what was lost")
        answers(tale, step, ETH1)


def flap(tale: Tale) -> None:
    """A link that goes down takes its IPv4 routes along, and the kernel does not say so."""
    with tale.step(
        "eth1's link goes down and up again (its routes vanish, unannounced)",
        lambda step: (
            f"answers again {step.figures['first_reply_ms']:.0f} ms after the link is up;"
            f" eth2 lost {step.figures['eth2_lost']} of {step.figures['eth2_sent']} meanwhile"
        ),
    ) as step:
        beside = tale.cloud.client.begin(ETH2.v4[0], times=60, every_ms=10)
        tale.cloud.instance.ip("link set eth1 down")
        left = tale.cloud.instance.ip(f"route show table {tale.tables(ETH1)[0]}")
        tale.show("while it is down, its table says")
        tale.quote(left or "nothing")
        waiting = tale.cloud.client.begin(ETH1.v4[0], every_ms=2, first=True)
        # The kernel drops IPv6 addresses of a link that goes down; whoever configured them puts
        # them back.
        up = tale.cloud.instance.ip_batch(
            [
                "link set eth1 up",
                f"addr add {ETH1.v6[0]}/{ETH1.vswitch.v6.prefixlen} dev eth1 nodad",
            ]
        )
        first = waiting.result().first_at
        other = beside.result()
        step.figures |= {"eth2_sent": other.sent, "eth2_lost": other.lost}
        step.figures["first_reply_ms"] = (first - up.began) * 1000 if first else None
        step.expect(first, "eth1 does not answer within 10 s")
        step.expect(other.lost == 0, f"eth2 lost {other.lost} of {other.sent} replies")
        answers(tale, step, ETH1)


def reboot(tale: Tale) -> None:
    """Routing must not wait for the cloud."""
    with tale.step(
        "metadata dies, and the instance is rebooted",
        lambda step: (
            f"routing is back {step.figures['ready_ms']:.0f} ms after srcroutd's start,"
            " from its state file"
        ),
    ) as step:
        before = printed(tale, ("rule", "-6 rule"))
        tale.cloud.metadata.stop()
        tale.cloud.reboot_instance()
        tale.recorder = Recorder(tale.cloud)
        lost = tale.cloud.client.probe(ETH1.v4[0], timeout_s=0.3)
        tale.show(
            f"after the boot, before srcroutd: eth1 {'answers' if lost else 'does not answer'}"
        )
        ready = tale.cloud.daemon.start()
        step.figures["ready_ms"] = ready.ms
        for nic in (ETH1, ETH2):
            answers(tale, step, nic)
        step.expect(not lost, "eth1 answered without srcroutd")
        step.expect(
            printed(tale, ("rule", "-6 rule")) == before, "the rules are not those of before"
        )
        tale.cloud.metadata.start()
        tale.show("metadata is back")


def detach(tale: Tale) -> None:
    """What is gone leaves nothing behind."""
    with tale.step(
        "eth2 is unplugged",
        lambda step: (
            f"its rules are gone after {step.figures['gone_ms']:.0f} ms; eth0 is as it was,"
            f" and lost {step.figures['eth0_lost']} of {step.figures['eth0_sent']}"
        ),
    ) as step:
        beside = tale.cloud.client.begin(ETH0.v4[0], times=60, every_ms=10)
        tale.recorder.mark()
        # ip monitor tells the time of day, everything else here the monotonic clock.
        began = tale.cloud.detach(ETH2).began + time.time() - time.monotonic()
        clean = tale.cloud.instance.eventually("rule", lambda rules: str(ETH2.v4[0]) not in rules)
        clean6 = tale.cloud.instance.eventually(
            "-6 rule", lambda rules: str(ETH2.v6[0]) not in rules
        )
        step.expect(clean and clean6, "its rules are still there after 5 s")
        gone = [one.at for one in tale.recorder.changes() if one.gone and "lookup" in one.what]
        step.figures["gone_ms"] = (max(gone) - began) * 1000 if gone else None
        step.expect(gone, "no rule was deleted")
        other = beside.result()
        step.figures |= {"eth0_sent": other.sent, "eth0_lost": other.lost}
        step.expect(other.lost == 0, f"eth0 lost {other.lost} of {other.sent} replies")
        step.expect(
            printed(tale, _PRIMARY) == tale.remembered["primary"], "eth0 is not as it was at first"
        )
        answers(tale, step, ETH1)


def cleanup(tale: Tale) -> None:
    """Stopping changes nothing; cleaning up leaves nothing."""
    with tale.step(
        "srcroutd is stopped, then srcroutctl cleanup",
        lambda _: "stopped: routing stood; cleaned up: all is byte for byte as in step 1",
    ) as step:
        before = printed(tale, _EVERYTHING)
        tale.cloud.daemon.stop()
        step.expect(printed(tale, _EVERYTHING) == before, "stopping changed rules or routes")
        answers(tale, step, ETH1)
        tale.show("srcroutctl cleanup")
        tale.quote(tale.cloud.daemon.ctl("cleanup").out.splitlines()[-1])
        after = printed(tale, _EVERYTHING)
        step.figures["lines"] = len(after.splitlines())
        traces = set(after.splitlines()) ^ set(tale.remembered["everything"].splitlines())
        for line in sorted(traces):
            tale.show(f"differs: {line}")
        step.expect(after == tale.remembered["everything"], "it is not as it was in step 1")


CHAPTERS: tuple[Callable[[Tale], None], ...] = (
    without,
    empty_configuration,
    attach,
    same_subnet,
    another_address,
    drift,
    flap,
    reboot,
    detach,
    cleanup,
)
