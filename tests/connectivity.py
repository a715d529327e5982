"""The connectivity matrix: which layout of routing answers whom, measured by packets.

python -m tests.connectivity            measure, and print the two tables
python -m tests.connectivity --write    write docs/connectivity.md as well
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from srcroutd.core.errors import Exit, OperatorError
from tests.packets import layouts, matrix_page
from tests.packets.matrix import measure

PAGE = Path(__file__).parents[1] / "docs" / "connectivity.md"


def main(words: Sequence[str]) -> int:
    """Measure, print, write; an exit status."""
    if not set(words) <= {"--write"}:
        sys.stderr.write(f"{__doc__}\n")
        return Exit.USAGE
    try:
        measured = measure(layouts.LAYOUTS)
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(matrix_page.tables(measured))
    if words:
        PAGE.write_text(matrix_page.page(measured))
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
