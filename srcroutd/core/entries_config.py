"""The entries about the configuration: taken anew, on trial, and numbers that it moves."""

from srcroutd.core.entry import Entry, Kind, entry_of
from srcroutd.core.numbering import Domain


def reloaded(file: str) -> Entry:
    """Another configuration is used."""
    return entry_of(Kind.RELOADED, f"reload: {file}", {"SRCROUTD_FILE": file})


def reload_refused(file: str, error: str) -> Entry:
    """The new configuration is not used."""
    return entry_of(
        Kind.RELOAD_REFUSED,
        f"reload: {error}; going on with the configuration of before",
        {"SRCROUTD_FILE": file, "SRCROUTD_ERROR": error},
    )


def access_left_out(entry: str, why: str) -> Entry:
    """An entry of access control is not used, for it would cut the host off."""
    return entry_of(
        Kind.ACCESS_LEFT_OUT,
        f"access: {entry} is left out: {why}; say force = true in it if that is meant, then reload",
        {"SRCROUTD_ENTRY": entry, "SRCROUTD_WHY": why},
    )


def access_unsure(what: str) -> Entry:
    """Something that access control must not cut off could not be learned."""
    return entry_of(
        Kind.ACCESS_UNSURE,
        f"access: not known, so nothing was checked against it: {what}",
        {"SRCROUTD_WHAT": what},
    )


def trial_began(file: str, seconds: int) -> Entry:
    """Another configuration is used, for some time only."""
    return entry_of(
        Kind.TRIAL_BEGAN,
        f"trial: {file} is used for {seconds} s, then the configuration of before returns unless "
        "srcroutctl apply --keep is typed",
        {"SRCROUTD_FILE": file, "SRCROUTD_SECONDS": str(seconds)},
    )


def trial_kept(file: str) -> Entry:
    """What was on trial stays; ``file`` is where it will be found."""
    return entry_of(Kind.TRIAL_KEPT, f"trial: kept; it becomes {file}", {"SRCROUTD_FILE": file})


def trial_returned(file: str) -> Entry:
    """Nobody confirmed what was on trial."""
    return entry_of(
        Kind.TRIAL_RETURNED,
        f"trial: not confirmed in time; the configuration of before is used again, {file} is as it "
        "was",
        {"SRCROUTD_FILE": file},
    )


def numbers_moved(now: Domain, before: Domain) -> Entry:
    """The configuration wants other numbers than what stands in the kernel."""
    return entry_of(
        Kind.NUMBERS_MOVED,
        f"numbers move: from {_domain(before)} to {_domain(now)}",
        {"SRCROUTD_NUMBERS": _domain(now), "SRCROUTD_WAS": _domain(before)},
    )


def numbers_cleared(former: Domain) -> Entry:
    """Nothing of ours is left under earlier numbers."""
    return entry_of(
        Kind.NUMBERS_CLEARED,
        f"numbers moved: nothing of ours is left under {_domain(former)}",
        {"SRCROUTD_NUMBERS": _domain(former)},
    )


def _domain(domain: Domain) -> str:
    return (
        f"protocol {domain.protocol}, priorities {domain.priorities.start}-"
        f"{domain.priorities.stop - 1}, tables {domain.tables.start}-{domain.tables.stop - 1}"
    )
