"""``srcroutctl export``: the desired state in other tools' words, to standard output or files."""

import argparse
import json
import sys
from pathlib import Path

from srcroutd.cli.sight import chosen, sight
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.view import View
from srcroutd.export.document import Document
from srcroutd.export.registry import FORMATS, NAMES, exporter

DESCRIPTION = (
    "Writes what the kept NICs should have in the words of another tool, for hosts where srcroutd "
    "is not to run. Asks the daemon; without it, looks at this host itself and changes nothing. "
    "How to put it to use is said on standard error. Formats: "
    + "; ".join(f"{one.name}: {one.summary}" for one in FORMATS)
    + "."
)


class NotWritten(OperatorError):
    """A file that cannot be written where it was asked for."""

    exit_code = Exit.CANNOT_CREATE


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("format", choices=NAMES, metavar="FORMAT", help=", ".join(NAMES))
    parser.add_argument(
        "--nic", action="append", metavar="NIC", help="only this NIC; can be given several times"
    )
    parser.add_argument("--temporary", action="store_true", help="the form that a reboot undoes")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write files into DIR instead, none over another"
    )
    parser.add_argument("--force", action="store_true", help="with --output: over others, too")


def run(options: argparse.Namespace) -> int:
    """Write the documents."""
    view = chosen(sight(options), options.nic)
    documents = exporter(options.format)(view, temporary=options.temporary)
    for note in view.notes:
        sys.stderr.write(f"srcroutctl: {note}\n")
    if view.policies.rules:
        sys.stderr.write(
            "srcroutctl: left out: access control, and what chooses the NIC of new connections; "
            "this is the NICs' own routing\n"
        )
    if not documents:
        sys.stderr.write(f"srcroutctl: nothing to export: {_why_nothing(view)}\n")
    if options.output:
        write(documents, options.output, force=options.force)
    if options.json:
        sys.stdout.write(as_json(options.format, documents))
        return Exit.OK
    for document in documents:
        where = f"{options.output / document.name}: " if options.output else ""
        sys.stderr.write(f"srcroutctl: {where}{document.apply}\n")
    if not options.output:
        sys.stdout.write(as_text(documents))
    return Exit.OK


def as_text(documents: tuple[Document, ...]) -> str:
    """One document as it is, so that it can be piped; several with a heading each."""
    if len(documents) == 1:
        return documents[0].text
    return "\n".join(
        f"# ======== {document.path}\n# {document.apply}\n\n{document.text}"
        for document in documents
    )


def as_json(form: str, documents: tuple[Document, ...]) -> str:
    """The shape for programs."""
    shape = {
        "version": 1,
        "kind": "srcroutd.export",
        "format": form,
        "documents": [
            {"name": one.name, "path": one.path, "text": one.text, "apply": one.apply}
            for one in documents
        ],
    }
    return json.dumps(shape, indent=2) + "\n"


def write(documents: tuple[Document, ...], folder: Path, *, force: bool) -> None:
    """Write each document into the folder, which is made if it is not there. Raises NotWritten."""
    if not force:
        there = [one.name for one in documents if (folder / one.name).exists()]
        if there:
            raise NotWritten(
                f"{folder / there[0]} is there already, nothing was written; next: another "
                "--output, or --force to write over it"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in documents:
            _write(folder / one.name, one)
    except OSError as error:
        raise NotWritten(
            f"cannot write {error.filename or folder}: {error.strerror}; next: name a folder that "
            "is yours to write"
        ) from error


def _write(file: Path, document: Document) -> None:
    """A new file in place of an old one: never through a link that somebody left there."""
    file.unlink(missing_ok=True)
    with file.open("x", encoding="ascii") as stream:
        stream.write(document.text)
    file.chmod(0o755 if document.executable else 0o644)


def _why_nothing(view: View) -> str:
    """What became of the NICs."""
    told = [f"{nic.link.name} is {nic.state}: {nic.why}".rstrip(": ") for nic in view.nics]
    return "; ".join(told) or "there is no NIC that could be an ENI"
