"""Opens and closes folders as sessions come and go, and applies the sessions' settings and the model that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.config import Settings
from conexus.indexing.bulk_reader import Bulk
from conexus.indexing.commands import Command, FolderBuilt, WantedVectors
from conexus.indexing.event_loop import Loop
from conexus.indexing.folders import Folders
from conexus.indexing.maintenance import Maintenance
from conexus.indexing.memory_limits import MemoryLimits
from conexus.indexing.model_switch import ModelSwitch
from conexus.indexing.publish import Publisher
from conexus.indexing.refresh import Refresher
from conexus.indexing.scans import Scanning
from conexus.indexing.session_index import SessionClient, SessionIndex
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.owned import owned
from conexus.workspace.documents import Documents

if TYPE_CHECKING:
    from conexus.embedding.embedder import Embedder, LoadingEmbedder


@owned()
class Workspace:
    """The sessions, and the folders that they have. The indexer thread owns it."""

    def __init__(
        self,
        settings: Settings,
        data_directory: Path,
        load_chosen_model: Callable[[Settings], LoadingEmbedder],
        loop: Loop[Command],
        bulk: Bulk,
        scanning: Scanning,
        publisher: Publisher,
        maintenance: Maintenance,
        on_settings_file: Callable[[str], None],
    ) -> None:
        """``load_chosen_model`` returns the model that ``settings.model`` names.

        ``settings`` apply until the first session is opened.
        ``on_settings_file`` gets the root of a folder whose conexus.toml may have changed.
        """
        #: The settings of what all sessions share.
        self.settings = settings
        #: The memory that each of our processes may use.
        self.memory = MemoryLimits.of(settings)
        #: The shipped model; None until it is loaded.
        self.embedder: Embedder | None = None
        self.sessions: dict[str, SessionIndex] = {}
        self.folders = Folders(loop, maintenance, data_directory)
        self.switch = ModelSwitch(load_chosen_model, loop.post, self._new_folder, self._filled, data_directory)
        self.refresher = Refresher(
            self.folders.by_root,
            self.sessions,
            bulk,
            scanning,
            publisher,
            on_hint=maintenance.note_activity,
            on_settings_file=on_settings_file,
            fill=self.switch.fill,
        )
        self._bulk, self._scanning, self._publisher, self._maintenance = bulk, scanning, publisher, maintenance
        #: Number of chunks that the shipped model embedded in folders that were closed or that it no longer answers
        #: for.
        self._embedded_before = 0

    def begin(self, embedder: Embedder) -> None:
        """Starts with the shipped model, and loads the model that the settings name."""
        self.embedder = embedder
        self.refresher.begin(embedder)
        self.switch.choose(self.settings)

    @property
    def embedders(self) -> tuple[Embedder, ...]:
        """The models that answer: the shipped one, then the chosen one if it is ready."""
        chosen = self.switch.embedder
        return (self._model(),) if chosen is None else (self._model(), chosen)

    # --- sessions ---

    def open_session(self, client: SessionClient, settings: Settings) -> None:
        """Begins a session without folders."""
        self.sessions[client.name] = SessionIndex(client, settings)
        self._configure()

    def close_session(self, client: SessionClient) -> None:
        """Ends a session, and closes the folders that no session has any more."""
        session = self.sessions.pop(client.name, None)
        if session is not None:
            self._publisher.forget(session)
            self.switch.forget_session(session)
            self.refresher.edits.forget(client.name)
            self._close_unused()
            self._configure()

    def set_folders(self, client: SessionClient, roots: tuple[str, ...]) -> None:
        """Sets a session's folders: opens those that are new, and closes those that no session has any more."""
        session = self.sessions.get(client.name)
        if session is None:
            return  # it was closed
        former = session.roots or ()
        session.roots = roots
        for root in former:
            if root not in roots:
                session.forget(root)
                self._publisher.mark_session_dirty(session, root)
        self._close_unused()
        for root in roots:
            if root not in self.folders.by_root:
                self._open_folder(root, self._settings_of(root))
            if root not in former:
                self._publisher.mark_session_dirty(session, root)
        self.refresher.hint_documents(session, [document.id for document in session.documents])
        self._configure()  # a folder may have another first session now

    def _open_folder(self, root: str, settings: Settings) -> None:
        self.folders.open(root, settings, self._model())
        self.switch.build(root)

    def _close_unused(self) -> None:
        """Closes the folders that no session has any more."""
        for root in list(self.folders.by_root):
            if not any(root in session for session in self.sessions.values()):
                self._close_folder(root)

    def _close_folder(self, root: str) -> None:
        self.switch.forget(root)
        self._embedded_before += self._embedded_in(self.folders.close(root))
        self.forget(root)
        self.refresher.files.forget(root)

    def _settings_of(self, root: str) -> Settings:
        """Returns the settings of a folder: those of the first session that has it."""
        of_sessions = (session.settings for session in self.sessions.values() if root in session)
        return next(of_sessions, self.settings)

    def set_settings(self, client: SessionClient, settings: Settings) -> None:
        """Sets a session's settings, and applies what follows from them."""
        session = self.sessions.get(client.name)
        if session is not None:
            former, session.settings = session.settings, settings
            if settings.index_secrets != former.index_secrets:
                self.refresher.hint_documents(session, [document.id for document in session.documents])
            self._configure()

    def set_documents(self, client: SessionClient, documents: Documents, changed: Iterable[str]) -> None:
        """Sets a session's open documents, of which those in ``changed`` were opened, edited or closed."""
        session = self.sessions.get(client.name)
        if session is not None:
            session.documents = documents
            self.refresher.hint_documents(session, changed)

    def _configure(self) -> None:
        """Applies the settings: the first session's to what all sessions share, and to each folder its own."""
        former = self.settings
        settings = self.settings = next((session.settings for session in self.sessions.values()), former)
        self.memory = MemoryLimits.of(settings)
        self._bulk.memory_mib = self.memory.workers_mib
        self._maintenance.tables.memory_mib = self.memory.store_mib
        if settings.workers != former.workers:
            self._bulk.set_workers(settings.workers)
        if _model_settings(settings) != _model_settings(former):
            self._choose_model()
        for root, folder in self.folders.by_root.items():
            of_folder = self._settings_of(root)
            if of_folder != folder.settings:
                self._scanning.forget(root)
                self.folders.configure(folder, of_folder)
                self.refresher.hint_all_documents(root)

    # --- models ---

    def _choose_model(self) -> None:
        """Drops the model chosen before, and loads the one that the settings name."""
        self.switch.close()
        # A folder with an index by the shipped model keeps it, and it answers until the chosen model takes over.
        for root, folder in list(self.folders.by_root.items()):
            if folder.embedder is not self.embedder:
                self._close_folder(root)
                self.folders.open(root, self._settings_of(root), self._model())
                self._show_documents_again(root)
        self.switch.choose(self.settings)

    def _new_folder(self, root: str, embedder: Embedder) -> WorkspaceFolder:
        return self.folders.new(root, self._settings_of(root), embedder)

    def install(self, built: FolderBuilt) -> None:
        """Has a folder's index by the chosen model searched from now on."""
        successor, embedder = built.folder, self.switch.embedder
        if not self.switch.is_wanted(built) or embedder is None:
            successor.close()
            return
        successor.embedder = embedder
        successor.complete = successor.refused is None
        former = self.folders.install(successor)
        if former is None:
            successor.close()
            return
        self._embedded_before += self._embedded_in(former)
        self.forget(former.root)
        self._show_documents_again(former.root)

    def _show_documents_again(self, root: str) -> None:
        """Has the documents of a folder indexed again, because another model embeds them."""
        for session in self.sessions.values():
            if root in session:
                for document in session.documents:
                    self.refresher.refresh_document(session, document.id)

    def _filled(self, wanted: WantedVectors) -> None:
        """Has the new vectors of a file stored and published. Until now the file was searchable by words alone."""
        if wanted.session is not None:
            self._publisher.mark_session_dirty(wanted.session, wanted.folder.root)
        else:
            wanted.folder.write_behind.put([wanted.path])
            self._publisher.mark_dirty(wanted.folder.root)

    def _model(self) -> Embedder:
        if self.embedder is None:
            raise RuntimeError("the thread runs only with a model")
        return self.embedder

    def forget(self, root: str) -> None:
        """Drops everything that is under way for a folder's present index."""
        self._scanning.forget(root)
        self._bulk.forget(root)
        self._maintenance.forget(root)
        self._publisher.mark_dirty(root)

    def embedded_chunks(self) -> int:
        """Returns the number of chunks that the answering model embedded since the start, without reused vectors."""
        if self.switch.embedder is not None:
            return self.switch.embedded
        folders = map(self._embedded_in, self.folders.by_root.values())
        return self._embedded_before + self.refresher.embedded + sum(folders)

    def _embedded_in(self, folder: WorkspaceFolder) -> int:
        return folder.embedded if folder.embedder is self.embedder else 0


def _model_settings(settings: Settings) -> tuple[object, ...]:
    """Returns the settings that decide which model answers and how it runs."""
    return settings.model, settings.model_memory_mib, settings.model_timeout_seconds
