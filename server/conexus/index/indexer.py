"""Keeps the searchable snapshot equal to the workspace: one thread that turns hints into new snapshots.

Everything that may change the index goes through this thread's inbox, so there is one order of events and no lock
around the index itself. Readers take ``searchable`` and never wait.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.chunking import CHUNKER_VERSION, canonical_language, language_of
from conexus.config import Settings
from conexus.embedding.deferred import DeferredEmbedder
from conexus.index.analysis import FileFacts, IndexedFile, analyse
from conexus.index.bulk import Bulk, Key
from conexus.index.folder import FolderIndex, Fresh
from conexus.index.loop import Loop
from conexus.index.persistence import Loaded, Persistence, index_directory
from conexus.index.pool import Outcome
from conexus.index.slow_model import SlowModel
from conexus.index.snapshot import Snapshot, View
from conexus.index.store import StoredFile
from conexus.index.terms import TERMS_VERSION
from conexus.index.tracked import TrackedFolder
from conexus.workspace.documents import Document
from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.scan import Scan, scan
from conexus.workspace.watch import Watcher

if TYPE_CHECKING:
    from conexus.embedding.embedder import Embedder

log = logging.getLogger(__name__)

#: A hint waits until there was none for this long, so that a burst is handled once,
QUIET_SECONDS = 0.06
#: but no longer than this, so that steady typing becomes searchable too.
PATIENCE_SECONDS = 0.2
#: More waiting files than this are work for the worker processes.
INLINE_FILES = 40
#: So long the thread indexes waiting files before it looks at its inbox again.
INLINE_SECONDS = 0.05
#: A first index publishes what it has this often.
PUBLISH_SECONDS = 0.25
_SCAN_SOON, _SCAN_SELDOM = 4.0, 60.0
#: A scan may take one part in so many of the time.
_SCAN_SHARE = 50
_MAINTENANCE_IDLE_SECONDS = 20.0
_WORKERS_IDLE_SECONDS = 10.0


def index_version(fingerprint: str) -> str:
    """Names all that decides what a file's rows are; the model's fingerprint comes last, after a ``|``."""
    return f"chunker {CHUNKER_VERSION}, terms {TERMS_VERSION}|{fingerprint}"


@dataclass(frozen=True, slots=True)
class Searchable:
    """What readers work on: a snapshot, the overlay's texts, and the model that embeds queries for it."""

    snapshot: Snapshot
    #: The models whose vectors the snapshot holds; the one that the user chose comes last.
    embedders: tuple[Embedder, ...] = ()
    #: Files of the overlay by folder and path: their text is not (or no longer) what the base holds.
    overlay: Mapping[Key, Fresh] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counts:
    """How far the indexer is, at one moment."""

    phase: str
    pending: int
    indexed_files: int
    total_files: int
    complete: bool


