"""Builds indexes with a model that is slow to load and to embed with, while another model answers.

In the embed thread it builds each folder's new index beside the index that is searched. After the new index has taken
over, it fills in the vectors of what changes: such chunks are found by words at once, and by meaning a little later. A
text is not embedded if the vector cache has its vector.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conexus.config import STATIC, Settings
from conexus.embedding.embedder import Embedder, EmbeddingError, LoadingEmbedder
from conexus.embedding.recipe import document_text
from conexus.embedding.transformer.deferred import DeferredEmbedder
from conexus.embedding.transformer.vector_cache import RememberedEmbedder, VectorCache
from conexus.indexing.commands import FolderBuilt, ModelReady, Post, VectorsMade, WantedVectors
from conexus.indexing.event_loop import Action
from conexus.indexing.session_index import SessionIndex
from conexus.indexing.worker_tasks import FATAL, Job, read_and_analyse
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.owned import hand_over
from conexus.segments.analysis import IndexedFile
from conexus.segments.segment import MemorySegment
from conexus.workspace.inside import Inside
from conexus.workspace.read import Skipped
from conexus.workspace.scan import scan

log = logging.getLogger(__name__)

#: Seconds between a failure and the next try. By then the model has restarted by itself.
_RETRY_SECONDS = 5.0
#: Most files whose texts are embedded together: texts of similar length make full batches.
_FILES_AT_ONCE = 24
#: Number of new vectors after which the cache is checked for vectors to delete (``VectorCache.collect``).
_COLLECT_EVERY = 1000


class ModelSwitch:
    """Replaces the shipped model by the model that the user chose, folder by folder. The indexer thread owns it."""

    def __init__(
        self,
        load: Callable[[Settings], LoadingEmbedder],
        post: Post,
        make: Callable[[str, Embedder], WorkspaceFolder],
        filled: Callable[[WantedVectors], None],
        data_directory: Path,
    ) -> None:
        """``make`` returns a folder with an empty index. ``filled`` gets each file whose vectors are in the index."""
        self._cache_directory = data_directory / "vectors"
        self._load, self._post, self._make, self._filled = load, post, make, filled
        self._model: ChosenModel | None = None
        self._runs = 0
        #: Whether the indexer thread knows that the model is ready. Until then the command that says so is still to
        #: come, and builds all folders.
        self._is_ready = False

    @property
    def embedder(self) -> DeferredEmbedder | None:
        """The chosen model; None until it is ready."""
        return self._model.embedder if self._model is not None else None

    @property
    def pending(self) -> int:
        """Number of files whose vectors are not filled in yet."""
        return self._model.pending if self._model is not None else 0

    @property
    def embedded(self) -> int:
        """Number of chunks that the chosen model embedded."""
        return self._model.embedded if self._model is not None else 0

    @property
    def problem(self) -> str | None:
        """Why the chosen model does not answer, in words for the user."""
        return self._model.problem if self._model is not None else None

    def choose(self, settings: Settings) -> None:
        """Loads the model that the settings name, and drops the model chosen before. Posts ``ModelReady``."""
        self.close()
        if settings.model != STATIC:
            self._runs += 1
            self._is_ready = False
            self._model = ChosenModel(self._runs, lambda: self._load(settings), self._post, self._cache_directory)
            self._model.start()

    def is_current(self, run: int) -> bool:
        """Returns whether a chosen model is still the one that the user wants."""
        return self._model is not None and self._model.run == run

    def build_all(self, ready: ModelReady, roots: Iterable[str]) -> None:
        """Builds the indexes of folders, because the model that the user chose can embed from now on."""
        if self.is_current(ready.run):
            self._is_ready = True
            for root in roots:
                self.build(root)

    def build(self, root: str) -> None:
        """Builds a folder's index with the chosen model, if that is ready. Posts ``FolderBuilt``."""
        if self._is_ready and self._model is not None and self._model.embedder is not None:
            self._model.build(self._make(root, self._model.embedder.embedder))

    def fill(self, wanted: WantedVectors) -> None:
        """Has the missing vectors of a refreshed file made, if the chosen model embeds its folder."""
        if self._model is not None and isinstance(wanted.folder.embedder, DeferredEmbedder):
            self._model.fill(wanted)

    def take(self, made: VectorsMade) -> None:
        """Puts vectors that the chosen model made into the indexes."""
        if self._model is not None and self._model.run == made.run:
            for wanted in self._model.take(made.filled):
                self._filled(wanted)

    def is_wanted(self, built: FolderBuilt) -> bool:
        """Returns whether a folder that was built is still wanted: by this model, and since the build began."""
        return self._model is not None and self._model.run == built.run and self._model.builds(built.folder)

    def forget(self, root: str) -> None:
        """Drops all work on a folder, which was closed."""
        if self._model is not None:
            self._model.forget(root)

    def forget_session(self, session: SessionIndex) -> None:
        """Drops the work on a session's documents, because the session was closed."""
        if self._model is not None:
            self._model.forget_session(session)

    def close(self) -> None:
        """Closes and drops the chosen model."""
        if self._model is not None:
            self._model.close()
            self._model = None


