"""Keeps what belongs to one client: its folders, its settings, its open documents, and an index of their texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from conexus.chunking import language_of_document
from conexus.config import Settings
from conexus.embedding.embedder import Embedder
from conexus.embedding.unit_vectors import Vectors
from conexus.indexing.folder_index import FolderIndex
from conexus.indexing.state import FolderState, Published
from conexus.owned import owned
from conexus.segments.analysis import FileFacts, analyse
from conexus.segments.snapshot import Fresh, Searchable, Snapshot, View
from conexus.values import Event
from conexus.workspace.documents import Document, Documents
from conexus.workspace.read import Skipped, Text


@dataclass(frozen=True, slots=True, eq=False)
class SessionClient:
    """The client of a session, as any thread may see it."""

    #: Tells the sessions of one engine apart.
    name: str
    #: Receives the indexer's events, in the indexer thread.
    listener: Callable[[Event], None]
    published: Published = field(default_factory=Published)


@owned()
class SessionIndex:
    """What one client sees of the workspace. The indexer thread owns it.

    A folder's index holds the files as they are on disk, and all sessions share it. Each session has an index of its
    own for the open documents whose text differs from the disk. They hide the files on disk, in this session alone.
    """

    def __init__(self, client: SessionClient, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        #: Absolute paths of the folders; None until they are known.
        self.roots: tuple[str, ...] | None = None
        #: The open documents as the client sent them last.
        self.documents = Documents()
        #: The texts of open documents by the root of their folder; by "" if they belong to no folder.
        self.buffers: dict[str, FolderIndex] = {}
        #: The latest snapshot, and the number of buffers in the folders at its moment.
        self.searchable = Searchable(Snapshot(0))
        self.dirty_buffers = 0
        #: Views of the latest snapshot, by root.
        self.views: dict[str, tuple[View, ...]] = {}
        #: The latest counts of each folder, by root.
        self.folder_states: dict[str, FolderState] = {}

    def __contains__(self, root: object) -> bool:
        return self.roots is not None and root in self.roots

    def buffers_in_folders(self) -> int:
        """Returns the number of open documents in the folders whose text differs from the disk."""
        return sum(index.files for root, index in self.buffers.items() if root)

    def vectors(self, root: str, path: str) -> Mapping[int, Vectors]:
        """Returns the vectors of a document's chunks by digest, as far as this session has made them."""
        index = self.buffers.get(root)
        return {} if index is None else index.vectors(path)

    def show(
        self,
        root: str,
        path: str,
        document: Document,
        embedder: Embedder,
        disk: Text | Skipped | None,
        known: Mapping[int, Vectors],
        *,
        plain: bool = False,
    ) -> int:
        """Has this session find a document's text in place of the file. Returns the number of chunks embedded.

        ``plain`` as in ``analyse``. Raises TooManyChunks if the document has more chunks than a file may have.

        ``path`` is relative to ``root``, or the document's identity if ``root`` is empty. ``disk`` is the file on disk
        (None: there is none), ``known`` the vectors by digest that need not be made again.
        """
        index = self.buffers.get(root)
        if index is None or index.model != embedder.fingerprint:
            index = FolderIndex(root, embedder.fingerprint, embedder.dimensions)
        language = language_of_document(document.language, path, document.text)
        facts = FileFacts(path, language, 0, 0, "")
        if isinstance(disk, Text):
            facts = FileFacts(path, language, disk.size, disk.mtime_ns, "")
        reuse = {**known, **index.vectors(path)}
        most = self.settings.max_file_chunks
        file = analyse(facts, document.text, embedder, reuse, most_chunks=most, plain=plain)
        index.replace(path, Fresh(file, document.text))
        self.buffers[root] = index
        return file.embedded

    def has_shown(
        self, root: str, path: str, document: Document, embedder: Embedder, disk: Text | Skipped | None
    ) -> bool:
        """Returns whether ``show`` with these arguments would change nothing."""
        index = self.buffers.get(root)
        fresh = None if index is None or index.model != embedder.fingerprint else index.fresh(path)
        if fresh is None or fresh.text != document.text:
            return False
        facts = fresh.file.facts
        state = (disk.size, disk.mtime_ns) if isinstance(disk, Text) else (0, 0)
        language = language_of_document(document.language, path, document.text)
        return (facts.language, facts.size, facts.mtime_ns) == (language, *state)

    def hide(self, root: str, path: str) -> bool:
        """Has this session find the file on disk again. Returns whether that changed anything."""
        index = self.buffers.get(root)
        if index is None or index.facts(path) is None:
            return False
        index.replace(path, None)
        if not index.files:
            del self.buffers[root]
        return True

    def forget(self, root: str) -> None:
        """Drops what is known of a folder, because the session does not have it any more or because it is rebuilt."""
        self.buffers.pop(root, None)

    def shown_paths(self, root: str) -> Iterable[str]:
        """Returns the paths of the files whose open documents are found in place of them."""
        index = self.buffers.get(root)
        return () if index is None else index.paths()
