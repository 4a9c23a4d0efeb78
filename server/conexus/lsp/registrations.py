"""Registers with the client, after the start, the capabilities that depend on the settings."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from conexus.config import Settings
from conexus.lsp.capabilities import EVERYTHING
from conexus.lsp.client import Client
from conexus.lsp.configuration import SECTION, symbols_wanted
from conexus.timing import SingleFlight

logger = logging.getLogger(__name__)


class Registrations:
    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._made: set[str] = set()
        self._changes: SingleFlight[Callable[[], Mapping[str, Any]]] = SingleFlight()

    async def follow(self, settings: Settings, client: Client, *, symbols_offered: bool) -> None:
        """Registers what these settings need and is not registered yet, and unregisters what they do not need.

        Returns at once if the client is being asked: the latest settings are followed after its answer.
        ``symbols_offered`` says whether the server's capabilities include `workspace/symbol` already.
        """
        self._changes.request(partial(_wanted, settings, client, symbols_offered=symbols_offered))
        while (wanted := self._changes.should_start()) is not None:
            try:
                await self._register(wanted())
            finally:
                self._changes.finished()

    async def _register(self, wanted: Mapping[str, Any]) -> None:
        try:
            if more := [method for method in wanted if method not in self._made]:
                await self._server.client_register_capability_async(
                    lsp.RegistrationParams(
                        registrations=[
                            lsp.Registration(id=_id(method), method=method, register_options=wanted[method])
                            for method in more
                        ]
                    )
                )
                self._made.update(more)
            if less := [method for method in self._made if method not in wanted]:
                await self._server.client_unregister_capability_async(
                    lsp.UnregistrationParams(
                        unregisterations=[lsp.Unregistration(id=_id(method), method=method) for method in less]
                    )
                )
                self._made.difference_update(less)
        except JsonRpcException as error:
            logger.warning("The client refused a registration: %s", error)


def _id(method: str) -> str:
    return f"conexus:{method}"


def _wanted(settings: Settings, client: Client, *, symbols_offered: bool) -> Mapping[str, Any]:
    wanted: dict[str, Any] = {}
    if client.registers_configuration:
        wanted[lsp.WORKSPACE_DID_CHANGE_CONFIGURATION] = lsp.DidChangeConfigurationRegistrationOptions(section=SECTION)
    if client.registers_watched_files and settings.watcher == "client":
        wanted[lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES] = lsp.DidChangeWatchedFilesRegistrationOptions(
            watchers=[lsp.FileSystemWatcher(glob_pattern=EVERYTHING)]
        )
    if client.registers_symbols and not symbols_offered and symbols_wanted(settings, client):
        wanted[lsp.WORKSPACE_SYMBOL] = lsp.WorkspaceSymbolRegistrationOptions()
    return wanted
