"""The verbs of srcroutctl: one file a verb, and this literal list of them.

Each file has ``DESCRIPTION``, ``add(parser)`` for its own options and ``run(options)`` for its exit
code; what is heavy is imported inside ``run``. A reader gets ``--json``, a writer ``--dry-run``.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb as the list of verbs shows it; its file is ``srcroutd.cli.verbs.NAME``."""

    name: str
    summary: str
    kind: Literal["reader", "writer", "lab"] = "reader"


VERBS = (
    Verb("status", "what is kept, how it stands, how fresh the facts are (the default)"),
    Verb("plan", "what would change now, in order, each with its reason"),
    Verb("explain", "which way one packet goes, and which rule says so"),
    Verb("verify", "ask the kernel whether every managed address leaves by its NIC"),
    Verb("watch", "one line for each change as it happens"),
    Verb("doctor", "neighbours and traps on this host: what, why it matters, what to do"),
    Verb("export", "the desired state in other tools' words"),
    Verb("graph", "a picture of NICs, addresses, rules, tables and gateways"),
    Verb("adopt", "take over rules and routes that were made by hand", "writer"),
    Verb("cleanup", "remove every rule and route of ours, and nothing else", "writer"),
    Verb("apply", "take another configuration, on trial if wanted", "writer"),
    Verb("reconcile", "have the daemon look at everything again, now", "writer"),
    Verb("lab", "see it work, in a cloud of network namespaces", "lab"),
)
