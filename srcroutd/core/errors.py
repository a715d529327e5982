"""Errors that reach an operator: each says what, where and what next, and names its exit code
(sysexits.h).
"""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes that packages, units and scripts rely on."""

    OK = 0
    DRIFT = 1
    USAGE = 64
    NO_PROVIDER = 69
    UNREACHABLE = 69
    BUG = 70
    KERNEL_LACKS = 71
    CANNOT_CREATE = 73
    TEMPORARY = 75
    NOT_PERMITTED = 77
    CONFIG = 78


class OperatorError(Exception):
    """Something the operator can act on. ``str()`` is the whole sentence; ``exit_code`` ends the
    program.
    """

    exit_code: Exit = Exit.BUG


class ConfigError(OperatorError):
    """The configuration cannot be used; the sentence names file, line and key."""

    exit_code = Exit.CONFIG


class NoProvider(OperatorError):
    """Nobody can tell what ENIs this host has."""

    exit_code = Exit.NO_PROVIDER


class AlreadyRunning(OperatorError):
    """Another srcroutd holds the lock."""

    exit_code = Exit.TEMPORARY
