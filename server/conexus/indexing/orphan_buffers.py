"""Indexes open buffers that belong to no folder: without a file, outside all folders, or of an ignored file."""

from __future__ import annotations

from conexus.chunking import language_of_document
from conexus.embedding.embedder import Embedder
from conexus.indexing.folder_index import FolderIndex
from conexus.segments.analysis import FileFacts, analyse
from conexus.segments.snapshot import Fresh
from conexus.workspace.documents import Document


class OrphanBuffers:
    """The index of orphan buffers. The indexer thread owns it; it is never stored on disk."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.index = FolderIndex("", embedder.fingerprint, embedder.dimensions)
        #: Number of chunks that the embedder was asked to embed.
        self.embedded = 0

    def refresh(self, identity: str, document: Document | None) -> bool:
        """Indexes a buffer, or removes it from the index if ``document`` is None. Returns whether the index changed."""
        if document is None:
            if self.index.facts(identity) is None:
                return False
            self.index.replace(identity, None)
            return True
        language = language_of_document(document.language, identity, document.text)
        facts = FileFacts(identity, language, 0, 0, "")
        file = analyse(facts, document.text, self._embedder, self.index.vectors(identity))
        self.embedded += file.embedded
        self.index.replace(identity, Fresh(file, document.text))
        return True
