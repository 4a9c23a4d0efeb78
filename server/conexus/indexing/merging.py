"""Keeps the number of segments small: worker processes make large merges, the indexer thread makes small ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from conexus.arrays.file import DamagedFile
from conexus.indexing.commands import Finished, Post
from conexus.indexing.folder_index import Merge
from conexus.indexing.worker_tasks import MergeTask, Pool
from conexus.indexing.workspace_folder import TrackedFolder
from conexus.owned import owned
from conexus.processes.memory import trim
from conexus.segments.file import load_segment
from conexus.segments.segment import MemorySegment
from conexus.storage.manifest import remove_segment

log = logging.getLogger(__name__)

#: Most rows of a merge that the indexer thread makes itself, which takes a few milliseconds.
_FEW_ROWS = 4000


@owned()
class Merging:
    """Has the segments of folders merged, at most one merge of a folder at a time. Owned by the indexer thread."""

    def __init__(
        self,
        pool: Callable[[], Pool],
        post: Post,
        done: Callable[[str], None],
        pause: Callable[[], None],
    ) -> None:
        """``done`` is called in the indexer thread with the folder whose segments were merged.

        ``pause`` is called between the steps of a merge in this process.
        """
        self._pool, self._post, self._done, self._pause = pool, post, done, pause
        self._under_way: dict[str, tuple[Future[MemorySegment | Path], Path]] = {}

    @property
    def idle(self) -> bool:
        """Whether no worker merges anything."""
        return not self._under_way

    def consider(self, tracked: TrackedFolder, *, quiet: bool) -> None:
        """Begins the next merge of a folder, if one is due; ``quiet``: nothing else has been done for some time."""
        if tracked.root in self._under_way or not tracked.loaded:
            return
        merge = tracked.index.next_merge(last=tracked.finishing, quiet=quiet)
        if merge is None:
            tracked.finishing = False
        elif merge.rows <= _FEW_ROWS:
            tracked.index.merged(merge, merge.run(self._pause), None)
            self._done(tracked.root)
        else:
            self._begin(tracked, merge)

    def _begin(self, tracked: TrackedFolder, merge: Merge) -> None:
        name = tracked.stored.new_name()
        parts = tuple(
            (part.segment.path or part.segment, files) for part, files in zip(merge.parts, merge.files, strict=True)
        )
        version = merge.parts[0].version or tracked.stored.version
        into = tracked.stored.path_of(name)
        try:
            future = self._pool().merge(MergeTask(parts, version, into))
        except OSError as error:
            log.warning("segments are merged here: %s", error)
            tracked.index.merged(merge, merge.run(self._pause), None)
            self._done(tracked.root)
            return
        self._under_way[tracked.root] = future, into
        # What the callback holds must not hold the future, which holds the callback: such a cycle would keep the old
        # segments until Python's garbage collector looks for it.
        future.add_done_callback(
            lambda done: self._post(
                Finished(f"merging segments of {tracked.root}", lambda: self._finished(tracked, merge, done, name))
            )
        )

    def _finished(self, tracked: TrackedFolder, merge: Merge, future: Future[MemorySegment | Path], name: str) -> None:
        known, into = self._under_way.get(tracked.root, (None, None))
        if known is not future or into is None:
            return  # the merge is not wanted any more
        del self._under_way[tracked.root]
        if future.cancelled():
            remove_segment(into)
            return
        error = future.exception()
        if error is not None:
            remove_segment(into)
            # The worker died, or a segment file is gone. A merge in this process needs no file, because it is mapped.
            log.warning("segments are merged here: %s", error)
            tracked.index.merged(merge, merge.run(self._pause), None)
            self._done(tracked.root)
            return
        result = future.result()
        try:
            segment = result if isinstance(result, MemorySegment) else load_segment(result, verify=False)[0]
        except (OSError, DamagedFile) as error:
            log.warning("a merged segment cannot be read: %s", error)
            remove_segment(into)
            return
        if isinstance(result, MemorySegment):
            tracked.index.merged(merge, segment, None)
        else:
            tracked.index.merged(merge, segment, name)
            tracked.persistence.add_segment(name)
        self._done(tracked.root)
        trim()

    def forget(self, folder: str) -> None:
        """Drops the merge of a folder, because nothing of it is wanted any more.

        The segment file of the merge is removed when the worker is done with it.
        """
        future, into = self._under_way.pop(folder, (None, None))
        if future is not None and into is not None:
            future.add_done_callback(lambda _: remove_segment(into))

    def close(self) -> None:
        """Drops all merges, because nothing is wanted any more."""
        for folder in list(self._under_way):
            self.forget(folder)
