"""The façade: an API for the ideal client. Its values are in values.py; nothing here knows LSP or JSON."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conexus.config import Settings, default_data_directory
from conexus.current import CurrentTexts
from conexus.embedding.deferred import DeferredEmbedder
from conexus.embedding.embedder import Embedder, EmbeddingError, LoadingEmbedder, TokenEmbedder, Vectors
from conexus.embedding.late import QueryTokens
from conexus.hits import Reader, hits_of
from conexus.index.ahead import start_if_needed
from conexus.index.indexer import Indexer
from conexus.index.publisher import Searchable
from conexus.index.sync import Sync
from conexus.index.worker_processes import WorkerProcesses
from conexus.related.place import RelatedPlace
from conexus.related.relations import Related, related
from conexus.search.candidates import retrieve_candidates
from conexus.search.query import Query, understand
from conexus.search.query_expansion import expand_query
from conexus.search.search import FileKey, Ranked, prepare, search
from conexus.search.symbols import symbols
from conexus.text import Encoding, LineIndex
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

#: A question waits so long until the index's files were looked at, if somebody wrote into them.
_VERIFY_SECONDS = 30.0

#: With words that any code has, and one that none has.
_ANY_QUESTION = "where the configuration file is parsed and the first tests of errors qxzvkjwy"


class Engine:
    """Thread-safe. Nothing here blocks for long except ``search``, ``related``, ``symbols``, ``wait`` and ``close``."""

    def __init__(
        self,
        settings: Settings,
        *,
        encoding: Encoding = Encoding.UTF16,
        listener: Callable[[Event], None] | None = None,
        data_directory: Path | None = None,
        processes: WorkerProcesses | None = None,
    ) -> None:
        """``encoding``: the unit of all columns. ``listener`` is called from the engine's own threads.

        ``processes``: as many as the settings want, which may have begun to start; closed with the engine.
        """
        self._encoding = encoding
        self._notify = listener or (lambda event: None)
        self._closed = False
        #: Whether the complete index was asked something.
        self._warm = False
        #: The documents as we were told last. The indexer's own come after, one edit after the other.
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

    # --- life ---

    def start(self, folders: Sequence[Path]) -> None:
        """Begin indexing in the background. Returns at once."""
        start_if_needed(self._processes, self._sync.settings, folders, self._data_directory)
        self._indexer.start(_roots(folders))

    def set_folders(self, folders: Sequence[Path]) -> None:
        """These are the workspace's folders from now on."""
        self._indexer.set_folders(_roots(folders))

    def configure(self, settings: Settings) -> None:
        """Take over settings; what they change is done in the background."""
        self._indexer.configure(settings)

    def close(self) -> None:
        """Write what waits to be written, stop threads and processes. Idempotent."""
        if not self._closed:
            self._closed = True
            self._indexer.stop()

    # --- the world changes ---

    def open_document(self, document: str, text: str, version: int | None, language: str) -> None:
        """``document``: absolute path, or URI for a buffer without a file. ``language``: the client's languageId."""
        opened = Document(document, text, version, language)
        with self._documents_lock:
            self._documents = self._documents.put(opened)
        self._indexer.open_document(opened)

    def change_document(self, document: str, text: str, version: int | None) -> None:
        """The whole new text of an open buffer; unknown buffers are ignored."""
        with self._documents_lock:
            former = self._documents.get(document)
            if former is None:
                return
            self._documents = self._documents.put(Document(document, text, version, former.language))
        self._indexer.change_document(document, text, version)

    def close_document(self, document: str) -> None:
        """The disk is the truth again."""
        with self._documents_lock:
            self._documents = self._documents.close(document)
        self._indexer.close_document(document)

    def hint(self, paths: Iterable[str | Path]) -> None:
        """These paths, or something below them, may have changed."""
        self._indexer.hint([str(path) for path in paths], "client")

    # --- questions ---

    def search(
        self,
        query: str,
        *,
        limit: int = 20,
        filters: Filters | None = None,
        near: Place | None = None,
        cancel: CancelToken | None = None,
    ) -> Answer:
        """The best chunks for a query. ``BadQuery`` if it cannot be understood, ``Cancelled`` if asked to stop."""
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
        """Definitions, exact names first, then by meaning."""
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
        """Code that has to do with a place. ``BadQuery`` if the place is in no folder and no open buffer."""
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
        """Everything a user may want to know of the index, as it is at this moment."""
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
        """Read these again from scratch (all folders if none is named). Returns when accepted."""
        self._indexer.reindex(folders, paths)

    def pause(self) -> None:
        """Stop indexing files; open buffers stay live."""
        self._indexer.set_paused(True)

    def resume(self) -> None:
        self._indexer.set_paused(False)

    def clear(self) -> None:
        """Forget the persisted index of all folders and build it anew."""
        self._indexer.clear()

    @property
    def quiescent(self) -> bool:
        """Whether all that was saved and typed is searchable, and each folder was looked at."""
        return self._indexer.quiescent

    def wait(self, timeout: float | None = None) -> bool:
        """Block until quiescent; False on time-out."""
        return self._indexer.wait(timeout)

    def store(self, timeout: float | None = None) -> bool:
        """Block until all that is searchable, but for unsaved buffers, is stored; False on time-out or if it cannot be.

        Nothing is to be done where another process writes.
        """
        ended = self._indexer.wait_stored(timeout)
        return ended and not any(each.persistence.problem for each in list(self._sync.folders.values()))

    # --- inside ---

    @contextmanager
    def _asked(self) -> Iterator[Searchable]:
        """What a question is answered from."""
        try:
            with self._sync.requests.answering():
                # Behind the end of a file that was cut short the process would be killed.
                if not self._sync.searchable.is_untouched():
                    self._indexer.wait_verified(_VERIFY_SECONDS)
                yield self._sync.searchable
        except (EngineError, EmbeddingError, Cancelled):
            raise
        except Exception:
            # Perhaps someone wrote into the index's files, which are mapped.
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
            # It would be derived by the first question; it must not keep what is indexed from being seen.
            log.exception("what questions need of the index could not be prepared")
            self._indexer.verify()

    def _warm_up(self, now: Searchable) -> None:
        """Ask anything, so that the first question to a complete index takes no longer than the next ones.

        It would be several times slower: what all questions derive from the index is not there yet, and neither are
        the pages of its files.
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
        """Bytes of the index's files that stay in memory between two stages of a question, or two questions."""
        # Half of what may be looked at: what comes next looks at as much again before it is let go.
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
        # Taken after what is searchable, so never older than it.
        return CurrentTexts(self._documents, now.overlay, self._sync.settings.max_file_bytes)

    def _health(self) -> tuple[Health, str]:
        if self._sync.problem:
            return "error", self._sync.problem
        for tracked in list(self._sync.folders.values()):
            watching = self._sync.watching_problem(tracked.root)
            problem = tracked.refused or tracked.persistence.problem or watching
            if problem:
                return "warning", f"{Path(tracked.root).name}: {problem}"
        if self._sync.model_problem:
            return "warning", f"{self._sync.model_problem}; the shipped model answers"
        return "ok", ""

    def _key(self, document: str) -> FileKey:
        """The folder and relative path of a document; no folder and the document itself where there is none."""
        for tracked in list(self._sync.folders.values()):
            relative = tracked.relative(document)
            if relative:
                return tracked.root, relative
        return "", document

    def _selected(self, place: Place, document: Document | None) -> str:
        """The text of a place; empty if it is a mere position or cannot be read."""
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
    from conexus.embedding.transformer import TransformerEmbedder

    return TransformerEmbedder(
        settings.model, memory_mib=settings.model_memory_mib, timeout_seconds=settings.model_timeout_seconds
    )


def _query_vectors(now: Searchable, text: str, check: Callable[[], None]) -> tuple[dict[str, Vectors], str | None]:
    """The query's vector by model, and why one is missing. ``check`` is called while a slow model is waited for."""
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
    """The query's tokens for late interaction, if a model that has them is there."""
    models = (embedder for embedder in now.embedders if isinstance(embedder, TokenEmbedder))
    return next((model.query_tokens(text) for model in models if text.strip()), None)


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