class Indexer:
    """Public methods may be called from any thread and return at once, except ``wait`` and ``stop``."""

    def __init__(
        self,
        settings: Settings,
        data_directory: Path,
        load_embedder: Callable[[], Embedder],
        load_slow: Callable[[Settings], Embedder],
        *,
        on_publish: Callable[[int, tuple[str, ...]], None],
        on_progress: Callable[[int, int], None],
        on_status: Callable[[], None],
    ) -> None:
        """``load_embedder`` gives the shipped model, ``load_slow`` the one that ``settings.model`` names.

        The callbacks come from the indexer's thread: generation and folders; files done and in all; nothing.
        """
        self.settings = settings
        self.searchable = Searchable(Snapshot(0))
        self.folders: dict[str, TrackedFolder] = {}
        #: Open buffers by their identity; changed by the indexer's thread alone.
        self.documents: dict[str, Document] = {}
        #: Why nothing can be indexed, in words for the user.
        self.problem: str | None = None
        self.paused = False
        self._data_directory = data_directory
        self._load_embedder, self._load_slow = load_embedder, load_slow
        self._on_publish, self._on_progress, self._on_status = on_publish, on_progress, on_status
        self._embedder: Embedder | None = None
        self._loop = Loop(
            "conexus-indexer",
            start=self._load_model,
            step=self._step,
            patience=self._patience,
            has_news=lambda: self._bulk.has_results,
            idle=self._report,
        )
        self._store_thread = ThreadPoolExecutor(1, "conexus-store")
        self._bulk = Bulk(settings.workers, self._loop.wake)
        self._hinted: dict[Key, None] = {}
        self._first_hint = self._last_hint = self._active_at = 0.0
        self._slow: SlowModel | None = None
        self._loading = 0
        self._views: dict[str, tuple[View, ...]] = {}
        self._dirty_folders: set[str] = set()
        self._published_at = 0.0
        self._loose = FolderIndex("", "", 0)
        self._unsaved: set[str] = set()
        self._reported: tuple[object, ...] = ()

    # --- from any thread ---

    def start(self, folders: Sequence[str]) -> None:
        """Begin; ``folders`` are absolute real paths, none below another."""
        self.set_folders(folders)
        self._loop.begin()

    def stop(self) -> None:
        """End the thread after its current step, write what waits and stop all helpers."""
        self._loop.stop()
        self._bulk.close()
        if self._slow is not None:
            self._slow.close()
        for tracked in self.folders.values():
            if tracked.watcher is not None:
                tracked.watcher.stop()
            tracked.persistence.close()
        self._store_thread.shutdown()
        if self._embedder is not None:
            self._embedder.close()

    def set_folders(self, folders: Sequence[str]) -> None:
        self._loop.post(lambda: self._set_folders(folders))

    def configure(self, settings: Settings) -> None:
        self._loop.post(lambda: self._configure(settings))

    def hint(self, paths: Iterable[str]) -> None:
        """These absolute paths, or something below them, may have changed."""
        kept = tuple(paths)
        self._loop.post(lambda: self._hint(kept))

    def open_document(self, document: Document) -> None:
        """A buffer was opened; its text is the truth from now on."""

        def command() -> None:
            self.documents[document.id] = document
            self._hint([document.id])

        self._loop.post(command)

    def change_document(self, identity: str, text: str, version: int | None) -> None:
        """The whole new text of an open buffer; unknown buffers are ignored."""

        def command() -> None:
            document = self.documents.get(identity)
            if document is not None:
                self.documents[identity] = replace(document, text=text, version=version)
                self._hint([identity])

        self._loop.post(command)

    def close_document(self, identity: str) -> None:
        """The disk is the truth again."""

        def command() -> None:
            self.documents.pop(identity, None)
            self._hint([identity])

        self._loop.post(command)

    def rescan(self, folder: str) -> None:
        """Compare a folder with the disk soon."""

        def command() -> None:
            if folder in self.folders:
                self.folders[folder].scan_due = 0.0

        self._loop.post(command)

    def reindex(self, folders: Sequence[str], paths: Sequence[str]) -> None:
        """Make these folders' (all, if none is named) or only these paths' rows anew."""
        self._loop.post(lambda: self._reindex(folders, paths))

    def set_paused(self, paused: bool) -> None:
        """While paused, files are left alone; open buffers stay live."""

        def command() -> None:
            self.paused = paused
            if paused:
                self._bulk.interrupt()

        self._loop.post(command)

    def clear(self) -> None:
        """Forget the stored rows and build everything anew."""

        def command() -> None:
            for tracked in self.folders.values():
                tracked.persistence.clear()
            self._reindex((), ())

        self._loop.post(command)

    @property
    def dirty_buffers(self) -> int:
        """Open buffers whose text is not what is on disk."""
        return len(self._unsaved)

    @property
    def quiescent(self) -> bool:
        """Whether every hint given so far is searchable and each folder was compared with the disk once."""
        return self._loop.holds(self._is_quiescent)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until quiescent; False on time-out or when stopped before."""
        return self._loop.wait(self._is_quiescent, timeout)

    def counts(self) -> Counts:
        """How far the indexer is."""
        folders = list(self.folders.values())
        indexed = sum(tracked.index.files for tracked in folders) + self._loose.files
        total = sum(max(tracked.total_files, tracked.index.files) for tracked in folders) + self._loose.files
        complete = all(tracked.settled for tracked in folders) and self._bulk.idle and self._embedder is not None
        pending = len(self._hinted) + self._bulk.pending + (self._slow.pending if self._slow is not None else 0)
        return Counts(self._phase(), pending, indexed, total, complete)

    @property
    def model_problem(self) -> str | None:
        """Why the model that the user chose does not answer, in words for the user."""
        return self._slow.problem if self._slow is not None else None

    # --- the thread ---

    def _is_quiescent(self) -> bool:
        if self._loop.busy or self._hinted or self._dirty_folders or self._embedder is None:
            return False
        settled = self._bulk.idle and not self._loading and all(each.settled for each in self.folders.values())
        return self.paused or (settled and not (self._slow is not None and self._slow.pending))

    def _phase(self) -> str:
        if self._embedder is None:
            return "starting"
        if self.paused:
            return "paused"
        if self._loading:
            return "loading"
        settled = self._bulk.idle and all(tracked.settled for tracked in self.folders.values())
        return "idle" if settled else "indexing"

    def _load_model(self) -> bool:
        try:
            self._embedder = self._load_embedder()
        except Exception as error:
            log.exception("the model cannot be loaded")
            self.problem = str(error)
            self._on_status()
            return False
        self._loose = FolderIndex("", self._embedder.fingerprint, self._embedder.dimensions)
        self._bring_in_model()
        return True

    def _patience(self) -> float:
        """Seconds until something is due that no one announces."""
        now = time.monotonic()
        due = [now + 2.0]
        if self._hinted:
            due.append(self._hints_due())
        if self._dirty_folders:
            due.append(self._published_at + PUBLISH_SECONDS)
        if not self.paused:
            if self._bulk.waiting if self._few() else self._bulk.can_submit:
                due.append(now)
            due += [tracked.scan_due for tracked in self.folders.values() if tracked.loaded]
        return max(0.0, min(due) - now)

    def _hints_due(self) -> float:
        return min(self._last_hint + QUIET_SECONDS, self._first_hint + PATIENCE_SECONDS)

    def _step(self) -> None:
        now = time.monotonic()
        if self._hinted and now >= self._hints_due():
            hinted, self._hinted = self._hinted, {}
            for root, path in hinted:
                self._refresh(root, path)
            self._publish()
        for root, outcomes in self._bulk.results():
            self._add(root, outcomes)
        if not self.paused:
            for tracked in self.folders.values():
                if tracked.loaded and tracked.scan_due <= now:
                    self._scan(tracked)
            self._work_off()
        if self._bulk.idle:
            self._end_of_bulk()
        if self._dirty_folders and now >= self._published_at + PUBLISH_SECONDS:
            self._publish()
        for tracked in self.folders.values():
            self._look_after(tracked, now)

    def _end_of_bulk(self) -> None:
        for tracked in self.folders.values():
            if tracked.loaded and not tracked.settled and tracked.scan_due > 0:
                tracked.index.finish()
                tracked.stale.clear()
                tracked.complete = True
                self._dirty_folders.add(tracked.root)
        if self._bulk.done:
            self._on_progress(self._bulk.done, self._bulk.done)
            self._bulk.done = 0
        if self._dirty_folders:
            self._publish()

    def _look_after(self, tracked: TrackedFolder, now: float) -> None:
        tracked.persistence.flush_if_due()
        idle = now - self._active_at
        if idle > _WORKERS_IDLE_SECONDS:
            self._bulk.close()
        if idle > _MAINTENANCE_IDLE_SECONDS:
            tracked.persistence.maintain_if_due()
        taken = tracked.persistence.take_over() if tracked.loaded else None
        if taken is not None:
            taken.add_done_callback(lambda future: self._loop.post(lambda: self._taken_over(tracked, future.result())))

    def _report(self) -> None:
        problems = tuple((tracked.refused, tracked.persistence.problem) for tracked in self.folders.values())
        state = (self._phase(), self._is_quiescent(), self.problem, problems)
        if state != self._reported:
            self._reported = state
            self._on_status()

    # --- folders ---

    def _set_folders(self, roots: Sequence[str]) -> None:
        for root in [root for root in self.folders if root not in roots]:
            tracked = self.folders.pop(root)
            if tracked.watcher is not None:
                tracked.watcher.stop()
            tracked.persistence.close()
            self._bulk.forget(root)
            self._hinted = {key: None for key in self._hinted if key[0] != root}
            self._views.pop(root, None)
            self._dirty_folders.add(root)
        for root in roots:
            if root not in self.folders:
                self._track(root)
        self._hint(self.documents)

    def _track(self, root: str) -> None:
        tracked = self._tracked(root, self._model())
        self.folders[root] = tracked
        if tracked.persistence.exists:
            self._loading += 1
            opened: Future[Loaded] = tracked.persistence.open()
            opened.add_done_callback(lambda future: self._loop.post(lambda: self._opened(tracked, future.result())))
        else:
            # There is nothing to load, so indexing need not wait for the import of lancedb.
            tracked.persistence.open()
            self._ready(tracked)
        self._build_with_slow_model(root)

    def _tracked(self, root: str, embedder: Embedder) -> TrackedFolder:
        persistence = Persistence(
            index_directory(self._data_directory, os.path.realpath(root), embedder.name),
            root,
            index_version(embedder.fingerprint),
            embedder.dimensions,
            self._store_thread,
        )
        index = FolderIndex(root, embedder.fingerprint, embedder.dimensions)
        return TrackedFolder(root, self.settings, embedder, index, self._rules(root), persistence)

    # --- another model ---

    def _bring_in_model(self) -> None:
        """Load the model that the settings name, if it is not the shipped one, which answers until then."""
        if self.settings.model == self._model().name:
            return
        settings = self.settings
        slow = self._slow = SlowModel(lambda: self._load_slow(settings))
        slow.start(lambda _: self._loop.post(self._build_all))

    def _build_all(self) -> None:
        for root in self.folders:
            self._build_with_slow_model(root)

    def _build_with_slow_model(self, root: str) -> None:
        slow = self._slow
        if slow is None or slow.embedder is None:
            return
        successor = self._tracked(root, slow.embedder.embedder)
        slow.build(successor, lambda: self._loop.post(lambda: self._switch(slow, successor)))

    def _switch(self, slow: SlowModel, successor: TrackedFolder) -> None:
        """Answer from a folder's new index from now on. What changed while it was built, a scan will find."""
        former = self.folders.get(successor.root)
        if former is None or slow is not self._slow or slow.embedder is None:
            successor.persistence.close()
            return
        former.persistence.close()
        self._bulk.forget(former.root)
        successor.embedder = slow.embedder
        successor.settings, successor.rules, successor.watcher = former.settings, former.rules, former.watcher
        former.watcher = None
        successor.complete = True
        self.folders[successor.root] = successor
        self._ready(successor)
        self._hint(self.documents)
        self._dirty_folders.add(successor.root)

    def _fill(self, tracked: TrackedFolder, path: str) -> None:
        """Have the vectors made that a refreshed file lacks."""
        fresh = tracked.index.overlay.get(path)
        if self._slow is None or fresh is None or not isinstance(tracked.embedder, DeferredEmbedder):
            return

        def done(lacking: IndexedFile, filled: IndexedFile) -> None:
            self._loop.post(lambda: self._filled(tracked, path, lacking, filled))

        self._slow.fill((tracked.root, path), fresh.file, done)

    def _filled(self, tracked: TrackedFolder, path: str, lacking: IndexedFile, filled: IndexedFile) -> None:
        fresh = tracked.index.overlay.get(path)
        if fresh is None or fresh.file is not lacking or self.folders.get(tracked.root) is not tracked:
            return
        tracked.index.replace(path, Fresh(filled, fresh.version))
        if tracked.absolute(path) not in self._unsaved:
            tracked.persistence.put({path: filled})
        self._dirty_folders.add(tracked.root)

    def _rules(self, root: str) -> IgnoreRules:
        return IgnoreRules(Path(root), exclude=self.settings.exclude, left_out=[self._data_directory])

    def _opened(self, tracked: TrackedFolder, loaded: Loaded) -> None:
        self._loading -= 1
        if self.folders.get(tracked.root) is not tracked:
            return
        buffers = list(tracked.index.paths())
        tracked.index.adopt(loaded.segments)
        self._hint([tracked.absolute(path) for path in buffers])  # the stored rows now hide those of open buffers
        tracked.stale = self._stale(tracked, loaded.files)
        self._dirty_folders.add(tracked.root)
        self._ready(tracked)

    def _stale(self, tracked: TrackedFolder, stored: Mapping[str, StoredFile]) -> set[str]:
        version = index_version(tracked.embedder.fingerprint)
        return {path for path, each in stored.items() if each.version != version}

    def _taken_over(self, tracked: TrackedFolder, stored: Mapping[str, StoredFile] | None) -> None:
        """This process became the writer: what the tables hold may differ from what is searchable here."""
        if stored is None:
            return
        tracked.persistence.accept()
        mine = {path: tracked.index.facts(path) for path in tracked.index.paths()}
        differ = {path for path, facts in mine.items() if path not in stored or stored[path].facts != facts}
        self._bulk.add((tracked.root, path) for path in sorted(differ | self._stale(tracked, stored)))
        tracked.persistence.put({path: None for path in stored if path not in mine})

    def _ready(self, tracked: TrackedFolder) -> None:
        tracked.loaded = True
        self._watch(tracked)

    def _watch(self, tracked: TrackedFolder) -> None:
        wanted = self.settings.watcher in {"auto", "server"} and tracked.refused is None
        if wanted and tracked.watcher is None:
            tracked.watcher = Watcher(
                Path(tracked.root),
                lambda paths: self.hint(tracked.absolute(path) for path in paths),
                lambda _reason: self.rescan(tracked.root),
                tracked.allows,
            )
            tracked.watcher.start()
        elif not wanted and tracked.watcher is not None:
            tracked.watcher.stop()
            tracked.watcher = None

    def _configure(self, settings: Settings) -> None:
        former, self.settings = self.settings, settings
        if settings.model != former.model:
            if self._slow is not None:
                self._slow.close()
                self._slow = None
            roots = list(self.folders)
            self._set_folders(())
            self._set_folders(roots)
            self._bring_in_model()
        for tracked in self.folders.values():
            tracked.settings = settings
            tracked.rules = self._rules(tracked.root)
            tracked.scan_due = 0.0
            self._watch(tracked)

    # --- hints ---

    def _hint(self, paths: Iterable[str]) -> None:
        now = time.monotonic()
        for path in paths:
            tracked, relative = self._locate(path)
            if not self._hinted:
                self._first_hint = now
            self._hinted[tracked.root if tracked else "", relative] = None
            self._active_at = self._last_hint = now

    def _locate(self, path: str) -> tuple[TrackedFolder | None, str]:
        for tracked in self.folders.values():
            relative = tracked.relative(path)
            if relative is not None:
                return tracked, relative
        return None, path

    def _refresh(self, root: str, path: str) -> None:
        """Make one path searchable as it is now: a buffer, a file, all that lies in a directory, or nothing."""
        tracked = self.folders.get(root)
        if tracked is None:
            self._refresh_loose(path)
            return
        if tracked.rules.forget(path):
            tracked.scan_due = 0.0
        absolute = tracked.absolute(path)
        self._bulk.supersede((root, path))
        self._dirty_folders.add(root)
        allowed = tracked.refused is None and tracked.rules.allows(path, is_directory=False)
        document = self.documents.get(absolute)
        self._refresh_loose(absolute, wanted=not allowed)
        self._unsaved.discard(absolute)
        if document is not None and allowed:
            if not tracked.read_buffer(path, document):
                self._unsaved.add(absolute)
        elif tracked.loaded and tracked.refused is None:
            self._refresh_from_disk(tracked, path, allowed=allowed)
        self._fill(tracked, path)

    def _refresh_from_disk(self, tracked: TrackedFolder, path: str, *, allowed: bool) -> None:
        place = Path(tracked.absolute(path))
        try:
            is_link, is_directory, is_file = place.is_symlink(), place.is_dir(), place.is_file()
        except (OSError, ValueError):
            is_link = is_directory = is_file = False
        if is_directory and not is_link:
            found = scan(tracked.root, tracked.rules, self.settings, below=path)
            present = {entry.path for entry in found.entries}
            tracked.remove(known for known in tracked.below(path) if known not in present)
            self._bulk.add((tracked.root, each) for each in present)
        elif is_file and not is_link and allowed:
            tracked.remove(known for known in tracked.below(path) if known != path)
            tracked.read(path)
        else:
            opened = self.documents
            tracked.remove(known for known in tracked.below(path) if tracked.absolute(known) not in opened)

    def _refresh_loose(self, identity: str, *, wanted: bool = True) -> None:
        """A buffer that is none of a folder's files: without a file, outside all folders, or an ignored file."""
        document = self.documents.get(identity)
        if document is not None and wanted:
            language = canonical_language(document.language) or language_of(identity) or "text"
            facts = FileFacts(identity, language, 0, 0, "")
            file = analyse(facts, document.text, self._model(), self._loose.vectors(identity))
            self._loose.replace(identity, Fresh(file, document.version))
        elif self._loose.facts(identity) is not None:
            self._loose.replace(identity, None)
        else:
            return
        self._dirty_folders.add("")

    # --- many files ---

    def _scan(self, tracked: TrackedFolder) -> None:
        started = time.monotonic()
        found = scan(tracked.root, tracked.rules, self.settings, stop=lambda: self._loop.stopping)
        if self._loop.stopping:
            return
        tracked.refused = found.refused
        if found.refused is None:
            self._compare(tracked, found)
        took = time.monotonic() - started
        quiet = started - self._active_at > _SCAN_SOON
        interval = min(_SCAN_SELDOM, max(_SCAN_SOON, tracked.scan_interval * 2)) if quiet else _SCAN_SOON
        tracked.scan_interval = max(interval, took * _SCAN_SHARE)
        tracked.scan_due = time.monotonic() + tracked.scan_interval

    def _compare(self, tracked: TrackedFolder, found: Scan) -> None:
        relatives = ((identity, tracked.relative(identity)) for identity in self.documents)
        opened = {path: identity for identity, path in relatives if path is not None}
        changed, gone = tracked.differences(found, frozenset(opened))
        if gone:
            tracked.remove(gone)
            self._dirty_folders.add(tracked.root)
        self._bulk.add((tracked.root, path) for path in changed if path not in opened)
        # The buffer is the truth of an open file, but rows by an older version are to be made anew.
        self._hint(opened[path] for path in changed if path in opened and path in tracked.stale)

    def _reindex(self, folders: Sequence[str], paths: Sequence[str]) -> None:
        self._hint(paths)
        for tracked in self.folders.values():
            if tracked.root in folders or not (folders or paths):
                tracked.rules.forget()
                tracked.stale = set(tracked.index.paths())
                tracked.read_skipped.clear()
                tracked.complete = False
                tracked.scan_due = 0.0

    def _few(self) -> bool:
        """Whether so little waits that worker processes would not pay; these have the shipped model alone."""
        few = self._bulk.waiting <= INLINE_FILES and not self._bulk.busy
        return few or any(isinstance(tracked.embedder, DeferredEmbedder) for tracked in self.folders.values())

    def _work_off(self) -> None:
        """Index waiting files: a few here, many in worker processes."""
        if self._bulk.idle:
            return
        self._active_at = time.monotonic()
        if self._few():
            until = time.monotonic() + INLINE_SECONDS
            while self._bulk.waiting and time.monotonic() < until and not self._loop.waiting:
                root, path = self._bulk.take()
                self.folders[root].stale.discard(path)
                self._refresh(root, path)
                self._bulk.done += 1
        else:
            while self._bulk.can_submit:
                self._bulk.submit(self.settings.max_file_bytes)
        self._on_progress(self._bulk.done, self._bulk.done + self._bulk.pending)

    def _add(self, root: str, outcomes: Sequence[tuple[str, Outcome]]) -> None:
        tracked = self.folders.get(root)
        if tracked is not None:
            # Of an open file the buffer is the truth.
            tracked.add(each for each in outcomes if tracked.absolute(each[0]) not in self.documents)
            self._dirty_folders.add(root)

    # --- publishing ---

    def _publish(self) -> None:
        changed = tuple(sorted(self._dirty_folders))
        self._dirty_folders.clear()
        indexes = {"": self._loose} | {root: tracked.index for root, tracked in self.folders.items()}
        for root in changed:
            if root in self.folders:
                opened = {identity for identity in self.documents if self.folders[root].relative(identity)}
                indexes[root].seal(keep={self.folders[root].relative(identity) or "" for identity in opened})
            if root in indexes:
                self._views[root] = indexes[root].views()
        views = tuple(view for each in self._views.values() for view in each)
        overlay = {(root, path): fresh for root, index in indexes.items() for path, fresh in index.overlay.items()}
        generation = self.searchable.snapshot.generation + 1
        models = {index.model for index in indexes.values()}
        slow = self._slow.embedder if self._slow is not None else None
        embedders = (self._model(), slow) if slow is not None and slow.fingerprint in models else (self._model(),)
        self.searchable = Searchable(Snapshot(generation, views), embedders, overlay)
        self._published_at = time.monotonic()
        self._on_publish(generation, changed)

    def _model(self) -> Embedder:
        if self._embedder is None:
            raise RuntimeError("the thread runs only with a model")
        return self._embedder
