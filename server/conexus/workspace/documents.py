"""The open documents with the editor's text: an immutable map of immutable values."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from conexus.text.positions import Encoding, LineIndex


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a document: new text for a range, or for the whole document if ``range`` is None."""

    text: str
    #: Start line, start column, end line, end column, in the encoding that is given to ``Document.changed``.
    range: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document that is open in the editor."""

    #: Absolute path, or the URI of a buffer that has no file.
    id: str
    text: str
    version: int | None
    #: The client's languageId.
    language: str
    #: The lines of ``text``, kept for the next change.
    _lines: LineIndex | None = field(default=None, repr=False, compare=False)
    #: Memory that the text takes, in bytes.
    size_bytes: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_bytes", sys.getsizeof(self.text))

    def is_larger_than(self, size: int) -> bool:
        """Returns whether the text has more than ``size`` bytes of UTF-8."""
        if len(self.text) * 4 <= size:
            return False
        return len(self.text) > size or len(self.text.encode("utf-8", "surrogatepass")) > size

    def changed(self, changes: Iterable[Change], version: int | None, encoding: Encoding) -> Document:
        """Returns the document after the changes, which apply one after the other."""
        lines = self._lines or LineIndex(self.text)
        for change in changes:
            lines = LineIndex(change.text) if change.range is None else lines.edit(*change.range, change.text, encoding)
        return replace(self, text=lines.text, version=version, _lines=lines)


@dataclass(frozen=True, slots=True)
class Documents:
    """All open documents by id. Every change returns a new value; the old value stays as it is."""

    _by_id: Mapping[str, Document] = field(default_factory=lambda: MappingProxyType({}))
    #: Memory that the texts of all documents take, in bytes.
    size_bytes: int = 0

    def __iter__(self) -> Iterator[Document]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, identity: object) -> bool:
        return identity in self._by_id

    def get(self, identity: str) -> Document | None:
        return self._by_id.get(identity)

    def size_with(self, document: Document) -> tuple[int, int]:
        """Returns the number and ``size_bytes`` of the documents if ``document`` were put."""
        former = self._by_id.get(document.id)
        if former is None:
            return len(self) + 1, self.size_bytes + document.size_bytes
        return len(self), self.size_bytes + document.size_bytes - former.size_bytes

    def put(self, *documents: Document) -> Documents:
        """Returns the documents with some added or replaced."""
        size = self.size_bytes
        by_id = dict(self._by_id)
        for document in documents:
            former = by_id.get(document.id)
            size += document.size_bytes - (former.size_bytes if former else 0)
            by_id[document.id] = document
        return Documents(MappingProxyType(by_id), size)

    def close(self, *identities: str) -> Documents:
        """Returns the documents without some of them, or these documents if none of them is open."""
        closed = [identity for identity in identities if identity in self._by_id]
        if not closed:
            return self
        by_id = dict(self._by_id)
        size = self.size_bytes - sum(by_id.pop(identity).size_bytes for identity in dict.fromkeys(closed))
        return Documents(MappingProxyType(by_id), size)
