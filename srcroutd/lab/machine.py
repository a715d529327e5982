"""A machine of a lab, seen from outside: run commands in it, probe other machines from it."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srcroutd.core.net import IP
from srcroutd.lab.calls import LabError, call, listener_pid

# A fresh namespace copies some of the host's sysctls: these are set so that no lab depends on its
# host.
_ANY_HOST = {
    **{
        f"net/ipv4/conf/{which}/{key}": "0"
        for which in ("all", "default")
        for key in ("rp_filter", "arp_ignore", "arp_announce", "arp_filter", "promote_secondaries")
    },
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    # Duplicate address detection keeps each link-local address, and so NDP, from working for a
    # second.
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has run. ``began`` and ``ended`` are time.monotonic() of any process here."""

    code: int
    out: str
    err: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Probe:
    """One question's fate; ``ms`` is None without an answer, and then ``reason`` says why."""

    answered: bool
    ms: float | None
    reason: str

    def __bool__(self) -> bool:
        return self.answered


@dataclass(frozen=True, slots=True)
class Stream:
    """Many questions' fate. Times are time.monotonic(); the longest gap is between two answers."""

    began: float
    sent: int
    answered: int
    first_at: float | None
    last_at: float | None
    longest_gap_ms: float
    reason: str

    @property
    def lost(self) -> int:
        """Questions without an answer."""
        return self.sent - self.answered


class Machine:
    """One machine, by its first process's socket. Calls may come from several threads."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.socket = folder / f"{name}.sock"

    @property
    def pid(self) -> int:
        """The machine's first process, by the number it has out here (for nsenter, or
        /proc/PID/root).
        """
        return listener_pid(self.socket)

    def run(
        self,
        *argv: str,
        check: bool = True,
        text: str | None = None,
        timeout_s: float = 20,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a command in the machine, ``text`` on its stdin. Raises LabError if ``check`` and it
        fails.
        """
        request = {"do": "run", "argv": argv, "timeout_s": timeout_s, "env": dict(env or {})}
        if text is not None:
            request["input"] = text
        done = Ran(**self.ask(request, timeout_s + 5))
        if check and done.code:
            raise LabError(f"{self.name}: {' '.join(argv)}: {done.err.strip() or done.code}")
        return done

    def ip(self, words: str) -> str:
        """What ``ip WORDS`` prints here. Raises LabError if it fails."""
        return self.run("ip", *words.split()).out

    def ip_json(self, words: str) -> Any:
        """What ``ip -json WORDS`` says here, decoded."""
        return json.loads(self.run("ip", "-json", *words.split()).out or "[]")

    def ip_batch(self, lines: Sequence[str], version: int | None = None) -> Ran:
        """``ip -batch`` with these lines; the first that fails raises LabError."""
        family = [f"-{version}"] if version else []
        return self.run("ip", *family, "-batch", "-", text="\n".join(lines) + "\n")

    def sysctl(self, values: Mapping[str, str]) -> None:
        """Write sysctls: {"net/ipv4/ip_forward": "1"}."""
        self.ask({"do": "sysctl", "values": dict(values)})

    def forget_host(self) -> None:
        """Set what a fresh network namespace has copied from the host's sysctls."""
        self.sysctl(_ANY_HOST)

    def echo(self) -> None:
        """Echo TCP and UDP on port 7 of every address from now on."""
        self.ask({"do": "echo"})

    def probe(
        self,
        dst: IP | str,
        *,
        src: IP | str | None = None,
        device: str | None = None,
        kind: str = "icmp",
        timeout_s: float = 1.0,
    ) -> Probe:
        """One ``icmp``, ``udp`` or ``tcp`` question to ``dst``, perhaps from ``src`` or bound to
        ``device``.
        """
        request = {"do": "probe", "kind": kind, "timeout_s": timeout_s}
        return Probe(**self.ask(request | _ends(dst, src, device), timeout_s + 5))

    def ping(self, dst: IP | str, times: int = 1, every_ms: float = 20) -> Stream:
        """``times`` ICMP questions; ``answered`` says how many came back."""
        return self.stream(dst, times=times, every_ms=every_ms, limit_s=times * every_ms / 1000 + 2)

    def until_answered(
        self, dst: IP | str, *, kind: str = "icmp", every_ms: float = 2, limit_s: float = 10
    ) -> Stream:
        """Ask every ``every_ms`` until the first answer."""
        return self.stream(dst, kind=kind, every_ms=every_ms, limit_s=limit_s, first=True)

    def stream(  # noqa: PLR0913 - one question, and how often it is asked
        self,
        dst: IP | str,
        *,
        src: IP | str | None = None,
        kind: str = "icmp",
        times: int = 0,
        every_ms: float = 10,
        limit_s: float = 10,
        first: bool = False,
    ) -> Stream:
        """Ask every ``every_ms``: until the first answer, or ``times``, or for ``limit_s``.

        With ``tcp`` all go over one connection, which has to live on.
        """
        request = {"do": "stream", "kind": kind, "count": times, "every_ms": every_ms}
        request |= {"limit_s": limit_s, "first": first}
        return Stream(**self.ask(request | _ends(dst, src, None), limit_s + 5))

    def begin(self, dst: IP | str, **how: Any) -> "Future[Stream]":
        """``stream`` in the background; ``.result()`` waits for its end."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(self.stream, dst, **how)
        pool.shutdown(wait=False)
        return future

    def eventually(self, words: str, holds: Any, limit_s: float = 5.0) -> float | None:
        """Ask ``ip WORDS`` again and again until ``holds(output)``; when that was, None if it never
        was.
        """
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            seen = self.run("ip", *words.split(), check=False)
            if holds(seen.out):
                return seen.ended
        return None

    def ask(self, request: Mapping[str, Any], timeout_s: float = 30) -> dict[str, Any]:
        """A verb of srcroutd.lab.agent, as it is."""
        return call(self.socket, request, timeout_s)


def _ends(dst: IP | str, src: IP | str | None, device: str | None) -> dict[str, Any]:
    return {"dst": str(dst), "src": str(src) if src else None, "device": device}
