"""The paths of the control socket: who may ask what, with which options, and what is answered.

Nothing here knows HTTP's details: a page is found for a method and a path, and its answer is a
document, a text or the record to watch. What cannot be answered is ``Refused`` with a sentence.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from srcroutd import __version__
from srcroutd.control.documents import VERSION, Document, IndexDocument
from srcroutd.control.peers import GROUP, Peer, Rights
from srcroutd.control.translate import (
    cleanup_document,
    plan_document,
    status_document,
    view_document,
)
from srcroutd.core.entry import Entry
from srcroutd.core.errors import Exit
from srcroutd.core.metrics import Metrics
from srcroutd.core.view import Cleaned, View

SCHEMAS = Path(__file__).parent / "schemas"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Desk(Protocol):
    """What the daemon gives to those who ask. ``view`` and ``metrics`` are asked often."""

    def view(self) -> View:
        """Everything as it is now."""

    def metrics(self) -> Metrics:
        """The figures as they are now."""

    def subscribe(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """Have ``callback`` called with each entry of the record; returns what ends that."""

    def say(self, entry: Entry) -> None:
        """Put an entry of the server's own on the record."""

    async def reconcile(self) -> View:
        """Look at everything again, now, and put right what is not."""

    async def cleanup(self, *, dry_run: bool) -> Cleaned:
        """Remove all that is ours; with ``dry_run`` only tell."""

    async def try_config(self, seconds: int) -> View:
        """Use the configuration on trial for so long."""

    async def keep_config(self) -> View:
        """What is on trial stays."""

    async def reload(self) -> View:
        """Use what the configuration file says now."""


