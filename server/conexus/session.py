"""One client's part of the engine: its folders and open documents, and the requests about them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conexus import limits
from conexus.answers.hits import Reader, hits_of
from conexus.answers.live_text import CurrentTexts
from conexus.config import Settings
from conexus.embedding.embedder import EmbeddingError
from conexus.indexing.indexer import Indexer
from conexus.indexing.session_index import SessionClient
from conexus.indexing.state import SessionState
from conexus.isolation import keep_out
from conexus.processes.memory import resident_bytes
from conexus.related.place import RelatedPlace
from conexus.related.relations import Related, RelatedRequest, find_related
from conexus.search import pipeline
from conexus.search.pipeline import Ranked, SearchRequest
from conexus.search.query import Query
from conexus.search.symbols import find_symbols
from conexus.segments.snapshot import FileKey, Searchable
from conexus.text.positions import Encoding, LineIndex
from conexus.values import (
    Answer,
    BadQuery,
    Cancelled,
    CancelToken,
    EngineError,
    Filters,
    FolderStatus,
    Health,
    IndexState,
    ModelStatus,
    Place,
    Status,
)
from conexus.workspace.documents import Document, Documents
from conexus.workspace.paths import relative_path
from conexus.workspace.read import Skipped, read_current
from conexus.workspace.roots import normalise_roots

log = logging.getLogger(__name__)

#: Maximum time in seconds that a request waits for the index's files to be verified, if someone wrote into them.
_VERIFY_SECONDS = 30.0


class Session:
    """One client of an engine. Thread-safe.

    Its open documents are found in place of their files by this session alone. Only ``search``, ``related`` and
    ``symbols`` block for long. ``Engine.open_session`` makes it.
    """

    def __init__(
        self,
        indexer: Indexer,
        client: SessionClient,
        settings: Settings,
        encoding: Encoding,
        start: Callable[[Sequence[Path], Settings], None],
    ) -> None:
        """``start`` starts the engine, unless it runs, for folders and settings."""
        self._indexer, self._client, self._start = indexer, client, start
        self._encoding, self._settings = encoding, settings
        #: Absolute paths of the folders, as they were set last.
        self._roots: tuple[str, ...] = ()
        self._documents = Documents()
        #: Lets one change at a time reach the indexer, so that the last one has the latest text, folders and settings.
        self._changing = threading.Lock()

    # --- folders, settings, documents ---

    def set_folders(self, folders: Sequence[Path]) -> None:
        """Sets the session's folders. Indexing begins in the background."""
        roots, problems = normalise_roots(folders)
        for problem in problems:
            log.warning("%s", problem)
        # Without the lock, because this may look at a slow disk, and documents change on an event loop.
        for root in roots:
            keep_out(str(root))
        self._start(folders, self._settings)
        with self._changing:
            self._roots = tuple(map(str, roots))
            self._indexer.set_folders(self._client, self._roots)

    def configure(self, settings: Settings) -> None:
        """Replaces the settings; the changes take effect in the background."""
        with self._changing:
            self._settings = settings
            self._indexer.configure(self._client, settings)

    def close(self) -> None:
        """Ends the session. Folders that no other session has are closed."""
        self._indexer.close_session(self._client)

    @property
    def documents(self) -> Documents:
        """The open documents as the client sent them last."""
        return self._documents

    def put_documents(self, *documents: Document) -> None:
        """Adds open documents, or replaces the text of some."""
        with self._changing:
            self._put(documents)

    def _put(self, documents: Sequence[Document]) -> None:
        self._documents = self._documents.put(*documents)
        self._indexer.set_documents(self._client, self._documents, [document.id for document in documents])

    def open_document(self, document: str, text: str, version: int | None, language: str) -> None:
        """Adds an open document.

        ``document`` is an absolute path, or a URI for a buffer without a file; ``language`` is the client's languageId.
        """
        self.put_documents(Document(document, text, version, language))

    def change_document(self, document: str, text: str, version: int | None) -> None:
        """Replaces the whole text of an open document; unknown documents are ignored."""
        with self._changing:
            former = self._documents.get(document)
            if former is not None:
                self._put([Document(document, text, version, former.language)])

    def close_document(self, *documents: str) -> None:
        """Closes documents: the disk is the truth again."""
        with self._changing:
            self._documents = self._documents.close(*documents)
            self._indexer.set_documents(self._client, self._documents, documents)

    def hint(self, paths: Iterable[str | Path]) -> None:
        """Reports that these paths, or something below them, may have changed."""
        self._indexer.hint([str(path) for path in paths], "client")

    # --- the index ---

    def pause(self) -> None:
        """Stops indexing files, for all sessions; open documents stay live."""
        self._indexer.set_paused(True)

    def resume(self) -> None:
        """Resumes indexing files."""
        self._indexer.set_paused(False)

    def reindex(self, folders: Sequence[str] = (), paths: Sequence[str] = ()) -> None:
        """Rebuilds these folders (all if none is named), or only these paths, from scratch. Returns when accepted."""
        self._indexer.reindex(folders if folders or paths else self._roots, paths)

    def clear(self) -> None:
        """Deletes the index of the session's folders and rebuilds it from the files."""
        self._indexer.clear(self._roots)

    @property
    def quiescent(self) -> bool:
        """Whether all saved and typed text is searchable and each folder was compared with the disk once."""
        return self._indexer.quiescent

    @property
    def searchable(self) -> Searchable:
        """What the session's requests search now."""
        return self._state.searchable

    @property
    def _state(self) -> SessionState:
        return self._client.published.state

    def status(self) -> Status:
        """Returns all that a user may want to know about the index, as of one moment."""
        quiescent, state = self._indexer.quiescent, self._state
        indexer, now = state.indexer, state.searchable
        health, message = _health(state)
        model = now.embedders[-1] if now.embedders else None
        return Status(
            quiescent=quiescent,
            health=health,
            message=message,
            files=state.indexed_files,
            chunks=now.snapshot.chunks,
            pending=indexer.pending,
            dirty_buffers=state.dirty_buffers,
            embedded_chunks=indexer.embedded_chunks,
            generation=now.snapshot.generation,
            model=ModelStatus(model.name, model.dimensions, model.fingerprint) if model else ModelStatus("", 0, ""),
            folders=tuple(
                FolderStatus(
                    folder.root,
                    folder.files,
                    folder.chunks,
                    folder.complete,
                    dict(folder.skipped),
                    folder.quarantined,
                    folder.role,
                    folder.search_mode,
                )
                for folder in state.folders
            ),
            phase=indexer.phase,
            paused=self._indexer.paused,
            memory_bytes=resident_bytes(),
            index_bytes=sum(folder.size_bytes for folder in state.folders),
            role="reader" if any(folder.role == "reader" for folder in state.folders) else "writer",
            limits=limits.counts(),
        )

    # --- requests ---

    def search(
        self,
        query: str,
        *,
        limit: int = 20,
        filters: Filters | None = None,
        near: Place | None = None,
        cancel: CancelToken | None = None,
    ) -> Answer:
        """Returns the best chunks for a query.

        Raises BadQuery if the query is too long or cannot be understood, Cancelled if ``cancel`` was set.
        """
        started = time.perf_counter()
        token = cancel or CancelToken()
        token.check()
        self._check_length(query)
        with self._asked() as state:
            request = SearchRequest(
                query,
                filters or Filters(),
                near=self._key(near.document) if near else None,
                open_files=frozenset(self._key(document.id) for document in self._documents),
                limit=limit,
            )
            ranking = pipeline.run(state.searchable, request, self._between_stages(state.searchable, token))
            token.check()
            return self._answer(started, state, ranking.rows, token, ranking.query, ranking.degraded)

    def symbols(self, query: str, *, limit: int = 50, cancel: CancelToken | None = None) -> Answer:
        """Returns definitions, exact names first, then by meaning. Raises as ``search``, but allows an empty query."""
        started = time.perf_counter()
        token = cancel or CancelToken()
        token.check()
        self._check_length(query)
        with self._asked() as state:
            check = self._between_stages(state.searchable, token)
            ranking = find_symbols(state.searchable, query, limit=limit, check=check)
            return self._answer(started, state, ranking.rows, token, ranking.query, ranking.degraded)

    def related(
        self,
        place: Place,
        *,
        relations: Sequence[str] = (),
        limit: int = 20,
        filters: Filters | None = None,
        cancel: CancelToken | None = None,
    ) -> Answer:
        """Returns code that is related to a place.

        Raises BadQuery if the place is in no folder and no open buffer, Cancelled if ``cancel`` was set.
        """
        started = time.perf_counter()
        token = cancel or CancelToken()
        folder, path = self._key(place.document)
        token.check()
        document = self._documents.get(place.document)
        if not folder and document is None:
            raise BadQuery("the document is neither in a workspace folder nor open")
        with self._asked() as state:
            now = state.searchable
            first, last = place.range.start.line, place.range.end.line + 1
            edited = self._texts(now).edited(folder, path)
            if edited is not None:
                first, last = edited.indexed_span(first, last)
            indexed_place = RelatedPlace(folder, path, first, last, self._selected(place, document))
            request = RelatedRequest(indexed_place, tuple(relations), filters or Filters(), limit)
            found = find_related(now, request, self._between_stages(now, token))
            return self._answer(started, state, found.rows, token, degraded=found.degraded)

    # --- internals ---

    def _check_length(self, query: str) -> None:
        most = self._settings.max_query_length
        if len(query) > most:
            limits.hit(limits.Limit.QUERY_LENGTH)
            raise BadQuery(f"`query` has {len(query)} characters; `maxQueryLength` is {most}.")

    @contextmanager
    def _asked(self) -> Iterator[SessionState]:
        """Yields the state from which a request is answered.

        Has the index's files verified if the request fails unexpectedly.
        """
        try:
            with self._indexer.requests.answering():
                # Reading past the end of a file that was cut short would kill the process.
                if not self.searchable.is_untouched():
                    self._indexer.wait_verified(_VERIFY_SECONDS)
                yield self._state
        except (EngineError, EmbeddingError, Cancelled):
            raise
        except Exception:
            # Someone may have written into the index's files, which are mapped.
            self._indexer.verify()
            raise

    def _answer(
        self,
        started: float,
        state: SessionState,
        ranked: Sequence[Ranked | Related],
        token: CancelToken,
        query: Query | None = None,
        degraded: str | None = None,
    ) -> Answer:
        now = state.searchable
        hits = hits_of(ranked, self._reader(now, token), query)
        now.release(self._most_mapped)
        problem = state.indexer.problem or degraded
        index = IndexState(state.complete, state.indexed_files, state.total_files, problem)
        return Answer(hits, index, now.snapshot.generation, (time.perf_counter() - started) * 1e3)

    @property
    def _most_mapped(self) -> int:
        """Bytes of the index's files that may stay in memory between two stages of a request, or two requests."""
        # Half of the memory budget, because the next stage may read as much again before its pages are released.
        return (self._settings.memory_mib << 20) // 2

    def _between_stages(self, now: Searchable, token: CancelToken) -> Callable[[], None]:
        most = self._most_mapped

        def check() -> None:
            token.check()
            now.keep_within(most)

        return check

    def _reader(self, now: Searchable, token: CancelToken) -> Reader:
        return Reader(
            now.overlay,
            self._encoding,
            self._settings.max_file_bytes,
            lambda path: self._indexer.hint([path], "answer"),
            self._texts(now),
            token.check,
        )

    def _texts(self, now: Searchable) -> CurrentTexts:
        # The documents are read after ``now`` was, so they are never older than its overlay.
        return CurrentTexts(self._documents, now.overlay, self._settings.max_file_bytes)

    def _key(self, document: str) -> FileKey:
        """Returns the folder and relative path of a document; ``("", document)`` if it is in no folder."""
        for folder in self._state.folders:
            relative = relative_path(folder.root, document)
            if relative:
                return folder.root, relative
        return "", document

    def _selected(self, place: Place, document: Document | None) -> str:
        """Returns the text of a place; empty if the place is a mere position or cannot be read."""
        start, end = place.range.start, place.range.end
        if start == end:
            return ""
        if document is not None:
            text = document.text
        else:
            folder, path = self._key(place.document)
            read = read_current(folder, path, self._settings.max_file_bytes) if folder else ""
            if isinstance(read, Skipped):
                return ""
            text = read
        index = LineIndex(text)
        first = index.offset(start.line, start.column, self._encoding)
        return text[first : index.offset(end.line, end.column, self._encoding)]


def _health(state: SessionState) -> tuple[Health, str]:
    if state.indexer.problem:
        return "error", state.indexer.problem
    if state.indexer.indexing_problem:
        return "warning", state.indexer.indexing_problem
    for folder in state.folders:
        if folder.problem:
            return "warning", f"{Path(folder.root).name or folder.root}: {folder.problem}"
    if state.indexer.model_problem:
        return "warning", f"{state.indexer.model_problem}; the shipped model answers"
    return "ok", ""