class _Closed(Exception):
    """The model was closed during a piece of work."""


class ChosenModel:
    """Loads a slow model and embeds with it in the embed thread. Its methods return at once and post what was done."""

    def __init__(self, run: int, load: Callable[[], LoadingEmbedder], post: Post, cache_directory: Path) -> None:
        """``load`` starts loading the model. It raises EmbeddingError if the model is not available.

        ``run`` is in all that this posts.
        """
        self.run = run
        self._load, self._post, self._cache_directory = load, post, cache_directory
        self._loading: LoadingEmbedder | None = None
        self._closing = threading.Event()
        self._thread = ThreadPoolExecutor(1, "conexus-embed")
        #: Guards ``_filling`` and ``_waiting``.
        self._guard = threading.Lock()
        #: Files whose vectors are to be filled in, the latest last; and of these, the files that were not embedded yet.
        self._filling: dict[tuple[int, str], WantedVectors] = {}
        self._waiting: dict[tuple[int, str], WantedVectors] = {}
        self._remembered: RememberedEmbedder | None = None
        self._cache: VectorCache | None = None
        self._collected_at = -_COLLECT_EVERY
        #: Number of chunks of each folder, by root.
        self._live: dict[str, int] = {}
        #: Folders whose indexes are being built or wait for that, by root. The indexer thread alone changes it.
        self._building: dict[str, WorkspaceFolder] = {}
        self.embedder: DeferredEmbedder | None = None
        #: Why the model cannot be used, in words for the user.
        self.problem: str | None = None

    @property
    def pending(self) -> int:
        """Number of files whose vectors are not filled in yet."""
        return len(self._filling)

    @property
    def embedded(self) -> int:
        """Number of texts that the model embedded."""
        return self._remembered.embedded if self._remembered is not None else 0

    def start(self) -> None:
        """Loads the model."""

        def work() -> None:
            # Kept before the model is ready, so that ``close`` can end a load that takes minutes.
            model = self._loading = self._loading or self._load()
            if self._closing.is_set():
                model.close()
                raise _Closed
            model.wait_ready()
            self._cache = VectorCache(self._cache_directory, model.fingerprint, model.dimensions)
            self._remembered = RememberedEmbedder(model, self._cache)
            self.embedder = DeferredEmbedder(self._remembered, self._remembered.known)
            if self.closed:
                self.embedder.close()
            self._post(ModelReady(self.run))

        self._submit(work)

    # --- a folder's index ---

    def build(self, folder: WorkspaceFolder) -> None:
        """Builds a folder's index from the disk, and hands it over. Until then no other thread may touch ``folder``.

        Closes ``folder`` instead if the model is closed or fails for good.
        """

        def work() -> None:
            self._check(folder)
            loaded = folder.write_behind.open().result()
            folder.load(loaded)
            folder.stale |= _without_vectors(each.segment for each in loaded)
            found = scan(folder.root, folder.rules, folder.settings, stop=lambda: self.closed)
            folder.refused = found.refused
            if found.refused is None:
                changed, gone = folder.differences(found)
                folder.remove(gone)
                for start in range(0, len(changed), _FILES_AT_ONCE):
                    self._check(folder)
                    self._read(folder, changed[start : start + _FILES_AT_ONCE])
                    self._check(folder)
                    # Segment files alone: the tables are written once, when the index is installed.
                    folder.store_if_due(hold=True, idle=False)
            self._check(folder)
            self._live[folder.root] = folder.index.chunks
            self._collect()
            hand_over(folder, folder.index, folder.write_behind)
            self._post(FolderBuilt(self.run, folder))

        self._building[folder.root] = folder
        hand_over(folder, folder.index, folder.write_behind)
        self._submit(work, folder.close)

    def _check(self, folder: WorkspaceFolder) -> None:
        """Raises _Closed if the model was closed or the folder is not wanted any more."""
        if self.closed or not self.builds(folder):
            raise _Closed

    def builds(self, folder: WorkspaceFolder) -> bool:
        """Returns whether a folder that was built, or is being built, is still wanted."""
        return self._building.get(folder.root) is folder

    def forget(self, root: str) -> None:
        """Drops all work on a folder, which was closed."""
        self._building.pop(root, None)
        self._live.pop(root, None)
        self._drop(lambda wanted: wanted.folder.root == root)

    def forget_session(self, session: SessionIndex) -> None:
        """Drops the work on a session's documents, because the session was closed."""
        self._drop(lambda wanted: wanted.session is session)

    def _drop(self, condition: Callable[[WantedVectors], bool]) -> None:
        with self._guard:
            for kept in (self._filling, self._waiting):
                for key in [key for key, wanted in kept.items() if condition(wanted)]:
                    del kept[key]

    def _read(self, folder: WorkspaceFolder, paths: Sequence[str]) -> None:
        embedder = self.embedder
        assert embedder is not None  # noqa: S101  nothing is built before the model is ready
        with Inside(folder.root) as inside:
            outcomes = {
                path: read_and_analyse(Job(inside, path), folder.bounds, embedder, folder.index.vectors(path))
                if path not in folder.left_out.quarantined
                else Skipped(FATAL)
                for path in paths
            }
        files = [outcome for outcome in outcomes.values() if isinstance(outcome, IndexedFile)]
        outcomes.update((file.facts.path, file) for file in self._completed(files))
        folder.add_files(outcomes.items())

    # --- what changes ---

    def fill(self, wanted: WantedVectors) -> None:
        """Has the missing vectors of a file made; none if the file has them all."""
        is_missing = bool(_missing(wanted.file).size)
        with self._guard:
            # Vectors that a former state of the file lacks are not needed any more.
            self._filling.pop(wanted.key, None)
            self._waiting.pop(wanted.key, None)
            if is_missing:
                self._filling[wanted.key] = self._waiting[wanted.key] = wanted
        if is_missing:
            self._submit(self._fill_waiting)

    def _fill_waiting(self) -> None:
        while not self.closed:
            with self._guard:
                # The latest first, so that a file that is being edited does not wait for a whole branch.
                some = tuple(islice(reversed(self._waiting.values()), _FILES_AT_ONCE))
            if not some:
                self._collect(every=_COLLECT_EVERY)
                return
            try:
                files = self._completed([wanted.file for wanted in some])
            except EmbeddingError:
                raise  # the same files are tried again
            except Exception:
                with self._guard:
                    _forget(self._waiting, some)
                    _forget(self._filling, some)
                self._submit(self._fill_waiting)
                raise
            with self._guard:
                _forget(self._waiting, some)
            self._post(VectorsMade(self.run, tuple(zip(some, files, strict=True))))

    def take(self, filled: Sequence[tuple[WantedVectors, IndexedFile]]) -> list[WantedVectors]:
        """Puts new vectors into the indexes, for files that have not changed since. Returns what wanted them."""
        taken: list[WantedVectors] = []
        moved: dict[WorkspaceFolder, list[IndexedFile]] = {}
        for wanted, file in filled:
            if self._filling.get(wanted.key) is not wanted:
                continue  # the file has changed since
            if wanted.index.fill(wanted.file, file):
                taken.append(wanted)
            elif wanted.index is wanted.folder.index and wanted.index.facts(wanted.path) == file.facts:
                # The file was moved from the overlay into the base.
                moved.setdefault(wanted.folder, []).append(file)
                taken.append(wanted)
        for folder, files in moved.items():
            folder.add_files((file.facts.path, file) for file in files)
        with self._guard:
            _forget(self._filling, [wanted for wanted, _ in filled])
        self._live.update({wanted.folder.root: wanted.folder.index.chunks for wanted, _ in filled})
        return taken

    def _completed(self, files: Sequence[IndexedFile]) -> list[IndexedFile]:
        """Returns the files with all their vectors, in the same order. Raises EmbeddingError if the model fails."""
        remembered = self._remembered
        assert remembered is not None  # noqa: S101  as above
        missing = [_missing(file) for file in files]
        texts = [
            document_text(file.facts.path, file.chunks[row])
            for file, rows in zip(files, missing, strict=True)
            for row in rows.tolist()
        ]
        made = remembered.embed_documents(texts) if texts else np.zeros((0, remembered.dimensions), np.float32)
        completed, start = [], 0
        for file, rows in zip(files, missing, strict=True):
            if rows.size:
                vectors = file.vectors.copy()
                vectors[rows] = made[start : start + rows.size]
                start += rows.size
                file = file.with_vectors(vectors)  # noqa: PLW2901
            completed.append(file)
        return completed

    def _collect(self, every: int = 1) -> None:
        if self._cache is not None and self.embedded - self._collected_at >= every:
            self._collected_at = self.embedded
            self._cache.collect(dict(self._live))

    # --- life ---

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    def close(self) -> None:
        """Closes the model. The embed thread stops after the batch under way; this does not wait for it."""
        self._closing.set()
        if self.embedder is not None:
            self.embedder.close()
        elif self._loading is not None:
            self._loading.close()
        # Last, in the embed thread: the cache may be writing there, and nobody else should wait for that.
        self._thread.submit(self._close_cache)
        self._thread.shutdown(wait=False)

    def _close_cache(self) -> None:
        if self._cache is not None:
            self._cache.close()

    def _submit(self, work: Action, dropped: Action = lambda: None) -> None:
        """Has the embed thread do a piece of work. ``dropped`` is called there if the work ends before it is done.

        That is also the case if the model is closed while the work waits. If the model is closed already, ``dropped``
        is called at once.
        """

        def guarded() -> None:
            if not self._done(work):
                dropped()

        if self.closed:
            dropped()
        else:
            self._thread.submit(guarded)

    def _done(self, work: Action) -> bool:
        """Does a piece of work, and repeats it while the model restarts. Returns whether it was done to its end."""
        while not self.closed:
            try:
                work()
            except _Closed:
                return False
            except EmbeddingError as error:
                log.warning("%s", error)
                self.problem = str(error)
                if self._loading is None or self._loading.given_up:
                    with self._guard:
                        self._filling.clear()
                        self._waiting.clear()
                    return False
                self._closing.wait(_RETRY_SECONDS)
            except Exception:
                log.exception("the model failed")
                self.problem = "the model failed, see the log"
                return False
            else:
                self.problem = None
                return True
        return False


def _missing(file: IndexedFile) -> NDArray[np.intp]:
    """Returns the rows without a vector."""
    return np.flatnonzero(~file.vectors.any(axis=1))


def _without_vectors(segments: Iterable[MemorySegment]) -> set[str]:
    """Returns the paths of files with rows that were stored before they had a vector."""
    return {
        segment.files[segment.file_of[row]].path
        for segment in segments
        for row in np.flatnonzero(~segment.vectors.any(axis=1)).tolist()
    }


def _forget(kept: dict[tuple[int, str], WantedVectors], done: Iterable[WantedVectors]) -> None:
    for wanted in done:
        if kept.get(wanted.key) is wanted:
            del kept[wanted.key]
