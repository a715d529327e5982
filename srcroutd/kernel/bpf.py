"""A classic BPF program for the event socket: the kernel drops what we need not wake up for.

It passes every message about links, addresses and rules, and a message about a route if its table
is one of ours, or is main and somebody asks about such routes of it; it drops what our own requests
caused. In doubt it passes: a bell too many costs a
look, a bell too few costs correctness. Sources: include/uapi/linux/filter.h,
Documentation/networking/filter.rst.

The machine loads half words and words in network order while netlink writes them in the machine's
own, so constants are swapped to match, and the table number, which is compared by size, is put
together by bytes.
"""

import ctypes
import socket
import sys
from struct import Struct

from srcroutd.core.main_table import NO_INTEREST, MainInterest
from srcroutd.core.net import MAIN_TABLE
from srcroutd.kernel.codec_route import RTA_TABLE
from srcroutd.kernel.wire import NLM_F_REPLACE, RTM_DELROUTE, RTM_NEWROUTE

_SO_ATTACH_FILTER = 26
_INSTRUCTION = Struct("=HBBI")

# BPF_LD|BPF_{W,H,B}|BPF_ABS, BPF_LD|BPF_W|BPF_LEN, BPF_JMP|BPF_{JEQ,JGT,JGE,JSET}|BPF_K,
# BPF_ALU|BPF_LSH|BPF_K, BPF_ALU|BPF_OR|BPF_X, BPF_MISC|BPF_TAX, BPF_RET|BPF_K
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _LOAD_LENGTH = 0x20, 0x28, 0x30, 0x80
_JUMP_EQUAL, _JUMP_GREATER, _JUMP_GREATER_EQUAL, _JUMP_SET = 0x15, 0x25, 0x35, 0x45
_SHIFT_LEFT, _OR_X, _TO_X, _RETURN = 0x64, 0x4C, 0x07, 0x06

_TYPE_AT, _FLAGS_AT, _PORTID_AT = 4, 6, 12
_DST_LEN_AT, _PROTOCOL_AT = 17, 21
# nlmsghdr (16) and rtmsg (12), then the first attribute, which rtnetlink makes RTA_TABLE in both
# families.
_ATTRIBUTE_AT, _KIND_AT, _TABLE_AT = 28, 30, 32
_ROUTE_SIZE = 36

_Step = tuple[int, int, str, str]
"""Operation, operand, label to jump to if true, if false; an empty label is the next step."""


def event_filter(tables: range, portid: int, main: MainInterest = NO_INTEREST) -> bytes:
    """The program, as an array of sock_filter. ``tables`` has no gaps; ``portid`` is our request
    socket's; ``main`` says which routes of main pass.

    Raises ValueError for tables with gaps or none, and for port id 0, which is the kernel's own.
    """
    if tables.step != 1 or not tables or portid == 0:
        raise ValueError(f"no filter for {tables} and port id {portid}")
    steps: dict[str, list[_Step]] = {
        "start": [
            (_LOAD_WORD, _PORTID_AT, "", ""),
            (_JUMP_EQUAL, _as_loaded(portid, 4), "drop", ""),
            (_LOAD_HALF, _TYPE_AT, "", ""),
            (_JUMP_EQUAL, _as_loaded(RTM_NEWROUTE, 2), "route", ""),
            (_JUMP_EQUAL, _as_loaded(RTM_DELROUTE, 2), "route", "pass"),
        ],
        "route": [
            # A load past the end would drop the message.
            (_LOAD_LENGTH, 0, "", ""),
            (_JUMP_GREATER_EQUAL, _ROUTE_SIZE, "", "pass"),
            (_LOAD_HALF, _KIND_AT, "", ""),
            (_JUMP_EQUAL, _as_loaded(RTA_TABLE, 2), "", "pass"),
            *_load_own_order(_TABLE_AT),
            (_JUMP_EQUAL, MAIN_TABLE, "main", ""),
            (_JUMP_GREATER_EQUAL, tables[0], "", "drop"),
            (_JUMP_GREATER, tables[-1], "drop", "pass"),
        ],
        "main": _of_main(main),
        "pass": [(_RETURN, 0xFFFFFFFF, "", "")],
        "drop": [(_RETURN, 0, "", "")],
    }
    return _assemble(steps)


def _of_main(main: MainInterest) -> list[_Step]:
    """Which routes of main pass: defaults, those no shorter than a prefix asked about, those of a
    protocol, and whatever took the place of another route, for that one is not announced.
    """
    lengths = [prefix.prefixlen for prefix in main.prefixes]
    steps: list[_Step] = []
    if main.defaults or lengths:
        steps.append((_LOAD_BYTE, _DST_LEN_AT, "", ""))
    if main.defaults:
        steps.append((_JUMP_EQUAL, 0, "pass", ""))
    if lengths:
        steps.append((_JUMP_GREATER_EQUAL, min(lengths), "pass", ""))
    if main.protocols:
        steps += [
            (_LOAD_HALF, _FLAGS_AT, "", ""),
            (_JUMP_SET, _as_loaded(NLM_F_REPLACE, 2), "pass", ""),
            (_LOAD_BYTE, _PROTOCOL_AT, "", ""),
            *((_JUMP_EQUAL, protocol, "pass", "") for protocol in main.protocols),
        ]
    return [*steps, (_RETURN, 0, "", "")]


def attach(sock: socket.socket, program: bytes) -> None:
    """Put the program before the socket. Bind later: what is queued by then is not filtered."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = Struct("@HP").pack(len(program) // _INSTRUCTION.size, ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)


def _as_loaded(value: int, size: int) -> int:
    """A number of ``size`` bytes in the machine's order, as a load in network order sees it."""
    return int.from_bytes(value.to_bytes(size, sys.byteorder), "big")


def _load_own_order(offset: int) -> list[_Step]:
    """Load a u32 that stands in the machine's order, so that it can be compared by size."""
    if sys.byteorder == "big":
        return [(_LOAD_WORD, offset, "", "")]
    steps: list[_Step] = [(_LOAD_BYTE, offset + 3, "", "")]
    for place in (2, 1, 0):
        steps += [
            (_SHIFT_LEFT, 8, "", ""),
            (_TO_X, 0, "", ""),
            (_LOAD_BYTE, offset + place, "", ""),
            (_OR_X, 0, "", ""),
        ]
    return steps


def _assemble(blocks: dict[str, list[_Step]]) -> bytes:
    """Turn labels into distances, which count from the step after the jump."""
    places: dict[str, int] = {}
    size = 0
    for label, steps in blocks.items():
        places[label] = size
        size += len(steps)
    program = b""
    for place, (operation, operand, if_true, if_false) in enumerate(
        step for steps in blocks.values() for step in steps
    ):
        following = place + 1
        far = [places[label] - following if label else 0 for label in (if_true, if_false)]
        program += _INSTRUCTION.pack(operation, far[0], far[1], operand)
    return program
