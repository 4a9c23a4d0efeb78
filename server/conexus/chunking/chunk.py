"""The values that chunking returns. A chunk does not refer to its file."""

from __future__ import annotations

from dataclasses import dataclass

#: Kinds of chunk. ``text`` is prose, or code between definitions. Every part of a long definition has its kind.
KINDS = (
    "text",
    "function",
    "method",
    "class",
    "struct",
    "interface",
    "trait",
    "enum",
    "module",
    "type",
    "constant",
    "variable",
    "macro",
    "property",
    "section",
    "test",
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A contiguous run of whole lines of one file.

    Lines are 0-based and cover ``[start_line, end_line)``; line ends are exactly ``\\n``, ``\\r\\n`` and ``\\r``.
    Chunks of a file are ordered by ``start_line`` and never overlap; every non-blank line is in one of them.
    """

    start_line: int
    end_line: int
    kind: str
    #: The defined name as written in the source; empty for prose and for code between definitions.
    symbol: str
    #: Names of the enclosing definitions, outermost first.
    breadcrumb: tuple[str, ...]
    #: The documentation comment or docstring without its markers; empty if there is none.
    documentation: str
    #: The text of the chunk's lines, including documentation, with line ends as in the file.
    code: str
    #: Names that the chunk calls or otherwise refers to, each once, in order of first use.
    references: tuple[str, ...] = ()
    #: 0 for a whole definition or its first piece; 1, 2, … for the further pieces of a long definition.
    part: int = 0
