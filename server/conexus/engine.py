"""The façade: an API for the ideal client. Its values are in values.py; this module knows neither LSP nor JSON."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conexus.answers.hits import Reader, hits_of
from conexus.answers.live_text import CurrentTexts
from conexus.config import Settings, default_data_directory
from conexus.embedding.embedder import Embedder, EmbeddingError, LoadingEmbedder
from conexus.embedding.late_interaction import QueryTokens, TokenEmbedder
from conexus.embedding.transformer.deferred import DeferredEmbedder
from conexus.embedding.unit_vectors import Vectors
from conexus.indexing.handle import Indexer
from conexus.indexing.indexer import Sync
from conexus.prewarm import start_if_needed
from conexus.processes.workers import WorkerProcesses
from conexus.related.place import RelatedPlace
from conexus.related.relations import Related, related
from conexus.search.candidates import retrieve_candidates
from conexus.search.pipeline import Ranked, prepare, search
from conexus.search.query import Query, understand
from conexus.search.query_expansion import expand_query
from conexus.search.symbols import symbols
from conexus.segments.snapshot import FileKey, Searchable
from conexus.text.positions import Encoding, LineIndex
from conexus.values import (
    Answer,
    BadQuery,
    Cancelled,
    CancelToken,
    EngineError,
    Event,
    Filters,
    FolderStatus,
    Health,
    IndexChanged,
    IndexState,
    ModelStatus,
    Place,
    Progress,
    SettingsFileChanged,
    Status,
    StatusChanged,
)
from conexus.workspace.documents import Document, Documents
from conexus.workspace.read import Skipped, read_text
from conexus.workspace.roots import normalise_roots

log = logging.getLogger(__name__)

#: Maximum time in seconds that a request waits for the index's files to be verified, if someone wrote into them.
_VERIFY_SECONDS = 30.0

#: Query of the warm-up: words that any code has, and one word that no code has.
_ANY_QUESTION = "where the configuration file is parsed and the first tests of errors qxzvkjwy"


class Engine:
    """The engine of one workspace. Thread-safe.

    Only ``search``, ``related``, ``symbols``, ``wait``, ``store`` and ``close`` block for long.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        encoding: Encoding = Encoding.UTF16,
        listener: Callable[[Event], None] | None = None,
        data_directory: Path | None = None,
        processes: WorkerProcesses | None = None,
    ) -> None:
        """``encoding`` is the unit of all columns. ``listener`` is called from the engine's own threads.

        ``processes`` are the worker processes, as many as the settings request. They may already be starting, and are
        closed with the engine.
        """
        self._encoding = encoding
        self._notify = listener or (lambda event: None)
        self._closed = False
        #: Whether ``_warm_up`` was called for the complete index.
        self._warm = False
        #: The documents as the client sent them last. The indexer's own copy follows, edit by edit.
        self._documents = Documents()
        self._documents_lock = threading.Lock()
        self._processes = processes or WorkerProcesses(settings.workers)
        self._data_directory = data_directory or default_data_directory()
        self._sync = Sync(
            settings,
            self._data_directory,
            _load_static,
            _load_transformer,
            self._processes,
            prepare=self._prepare,
            on_publish=lambda generation, folders: self._notify(IndexChanged(generation, folders)),
            on_progress=lambda done, total: self._notify(Progress("Indexing", done, total)),
            on_status=lambda: self._notify(StatusChanged()),
            on_settings_file=lambda folder: self._notify(SettingsFileChanged(folder)),
        )
        self._indexer = Indexer(self._sync)

    # --- lifecycle ---

    def start(self, folders: Sequence[Path]) -> None:
        """Starts indexing in the background. Returns at once."""
        start_if_needed(self._processes, self._sync.settings, folders, self._data_directory)
        self._indexer.start(_roots(folders))

    def set_folders(self, folders: Sequence[Path]) -> None:
        """Replaces the workspace's folders."""
        self._indexer.set_folders(_roots(folders))

    def configure(self, settings: Settings) -> None:
        """Replaces the settings; the changes take effect in the background."""
        self._indexer.configure(settings)

    def close(self) -> None:
        """Writes pending data and stops threads and processes. Idempotent."""
        if not self._closed:
            self._closed = True
            self._indexer.stop()

    # --- changes of documents and files ---

    def open_document(self, document: str, text: str, version: int | None, language: str) -> None:
        """Adds an open document.

        ``document`` is an absolute path, or a URI for a buffer without a file; ``language`` is the client's languageId.
        """
        opened = Document(document, text, version, language)
        with self._documents_lock:
            self._documents = self._documents.put(opened)
        self._indexer.open_document(opened)

    def change_document(self, document: str, text: str, version: int | None) -> None:
        """Replaces the whole text of an open buffer; unknown buffers are ignored."""
        with self._documents_lock:
            former = self._documents.get(document)
            if former is None:
                return
            self._documents = self._documents.put(Document(document, text, version, former.language))
        self._indexer.change_document(document, text, version)

    def close_document(self, document: str) -> None:
        """Closes a document: the disk is the truth again."""
        with self._documents_lock:
            self._documents = self._documents.close(document)
        self._indexer.close_document(document)

    def hint(self, paths: Iterable[str | Path]) -> None:
        """Reports that these paths, or something below them, may have changed."""
        self._indexer.hint([str(path) for path in paths], "client")

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

        Raises BadQuery if the query cannot be understood, Cancelled if ``cancel`` was set.
        """
        started = time.perf_counter()
        token = cancel or CancelToken()
        token.check()
        understood = understand(query)
        with self._asked() as now:
            vectors, degraded = _query_vectors(now, understood.text, token.check)
            token.check()
            understood = expand_query(understood, now.snapshot.views)
            ranked = search(
                now.snapshot,
                understood,
                vectors=vectors,
                tokens=_query_tokens(now, understood.text),
                filters=filters,
                rows=retrieve_candidates(now.snapshot, understood, vectors, now.candidate_sources),
                near=self._key(near.document) if near else None,
                open_files=frozenset(self._key(identity) for identity in list(self._sync.documents)),
                limit=limit,
                check=self._between_stages(now, token),
            )
            token.check()
            return self._answer(started, now, ranked, token, understood, degraded)

    def symbols(self, query: str, *, limit: int = 50, cancel: CancelToken | None = None) -> Answer:
        """Returns definitions, exact names first, then by meaning. Raises as ``search``, but allows an empty query."""
        started = time.perf_counter()
        token = cancel or CancelToken()
        token.check()
        with self._asked() as now:
            vectors, degraded = _query_vectors(now, query, token.check)
            token.check()
            ranked = symbols(now.snapshot, query, vectors=vectors, limit=limit, check=self._between_stages(now, token))
            return self._answer(started, now, ranked, token, degraded=degraded)

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
        with self._asked() as now:
            first, last = place.range.start.line, place.range.end.line + 1
            edited = self._texts(now).edited(folder, path)
            if edited is not None:
                first, last = edited.indexed_span(first, last)
            degraded: list[str] = []

            def embed(text: str) -> dict[str, Vectors]:
                vectors, problem = _query_vectors(now, text, token.check)
                if problem is not None:
                    degraded.append(problem)
                return vectors

            asked = RelatedPlace(folder, path, first, last, self._selected(place, document))
            found = related(
                now.snapshot,
                asked,
                relations=relations,
                limit=limit,
                filters=filters,
                embed=embed,
                check=self._between_stages(now, token),
            )
            return self._answer(started, now, found, token, degraded=next(iter(degraded), None))

    def status(self) -> Status:
        """Returns all that a user may want to know about the index, as it is at this moment."""
        sync = self._sync
        counts, now = sync.counts(), sync.searchable
        health, message = self._health()
        folders = [
            FolderStatus(
                tracked.root,
                tracked.index.files,
                tracked.index.chunks,
                tracked.complete,
                tracked.skipped(),
                tracked.stored.role,
                sync.tier(tracked.root),
            )
            for tracked in list(sync.folders.values())
        ]
        model = now.embedders[-1] if now.embedders else None
        return Status(
            quiescent=self._indexer.quiescent,
            health=health,
            message=message,
            files=counts.indexed_files,
            chunks=now.snapshot.chunks,
            pending=counts.pending,
            dirty_buffers=sync.dirty_buffers,
            embedded_chunks=sync.embedded_chunks(),
            generation=now.snapshot.generation,
            model=ModelStatus(model.name, model.dimensions, model.fingerprint) if model else ModelStatus("", 0, ""),
            folders=tuple(folders),
            phase=counts.phase,
            paused=sync.paused,
            memory_bytes=_resident_bytes(),
            index_bytes=sum(tracked.stored.state.size_bytes for tracked in list(sync.folders.values())),
            role="reader" if any(folder.role == "reader" for folder in folders) else "writer",
        )

    # --- commands ---

    def reindex(self, folders: Sequence[str] = (), paths: Sequence[str] = ()) -> None:
        """Rebuilds these folders (all if none is named), or only these paths, from scratch. Returns when accepted."""
        self._indexer.reindex(folders, paths)

    def pause(self) -> None:
        """Stops indexing files; open buffers stay live."""
        self._indexer.set_paused(True)

    def resume(self) -> None:
        self._indexer.set_paused(False)

    def clear(self) -> None:
        """Deletes the persisted index of all folders and rebuilds it."""
        self._indexer.clear()

    @property
    def quiescent(self) -> bool:
        """Whether all saved and typed text is searchable and each folder was compared with the disk once."""
        return self._indexer.quiescent

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until quiescent. Returns False on time-out."""
        return self._indexer.wait(timeout)

    def store(self, timeout: float | None = None) -> bool:
        """Blocks until all that is searchable, except unsaved buffers, is stored.

        Returns False on time-out or if it cannot be stored. Where another process writes, there is nothing to store.
        """
        ended = self._indexer.wait_stored(timeout)
        return ended and not any(each.persistence.problem for each in list(self._sync.folders.values()))

    # --- internals ---

    @contextmanager
    def _asked(self) -> Iterator[Searchable]:
        """Yields the searchable state from which a request is answered.

        Has the index's files verified if the request fails unexpectedly.
        """
        try:
            with self._sync.requests.answering():
                # Reading past the end of a file that was cut short would kill the process.
                if not self._sync.searchable.is_untouched():
                    self._indexer.wait_verified(_VERIFY_SECONDS)
                yield self._sync.searchable
        except (EngineError, EmbeddingError, Cancelled):
            raise
        except Exception:
            # Someone may have written into the index's files, which are mapped.
            self._indexer.verify()
            raise

    def _prepare(self, now: Searchable) -> None:
        complete = self._sync.counts().complete
        try:
            prepare(now.snapshot, complete=complete)
            if complete and not self._warm:
                self._warm = True
                self._warm_up(now)
        except Exception:
            # The first request would derive the data instead; a failure here must not prevent the publication.
            log.exception("the index could not be prepared for queries")
            self._indexer.verify()

    def _warm_up(self, now: Searchable) -> None:
        """Runs one search, so that the first request to a complete index takes no longer than the next ones.

        Without it, the first request would be several times slower, because the data that all requests derive from the
        index does not exist yet and the pages of the index's files are not in memory yet.
        """
        walked = sum(view.segment.bytes_walked for view in now.snapshot.views)
        model = next((each for each in now.embedders if isinstance(each, TokenEmbedder)), None)
        if model is None or walked > self._sync.settings.memory_mib << 20:
            return
        query = expand_query(understand(_ANY_QUESTION), now.snapshot.views)
        check = self._between_stages(now, CancelToken())
        vectors = {model.fingerprint: model.embed_query(query.text)}
        ranked = search(now.snapshot, query, vectors=vectors, tokens=model.query_tokens(query.text), check=check)
        hits_of(ranked, self._reader(now, CancelToken()), query)

    def _answer(
        self,
        started: float,
        now: Searchable,
        ranked: Sequence[Ranked | Related],
        token: CancelToken,
        query: Query | None = None,
        degraded: str | None = None,
    ) -> Answer:
        hits = hits_of(ranked, self._reader(now, token), query)
        now.release(self._most_mapped)
        counts = self._sync.counts()
        index = IndexState(counts.complete, counts.indexed_files, counts.total_files, self._sync.problem or degraded)
        return Answer(hits, index, now.snapshot.generation, (time.perf_counter() - started) * 1e3)

    @property
    def _most_mapped(self) -> int:
        """Bytes of the index's files that may stay in memory between two stages of a request, or two requests."""
        # Half of the memory budget, because the next stage may read as much again before its pages are released.
        return (self._sync.settings.memory_mib << 20) // 2

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
            self._sync.settings.max_file_bytes,
            lambda path: self._indexer.hint([path], "answer"),
            self._texts(now),
            token.check,
        )

    def _texts(self, now: Searchable) -> CurrentTexts:
        # The documents are read after ``now`` was, so they are never older than its overlay.
        return CurrentTexts(self._documents, now.overlay, self._sync.settings.max_file_bytes)

    def _health(self) -> tuple[Health, str]:
        if self._sync.problem:
            return "error", self._sync.problem
        for tracked in list(self._sync.folders.values()):
            watching = self._sync.watching_problem(tracked.root)
            problem = tracked.refused or tracked.persistence.problem or watching
            if problem:
                return "warning", f"{Path(tracked.root).name or tracked.root}: {problem}"
        if self._sync.model_problem:
            return "warning", f"{self._sync.model_problem}; the shipped model answers"
        return "ok", ""

    def _key(self, document: str) -> FileKey:
        """Returns the folder and relative path of a document; ``("", document)`` if it is in no folder."""
        for tracked in list(self._sync.folders.values()):
            relative = tracked.relative(document)
            if relative:
                return tracked.root, relative
        return "", document

    def _selected(self, place: Place, document: Document | None) -> str:
        """Returns the text of a place; empty if the place is a mere position or cannot be read."""
        start, end = place.range.start, place.range.end
        if start == end:
            return ""
        if document is not None:
            text = document.text
        else:
            read = read_text(place.document, self._sync.settings.max_file_bytes)
            if isinstance(read, Skipped):
                return ""
            text = read.text
        index = LineIndex(text)
        first = index.offset(start.line, start.column, self._encoding)
        return text[first : index.offset(end.line, end.column, self._encoding)]


