"""The real metadata service at its real address, which is on the host's own lo in here."""

import json
import subprocess
import sys

from srcroutd.lab.metadata_facts import EniFacts, Facts, Fault
from tests.life.enis import Eni
from tests.life.host import Host

ADDRESS = "100.100.100.200"


class Cloud:
    """Facts and faults of the metadata service, and the requests that it got."""

    def __init__(self, host: Host, *enis: Eni, **changes: object) -> None:
        """Start it in the host's namespace. ``changes`` are fields of ``Facts``."""
        host.config.write_text('provider = "aliyun"\n')
        self._folder = host.folder
        self._facts = host.folder / "facts.json"
        self._log = host.folder / "requests"
        self._changes = changes
        self._process: subprocess.Popen[str] | None = None
        self.tell(*(eni.facts() for eni in enis))

    def tell(self, *enis: EniFacts, fault: Fault | None = None) -> None:
        """Say these facts from now on."""
        facts = Facts.model_validate({"enis": enis, "fault": fault, **self._changes})
        draft = self._facts.with_suffix(".new")
        draft.write_text(facts.model_dump_json())
        draft.replace(self._facts)

    def start(self, host: Host) -> None:
        """Run in the namespace that the thread is in."""
        host.ip(f"address add {ADDRESS}/32 dev lo")
        command = [sys.executable, "-m", "srcroutd.lab.metadata", "--listen", ADDRESS]
        command += ["--facts", str(self._facts), "--log", str(self._log)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready on port 80\n"

    def requests(self) -> list[str]:
        """``GET /latest/...`` for each request so far."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [f"{told['method']} {told['path']}" for told in map(json.loads, lines)]

    def stop(self) -> None:
        """End it: from now on nobody answers."""
        if self._process:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self._process = None


def fault(kind: str, **changes: object) -> Fault:
    return Fault.model_validate({"kind": kind, **changes})
