"""The JSON schemas, made from the types: ``python -m srcroutd.control.generate`` writes them anew.

Only this program uses pydantic here; the daemon and its client do not need it to speak. The schemas
allow further keys, because a newer srcroutd of the same version may say more.
"""

import json
from typing import get_args

from pydantic import TypeAdapter

from srcroutd.control.documents import Document
from srcroutd.control.pages import SCHEMAS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """The text of each schema file by the name of its document."""
    return {name(shape): _text(shape) for shape in get_args(Document)}


def name(shape: type) -> str:
    """The name of a document's schema: "status" for StatusDocument."""
    return shape.__name__.removesuffix("Document").lower()


def _text(shape: type) -> str:
    found = TypeAdapter(shape).json_schema(mode="serialization")
    return json.dumps({"$schema": DIALECT, **found}, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write the files, and take away those that no document has any more."""
    wanted = schemas()
    for path in SCHEMAS.glob("*.json"):
        if path.stem not in wanted:
            path.unlink()
    for stem, text in wanted.items():
        (SCHEMAS / f"{stem}.json").write_text(text)


if __name__ == "__main__":
    main()
