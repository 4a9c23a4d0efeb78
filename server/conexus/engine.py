"""Offers the engine's API, whose values are in values.py. This module knows neither LSP nor JSON."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from conexus.answers.hits import Reader, hits_of
from conexus.answers.live_text import CurrentTexts
from conexus.config import Settings, default_data_directory
from conexus.embedding.embedder import Embedder, LoadingEmbedder
from conexus.embedding.late_interaction import TokenEmbedder
from conexus.indexing.indexer import Indexer
from conexus.indexing.memory_limits import MemoryLimits
from conexus.indexing.session_index import SessionClient
from conexus.prewarm import start_if_needed
from conexus.processes.workers import WorkerProcesses
from conexus.search import pipeline
from conexus.search.pipeline import SearchRequest
from conexus.segments.snapshot import Searchable
from conexus.session import Session
from conexus.text.positions import Encoding
from conexus.values import Event
from conexus.workspace.documents import Documents

#: Query of the warm-up: words that any code has, and one word that no code has.
_ANY_QUESTION = "where the configuration file is parsed and the first tests of errors qxzvkjwy"


class Engine:
    """Keeps the indexes of workspace folders for any number of sessions. Thread-safe.

    Only ``wait``, ``store`` and ``close`` block for long.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        data_directory: Path | None = None,
        processes: WorkerProcesses | None = None,
    ) -> None:
        """``settings`` apply until the first session is opened.

        ``processes`` are the worker processes, as many as the settings request. They may already be starting, and are
        closed with the engine.
        """
        self._settings = settings
        self._closed = False
        self._numbers = count(1)
        self._processes = processes or WorkerProcesses(settings.workers)
        self._data_directory = data_directory or default_data_directory()
        #: Whether ``_warm_up`` was called for a complete index.
        self._warm = False
        self._begun = False
        self._beginning = threading.Lock()
        self.indexer = Indexer(
            settings, self._data_directory, _load_static, _load_transformer, self._processes, self._prepare
        )

    def open_session(
        self,
        settings: Settings | None = None,
        *,
        encoding: Encoding = Encoding.UTF16,
        listener: Callable[[Event], None] | None = None,
    ) -> Session:
        """Begins a session without folders, and returns it.

        ``settings`` are the client's, by default the engine's. What all sessions share follows the settings of the
        session that was opened first, and so does each folder. ``encoding`` is the unit of all columns. ``listener`` is
        called from the engine's own threads.
        """
        client = SessionClient(f"session-{next(self._numbers)}", listener or (lambda event: None))
        mine = settings or self._settings
        self.indexer.open_session(client, mine)
        return Session(self.indexer, client, mine, encoding, self._start)

    def _start(self, folders: Sequence[Path], settings: Settings) -> None:
        with self._beginning:
            if not self._begun and not self._closed:
                self._begun = True
                start_if_needed(self._processes, settings, folders, self._data_directory)
                self.indexer.start()

    def close(self) -> None:
        """Writes pending data and stops threads and processes. Idempotent."""
        with self._beginning:
            closed, self._closed = self._closed, True
        if not closed:
            self.indexer.stop()

    @property
    def quiescent(self) -> bool:
        """Whether all saved and typed text is searchable and each folder was compared with the disk once."""
        return self.indexer.quiescent

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until quiescent. Returns False on time-out, and at once if no session has set its folders yet."""
        return self._begun and self.indexer.wait(timeout)

    def store(self, timeout: float | None = None) -> bool:
        """Blocks until all that is searchable, except unsaved documents, is stored.

        Returns False on time-out or if it cannot be stored. Where another process writes, there is nothing to store.
        """
        return self.indexer.wait_stored(timeout) and self.indexer.state.storing_problem is None

    def _prepare(self, now: Searchable, complete: bool, settings: Settings) -> None:
        pipeline.prepare(now.snapshot, complete=complete)
        if complete and not self._warm:
            self._warm = True
            _warm_up(now, settings)


def _warm_up(now: Searchable, settings: Settings) -> None:
    """Runs one search, so that the first request to a complete index takes no longer than the next ones.

    Without it, the first request would be several times slower, because the data that all requests derive from the
    index does not exist yet and the pages of the index's files are not in memory yet.
    """
    budget = settings.memory_mib << 20
    walked = sum(view.segment.bytes_per_query for view in now.snapshot.views)
    model = next((each for each in now.embedders if isinstance(each, TokenEmbedder)), None)
    if model is None or walked > budget:
        return

    def check() -> None:
        now.keep_within(budget // 2)

    alone = replace(now, embedders=(model,), candidate_sources={})
    ranking = pipeline.run(alone, SearchRequest(_ANY_QUESTION), check)
    texts = CurrentTexts(Documents(), now.overlay, settings.max_file_bytes)
    reader = Reader(now.overlay, Encoding.UTF16, settings.max_file_bytes, lambda path: None, texts)
    hits_of(ranking.rows, reader, ranking.query)


def _load_static() -> Embedder:
    from conexus.embedding.static import StaticEmbedder

    return StaticEmbedder()


def _load_transformer(settings: Settings) -> LoadingEmbedder:
    from conexus.embedding.transformer.embedder import TransformerEmbedder

    return TransformerEmbedder(
        settings.model, memory_mib=MemoryLimits.of(settings).model_mib, timeout_seconds=settings.model_timeout_seconds
    )
