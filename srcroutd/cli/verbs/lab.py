"""``srcroutctl lab``: the small cloud for people; ``run`` tells the story, ``up`` makes one to play
with.
"""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from srcroutd.core.errors import Exit

if TYPE_CHECKING:
    from srcroutd.lab.cloud import Cloud
    from srcroutd.lab.screen import Screen
    from srcroutd.lab.topology import Eni

_NAME = "lab"
_MACHINES = ("instance", "router", "client")


DESCRIPTION = (
    "A small cloud in network namespaces: an instance, a VPC router with a source check, a "
    "metadata service and a client outside. The real srcroutd runs in it. Nothing outside it is "
    "touched. Without a verb: run."
)


def add(lab: argparse.ArgumentParser) -> None:
    """Add the lab's own verbs; each sets ``run``: options in, exit code out."""
    _add_run_options(lab)
    lab.set_defaults(run=_run)
    inner = lab.add_subparsers(metavar="VERB")
    run = inner.add_parser(
        "run", help="tell the whole story in a lab of its own (less than a minute)"
    )
    _add_run_options(run)
    run.set_defaults(run=_run)
    _add_playing(inner)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    # SUPPRESS, because a verb's default would overwrite what was given before the verb.
    parser.add_argument(
        "--ascii", action="store_true", default=argparse.SUPPRESS, help="no Unicode"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="the steps as JSON on standard output, the story on standard error",
    )


def _add_playing(inner: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    up = inner.add_parser("up", help="start a lab that stays")
    up.add_argument("--without-daemon", action="store_true", help="leave srcroutd to you")
    up.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="no Unicode")
    up.set_defaults(run=_up)
    shell = inner.add_parser("shell", help="a shell, or one command, in a machine of the lab")
    shell.add_argument(
        "machine", nargs="?", default=_MACHINES[0], help="instance, router or client"
    )
    shell.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    shell.set_defaults(run=_shell)
    attach = inner.add_parser("attach", help="plug an ENI into the instance")
    attach.add_argument("nic", nargs="?", help="eth1, eth2, ...; the next one if not given")
    attach.set_defaults(run=_attach)
    detach = inner.add_parser("detach", help="unplug an ENI")
    detach.add_argument("nic", help="eth1, eth2, ...")
    detach.set_defaults(run=_detach)
    status = inner.add_parser("status", help="what the lab consists of")
    _add_run_options(status)
    status.set_defaults(run=_status)
    down = inner.add_parser("down", help="end the lab, and clean up after crashed ones")
    down.set_defaults(run=_down)


def _run(options: argparse.Namespace) -> int:
    from srcroutd.lab.screen import Screen
    from srcroutd.lab.story import tell

    as_json = getattr(options, "json", False)
    screen = Screen(sys.stderr if as_json else sys.stdout, ascii_only=_ascii(options))
    try:
        held, steps = tell(screen)
    except KeyboardInterrupt:
        screen.line()
        screen.line("interrupted; the cloud is gone")
        raise
    if as_json:
        sys.stdout.write(json.dumps({"ok": held, "steps": steps}, indent=2) + "\n")
    return Exit.OK if held else 1


def _up(options: argparse.Namespace) -> int:
    from srcroutd.lab.cloud import Cloud
    from srcroutd.lab.screen import Screen
    from srcroutd.lab.topology import ETH0, ETH1

    screen = Screen(sys.stdout, ascii_only=_ascii(options))
    cloud = Cloud.start((ETH0, ETH1), name=_NAME)
    try:
        ready = None if options.without_daemon else cloud.daemon.start("")
        cloud.keep()
    except BaseException:
        cloud.close()
        raise
    _draw(screen, cloud)
    said = f"srcroutd was ready after {ready.ms:.0f} ms" if ready else "srcroutd is not running"
    screen.line(f"The lab stays until srcroutctl lab down; {said}. What one can type:")
    for words in (
        "srcroutctl lab attach                  plug in eth2, in the same subnet as eth1",
        "srcroutctl lab shell client -- ping 172.16.1.10",
        "srcroutctl lab shell router -- tcpdump -ni port-eth1 icmp",
        "srcroutctl lab shell instance          and there: srcroutctl, ip rule, ...",
        "srcroutctl lab detach eth1",
    ):
        screen.line(f"  {words}")
    screen.line(f"Configuration, state and logs: {cloud.folder}")
    return Exit.OK


