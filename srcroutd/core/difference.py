"""What metadata says now that it did not say before, as entries of the record."""

from collections.abc import Iterator, Mapping, Sequence

from srcroutd.core.entry import Entry, Kind, Who
from srcroutd.core.inventory import Addressing, Eni, Inventory


def differences(before: Inventory, after: Inventory, nics: Mapping[str, str]) -> Iterator[Entry]:
    """An entry for each ENI that came, changed, is missing or went. ``nics`` has the name of the
    NIC for each MAC that the kernel has.
    """
    for mac, eni in after.enis.items():
        old = before.enis.get(mac)
        if old is None:
            words = f"({mac}) is {_words(eni.v4)} {_words(eni.v6)}".rstrip()
            yield _entry(Kind.ENI_FOUND, eni, nics, words)
        elif change := " ".join(_changes(old, eni)):
            yield _entry(Kind.ENI_CHANGED, eni, nics, f"changed: {change}", SRCROUTD_CHANGE=change)
    for mac in sorted(after.unlisted - before.unlisted):
        if mac in after.enis:
            words = "is no longer listed, its NIC is still here: its routing stays as it is"
            yield _entry(Kind.ENI_UNLISTED, after.enis[mac], nics, f"({mac}) {words}")
    for mac in sorted((before.unlisted - after.unlisted) & after.enis.keys()):
        yield _entry(Kind.ENI_LISTED_AGAIN, after.enis[mac], nics, f"({mac}) is listed again")
    for mac in sorted(before.enis.keys() - after.enis.keys()):
        yield _entry(Kind.ENI_GONE, before.enis[mac], nics, f"({mac}) is gone")
    if before.primary and after.primary and before.primary != after.primary:
        yield _primary(after.primary, before.primary, nics)


def _entry(kind: Kind, eni: Eni, nics: Mapping[str, str], words: str, **more: str) -> Entry:
    fields = {**Who(nics.get(eni.mac, ""), eni.id).fields(), "SRCROUTD_MAC": eni.mac, **more}
    return Entry(kind, f"metadata: {eni.id} {words}", kind.level, fields)


def _primary(mac: str, was: str, nics: Mapping[str, str]) -> Entry:
    kind = Kind.PRIMARY_CHANGED
    fields = {**Who(nics.get(mac, "")).fields(), "SRCROUTD_MAC": mac, "SRCROUTD_WAS": was}
    return Entry(kind, f"metadata: the primary NIC is now {mac}, it was {was}", kind.level, fields)


def _changes(old: Eni, new: Eni) -> Iterator[str]:
    """``+address``, ``-address`` and ``word old -> new`` for all that differs."""
    if old.id != new.id:
        yield f"id {old.id} -> {new.id}"
    for word, was, now in (("IPv4", old.v4, new.v4), ("IPv6", old.v6, new.v6)):
        if was != now:
            yield from _half(word, was or Addressing(), now or Addressing())


def _half(word: str, was: Addressing, now: Addressing) -> Iterator[str]:
    old, new = (*was.addresses, *was.prefixes), (*now.addresses, *now.prefixes)
    yield from (f"+{thing}" for thing in _without(new, old))
    yield from (f"-{thing}" for thing in _without(old, new))
    if was.subnet != now.subnet:
        yield f"{word} subnet {was.subnet or 'none'} -> {now.subnet or 'none'}"
    if was.gateway != now.gateway:
        yield f"{word} gateway {was.gateway or 'none'} -> {now.gateway or 'none'}"
    if was.addresses and now.addresses and was.addresses[0] != now.addresses[0]:
        yield f"{word} primary {was.addresses[0]} -> {now.addresses[0]}"


def _without(these: Sequence[object], those: Sequence[object]) -> list[object]:
    known = set(those)
    return [thing for thing in these if thing not in known]


def _words(half: Addressing | None) -> str:
    if half is None:
        return ""
    more = f" and {len(half.addresses) - 1} more" if len(half.addresses) > 1 else ""
    first = half.addresses[0] if half.addresses else "no address"
    return f"{first}{more} in {half.subnet} via {half.gateway}"
