"""Replaces the shipped model by the model that the user chose, folder by folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from conexus.config import STATIC, Settings
from conexus.embedding.deferred import DeferredEmbedder
from conexus.embedding.embedder import Embedder, LoadingEmbedder
from conexus.index.commands import Post
from conexus.index.loop import Action
from conexus.index.slow_model import SlowModel
from conexus.index.tracked import TrackedFolder


class Takeover:
    """Builds folders' indexes with the chosen model and installs them.

    The indexer thread owns it and runs all callbacks.
    """

    def __init__(
        self,
        load: Callable[[Settings], LoadingEmbedder],
        post: Post,
        make: Callable[[str, Embedder], TrackedFolder],
        install: Callable[[TrackedFolder], bool],
        data_directory: Path,
    ) -> None:
        """``make`` returns a folder with an empty index; ``install`` has it searched, if the folder is still open."""
        self._cache_directory = data_directory / "vectors"
        self._load, self._post, self._make, self._install = load, post, make, install
        self._slow: SlowModel | None = None

    @property
    def embedder(self) -> DeferredEmbedder | None:
        """The chosen model; None until it is ready."""
        return self._slow.embedder if self._slow is not None else None

    @property
    def pending(self) -> int:
        """Number of files whose vectors are not filled in yet."""
        return self._slow.pending if self._slow is not None else 0

    @property
    def embedded(self) -> int:
        """Number of chunks that the chosen model embedded."""
        return self._slow.embedded if self._slow is not None else 0

    @property
    def problem(self) -> str | None:
        """Why the chosen model does not answer, in words for the user."""
        return self._slow.problem if self._slow is not None else None

    def choose(self, settings: Settings, folders: Callable[[], Iterable[str]]) -> None:
        """Loads the model that the settings name, and drops the model chosen before.

        ``folders`` returns the roots of the folders to build when the model is ready.
        """
        self.close()
        if settings.model == STATIC:
            return

        def build_all() -> None:
            for root in folders():
                self.build(root)

        self._slow = SlowModel(lambda: self._load(settings), self._post, self._cache_directory)
        self._slow.start(build_all)

    def build(self, root: str) -> None:
        """Builds a folder's index with the chosen model, if that is ready, and then has the index installed."""
        slow = self._slow
        if slow is None or slow.embedder is None:
            return
        successor = self._make(root, slow.embedder.embedder)
        slow.build(successor, lambda: self._built(slow, successor))

    def _built(self, slow: SlowModel, successor: TrackedFolder) -> None:
        if slow is self._slow and slow.embedder is not None:
            successor.embedder = slow.embedder
            successor.complete = successor.refused is None
            if self._install(successor):
                return
        successor.close()

    def fill(self, tracked: TrackedFolder, path: str, done: Action) -> None:
        """Has the missing vectors of a refreshed file made, if the chosen model embeds the folder."""
        if self._slow is not None and isinstance(tracked.embedder, DeferredEmbedder):
            self._slow.fill(tracked, path, done)

    def close(self) -> None:
        """Closes and drops the chosen model."""
        if self._slow is not None:
            self._slow.close()
            self._slow = None
