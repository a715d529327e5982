"""Entries of access control that would cut this host off are refused before they are used; at a
start they are left out, for a daemon that does not start routes nothing.

Only what is to be used anew is judged: a danger that appears later takes no standing rule away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from srcroutd.core.access import AccessEntry
from srcroutd.core.access_danger import Around, Danger, dangers, new_dangers, without
from srcroutd.core.config import Config
from srcroutd.core.errors import ConfigError

_Judge = Callable[[Sequence[AccessEntry], Around], tuple[Danger, ...]]


def refuse_dangerous(config: Config, enis: Mapping[str, str]) -> tuple[str, ...]:
    """Raise ConfigError if an entry would cut this host off. ``enis`` are ids of ENIs by MAC.

    Returns in words what could not be learned and therefore was not judged by. Raises what
    ``lifelines.look_around`` raises.
    """
    found, unseen = _judged(config, enis)
    if found:
        more = f" (and {len(found) - 1} more such entries)" if found[1:] else ""
        raise ConfigError(f"{found[0]}{more}")
    return unseen


def leave_out_dangerous(
    config: Config, enis: Mapping[str, str]
) -> tuple[Config, tuple[Danger, ...], tuple[str, ...]]:
    """The configuration without the entries that would cut this host off and are not in force by
    now, those, and what could not be learned.
    """
    found, unseen = _judged(config, enis, new_dangers)
    if not found:
        return config, (), unseen
    return replace(config, access=without(config.access, found)), found, unseen


def cut_off(config: Config) -> tuple[Danger, ...]:
    """The entries that cut this host off as it is now, whether forced or not."""
    if not config.access:
        return ()
    from srcroutd.daemon.lifelines import look_around

    plain = [replace(entry, force=False) for entry in config.access]
    found = dangers(plain, look_around(config, {}))
    return tuple(replace(one, entry=config.access[one.place]) for one in found)


def _judged(
    config: Config, enis: Mapping[str, str], judge: _Judge = dangers
) -> tuple[tuple[Danger, ...], tuple[str, ...]]:
    if all(entry.force for entry in config.access):
        return (), ()
    from srcroutd.daemon.lifelines import look_around

    around = look_around(config, enis)
    return judge(config.access, around), around.unseen
