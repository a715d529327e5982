"""Where configuration, state and runtime files lie: options first, then systemd's word, then the
defaults.
"""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from srcroutd.core.errors import AlreadyRunning, ConfigError
from srcroutd.daemon.ownership import give_to_owner


@dataclass(frozen=True, slots=True)
class Places:
    """The file to configure with, and the directories for what must survive a reboot and what must
    not.
    """

    config: Path
    state: Path
    runtime: Path


def places(
    config: Path | None, state: Path | None, runtime: Path | None, environment: Mapping[str, str]
) -> Places:
    """Resolve the three. systemd's variables may list several directories; the first is ours
    (systemd.exec(5)).
    """
    etc = _first(environment, "CONFIGURATION_DIRECTORY", "/etc/srcroutd")
    return Places(
        config or etc / "srcroutd.toml",
        state or _first(environment, "STATE_DIRECTORY", "/var/lib/srcroutd"),
        runtime or _first(environment, "RUNTIME_DIRECTORY", "/run/srcroutd"),
    )


def _first(environment: Mapping[str, str], name: str, default: str) -> Path:
    return Path(environment.get(name, "").split(":")[0] or default)


def lock(runtime: Path) -> IO[str]:
    """Become the only srcroutd of this runtime directory; the lock ends with the process.

    Raises AlreadyRunning with the other's process id, ConfigError where the directory cannot be
    used.
    """
    try:
        runtime.mkdir(mode=0o755, parents=True, exist_ok=True)
        # The directory may be another user's: what he put in the file's place is not followed.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.fdopen(os.open(runtime / "lock", flags, 0o644), "a+")
        give_to_owner(opened.fileno(), runtime)
    except OSError as error:
        raise ConfigError(
            f"{runtime}: cannot be used as runtime directory: {error.strerror}; see --runtime-dir"
        ) from None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        opened.seek(0)
        holder = opened.read(32).strip() or "unknown"
        opened.close()
        raise AlreadyRunning(
            f"another srcroutd runs already (process {holder}, lock {runtime / 'lock'}); "
            "stop it first: systemctl stop srcroutd"
        ) from None
    opened.seek(0)
    opened.truncate()
    opened.write(f"{os.getpid()}\n")
    opened.flush()
    return opened
