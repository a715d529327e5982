"""Makes the packages: see packaging/packages.sh --help and docs/packages.md.

The files appear in their folder when all of them are made; otherwise none does.
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from packages import bill, nfpm, pins, places, release, vendor, wheels
from packages.refusal import Refused
from packages.twice import make_twice

ROOT = Path(__file__).resolve().parents[2]
FORMS = ("deb", "rpm", "archlinux")
OF_ARCHITECTURE = {deb: machine for machine, deb in nfpm.ARCHITECTURES.items()}


def main() -> int:
    """Make what is asked for and say what was made; returns the exit code."""
    options = _parser().parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="srcroutd-packages-") as folder:
            made = Path(folder) / "made"
            if options.twice:
                make_twice(ROOT, made, _words(options))
                sys.stdout.write("built twice, in two folders: not a byte differs\n")
            else:
                _make(options, made)
            options.into.mkdir(parents=True, exist_ok=True)
            for file in sorted(made.iterdir()):
                shutil.copyfile(file, options.into / file.name)
                sys.stdout.write(_line(options.into / file.name))
    except Refused as refused:
        sys.stderr.write(f"packages: {refused}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="packaging/packages.sh",
        description="Makes deb, rpm and Arch packages for amd64 and arm64, wheel and source "
        "distribution, and for each architecture a bill of materials and the licences.",
    )
    option = parser.add_argument
    option("--into", type=Path, default=ROOT / "dist", metavar="DIR", help="default dist")
    option("--form", action="append", choices=FORMS, help="only these; may be repeated")
    option("--arch", action="append", choices=list(OF_ARCHITECTURE), help="only these")
    option(
        "--twice",
        action="store_true",
        help="build two times, in two folders, and compare every byte",
    )
    option(
        "--cache",
        type=Path,
        default=ROOT / ".cache/packages",
        metavar="DIR",
        help="where downloads stay, default .cache/packages",
    )
    return parser


def _words(options: argparse.Namespace) -> list[str]:
    """The words that ask for the same files, once."""
    forms = [f"--form={form}" for form in options.form or ()]
    architectures = [f"--arch={architecture}" for architecture in options.arch or ()]
    return [*forms, *architectures, f"--cache={options.cache}"]


def _make(options: argparse.Namespace, to: Path) -> None:
    """Make wheel and source distribution, and for each architecture its papers and packages."""
    to.mkdir()
    time_s = release.epoch_s(ROOT)
    wheel, sdist = release.wheel_sdist(ROOT, time_s, to)
    version = sdist.name.removeprefix("srcroutd-").removesuffix(".tar.gz")
    lock = pins.read(ROOT / "packaging/locks/runtime.txt")
    with tempfile.TemporaryDirectory(prefix="srcroutd-packages-") as work:
        build = nfpm.Build(version, time_s, ROOT / "packaging/scripts", Path(work))
        for architecture in options.arch or OF_ARCHITECTURE:
            machine = OF_ARCHITECTURE[architecture]
            fetched = wheels.fetch(lock, machine, options.cache)
            parts = bill.parts(fetched)
            papers = {
                "LICENSES.txt": bill.licences(parts, build, (ROOT / "LICENSE").read_text()),
                "copyright": bill.overview(parts, build) + "\nThe texts are in LICENSES.txt.\n",
                "sbom.cdx.json": bill.bill(parts, build, machine),
            }
            name = f"srcroutd_{version}_{architecture}"
            (to / f"{name}.cdx.json").write_text(papers["sbom.cdx.json"])
            (to / f"{name}.licences.txt").write_text(papers["LICENSES.txt"])
            code = vendor.unpack([*(one for some in fetched.values() for one in some), wheel])
            for form in options.form or FORMS:
                entries = places.entries(ROOT, code, papers, form)
                nfpm.package(build, form, machine, entries, to)


def _line(file: Path) -> str:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{digest}  {file.stat().st_size / 1e6:6.2f} MB  {file.name}\n"


if __name__ == "__main__":
    sys.exit(main())
