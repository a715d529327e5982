"""The words and fields of entries about what is neither rule nor route: our table of nftables,
the sysctls and the addresses.
"""

from srcroutd.core.entry import Entry, Kind, Who, entry_of
from srcroutd.core.net import Interface
from srcroutd.core.sysctls import Sysctl


def marks_unavailable(why: str) -> Entry:
    """Connections cannot be marked; their NICs are routed by source alone, and no source is
    rewritten.
    """
    return entry_of(
        Kind.MARKS_UNAVAILABLE,
        f"marks on connections are not possible: {why}; routing by source goes on",
        {"SRCROUTD_ERROR": why},
    )


def marks_unseen(why: str) -> Entry:
    """Our table cannot be looked at any more."""
    return entry_of(
        Kind.MARKS_UNAVAILABLE,
        f"the table of nftables cannot be looked at and stays as it is: {why}",
        {"SRCROUTD_ERROR": why},
    )


def marks_available() -> Entry:
    """Connections can be marked again."""
    return entry_of(Kind.MARKS_AVAILABLE, "marks on connections are possible again", {})


def sysctls_unavailable(why: str) -> Entry:
    """The sysctls cannot be read."""
    return entry_of(
        Kind.SYSCTLS_UNAVAILABLE, f"sysctls are left as they are: {why}", {"SRCROUTD_ERROR": why}
    )


def sysctl_let_go(sysctl: Sysctl, value: int, who: Who) -> Entry:
    """Somebody else changed what we had set: it is his from now on."""
    return entry_of(
        Kind.SYSCTL_LET_GO,
        f"{who}: somebody set {sysctl} to {value}; it is his from now on and is not set back",
        {**who.fields(), "SRCROUTD_SYSCTL": str(sysctl), "SRCROUTD_VALUE": str(value)},
    )


def address_let_go(own: Interface, nic: str) -> Entry:
    """Somebody else changed an address that we had put: it is his from now on."""
    return entry_of(
        Kind.ADDRESS_LET_GO,
        f"{nic}: somebody changed {own}, which srcroutd had put there; it is his from now on and "
        "is not removed",
        {**Who(nic).fields(), "SRCROUTD_ADDRESS": str(own.ip)},
    )


def address_duplicate(own: Interface, nic: str) -> Entry:
    """Duplicate address detection failed for an address that we had put."""
    return entry_of(
        Kind.ADDRESS_DUPLICATE,
        f"{nic}: {own.ip} is not used: another host on the wire answers for it",
        {**Who(nic).fields(), "SRCROUTD_ADDRESS": str(own.ip)},
    )
