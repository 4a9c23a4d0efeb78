"""What of a chunk is embedded. The shipped model is trained on texts made here, so a change needs a new model."""

from __future__ import annotations

from pathlib import PurePosixPath

from conexus.chunking.chunk import Chunk

#: Part of every model's fingerprint: raise it with every change of ``document_text``.
RECIPE_VERSION = 1

#: Enclosing folders whose names go with the file's.
_FOLDERS = 2
#: Characters of documentation put in front, and of code; what follows says little about the meaning of the whole.
_DOCUMENTATION = 600
_CODE = 1500


def document_text(path: str, chunk: Chunk) -> str:
    """The text that stands for a chunk: where it is, what encloses it, its name, what it says of itself, its code.

    ``path`` is relative to the workspace folder, with forward slashes. One part a line; the documentation comes
    twice, alone and within the code, because it says best what people ask for.
    """
    file = PurePosixPath(path)
    folders = file.parent.parts[-_FOLDERS:]
    documentation = chunk.documentation[:_DOCUMENTATION]
    parts = (
        " ".join((*folders, file.stem)),
        " ".join(chunk.breadcrumb),
        chunk.symbol,
        documentation,
        chunk.code[: _CODE + len(documentation)],
    )
    return "\n".join(part for part in parts if part)