def _shell(options: argparse.Namespace) -> int:
    from srcroutd.lab.shell import enter

    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    enter(_open(), options.machine, command)
    return Exit.BUG  # enter() does not return.


def _attach(options: argparse.Namespace) -> int:
    cloud = _open()
    nic = _find(cloud, options.nic) if options.nic else _next(cloud)
    took = cloud.attach(nic)
    addresses = "  ".join(str(one) for one in cloud.enis[nic.name].addresses)
    sys.stdout.write(
        f"{nic.name} ({nic.id}, {nic.mac}) is in the instance: {addresses}\n"
        f"plugged and configured in {(took.ended - took.began) * 1000:.0f} ms; "
        f"try: srcroutctl lab shell client -- ping -c3 {nic.v4[0]}\n"
    )
    return Exit.OK


def _detach(options: argparse.Namespace) -> int:
    from srcroutd.lab.calls import LabError

    cloud = _open()
    if options.nic not in cloud.attached:
        attached = ", ".join(cloud.attached) or "nothing"
        raise LabError(f"{options.nic} is not attached; attached: {attached}")
    cloud.detach(cloud.enis[options.nic])
    sys.stdout.write(f"{options.nic} is out of the instance\n")
    return Exit.OK


def _status(options: argparse.Namespace) -> int:
    from srcroutd.lab.screen import Screen

    cloud = _open()
    state = {
        "name": cloud.name,
        "folder": str(cloud.folder),
        "machines": {name: getattr(cloud, name).pid for name in _MACHINES},
        "attached": dict(cloud.attached),
        "metadata": cloud.metadata.running,
        "srcroutd": cloud.daemon.pid if cloud.daemon.running else None,
        "srcroutd_says": cloud.daemon.status(),
    }
    if getattr(options, "json", False):
        sys.stdout.write(json.dumps(state, indent=2) + "\n")
        return Exit.OK
    screen = Screen(sys.stdout, ascii_only=_ascii(options))
    _draw(screen, cloud)
    srcroutd = f"runs (process {state['srcroutd']}): {state['srcroutd_says']}"
    screen.line(f"metadata  {'answers' if state['metadata'] else 'is dead'}")
    screen.line(f"srcroutd  {srcroutd if state['srcroutd'] else 'does not run'}")
    screen.line(f"folder    {cloud.folder}")
    return Exit.OK


def _down(_options: argparse.Namespace) -> int:
    from srcroutd.lab import folder
    from srcroutd.lab.cloud import Cloud

    base = folder.base_folder()
    crashed = folder.sweep(base)
    if crashed:
        sys.stdout.write(f"removed what crashed labs had left: {', '.join(crashed)}\n")
    if folder.is_running(base / _NAME):
        Cloud.open(_NAME).close()
        sys.stdout.write("the lab is gone\n")
    elif not crashed:
        sys.stdout.write("no lab was running\n")
    return Exit.OK


def _open() -> "Cloud":
    from srcroutd.lab.cloud import Cloud

    return Cloud.open(_NAME)


def _draw(screen: "Screen", cloud: "Cloud") -> None:
    from srcroutd.lab.picture import picture

    for line in picture([(nic, cloud.enis[name]) for name, nic in cloud.attached.items()]):
        screen.line(f"  {line}")
    screen.line()


def _find(cloud: "Cloud", name: str) -> "Eni":
    """The ENI called ``ethN``, with the addresses it has or would have in this cloud."""
    from srcroutd.lab.calls import LabError
    from srcroutd.lab.topology import ETH1, ETH2, eni

    if name in cloud.enis:
        return cloud.enis[name]
    number = name.removeprefix("eth")
    if not number.isdecimal() or not 0 < int(number) < 200:
        raise LabError(f"{name}: say eth1 to eth199")
    known = {nic.name: nic for nic in (ETH1, ETH2)}
    return known.get(name) or eni(int(number))


def _next(cloud: "Cloud") -> "Eni":
    return next(
        _find(cloud, f"eth{number}")
        for number in range(1, 200)
        if f"eth{number}" not in cloud.attached
    )


def _ascii(options: argparse.Namespace) -> bool | None:
    return True if getattr(options, "ascii", False) else None
