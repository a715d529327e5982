"""Turns the wheels into two papers: a bill of materials (CycloneDX 1.6, JSON) with the version,
licence and hashes of all that is vendored, and the licences themselves as a text.

The hashes are those of the wheels as published, so that a scanner finds them; crates compiled into
a wheel are listed below it, as the wheel tells. A package without a licence is refused.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from packages.nfpm import Build
from packages.pins import Pin
from packages.refusal import Refused
from packages.wheels import PYTHONS, SOURCE_ONLY

LICENCE = "Apache-2.0"
"""Of srcroutd itself."""

_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
}
"""What some packages say in words -> its SPDX name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One vendored package; ``files`` are those on the index, with their SHA-256."""

    name: str
    version: str
    licence: str
    texts: Mapping[str, str]
    files: Mapping[str, str]
    crates: tuple[dict[str, Any], ...]

    @property
    def purl(self) -> str:
        """Its name across all registries."""
        return f"pkg:pypi/{self.name}@{self.version}"


def parts(wheels: Mapping[Pin, tuple[Path, ...]]) -> tuple[Part, ...]:
    """What is vendored, sorted by name. Raises Refused."""
    return tuple(sorted((_part(*item) for item in wheels.items()), key=lambda part: part.name))


def bill(vendored: tuple[Part, ...], build: Build, machine: str) -> str:
    """The bill of materials."""
    own = f"pkg:generic/srcroutd@{build.version}?arch={machine}"
    components = [_component(part) for part in vendored]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, own + json.dumps(components))}",
        "version": 1,
        "metadata": {
            "timestamp": build.time,
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "srcroutd",
                "version": build.version,
                "licenses": [{"expression": LICENCE}],
                "purl": own,
            },
        },
        "components": components,
        "dependencies": [{"ref": own, "dependsOn": [part.purl for part in vendored]}],
    }
    return json.dumps(document, indent=1) + "\n"


def overview(vendored: tuple[Part, ...], build: Build) -> str:
    """Who wrote what is in a package, and under which licence: a table."""
    crates = {crate["purl"]: crate for part in vendored for crate in part.crates}
    rows = [("srcroutd", build.version, LICENCE)]
    rows += [(part.name, part.version, part.licence) for part in vendored]
    of_crates = [
        (crate["name"], crate["version"], crate["licenses"][0]["expression"])
        for crate in crates.values()
    ]
    return "\n".join(
        [
            f"srcroutd, and what its packages bring along for Python {', '.join(PYTHONS)}:\n",
            *(f"  {name:<26} {version:<10} {licence}" for name, version, licence in rows),
            "\nRust crates compiled into pydantic-core:\n",
            *(f"  {name:<26} {version:<10} {licence}" for name, version, licence in of_crates),
            "",
        ]
    )


def licences(vendored: tuple[Part, ...], build: Build, own: str) -> str:
    """The table with the texts of all these licences; ``own`` is that of srcroutd's."""
    chapters = [(f"srcroutd {build.version}: LICENSE", own)]
    chapters += [
        (f"{part.name} {part.version}: {name}", text)
        for part in vendored
        for name, text in part.texts.items()
    ]
    rule = "=" * 80
    texts = (f"\n{rule}\n{title}\n{rule}\n\n{text.strip()}\n" for title, text in chapters)
    return overview(vendored, build) + "".join(texts)


def _part(pin: Pin, wheels: tuple[Path, ...]) -> Part:
    crates: dict[str, dict[str, Any]] = {}
    texts: dict[str, str] = {}
    licence = ""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as opened:
            for name in sorted(opened.namelist()):
                _, dist_info, rest = name.partition(".dist-info/")
                if dist_info and rest == "METADATA":
                    licence = _licence(opened.read(name).decode(), wheel)
                elif dist_info and rest.startswith("licenses/") and not rest.endswith("/"):
                    texts[rest.removeprefix("licenses/")] = opened.read(name).decode()
                elif dist_info and rest.startswith("sboms/"):
                    crates |= _crates(opened.read(name))
    if not texts:
        raise Refused(f"{wheels[0]}: it brings no text of its licence")
    hashes = {wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}
    if pin.name in SOURCE_ONLY:
        hashes = {f"{pin.name}-{pin.version}.tar.gz": min(pin.hashes)}
    inside = tuple(crates[purl] for purl in sorted(crates))
    return Part(pin.name, pin.version, licence, texts, hashes, inside)


def _licence(metadata: str, wheel: Path) -> str:
    said = HeaderParser().parsestr(metadata)
    word = said["License-Expression"] or said["License"]
    for words in said.get_all("Classifier", []):
        if not word and words.startswith("License ::"):
            word = words
    if not word or ("::" in word and word not in _SPDX):
        raise Refused(f"{wheel}: its licence is not told, or not as we know it: {word}")
    return _SPDX.get(word, word)


def _crates(document: bytes) -> dict[str, dict[str, Any]]:
    """The crates that are linked in, by purl; those that only helped to compile are left out."""
    return {
        one["purl"]: {
            "type": "library",
            **{key: one[key] for key in ("name", "version", "purl", "hashes", "licenses")},
        }
        for one in json.loads(document)["components"]
        if one.get("scope") == "required" and "hashes" in one
    }


def _component(part: Part) -> dict[str, Any]:
    files = [
        {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": content}]}
        for name, content in sorted(part.files.items())
    ]
    return {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "licenses": [{"expression": part.licence}],
        "purl": part.purl,
        "components": [*files, *part.crates],
    }
