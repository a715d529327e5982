"""From srcroutd.toml and its drop-ins to a ``Config``.

The files are srcroutd.toml and, in name order, srcroutd.toml.d/*.toml beside it: a later file's
single values win, its entries (``[[nic]]``, ``[[eni]]``, ``[[access]]`` ...) are added. No file at
all is an empty configuration, which is complete.
"""

import tomllib
from pathlib import Path

from srcroutd.core.config import Config
from srcroutd.core.errors import ConfigError

ARRAYS = frozenset(("nic", "eni", "access", "egress", "load"))
"""The arrays of tables: a later file adds to them."""
SIZE_LIMIT = 1024 * 1024
"""Bytes; a larger configuration file is a mistake."""


def load(path: Path, *, drop_ins: Path | None = None) -> Config:
    """Read the configuration, with the drop-ins of another file if one is given.

    Raises ConfigError, which names file, line and key.
    """
    folder = drop_ins or path
    merged: dict[str, object] = {}
    sources: list[tuple[Path, str, dict[str, object]]] = []
    for file in (path, *sorted((folder.parent / f"{folder.name}.d").glob("*.toml"))):
        text = _text(file)
        if text is None:
            continue
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file}: {error}; see srcroutd.toml(5)") from None
        if not content:
            continue
        from srcroutd.daemon.configdoor import parse

        parse(content, file, text)
        sources.append((file, text, content))
        for key, value in content.items():
            if key in ARRAYS and isinstance(value, list):
                merged[key] = [*merged.get(key, []), *value]  # type: ignore[misc]
            else:
                merged[key] = value
    if not sources:
        return Config()
    from srcroutd.daemon.configdoor import config, parse
    from srcroutd.daemon.configlines import Origins

    where, text, _ = sources[-1]
    return config(parse(merged, where, text), Origins(sources))


def _text(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            raw = opened.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read: {error.strerror}; check its mode and owner"
        ) from None
    if len(raw) > SIZE_LIMIT:
        raise ConfigError(f"{file}: larger than {SIZE_LIMIT} bytes; is this the right file?")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not UTF-8 text; is this the right file?") from None
