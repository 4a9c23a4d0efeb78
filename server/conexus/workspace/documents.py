"""The open documents with the editor's text: an immutable map of immutable values."""

from __future__ import annotations

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

    def __iter__(self) -> Iterator[Document]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, identity: object) -> bool:
        return identity in self._by_id

    def get(self, identity: str) -> Document | None:
        return self._by_id.get(identity)

    def put(self, document: Document) -> Documents:
        """Returns the documents with ``document`` added or replaced."""
        return Documents(MappingProxyType({**self._by_id, document.id: document}))

    def close(self, identity: str) -> Documents:
        """Returns the documents without one of them, or these documents if it is not open."""
        if identity not in self._by_id:
            return self
        return Documents(MappingProxyType({key: each for key, each in self._by_id.items() if key != identity}))
