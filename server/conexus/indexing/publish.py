"""Publishes what is searchable and how far the index is: one immutable value for each session."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from conexus.embedding.embedder import Embedder
from conexus.indexing.session_index import SessionIndex
from conexus.indexing.state import FolderState, IndexerState, SessionState
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.owned import owned
from conexus.segments.snapshot import CandidateSource, FileKey, Fresh, Searchable, Snapshot
from conexus.timing import Deadline
from conexus.values import IndexChanged

#: Seconds between two snapshots while a first index is being built.
PUBLISH_SECONDS = 0.25

#: Returns the state of a folder, but for its counts, which are those of the snapshot.
Describe = Callable[[WorkspaceFolder], FolderState]


@owned()
class Publisher:
    """Makes a snapshot for each session. The indexer thread owns it."""

    def __init__(self, prepare: Callable[[SessionIndex, Searchable], None]) -> None:
        """``prepare`` gets each ``Searchable`` before it is published, in the indexer thread."""
        self._prepare = prepare
        #: Candidate sources by folder for the next snapshots, see ``Searchable``.
        self._candidate_sources: dict[str, CandidateSource] = {}
        #: Folders whose segments changed since they were published, for all sessions, and whether their content did;
        #: and folders by session.
        self._dirty: dict[str, bool] = {}
        self._dirty_of: dict[SessionIndex, set[str]] = {}
        self._published_at = 0.0
        #: When changes are to be published at the latest.
        self.due = Deadline()

    @property
    def waiting(self) -> bool:
        """Whether there is anything to publish."""
        return bool(self._dirty or self._dirty_of)

    @property
    def behind(self) -> bool:
        """Whether the content of an index differs from the published snapshots."""
        return bool(self._dirty_of) or any(self._dirty.values())

    def mark_dirty(self, root: str, *, content_changed: bool = True) -> None:
        """Has a folder published again.

        With ``content_changed=False`` its segments were reorganised, or it got or lost its candidate source.
        """
        self._dirty[root] = content_changed or self._dirty.get(root, False)
        self.due.set_at(self._published_at + PUBLISH_SECONDS)

    def mark_session_dirty(self, session: SessionIndex, root: str) -> None:
        """Has a folder published again for one session: its open documents changed, or it got or lost the folder."""
        self._dirty_of.setdefault(session, set()).add(root)
        self.due.set_at(self._published_at + PUBLISH_SECONDS)

    def set_candidate_source(self, root: str, source: CandidateSource | None) -> None:
        """Sets the source that finds a folder's candidates in the next snapshots; with None every row is scored."""
        if source is None:
            self._candidate_sources.pop(root, None)
        else:
            self._candidate_sources[root] = source
        self.mark_dirty(root, content_changed=False)

    def forget(self, session: SessionIndex) -> None:
        """Drops what was to be published for a session, which was closed."""
        self._dirty_of.pop(session, None)

    def publish(
        self, sessions: Iterable[SessionIndex], folders: Mapping[str, WorkspaceFolder], embedders: Iterable[Embedder]
    ) -> list[tuple[SessionIndex, IndexChanged]]:
        """Makes a snapshot of the present state for each session that sees a change.

        ``publish_state`` publishes it. Returns these sessions and the events that tell their clients afterwards.
        """
        dirty, dirty_of = self._dirty, self._dirty_of
        self._dirty, self._dirty_of = {}, {}
        self.due.clear()
        models, events = tuple(embedders), []
        for session in sessions:
            changed = {root for root in dirty if root in session} | dirty_of.get(session, set())
            if changed:
                self._make_snapshot(session, changed, folders, models)
                generation = session.searchable.snapshot.generation
                events.append((session, IndexChanged(generation, tuple(sorted(changed)))))
        self._published_at = time.monotonic()
        return events

    def _make_snapshot(
        self,
        session: SessionIndex,
        changed: Collection[str],
        folders: Mapping[str, WorkspaceFolder],
        embedders: Iterable[Embedder],
    ) -> None:
        for root in changed:
            folder, buffers = folders.get(root), session.buffers.get(root)
            shown = tuple(session.shown_paths(root))
            views = folder.index.views(shown) if folder is not None and root in session else ()
            if buffers is not None:
                views += buffers.views()
            if not views:
                session.views.pop(root, None)
            else:
                session.views[root] = views
            if folder is None or root not in session:
                session.folder_states.pop(root, None)
                continue
            new = sum(folder.index.facts(path) is None for path in shown)
            rows = (0 if buffers is None else buffers.chunks) - sum(map(folder.index.rows_of, shown))
            session.folder_states[root] = FolderState(root, folder.index.files + new, folder.index.chunks + rows)
        overlay: dict[FileKey, Fresh] = {}
        models: set[str] = set()
        for root in session.roots or ():
            if root in folders:
                models.add(folders[root].index.model)
                overlay.update(((root, path), fresh) for path, fresh in folders[root].index.overlay.items())
        for root, index in session.buffers.items():
            models.add(index.model)
            overlay.update(((root, path), fresh) for path, fresh in index.overlay.items())
        generation = session.searchable.snapshot.generation + 1
        views = tuple(view for root in (*(session.roots or ()), "") for view in session.views.get(root, ()))
        searchable = Searchable(
            Snapshot(generation, views),
            tuple(embedder for embedder in embedders if embedder.fingerprint in models),
            {root: source for root, source in self._candidate_sources.items() if root in session},
            overlay,
        )
        self._prepare(session, searchable)
        session.searchable, session.dirty_buffers = searchable, session.buffers_in_folders()


def publish_state(
    session: SessionIndex,
    folders: Mapping[str, WorkspaceFolder],
    indexer: IndexerState,
    describe: Describe,
    *,
    all_read: bool,
) -> None:
    """Publishes a session's latest snapshot and how far the index is. ``all_read``: no file waits to be read."""
    states, settled = [], session.roots is not None
    total = sum(index.files for root, index in session.buffers.items() if not root)
    indexed = total
    for root in session.roots or ():
        folder = folders.get(root)
        counts = session.folder_states.get(root, FolderState(root))
        if folder is None:
            continue
        state = describe(folder)
        states.append(replace(state, files=counts.files, chunks=counts.chunks))
        settled = settled and folder.settled
        indexed += counts.files
        total += max(folder.total_files - len(folder.left_out), counts.files)
    session.client.published.state = SessionState(
        session.searchable,
        indexer,
        tuple(states),
        indexed,
        total,
        complete=settled and all_read,
        dirty_buffers=session.dirty_buffers,
    )
