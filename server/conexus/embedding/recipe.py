"""What of a chunk is embedded. The shipped model is trained on texts made here, so a change needs a new model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath

from conexus.chunking.chunk import Chunk

#: Part of every model's fingerprint: raise it with every change of ``document_text`` or of what a model makes of it.
RECIPE_VERSION = 2

#: What a document's text consists of: a line each, but for the body, which is the rest.
PARTS = ("path", "breadcrumb", "symbol", "body")

#: Enclosing folders whose names go with the file's.
_FOLDERS = 2
#: Characters of documentation put in front, and of code; what follows says little about the meaning of the whole.
_DOCUMENTATION = 600
_CODE = 1500


def document_text(path: str, chunk: Chunk) -> str:
    """The text that stands for a chunk: where it is, what encloses it, its name, what it says of itself, its code.

    ``path`` is relative to the workspace folder, with forward slashes. The first three parts are a line each, empty
    where there is nothing to say, so that a model can weigh them by themselves (``parts_of``). The documentation
    comes twice, alone and within the code, because it says best what people ask for.
    """
    documentation = chunk.documentation[:_DOCUMENTATION]
    head = (place_words(path), " ".join(chunk.breadcrumb), chunk.symbol)
    body = f"{documentation}\n" if documentation else ""
    lines = (" ".join(part.splitlines()) for part in head)
    return "\n".join((*lines, body + chunk.code[: _CODE + len(documentation)]))


@lru_cache(maxsize=16)
def place_words(path: str) -> str:
    """What of a path counts: the file's stem and the folders next to it."""
    file = PurePosixPath(path)
    return " ".join((*file.parent.parts[-_FOLDERS:], file.stem))


def parts_of(text: str) -> tuple[str, str, str, str]:
    """The parts of a document's text, in the order of ``PARTS``; a text with fewer lines is all body."""
    parts = text.split("\n", 3)
    if len(parts) < 4:
        return "", "", "", text
    path, breadcrumb, symbol, body = parts
    return path, breadcrumb, symbol, body
