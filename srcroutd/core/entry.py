"""One entry of the record as a value: what kind of thing happened, in one line and in fields.

Each kind has a MESSAGE_ID that never changes: the shipped catalog explains it, ``journalctl
MESSAGE_ID=...`` and people's alarms rely on it. A message is one printable line, whatever the
metadata said, so no value can forge a second line wherever it is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

GENERATION = "SRCROUTD_GENERATION"
"""The field that binds the entries of one round."""


class Level(IntEnum):
    """How much an entry matters, by the numbers of syslog(3)."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


class Kind(Enum):
    """Everything that the record may tell: its short name, its MESSAGE_ID, how much it matters."""

    RULE_ADDED = ("rule-added", "204830c8614745418d6b1b71f917cfd9", Level.INFO)
    RULE_DELETED = ("rule-deleted", "c88c17f5dd114558b98c6712f40a2e75", Level.INFO)
    ROUTE_ADDED = ("route-added", "324c1bdf19c0447d9ce937c1750f3ad8", Level.INFO)
    ROUTE_REPLACED = ("route-replaced", "a70a1285c1b243dea6a0065f95e81e2a", Level.INFO)
    ROUTE_DELETED = ("route-deleted", "f096ee8622284d408dcea8c680833231", Level.INFO)
    MARKS_PUT = ("marks-put", "597ec5f4b1974f6f9cda78a39ca19f32", Level.INFO)
    MARKS_DELETED = ("marks-deleted", "03a6d8c2a8a2440580217364b298b9e3", Level.INFO)
    MARKS_UNAVAILABLE = ("marks-unavailable", "f9395e45f24b4a5ebde44c6854484286", Level.WARNING)
    MARKS_AVAILABLE = ("marks-available", "f821e9cf7e3f4cfb83c8965548474a66", Level.INFO)
    SYSCTL_SET = ("sysctl-set", "0fe244b0559e46c3af266a024a979fa0", Level.INFO)
    SYSCTL_RESTORED = ("sysctl-restored", "0e0b7f50f3d14c218ba5aa5ab8adf04d", Level.INFO)
    SYSCTL_LET_GO = ("sysctl-let-go", "5a33715350ba466e9a6b1019c3005033", Level.NOTICE)
    SYSCTLS_UNAVAILABLE = ("sysctls-unavailable", "afd898a6ba5c4c14836e8791e12cfe15", Level.WARNING)
    ADDRESS_PUT = ("address-put", "d66a24caa4ae4669a57b9fcd10057229", Level.INFO)
    ADDRESS_REMOVED = ("address-removed", "d6146fdee0a24a4f8023a568c4459626", Level.INFO)
    ADDRESS_LET_GO = ("address-let-go", "faec43a24b8f4293825ee456647226df", Level.NOTICE)
    ADDRESS_DUPLICATE = ("address-duplicate", "280ac8e179324d54a0b60ab3cec5de08", Level.WARNING)
    OPERATION_REFUSED = ("operation-refused", "3536757f4e8a4d74bea740b083b2ecfe", Level.ERROR)
    CONTESTED = ("contested", "8321b3f0de2f450b9255eddba0a831a1", Level.WARNING)
    UNSETTLED = ("unsettled", "bb59ed570c3d40aab830d87118cc84b9", Level.WARNING)
    SETTLED = ("settled", "8f9754de08be46f9824e2a70c736e06d", Level.INFO)
    SHADOWED = ("shadowed", "1075320221f2458480c23f8775c11e0c", Level.WARNING)
    SHADOW_GONE = ("shadow-gone", "ad93614707b643df9d707bb50daec7c9", Level.INFO)
    ENI_FOUND = ("eni-found", "e57c2a8e85c142038c94e00e3ea5ce08", Level.INFO)
    ENI_CHANGED = ("eni-changed", "c798de46ac4d41b3a80b54f9712ba9c5", Level.INFO)
    ENI_WAITS = ("eni-waits", "70767a715fc047edb3f8f0cf31e9683b", Level.INFO)
    ENI_UNLISTED = ("eni-unlisted", "0600bf141c1c498f875fd1dd12ae6a14", Level.NOTICE)
    ENI_LISTED_AGAIN = ("eni-listed-again", "486e24746ad04b838bf0ee6dd6d0d931", Level.INFO)
    ENI_GONE = ("eni-gone", "f440f024da1e464f91b4dfed74748c88", Level.INFO)
    METADATA_UNKNOWN = ("metadata-unknown", "a4d573a1f3e74c3a9490fb9c263a2645", Level.WARNING)
    METADATA_ANSWERS = ("metadata-answers", "c6d8a6d647e146ec9901242a1c6bb8f8", Level.INFO)
    PRIMARY_CHANGED = ("primary-changed", "1fde14d6bdac423da87e8865d5c2ff39", Level.NOTICE)
    READY = ("ready", "5e8b7b6e27f445dfbc874b3fe6b9d60c", Level.INFO)
    ONCE_DONE = ("once-done", "72a2976dd6a7459c95471a9ceb579ae7", Level.INFO)
    STOPPED = ("stopped", "701cca53568642c180be7e9f407d9dde", Level.INFO)
    RELOADED = ("reloaded", "f5a9fb70b79f4d6490f981586282f356", Level.INFO)
    RELOAD_REFUSED = ("reload-refused", "4c97d40f9bdf45cab42945f6cb2b4cd6", Level.ERROR)
    ACCESS_LEFT_OUT = ("access-left-out", "da5b4faa4eeb457097f37697e5eeda60", Level.ERROR)
    ACCESS_UNSURE = ("access-unsure", "1b68c630d7b44e039e8d7f5418f66737", Level.WARNING)
    TRIAL_BEGAN = ("trial-began", "9bed13b2ad4e4841ba1929d20fcd8339", Level.NOTICE)
    TRIAL_KEPT = ("trial-kept", "b2771d76436641869984b412482b6a30", Level.NOTICE)
    TRIAL_RETURNED = ("trial-returned", "1db118f747d9410097636fbb1b6eb382", Level.WARNING)
    STANDING_BY = ("standing-by", "a53f5a9e90a54d3a8fe733a4e8694e8f", Level.NOTICE)
    RESUMED = ("resumed", "a410262f3c934d1eab4bb51a6f7dcf12", Level.NOTICE)
    NUMBERS_MOVED = ("numbers-moved", "59b61fa731f84f7ebf589f1d0a727321", Level.NOTICE)
    NUMBERS_CLEARED = ("numbers-cleared", "3e71700183a945aeb2f99da101ad3eab", Level.INFO)
    SEAT_CONFLICT = ("seat-conflict", "9b47eff8868a4af4a01df7e50471cebe", Level.WARNING)
    SEATS_EXHAUSTED = ("seats-exhausted", "26674a6000904a4f9dfcaac2b8db76e9", Level.ERROR)
    SEAT_RECOVERED = ("seat-recovered", "6da5e25a3a384cb584078d1310636eb7", Level.INFO)
    STATE_DAMAGED = ("state-damaged", "e384d38df29b45aba9f31a975f20e964", Level.WARNING)
    STATE_UNWRITABLE = ("state-unwritable", "4a367968f9db439f82fa836647c92572", Level.ERROR)
    STATE_WRITABLE = ("state-writable", "2290cecd7a2847e2926f43385b243931", Level.INFO)
    FACTS_OF_ANOTHER = ("facts-of-another", "6c0ecfc1b858455e82373c0a61f9d930", Level.WARNING)
    NOT_DELIVERED = ("not-delivered", "61bfefad613e4ba99b31f4f5d88d0d4d", Level.WARNING)
    CANNOT_LISTEN = ("cannot-listen", "a53c1ea3779c43c4bc5387c16b195d7f", Level.ERROR)
    CANNOT_RUN = ("cannot-run", "0efebf2199794e77916c080bf410b401", Level.ERROR)
    BUG = ("bug", "e19f62f739af46bb98e03da171cb7ddc", Level.CRITICAL)

    def __init__(self, slug: str, message_id: str, level: Level) -> None:
        self.slug = slug
        self.message_id = message_id
        self.level = level


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``message`` is readable by itself; ``fields`` has only what applies, by the names
    of the journal: INTERFACE as networkd has it, all others begin with SRCROUTD_.
    """

    kind: Kind
    message: str
    level: Level
    fields: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.message.isprintable():
            object.__setattr__(self, "message", one_line(self.message))

    def plain_fields(self) -> dict[str, str]:
        """The fields by the names that JSON has for them.

        Those are lower case without prefix; SRCROUTD_KIND (what an operation changed) is
        ``object``, because ``kind`` is the entry's own.
        """
        return {_plain(name): value for name, value in self.fields.items()}


def entry_of(kind: Kind, message: str, fields: dict[str, str]) -> Entry:
    """An entry of the level that its kind has."""
    return Entry(kind, message, kind.level, fields)


@dataclass(frozen=True, slots=True)
class Who:
    """Whom an entry is about: the NIC's name and the ENI's id, each empty where it is not known.

    ``seat`` is the number to name where neither is; 0 is the whole host.
    """

    nic: str = ""
    eni: str = ""
    seat: int = 0

    def __str__(self) -> str:
        return f"{self.nic} {self.eni}".strip() or (f"number {self.seat}" if self.seat else "host")

    def fields(self) -> dict[str, str]:
        """What is known, as fields of an entry."""
        known = {"INTERFACE": self.nic, "SRCROUTD_ENI": self.eni}
        return {name: value for name, value in known.items() if value}


def one_line(text: str) -> str:
    """The text in one printable line: ends of lines are bars, what cannot be printed is escaped."""
    line = " | ".join(text.splitlines())
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in line
    )


def _plain(name: str) -> str:
    return "object" if name == "SRCROUTD_KIND" else name.removeprefix("SRCROUTD_").lower()
