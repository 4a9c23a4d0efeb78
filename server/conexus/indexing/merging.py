"""Keeps the number of segments small: worker processes make large merges, the indexer thread makes small ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from conexus.arrays.file import DamagedFile
from conexus.indexing.commands import MergeFinished, Post
from conexus.indexing.folder_index import Merge
from conexus.indexing.worker_tasks import MergeTask, Pool
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.owned import owned
from conexus.processes.memory import trim
from conexus.segments.file import load_segment
from conexus.segments.segment import MemorySegment
from conexus.storage.manifest import remove_segment

log = logging.getLogger(__name__)

#: Most rows of a merge that the indexer thread makes itself, which takes up to 50 ms.
_FEW_ROWS = 4000


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A merge that a worker makes. ``name`` and ``into``: the name and the path of the file of the merged segment."""

    folder: WorkspaceFolder
    merge: Merge
    future: Future[MemorySegment | Path]
    name: str
    into: Path


@owned()
class Merging:
    """Has the segments of folders merged, at most one merge of a folder at a time. Owned by the indexer thread."""

    def __init__(
        self,
        pool: Callable[[], Pool],
        post: Post,
        done: Callable[[str], None],
        yields: Callable[[], bool],
    ) -> None:
        """``done`` is called in the indexer thread with the folder whose segments were merged.

        ``yields`` says whether a merge in this process should be made later, so that requests have the processor.
        """
        self._pool, self._post, self._done, self._yields = pool, post, done, yields
        self._under_way: dict[str, _UnderWay] = {}
        #: Folders whose latest merge by a worker failed.
        self._failed: set[str] = set()

    @property
    def idle(self) -> bool:
        """Whether no worker merges anything."""
        return not self._under_way

    def consider(self, folder: WorkspaceFolder, *, quiet: bool) -> None:
        """Begins the next merge of a folder, if one is due; ``quiet``: nothing else has been done for some time."""
        if folder.root in self._under_way or not folder.loaded:
            return
        merge = folder.index.next_merge(last=folder.finishing, quiet=quiet)
        if merge is None:
            folder.finishing = False
        elif merge.rows > _FEW_ROWS:
            self._begin(folder, merge)
        elif not self._yields():
            self._merge_here(folder, merge)

    def _merge_here(self, folder: WorkspaceFolder, merge: Merge) -> None:
        folder.index.merged(merge, merge.run(), None)
        self._done(folder.root)

    def _begin(self, folder: WorkspaceFolder, merge: Merge) -> None:
        root, name = folder.root, folder.stored.new_name()
        parts = tuple(
            (part.segment.path or part.segment, files) for part, files in zip(merge.parts, merge.files, strict=True)
        )
        version = merge.parts[0].version or folder.stored.version
        into = folder.stored.path_of(name)
        try:
            future = self._pool().merge(MergeTask(parts, version, into))
        except OSError as error:
            log.warning("segments are merged here: %s", error)
            self._merge_here(folder, merge)
            return
        self._under_way[root] = _UnderWay(folder, merge, future, name, into)
        # The callback holds two strings and no segment: what the future holds is freed with the future.
        future.add_done_callback(lambda _: self._post(MergeFinished(root, name)))

    def finished(self, root: str, name: str) -> None:
        """Takes over the result of a merge, unless the merge is not wanted any more."""
        work = self._under_way.get(root)
        if work is None or work.name != name:
            return
        del self._under_way[root]
        if work.future.cancelled():
            remove_segment(work.into)
            return
        error = work.future.exception()
        if error is not None:
            remove_segment(work.into)
            if root not in self._failed:
                # The workers were stopped, or one died: the merge is tried once more, by the next worker.
                self._failed.add(root)
                return
            # A merge in this process needs no file, because the files are mapped.
            log.warning("segments are merged here: %s", error)
            self._merge_here(work.folder, work.merge)
            return
        self._failed.discard(root)
        result, index = work.future.result(), work.folder.index
        if isinstance(result, MemorySegment):
            index.merged(work.merge, result, None)
        else:
            try:
                segment = load_segment(result, verify=False)[0]
            except (OSError, DamagedFile) as error:
                log.warning("a merged segment cannot be read: %s", error)
                remove_segment(work.into)
                return
            index.merged(work.merge, segment, name)
            work.folder.write_behind.add_segment(name)
        self._done(root)
        trim()

    def forget(self, folder: str) -> None:
        """Drops the merge of a folder, because nothing of it is wanted any more.

        The segment file of the merge is removed when the worker is done with it.
        """
        work = self._under_way.pop(folder, None)
        if work is not None:
            into = work.into
            work.future.add_done_callback(lambda _: remove_segment(into))

    def close(self) -> None:
        """Drops all merges, because nothing is wanted any more."""
        for folder in list(self._under_way):
            self.forget(folder)
