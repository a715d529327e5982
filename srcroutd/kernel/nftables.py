"""Our table of nftables in the kernel: looked at, put, taken away, and whether it is as we put it.

A look costs microseconds while nobody changes nftables (``nft_generation``). A version of nft that
lists our table in words we do not know costs one replacement, never a loop: the listing that
followed our own put is remembered as right.
"""

import json

from srcroutd.core.marking import Marking
from srcroutd.core.marking_listing import Listing, difference, expected, read_listing
from srcroutd.core.marking_nft import FAMILY, TABLE, commands, removal
from srcroutd.kernel.nft_generation import generation
from srcroutd.kernel.nft_program import FOLDERS, NftRefused, NoSuchTable, run_nft

CONFLICT = (
    f"a table {FAMILY} {TABLE} that is not srcroutd's stands in nftables; next: look at it with "
    f"nft list table {FAMILY} {TABLE}, and delete or rename it"
)


class MarkTable:
    """The table of this network namespace. One task uses it. Every method may raise what
    ``run_nft`` raises.
    """

    def __init__(self, folders: tuple[str, ...] = FOLDERS) -> None:
        """``folders`` is where nft is looked for."""
        self._folders = folders
        self._seen: tuple[int, Listing | None] | None = None
        """The generation of the last listing, and the listing."""
        self._own: tuple[Marking, Listing] | None = None
        """What was put last, and the listing that followed."""

    async def look(self) -> Listing | None:
        """The table as it stands, None if there is none."""
        before = generation()
        if before is not None and self._seen and self._seen[0] == before:
            return self._seen[1]
        found = await self._list()
        # Changed meanwhile: right for this round, and the next one looks again.
        self._seen = (before, found) if before is not None and generation() == before else None
        return found

    def drift(self, marking: Marking, found: Listing | None) -> tuple[str, ...]:
        """What is wrong with the table, a line each; empty if it is as we want it.

        Not for a ``found.foreign`` table: that is a conflict (``CONFLICT``), and stays as it is.
        """
        if found is None:
            return (f"- table {FAMILY} {TABLE}",)
        if self._own == (marking, found):
            return ()
        return difference(expected(marking), found)

    async def put(self, marking: Marking) -> None:
        """Put this table in place of whatever stands there, in one transaction."""
        await self._do(commands(marking))
        found = await self.look()
        # The same things, but perhaps in words that only this nft knows.
        as_put = found is not None and found.shape == expected(marking).shape
        self._own = (marking, found) if found and as_put else None

    async def remove(self) -> None:
        """Take our table away; that it is gone already is well."""
        await self._do(removal())
        self._own = None

    async def _do(self, document: dict[str, object]) -> None:
        self._seen = None
        await run_nft(["-j", "-f", "-"], json.dumps(document).encode(), self._folders)

    async def _list(self) -> Listing | None:
        try:
            answer = await run_nft(["-j", "list", "table", FAMILY, TABLE], b"", self._folders)
            return read_listing(answer)
        except NoSuchTable:
            return None
        except ValueError as error:
            raise NftRefused(f"nftables: {error}; next: nft list ruleset") from error
