"""The bill of materials and the licences, held against the lock and the vendor folder."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker

from srcroutd import __version__
from tests.packaging.conftest import ROOT
from tests.packaging.deb import Deb

LOCK = (ROOT / "packaging/locks/runtime.txt").read_text()


@pytest.fixture
def bill(made: Path) -> Any:
    """The bill for amd64."""
    return json.loads((made / f"srcroutd_{__version__}_amd64.cdx.json").read_text())


def test_it_lists_what_the_lock_pins_for_linux_and_nothing_else(bill: Any) -> None:
    told = {(one["name"], one["version"]) for one in bill["components"]}
    assert told == set(_locked())


def test_each_package_has_its_purl_and_a_licence(bill: Any) -> None:
    for one in bill["components"]:
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        (licence,) = one["licenses"]
        assert re.fullmatch(r"[\w.+-]+( (AND|OR|WITH) [\w.+-]+)*", licence["expression"])


def test_each_hash_is_one_of_the_lock(bill: Any) -> None:
    for one in bill["components"]:
        files = [part for part in one["components"] if part["type"] == "file"]
        assert files, one["name"]
        for file in files:
            (digest,) = file["hashes"]
            assert digest["alg"] == "SHA-256"
            assert digest["content"] in _locked()[one["name"], one["version"]], file["name"]


def test_a_package_with_compiled_modules_has_a_file_for_every_python(bill: Any) -> None:
    counts = {
        len([p for p in one["components"] if p["type"] == "file"]) for one in bill["components"]
    }
    assert counts == {1, 4}


def test_the_crates_inside_pydantic_core_are_told_too(bill: Any) -> None:
    (core,) = (one for one in bill["components"] if one["name"] == "pydantic-core")
    crates = {part["name"]: part for part in core["components"] if part["type"] == "library"}
    assert "pyo3" in crates
    assert crates["pyo3"]["purl"].startswith("pkg:cargo/pyo3@")
    assert all(crate["licenses"] and crate["hashes"] for crate in crates.values())


def test_it_has_the_form_of_cyclonedx_1_6(bill: Any) -> None:
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    references = [one["bom-ref"] for one in (bill["metadata"]["component"], *bill["components"])]
    assert len(references) == len(set(references))
    (all_of_it,) = bill["dependencies"]
    assert {all_of_it["ref"], *all_of_it["dependsOn"]} == set(references)


def test_the_package_carries_the_same_bill_and_licences(package: Deb, made: Path) -> None:
    for name, file in (("sbom.cdx.json", "cdx.json"), ("LICENSES.txt", "licences.txt")):
        outside = (made / f"srcroutd_{__version__}_amd64.{file}").read_bytes()
        assert package.content[f"/usr/share/doc/srcroutd/{name}"] == outside


def test_every_licence_of_a_vendored_package_is_in_the_text(package: Deb) -> None:
    text = package.content["/usr/share/doc/srcroutd/LICENSES.txt"].decode()
    assert (ROOT / "LICENSE").read_text().strip() in text
    files = [place for place in package.files if ".dist-info/licenses/" in place]
    assert {place.split("/")[5].split("-")[0] for place in files} == {
        name.replace("-", "_") for name, _ in _locked()
    } | {"srcroutd"}
    for place in files:
        assert package.content[place].decode().strip() in text, place


def test_the_table_of_licences_names_each_package_with_its_version(package: Deb) -> None:
    table = package.content["/usr/share/doc/srcroutd/copyright"].decode()
    for name, version in _locked():
        assert re.search(rf"^  {re.escape(name)} +{re.escape(version)} +\w", table, re.MULTILINE)


def _locked() -> dict[tuple[str, str], set[str]]:
    """Name and version -> hashes, for Linux."""
    found: dict[tuple[str, str], set[str]] = {}
    for text in re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]:
        pin = re.match(r"([\w.-]+)==(\S+)(?: ; ([^\\]+))? \\", text)
        assert pin
        if not pin[3] or Marker(pin[3]).evaluate({"sys_platform": "linux"}):
            found[pin[1], pin[2]] = set(re.findall(r"sha256:([0-9a-f]{64})", text))
    return found
