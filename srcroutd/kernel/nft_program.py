"""The program nft as a function: words and a document go in, its answer comes out, or an error says
what to do.

No shell, no search path, no environment; nothing it prints or withholds can hold us up for longer
than ``LIMIT_S`` or cost more than ``LONGEST``.
"""

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from srcroutd.core.errors import Exit, OperatorError
from srcroutd.kernel.errors import KernelLacks, NotPermitted, TornDump

FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/run/current-system/sw/bin")
LIMIT_S = 10.0
"""A host with 100,000 rules of kube-proxy lets nft take a second or two."""
LONGEST = 1 << 20
"""Bytes of an answer: our table with all its seats is a quarter of it."""

_NO_NFT = (
    "mode connmark and snat need the program nft, and none of {folders} has it; next: install the "
    'package nftables, or say mode = "source" and leave out snat'
)
_NO_JSON = (
    "the program {path} was built without JSON, which mode connmark and snat need; next: install "
    'the distribution\'s own package nftables, or say mode = "source" and leave out snat'
)
_NOT_ALLOWED = (
    "nftables: {told}; changing it needs CAP_NET_ADMIN; next: start srcroutd as root or by its unit"
)
_KERNEL_LACKS = (
    "this kernel does not take the table of mode connmark or snat ({told}); it needs nf_tables, "
    "nft_ct and connection marks (CONFIG_NFT_CT, CONFIG_NF_CONNTRACK_MARK), and for snat nft_nat "
    "(CONFIG_NFT_NAT; for inet since Linux 5.2); next: modprobe nf_tables nft_ct nft_nat, or say "
    'mode = "source" and leave out snat'
)
_LACKING = (
    "not supported",
    "Could not process rule: No such file or directory",
    "cache initialization failed: Invalid argument",
)
"""Words for EOPNOTSUPP, EPROTONOSUPPORT and EAFNOSUPPORT, and for an expression without its module.
"""


class NftRefused(OperatorError):
    """nft failed, for a reason that is neither this kernel's nor this process's."""

    exit_code = Exit.TEMPORARY


class NoSuchTable(NftRefused):
    """What was asked for is not there."""


async def run_nft(
    words: Sequence[str], document: bytes = b"", folders: Sequence[str] = FOLDERS
) -> bytes:
    """What ``nft WORDS`` prints, ``document`` on its standard input.

    Raises KernelLacks without nft or kernel support, NotPermitted, TornDump after ``LIMIT_S`` or
    ``LONGEST``, NoSuchTable, and NftRefused for anything else.
    """
    path = _find(folders)
    # Files, so that there is one pipe to read and nothing to do at the same time.
    with _file(document) as given, _file(b"") as errors:
        process = await asyncio.create_subprocess_exec(
            path, *words, stdin=given, stdout=PIPE, stderr=errors, env={}, cwd="/"
        )
        answer = await _answer(process)
        if process.returncode:
            errors.seek(0)
            raise _failure(path, errors.read(4096).decode(errors="replace"))
    return answer


def _file(content: bytes) -> BinaryIO:
    """A file in memory, at its beginning."""
    opened = os.fdopen(os.memfd_create("nft", os.MFD_CLOEXEC), "w+b", buffering=0)
    opened.write(content)
    opened.seek(0)
    return opened


def _find(folders: Sequence[str]) -> str:
    for folder in folders:
        path = Path(folder, "nft")
        if os.access(path, os.X_OK):
            return str(path)
    raise KernelLacks(_NO_NFT.format(folders=", ".join(folders)))


async def _answer(process: Process) -> bytes:
    """All that it prints, once it has ended; whatever happens, it has ended."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    answer = bytearray()
    try:
        async with asyncio.timeout(LIMIT_S):
            while piece := await process.stdout.read(1 << 16):
                answer += piece
                if len(answer) > LONGEST:
                    raise TornDump(f"nft: an answer of more than {LONGEST >> 20} MiB; look again")
            await process.wait()
    except TimeoutError:
        raise TornDump(f"nft: no answer in {LIMIT_S:g} s; look again") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return bytes(answer)


def _failure(path: str, told: str) -> OperatorError:
    """What nft's words mean. They are English: the environment is empty."""
    # A syntax error comes with a picture of where; the first line is the sentence.
    first = next((line.strip() for line in told.splitlines() if line.strip()), "no reason given")
    if "JSON support not compiled-in" in told:
        return KernelLacks(_NO_JSON.format(path=path))
    if "Operation not permitted" in told:
        return NotPermitted(_NOT_ALLOWED.format(told=first))
    if any(words in told for words in _LACKING):
        return KernelLacks(_KERNEL_LACKS.format(told=first))
    if "No such file or directory" in told:
        return NoSuchTable(f"nftables: {first}")
    return NftRefused(f"nftables: {first}; next: nft list ruleset")
