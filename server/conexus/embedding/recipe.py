"""Makes the text of a chunk that is embedded.

The shipped model was trained on texts made here, so a change needs a new model.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath

from conexus.chunking.chunk import Chunk

#: Part of every model's fingerprint. Raise it with every change of ``document_text`` or of how a model uses the text.
RECIPE_VERSION = 2

#: The parts of a document's text: one line each, except the body, which is the rest.
PARTS = ("path", "breadcrumb", "symbol", "body")

#: Number of enclosing folders whose names are put before the file's name.
_FOLDERS = 2
#: Maximum number of characters of the documentation that is put in front, and of the code. Later characters say little
#: about the meaning of the whole.
_DOCUMENTATION = 600
_CODE = 1500


def document_text(path: str, chunk: Chunk) -> str:
    """Returns the text that represents a chunk: its path, enclosing definitions, name, documentation and code.

    ``path`` is relative to the workspace folder, with forward slashes. The first three parts have one line each, empty
    if there is nothing to say, so that a model can weight each part separately (``parts_of``). The documentation is
    included twice, alone and within the code, because it says best what people ask for.
    """
    documentation = chunk.documentation[:_DOCUMENTATION]
    head = (place_words(path), " ".join(chunk.breadcrumb), chunk.symbol)
    body = f"{documentation}\n" if documentation else ""
    lines = (" ".join(part.splitlines()) for part in head)
    return "\n".join((*lines, body + chunk.code[: _CODE + len(documentation)]))


@lru_cache(maxsize=16)
def place_words(path: str) -> str:
    """Returns the words of a path that are embedded: the names of the nearest folders and the file's stem."""
    file = PurePosixPath(path)
    return " ".join((*file.parent.parts[-_FOLDERS:], file.stem))


def parts_of(text: str) -> tuple[str, str, str, str]:
    """Returns the parts of a document's text, in the order of ``PARTS``. A text with fewer lines is all body."""
    parts = text.split("\n", 3)
    if len(parts) < 4:
        return "", "", "", text
    path, breadcrumb, symbol, body = parts
    return path, breadcrumb, symbol, body