def _roots(folders: Sequence[Path]) -> list[str]:
    kept, problems = normalise_roots(folders)
    for problem in problems:
        log.warning("%s", problem)
    return [str(root) for root in kept]


def _load_static() -> Embedder:
    from conexus.embedding.static import StaticEmbedder

    return StaticEmbedder()


def _load_transformer(settings: Settings) -> LoadingEmbedder:
    from conexus.embedding.transformer.embedder import TransformerEmbedder

    return TransformerEmbedder(
        settings.model, memory_mib=settings.model_memory_mib, timeout_seconds=settings.model_timeout_seconds
    )


def _query_vectors(now: Searchable, text: str, check: Callable[[], None]) -> tuple[dict[str, Vectors], str | None]:
    """Returns the query's vector by model fingerprint, and why one is missing (None: all are there).

    ``check`` is called during the wait for a slow model.
    """
    vectors: dict[str, Vectors] = {}
    degraded = None
    for embedder in now.embedders if text.strip() else ():
        try:
            if isinstance(embedder, DeferredEmbedder):
                vectors[embedder.fingerprint] = embedder.embed_query(text, check)
            else:
                vectors[embedder.fingerprint] = embedder.embed_query(text)
        except EmbeddingError as error:
            degraded = str(error)
    return vectors, degraded


def _query_tokens(now: Searchable, text: str) -> QueryTokens | None:
    """Returns the query's tokens for late interaction; None if no model has tokens or the text is blank."""
    models = (embedder for embedder in now.embedders if isinstance(embedder, TokenEmbedder))
    return next((model.query_tokens(text) for model in models if text.strip()), None)


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
