"""Editors as clients: pytest-lsp's, with their real capabilities, and an account of every message.

`Editor.check` fails if a request is unanswered, if the server sent something that neither the protocol's course nor
the test explains, or if it sent something that the client does not support.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attrs
from cattrs import Converter
from lsprotocol import types as lsp
from pygls.capabilities import get_capability
from pygls.protocol import JsonRPCNotification, JsonRPCResponseMessage, default_converter
from pytest_lsp import LanguageClient, client_capabilities
from pytest_lsp.client import DEFAULT_CLIENT_FEATURES, register_lsp_features
from pytest_lsp.protocol import LanguageClientProtocol

from conexus.lsp import types
from tests.lsp.raw import PATIENCE, SERVER_COMMAND, server_environment

#: pytest-lsp's name of the capabilities -> the name that the client gives itself.
EDITORS = {
    "neovim": "Neovim",
    "visual-studio-code": "Visual Studio Code",
    "emacs": "Emacs",
}

#: What a server may send by itself, if the client supports it.
_COURSE = {
    lsp.CLIENT_REGISTER_CAPABILITY,
    lsp.CLIENT_UNREGISTER_CAPABILITY,
    lsp.WORKSPACE_CONFIGURATION,
    lsp.WINDOW_WORK_DONE_PROGRESS_CREATE,
    lsp.PROGRESS,
}


_RESULTS: dict[str, type] = {
    types.SEARCH: types.SearchResult,
    types.RELATED: types.SearchResult,
    types.STATUS: types.StatusResult,
    types.REINDEX: types.ReindexResult,
    types.COMMAND_SEARCH: types.SearchResult,
    types.COMMAND_RELATED: types.SearchResult,
    types.COMMAND_STATUS: types.StatusResult,
    types.COMMAND_REINDEX: types.ReindexResult,
    types.COMMAND_PAUSE: types.StatusResult,
    types.COMMAND_RESUME: types.StatusResult,
    types.COMMAND_CLEAR: types.StatusResult,
}


def _converter() -> Converter:
    """pygls's, with our notifications typed, and with results as they are."""
    converter: Converter = default_converter()

    def notification(message: dict[str, Any], cls: type[JsonRPCNotification]) -> JsonRPCNotification:
        if expected := types.NOTIFICATIONS.get(message["method"]):
            message["params"] = converter.structure(message["params"], expected)
        return cls(**message)

    converter.register_structure_hook(JsonRPCNotification, notification)
    converter.register_structure_hook(JsonRPCResponseMessage, lambda message, cls: cls(**message))
    return converter


class _Protocol(LanguageClientProtocol):
    _server: Editor

    def get_result_type(self, method: str) -> type | None:
        # lsprotocol takes every code action that has a command for a command.
        return None if method == lsp.TEXT_DOCUMENT_CODE_ACTION else super().get_result_type(method)

    def handle_message(self, message: Any) -> None:
        if (method := getattr(message, "method", None)) is not None:
            self._server.inbox.append((method, message.params))
            self._server.arrived.set()
        super().handle_message(message)


