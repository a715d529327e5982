"""The process that holds a lab: first of its PID namespace, so that everything in the lab ends with
it.

It makes machines (a process with network, mount, PID and host name of its own), names their network
namespaces for ``ip -n``, and runs ``ip`` in the namespace where ENIs lie that are attached to
nothing. It ends when it is told to, or when the process that started the lab has gone without
saying ``keep``. It must stay without threads: it forks.
"""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from srcroutd.lab import agent, calls, namespaces
from srcroutd.lab.calls import Answer, Request


class Holder:
    """The machines of one lab, by name, and the verbs to make and end them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: dict[str, int] = {}
        self.lifeline: int | None = sys.stdin.fileno()
        self.open = True
        self.verbs = {
            "boot": self.boot,
            "halt": self.halt,
            "ip": _ip,
            "keep": self.keep,
            "quit": self.quit,
        }

    def run(self) -> None:
        """Serve until told to quit or until the lifeline breaks."""
        server = calls.listen(self.folder / "holder.sock")
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while self.open:
            watched = [server.fileno()] + ([self.lifeline] if self.lifeline is not None else [])
            ready, _, _ = select.select(watched, [], [])
            if self.lifeline in ready and not os.read(sys.stdin.fileno(), 1):
                break
            if server.fileno() in ready:
                connection, _ = server.accept()
                calls.serve(connection, self.verbs)

    def boot(self, request: Request) -> Answer:
        """Make the machine ``name``; with ``ecs`` its firmware says that it is an ECS instance."""
        name = request["name"]
        if name in self.pids:
            raise ValueError(f"machine {name} is running")
        listening, tell = os.pipe()
        middle = os.fork()
        if middle == 0:
            os.close(listening)
            self._become(name, tell, ecs=bool(request.get("ecs")))
        os.close(tell)
        with os.fdopen(listening) as stream:
            told = dict(line.split(maxsplit=1) for line in stream.read().splitlines())
        os.waitpid(middle, 0)
        if "listens" not in told:
            raise OSError(
                f"machine {name} did not start: {told.get('failed', 'it gave no reason')}"
            )
        self.pids[name] = int(told["pid"])
        namespaces.name_namespace(self.pids[name], name)
        return {"pid": self.pids[name]}

    def halt(self, request: Request) -> Answer:
        """End a machine, and so every process in it, at once: a power failure."""
        pid = self.pids.pop(request["name"])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        namespaces.forget_namespace(request["name"])
        return {}

    def keep(self, _request: Request) -> Answer:
        """Go on without whoever started the lab."""
        self.lifeline = None
        return {}

    def quit(self, _request: Request) -> Answer:
        """End the lab."""
        self.open = False
        return {}

    def _become(self, name: str, tell: int, *, ecs: bool) -> None:
        """In the child: step into new namespaces, fork their first process, and never return.

        A process is never in the PID namespace that it unshares, only its children are: hence two
        forks, and the middle one tells the number by which the holder knows the first process.
        """
        try:
            namespaces.unshare(
                namespaces.CLONE_NEWNET
                | namespaces.CLONE_NEWNS
                | namespaces.CLONE_NEWPID
                | namespaces.CLONE_NEWUTS
            )
            first = os.fork()
            if first:
                os.write(tell, f"pid {first}\n".encode())
                os._exit(0)
            agent.main(name, self.folder, tell, ecs=ecs)
        except OSError as error:
            os.write(tell, f"failed {error}\n".encode())
        finally:
            os._exit(1)


def _ip(request: Request) -> Answer:
    """Run ``ip -batch``, in a named namespace or here, where the parked ENIs are."""
    where = ["-n", request["netns"]] if request.get("netns") else []
    family = [f"-{request['version']}"] if request.get("version") else []
    began = time.monotonic()
    done = subprocess.run(
        ["ip", *where, *family, "-batch", "-"],
        input="\n".join(request["lines"]) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    if done.returncode:
        raise OSError(f"ip {' '.join(where)}: {done.stderr.strip()}")
    return {"began": began, "ended": time.monotonic()}


def main() -> None:
    """Run as ``python -m srcroutd.lab.holder FOLDER``, below ``unshare``."""
    folder = Path(sys.argv[1])
    namespaces.cover_run(folder)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Holder(folder).run()


if __name__ == "__main__":
    main()