class Refused(Exception):
    """No answer but this sentence, with an HTTP status and srcroutctl's exit code."""

    def __init__(self, status: int, sentence: str, exit_code: Exit = Exit.USAGE) -> None:
        super().__init__(sentence)
        self.status = status
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no document of ours. ``kind`` is its media type."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """The answer that never ends: entries as they happen."""


Answer = Document | Text | Record
Switches = Mapping[str, int]
"""Options by name: 0 or 1, or a number where the page takes one."""


@dataclass(frozen=True, slots=True)
class Page:
    """One path. Its ``switches`` are options that are true or false, its ``numbers`` are counts."""

    method: Literal["GET", "POST"]
    says: str
    answer: Callable[[Desk, Switches], Awaitable[Answer]]
    switches: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Site:
    """All the pages behind one door. ``rights`` is None where anybody may ask."""

    pages: Mapping[str, Page]
    rights: Rights | None

    def admit(self, method: str, path: str, peer: Peer | None) -> Page:
        """The page that is asked for. Raises Refused: not known, wrong method, not allowed."""
        if self.rights and (peer is None or not self.rights.may_read(peer)):
            raise Refused(
                403,
                f"only root and the members of the group {GROUP} may ask; next: sudo, or "
                f"usermod -aG {GROUP} USER and a new login",
                Exit.NOT_PERMITTED,
            )
        page = self.pages.get(path)
        if page is None and path.startswith(f"{_SCHEMA}/") and _SCHEMA in self.pages:
            page = _schema_page(path.removeprefix(f"{_SCHEMA}/"))
        if page is None:
            raise _unknown(path, self.pages)
        if method != page.method:
            raise Refused(405, f"{path} is asked by {page.method}, not by {method[:20]!a}")
        if page.method == "POST" and not (peer and self.rights and self.rights.may_write(peer)):
            what = path.rpartition("/")[2]
            raise Refused(403, f"only root may {what}; next: sudo", Exit.NOT_PERMITTED)
        return page


def switches(page: Page, path: str, given: Iterable[tuple[str, str]]) -> Switches:
    """The options of a request. Raises Refused: a word not understood may have meant no."""
    chosen = {}
    options = page.switches | page.numbers
    for name, value in given:
        if name not in options or name in chosen:
            known = ", ".join(sorted(options)) or "none"
            near = _nearest(name, options)
            word = "only one" if name in chosen else "no"
            raise Refused(400, f"{path} has {word} option {name[:40]!a}{near}; known: {known}")
        if name in page.numbers:
            if not (value.isascii() and value.isdecimal() and len(value) < 10):
                raise Refused(400, f"{name} is a whole number, not {value[:40]!a}")
            chosen[name] = int(value)
            continue
        if value not in _TRUTH:
            raise Refused(400, f"{name} is 1 or 0, not {value[:40]!a}")
        chosen[name] = _TRUTH[value]
    return chosen


_TRUTH = {"1": 1, "true": 1, "0": 0, "false": 0}
_SCHEMA = f"/v{VERSION}/schemas"


async def _index(_desk: Desk, _switches: Switches) -> Answer:
    paths = {f"{page.method} {path}": page.says for path, page in CONTROL.items()}
    return IndexDocument(srcroutd=__version__, paths=paths, schemas=tuple(_schemas()))


async def _status(desk: Desk, _switches: Switches) -> Answer:
    return status_document(desk.view())


async def _plan(desk: Desk, _switches: Switches) -> Answer:
    return plan_document(desk.view())


async def _view(desk: Desk, switches: Switches) -> Answer:
    view = desk.view()
    return view_document(view.brief() if switches.get("brief") else view)


async def _metrics(desk: Desk, _switches: Switches) -> Answer:
    return Text(OPENMETRICS, desk.metrics().text())


async def _watch(_desk: Desk, _switches: Switches) -> Answer:
    return Record()


async def _reconcile(desk: Desk, _switches: Switches) -> Answer:
    return view_document((await desk.reconcile()).brief())


async def _cleanup(desk: Desk, switches: Switches) -> Answer:
    view, dry_run = desk.view().brief(), bool(switches.get("dry_run"))
    return cleanup_document(await desk.cleanup(dry_run=dry_run), view, dry_run=dry_run)


async def _try(desk: Desk, switches: Switches) -> Answer:
    return view_document((await desk.try_config(switches.get("seconds", 60))).brief())


async def _reload(desk: Desk, _switches: Switches) -> Answer:
    return view_document((await desk.reload()).brief())


async def _keep(desk: Desk, _switches: Switches) -> Answer:
    return view_document((await desk.keep_config()).brief())


async def _schema_names(_desk: Desk, _switches: Switches) -> Answer:
    return await _index(_desk, _switches)


def _schema_page(name: str) -> Page:
    known = _schemas()
    if name not in known:
        near = _nearest(name, known)
        raise Refused(404, f"no schema {name[:40]!a}{near}; there are: {', '.join(known)}")

    async def schema(_desk: Desk, _switches: Switches) -> Answer:
        return Text("application/schema+json", (SCHEMAS / f"{name}.json").read_text())

    return Page("GET", "a JSON schema", schema)


def _schemas() -> list[str]:
    """The names of the schemas that came with the package."""
    return sorted(path.stem for path in SCHEMAS.glob("*.json"))


def _unknown(path: str, pages: Mapping[str, Page]) -> Refused:
    version, _, rest = path.removeprefix("/v").partition("/")
    here = f"/v{VERSION}/{rest}"
    if path.startswith("/v") and version.isdecimal() and here in pages:
        return Refused(404, f"this srcroutd speaks version {VERSION}: {here}")
    return Refused(
        404, f"{path[:80]!a} is not known{_nearest(path, pages)}; there are: {', '.join(pages)}"
    )


def _nearest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word[:80], known, 1, 0.5)
    return f" (do you mean {near[0]}?)" if near else ""


CONTROL: Mapping[str, Page] = {
    "/": Page("GET", "this list", _index),
    "/v1/status": Page("GET", "how it stands, a NIC a line", _status),
    "/v1/plan": Page("GET", "what would change now, in order, with reasons", _plan),
    "/v1/view": Page(
        "GET",
        "everything; with brief=1 without what each NIC should have",
        _view,
        frozenset({"brief"}),
    ),
    "/v1/metrics": Page("GET", "figures, in OpenMetrics", _metrics),
    "/v1/watch": Page("GET", "each entry of the record as it happens, a line each", _watch),
    "/v1/schemas": Page("GET", "this list; /v1/schemas/NAME is a JSON schema", _schema_names),
    "/v1/reconcile": Page(
        "POST", "look at everything again, now; answers the brief view", _reconcile
    ),
    "/v1/cleanup": Page(
        "POST",
        "remove all that is ours and stand by; with dry_run=1 only tell",
        _cleanup,
        frozenset({"dry_run"}),
    ),
    "/v1/try": Page(
        "POST",
        "use the configuration on trial for seconds=60, then go back unless it is kept",
        _try,
        numbers=frozenset({"seconds"}),
    ),
    "/v1/reload": Page("POST", "use what the configuration file says now", _reload),
    "/v1/keep": Page("POST", "what is on trial stays", _keep),
}
"""The pages of the control socket; those with POST are for root."""

METRICS: Mapping[str, Page] = {"/metrics": Page("GET", "figures, in OpenMetrics", _metrics)}
"""The only page of the metrics' own address."""