class Editor(LanguageClient):
    """A client with an account of what came in."""

    result: lsp.InitializeResult

    def __init__(self, name: str) -> None:
        super().__init__(protocol_cls=_Protocol, converter_factory=_converter)
        self.name = name
        self.inbox: list[tuple[str, Any]] = []
        self.arrived = asyncio.Event()
        self.registered: dict[str, lsp.Registration] = {}
        self.settings: object = None
        register_lsp_features(
            self,
            {
                **DEFAULT_CLIENT_FEATURES,
                lsp.CLIENT_REGISTER_CAPABILITY: _register,
                lsp.CLIENT_UNREGISTER_CAPABILITY: _unregister,
                lsp.WORKSPACE_CONFIGURATION: _configuration,
            },
        )

    async def request(self, method: str, params: object = None) -> Any:
        """The result of a request, typed."""
        result = await asyncio.wait_for(self.protocol.send_request_async(method, params), PATIENCE)
        return self._typed(method, result)

    def _typed(self, method: str, result: Any) -> Any:
        cls = _RESULTS.get(method)
        return result if cls is None else self.protocol._converter.structure(result, cls)

    async def search(self, query: str, **more: Any) -> Any:
        return await self.request(types.SEARCH, {"query": query, **more})

    async def command(self, command: str, *arguments: Any) -> Any:
        params = lsp.ExecuteCommandParams(command=command, arguments=list(arguments))
        return self._typed(command, await self.request(lsp.WORKSPACE_EXECUTE_COMMAND, params))

    async def until_quiescent(self) -> Any:
        """The status, once everything is searchable."""
        return await self.until_status(lambda status: status.quiescent)

    async def until_status(self, wanted: Callable[[types.StatusResult], bool]) -> types.StatusResult:
        """The status, once it is as wanted."""
        async with asyncio.timeout(PATIENCE):
            while not wanted(status := await self.request(types.STATUS, {})):
                assert status.health != "error", status.message
                await asyncio.sleep(0.02)
        return status  # type: ignore[no-any-return]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition of what has come in."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()

    def take(self, method: str) -> list[Any]:
        """All messages of a method so far; they are accounted for."""
        taken = [params for name, params in self.inbox if name == method]
        self.inbox = [(name, params) for name, params in self.inbox if name != method]
        return taken

    def open(self, path: Path, text: str, version: int = 1) -> None:
        item = lsp.TextDocumentItem(uri=path.as_uri(), language_id="python", version=version, text=text)
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=item))

    def change(self, path: Path, version: int, *changes: lsp.TextDocumentContentChangeEvent) -> None:
        document = lsp.VersionedTextDocumentIdentifier(uri=path.as_uri(), version=version)
        self.text_document_did_change(lsp.DidChangeTextDocumentParams(text_document=document, content_changes=changes))

    def check(self) -> None:
        """Every message is accounted for."""
        assert not self.protocol._request_futures, "unanswered requests"
        assert self.capabilities is not None
        needs = {
            lsp.WORKSPACE_CONFIGURATION: "workspace.configuration",
            lsp.WINDOW_WORK_DONE_PROGRESS_CREATE: "window.work_done_progress",
        }
        bars = _Bars()
        for method, params in self.inbox:
            assert method in _COURSE, f"not expected by the test: {method} {params}"
            if method in needs:
                assert get_capability(self.capabilities, needs[method]), f"{self.name} does not support {method}"
            bars.follow(method, params)
        assert not bars.open, f"begun and not ended: {bars.open}"

    def report_server_error(self, error: Exception, source: Any) -> None:
        raise AssertionError(f"the server sent what cannot be read: {error}") from error


@dataclass
class _Bars:
    """The course of work-done progress: create, begin, report…, end; each token once."""

    created: Counter[str] = field(default_factory=Counter)
    open: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)

    def follow(self, method: str, params: Any) -> None:
        if method == lsp.WINDOW_WORK_DONE_PROGRESS_CREATE:
            self.created[params.token] += 1
            assert self.created[params.token] == 1
        if method != lsp.PROGRESS:
            return
        token, kind = params.token, params.value["kind"]
        match kind:
            case "begin":
                assert token not in self.open | self.over
                assert self.created[token] or not str(token).startswith("conexus-")
                self.open.add(token)
            case "report":
                assert token in self.open
            case "end":
                self.open.remove(token)
                self.over.add(token)
            case _:
                raise AssertionError(kind)


def capabilities_of(editor: str) -> lsp.ClientCapabilities:
    return client_capabilities(editor)


async def start_editor(
    editor: str,
    data: Path,
    *folders: Path,
    settings: object = None,
    options: object = None,
    capabilities: lsp.ClientCapabilities | None = None,
    environment: dict[str, str] | None = None,
) -> Editor:
    """An editor that has opened folders."""
    client = Editor(EDITORS.get(editor, editor))
    client.settings = settings
    await client.start_io(*SERVER_COMMAND, env={**server_environment(data), **(environment or {})})
    client.result = await asyncio.wait_for(
        client.initialize_session(
            lsp.InitializeParams(
                process_id=os.getpid(),
                client_info=lsp.ClientInfo(name=client.name, version="1"),
                capabilities=capabilities or capabilities_of(editor),
                workspace_folders=[lsp.WorkspaceFolder(uri=path.as_uri(), name=path.name) for path in folders],
                initialization_options=options,
            )
        ),
        PATIENCE,
    )
    return client


async def stop_editor(client: Editor, *expected: str) -> None:
    """Shut down properly, and check the account. ``expected``: methods that the server may have used as well."""
    await asyncio.wait_for(client.shutdown_session(), PATIENCE)
    server = client._server
    await asyncio.wait_for(client.stop(), PATIENCE)
    assert server is not None
    assert server.returncode == 0
    for method in expected:
        client.take(method)
    client.check()


def experimental(capabilities: lsp.ClientCapabilities, **flags: Any) -> lsp.ClientCapabilities:
    return attrs.evolve(capabilities, experimental=flags)


def _register(client: Editor, params: lsp.RegistrationParams) -> None:
    for registration in params.registrations:
        assert registration.id not in client.registered
        client.registered[registration.id] = registration


def _unregister(client: Editor, params: lsp.UnregistrationParams) -> None:
    for registration in params.unregisterations:
        del client.registered[registration.id]


def _configuration(client: Editor, params: lsp.ConfigurationParams) -> list[Any]:
    assert [item.section for item in params.items] == ["conexus"]
    return [client.settings]
