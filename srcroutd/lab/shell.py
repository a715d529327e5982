"""Steps into a machine of a running lab, by nsenter(1): a shell whose prompt says where one is."""

import os
import shutil
from collections.abc import Sequence
from typing import NoReturn

from srcroutd.lab.calls import LabError
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.launch import environment
from srcroutd.lab.machine import Machine


def enter(cloud: Cloud, name: str, command: Sequence[str] = ()) -> NoReturn:
    """Replace this process by ``command``, or a shell, in the machine ``name``. Raises LabError."""
    machines = sorted(path.stem for path in cloud.folder.glob("*.sock") if path.stem != "holder")
    if name not in machines:
        raise LabError(
            f"no machine {name} in this lab, only {', '.join(machines)};"
            " a command comes after them: srcroutctl lab shell instance -- ip rule"
        )
    around = environment() | _own_folders(cloud)
    argv = ["nsenter", "--target", str(Machine(cloud.folder, name).pid)]
    argv += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    argv += ["--mount", "--net", "--pid", "--uts", "--", *(command or _shell(cloud, name, around))]
    nsenter = shutil.which("nsenter", path=around["PATH"])
    if nsenter is None:
        raise LabError("the program nsenter is missing; next: apt install util-linux")
    os.execve(nsenter, argv, around)  # noqa: S606 - no shell is what is wanted


def _own_folders(cloud: Cloud) -> dict[str, str]:
    """So that srcroutd and srcroutctl mean the lab's, as systemd's variables of these names do."""
    return {
        "CONFIGURATION_DIRECTORY": str(cloud.folder / "etc"),
        "STATE_DIRECTORY": str(cloud.daemon.state_dir),
        "RUNTIME_DIRECTORY": str(cloud.daemon.runtime_dir),
    }


def _shell(cloud: Cloud, name: str, around: dict[str, str]) -> list[str]:
    """Bash with the person's own settings and our prompt; else whatever sh there is."""
    prompt = f"[lab {name}] \\w # "
    bash = shutil.which("bash", path=around["PATH"])
    if bash is None:
        around["PS1"] = f"[lab {name}] # "
        return ["sh"]
    settings = cloud.folder / "etc" / f"{name}.bashrc"
    settings.write_text(f"[ -r ~/.bashrc ] && . ~/.bashrc\nPS1='{prompt}'\n")
    return [bash, "--rcfile", str(settings), "-i"]
