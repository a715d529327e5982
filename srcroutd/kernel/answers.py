"""Datagrams from the kernel taken apart: dumped bodies, refusals, single answers.

Pure functions over bytes. Promise: a message with another sequence number or port id is passed
over, and a message that does not fit its datagram raises TornDump.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

from srcroutd.kernel.errors import TornDump
from srcroutd.kernel.messages import Failure
from srcroutd.kernel.wire import (
    MESSAGE,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    S32,
    U32,
    attributes,
    text,
)

_NLMSGERR_ATTR_MSG = 1
_FIRST_RTM = 16
"""Message types below belong to netlink itself."""


class DumpEnd(NamedTuple):
    """How a dump ended: errno (0 for well) and the kernel's words."""

    errno: int
    words: str


def read_dump(data: bytes, number: int, portid: int, bodies: list[bytes]) -> DumpEnd | None:
    """Append the bodies in one datagram of a dump; None while more is to come.

    Raises TornDump where the kernel says that the dump was overtaken by a change.
    """
    start, end = 0, len(data)
    unpack, append = MESSAGE.unpack_from, bodies.append
    while start + MESSAGE.size <= end:
        length, kind, flags, sequence, port = unpack(data, start)
        stop = start + length
        if length < MESSAGE.size or stop > end:
            raise TornDump("netlink dump: a message was cut short; look again")
        if sequence == number and port == portid:
            if flags & NLM_F_DUMP_INTR:
                raise TornDump("netlink dump: something changed while it was read; look again")
            if kind >= _FIRST_RTM:
                append(data[start + MESSAGE.size : stop])
            elif kind in (NLMSG_DONE, NLMSG_ERROR):
                return DumpEnd(*_verdict(data[start:stop]))
        start += (length + 3) & ~3
    return None


def read_refusals(
    data: bytes, index_of: Mapping[int, int], last: int, portid: int, failures: list[Failure]
) -> bool:
    """Append the refusals in one datagram of answers to writes; true once message ``last`` is
    answered.
    """
    answered = False
    for kind, sequence, message in _messages(data, portid):
        if kind == NLMSG_ERROR and sequence in index_of:
            errno, words = _verdict(message)
            if errno:
                failures.append(Failure(index_of[sequence], errno, words))
            answered = answered or sequence == last
    return answered


def read_single(data: bytes, number: int, portid: int) -> bytes | Failure:
    """The body that answers one question, or the refusal."""
    for kind, sequence, message in _messages(data, portid):
        if sequence == number:
            if kind == NLMSG_ERROR:
                return Failure(0, *_verdict(message))
            return message[MESSAGE.size :]
    raise TornDump("netlink receive: the answer is to another question; look again")


def _messages(data: bytes, portid: int) -> list[tuple[int, int, bytes]]:
    """Type, sequence number and whole message (header too) of all that is meant for us."""
    found = []
    start = 0
    while start + MESSAGE.size <= len(data):
        length, kind, _, sequence, port = MESSAGE.unpack_from(data, start)
        if length < MESSAGE.size or start + length > len(data):
            raise TornDump("netlink receive: a message was cut short; look again")
        if port == portid:
            found.append((kind, sequence, data[start : start + length]))
        start += (length + 3) & ~3
    return found


def _verdict(message: bytes) -> tuple[int, str]:
    """Errno and words of NLMSG_ERROR or NLMSG_DONE: the kernel's own (extended ACK) or libc's."""
    _, kind, flags, _, _ = MESSAGE.unpack_from(message)
    if len(message) < MESSAGE.size + S32.size:
        raise TornDump("netlink receive: an answer without a verdict; look again")
    errno = -S32.unpack_from(message, MESSAGE.size)[0]
    words = os.strerror(errno) if errno else ""
    if flags & NLM_F_ACK_TLVS:
        start = MESSAGE.size + S32.size
        if kind == NLMSG_ERROR:
            # The refused message follows: its header alone (CAPPED), else the whole of it.
            (refused,) = U32.unpack_from(message, start)
            start += MESSAGE.size if flags & NLM_F_CAPPED else (refused + 3) & ~3
        said = attributes(message, start).get(_NLMSGERR_ATTR_MSG)
        if said:
            words = text(said)
    return errno, words
