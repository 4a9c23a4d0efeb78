"""Every method, as Neovim, VS Code and Emacs use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import pytest_asyncio
from lsprotocol import types as lsp
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcException

from conexus.lsp import types
from tests.lsp.conftest import write_files
from tests.lsp.editors import EDITORS, Editor, capabilities_of, experimental, start_editor, stop_editor

pytestmark = [
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module", params=EDITORS)
def editor_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def workspace(editor_name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small repository for all tests of an editor, which leave it as they found it."""
    return write_files(tmp_path_factory.mktemp(editor_name) / "workspace")


@pytest.fixture(scope="module")
def data(workspace: Path) -> Path:
    return workspace.with_name("data")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(editor_name: str, data: Path, workspace: Path) -> AsyncIterator[Editor]:
    """An editor with the workspace open and indexed, and at the end the account of all it has sent."""
    client = await start_editor(editor_name, data, workspace)
    await client.until_quiescent()
    yield client
    await stop_editor(client)


_WATCHED = f"conexus:{lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES}"


def path_of(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


async def test_capabilities(editor: Editor, editor_name: str) -> None:
    assert editor.result.server_info is not None
    assert editor.result.server_info.name == "Conexus"
    capabilities = editor.result.capabilities
    assert isinstance(capabilities.text_document_sync, lsp.TextDocumentSyncOptions)
    assert capabilities.text_document_sync.open_close
    assert capabilities.text_document_sync.change is lsp.TextDocumentSyncKind.Incremental
    assert capabilities.workspace is not None
    assert capabilities.workspace.workspace_folders.supported
    assert capabilities.execute_command_provider.commands == types.COMMANDS
    assert capabilities.experimental == {
        "conexus": {"protocolVersion": types.PROTOCOL_VERSION, "methods": sorted(types.REQUESTS)}
    }
    # VS Code drops symbols whose names do not match, so it is not offered any.
    assert bool(capabilities.workspace_symbol_provider) == (editor_name != "visual-studio-code")


async def test_search(editor: Editor, workspace: Path) -> None:
    result = await editor.search("call again with growing delays", limit=5)
    assert 0 < len(result.hits) <= 5
    best = result.hits[0]
    assert path_of(best.location.uri) == workspace / "src/retry.py"
    assert best.symbol == "retry_with_backoff"
    assert best.kind == "function"
    assert best.language == "python"
    assert best.folder == workspace.as_uri()
    assert best.reasons
    assert 0 <= best.score <= 1
    assert "retry_with_backoff" in best.preview
    assert len(best.preview.encode()) <= 2048
    assert result.index.complete
    assert result.index.indexed_files == result.index.total_files == 4
    assert result.took_ms >= 0


async def test_filters(editor: Editor, workspace: Path) -> None:
    tests_only = await editor.search("parse configuration", filters={"tests": "only"})
    assert {path_of(hit.location.uri).name for hit in tests_only.hits} == {"test_parser.py"}
    markdown = await editor.search("parse configuration", filters={"languages": ["markdown"]})
    assert {hit.language for hit in markdown.hits} == {"markdown"}
    included = await editor.search("parse", filters={"include": ["src/**"], "exclude": ["retry.py"]})
    assert {path_of(hit.location.uri).name for hit in included.hits} == {"parser.py"}
    elsewhere = await editor.search("parse", filters={"folders": ["file:///elsewhere"]})
    assert not elsewhere.hits
    here = await editor.search("parse", filters={"folders": [workspace.as_uri()]})
    assert here.hits


async def test_near(editor: Editor, workspace: Path) -> None:
    near = {
        "textDocument": {"uri": (workspace / "src/parser.py").as_uri()},
        "position": {"line": 3, "character": 0},
    }
    assert (await editor.search("settings", near=near)).hits


async def test_related(editor: Editor, workspace: Path) -> None:
    document = {"uri": (workspace / "src/parser.py").as_uri()}
    for where in (
        {"position": {"line": 4, "character": 8}},
        {"range": {"start": {"line": 3, "character": 0}, "end": {"line": 6, "character": 0}}},
    ):
        result = await editor.request(types.RELATED, {"textDocument": document, **where})
        relations = {(hit.relation, hit.symbol) for hit in result.hits}
        assert ("caller", "load_settings") in relations
        assert ("test", "test_parse_config") in relations
        assert all(hit.relation for hit in result.hits)
        assert "parse_config" not in {hit.symbol for hit in result.hits}, "the place itself"
    callers = await editor.request(
        types.RELATED,
        {"textDocument": document, "position": {"line": 4, "character": 8}, "relations": ["caller"], "limit": 1},
    )
    assert [hit.relation for hit in callers.hits] == ["caller"]


async def test_status(editor: Editor, workspace: Path) -> None:
    status = await editor.request(types.STATUS)
    assert status.quiescent
    assert status.health == "ok"
    assert status.files == 4
    assert status.chunks >= 4
    assert status.pending == 0
    assert status.protocol_version == types.PROTOCOL_VERSION
    assert [folder.uri for folder in status.folders] == [workspace.as_uri()]
    assert status.model.dimensions > 0
    assert status.role == "writer"


async def test_reindex_answers_when_accepted_and_shows_progress(editor: Editor) -> None:
    editor.progress_reports["mine"] = []
    assert await editor.request(types.REINDEX, {"workDoneToken": "mine"}) == types.ReindexResult()
    await editor.until_quiescent()
    await editor.until(
        lambda: any(
            method == lsp.PROGRESS and (params.token, params.value["kind"]) == ("mine", "end")
            for method, params in editor.inbox
        )
    )
    assert await editor.request(types.REINDEX, {"paths": ["src/retry.py"]}) == types.ReindexResult()
    assert await editor.request(types.REINDEX) == types.ReindexResult()
    await editor.until_quiescent()
    assert (await editor.search("growing delays")).hits


async def test_commands_are_twins_of_the_requests(editor: Editor, workspace: Path) -> None:
    asked = await editor.search("growing delays", limit=3)
    for arguments in (["growing delays", 3], [{"query": "growing delays", "limit": 3}]):
        answered = await editor.command(types.COMMAND_SEARCH, *arguments)
        assert [hit.location for hit in answered.hits] == [hit.location for hit in asked.hits]
    with pytest.raises(JsonRpcException, match="query"):
        await editor.command(types.COMMAND_SEARCH)
    place = {
        "textDocument": {"uri": (workspace / "src/parser.py").as_uri()},
        "position": {"line": 4, "character": 8},
    }
    related = await editor.command(types.COMMAND_RELATED, place, 2)
    assert len(related.hits) == 2
    assert (await editor.command(types.COMMAND_STATUS)).files == 4
    assert await editor.command(types.COMMAND_REINDEX) == types.ReindexResult()
    await editor.until_quiescent()


async def test_pause_resume_and_clear(editor: Editor) -> None:
    await editor.command(types.COMMAND_PAUSE)
    await editor.until_status(lambda status: status.paused and status.quiescent)
    await editor.command(types.COMMAND_RESUME)
    await editor.until_status(lambda status: not status.paused and status.quiescent)
    await editor.command(types.COMMAND_CLEAR)
    await editor.until_status(lambda status: status.quiescent and status.files == 4)


async def test_show_results(editor: Editor, workspace: Path, data: Path) -> None:
    answer = await editor.command(types.COMMAND_SHOW_RESULTS, "growing delays")
    page = path_of(answer["uri"])
    text = page.read_text()
    assert page.is_relative_to(data / "results")
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.parent.stat().st_mode & 0o777 == 0o700
    retry = workspace / "src/retry.py"
    assert f"\n## 1. function `retry_with_backoff` in src/retry.py\n\n[{retry}:6]\n" in text
    assert f"\n[{retry}:6]: {retry.as_uri()}#L6\n" in text
    supported = editor.capabilities.window.show_document is not None
    if supported:
        assert [shown.uri for shown in editor.take(lsp.WINDOW_SHOW_DOCUMENT)] == [answer["uri"]]
    else:
        (message,) = editor.take(lsp.WINDOW_SHOW_MESSAGE)
        assert str(page) in message.message
    # The page itself is never found.
    editor.open(page, text)
    hits = (await editor.search("growing delays", limit=50)).hits
    assert answer["uri"] not in {hit.location.uri for hit in hits}


async def test_workspace_symbol(editor: Editor, editor_name: str) -> None:
    symbols = await editor.request(lsp.WORKSPACE_SYMBOL, lsp.WorkspaceSymbolParams(query="load_settings"))
    if editor_name == "visual-studio-code":
        assert symbols == []
        return
    assert symbols[0].name == "load_settings"
    assert symbols[0].kind is lsp.SymbolKind.Function
    by_meaning = await editor.request(lsp.WORKSPACE_SYMBOL, lsp.WorkspaceSymbolParams(query="growing delays"))
    assert "retry_with_backoff" in [symbol.name for symbol in by_meaning]


async def test_code_action(editor: Editor, workspace: Path) -> None:
    async def actions(context: lsp.CodeActionContext) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await editor.request(
            lsp.TEXT_DOCUMENT_CODE_ACTION,
            lsp.CodeActionParams(
                text_document=lsp.TextDocumentIdentifier((workspace / "src/parser.py").as_uri()),
                range=lsp.Range(lsp.Position(4, 4), lsp.Position(4, 8)),
                context=context,
            ),
        )
        return found

    (action,) = await actions(lsp.CodeActionContext([], only=["source"]))
    assert action["kind"] == types.ACTION_RELATED
    assert await actions(lsp.CodeActionContext([], only=["source.conexus.related"]))
    assert await actions(lsp.CodeActionContext([], trigger_kind=lsp.CodeActionTriggerKind.Invoked))
    assert not await actions(lsp.CodeActionContext([], only=["quickfix", "sourcery"]))
    assert not await actions(lsp.CodeActionContext([], trigger_kind=lsp.CodeActionTriggerKind.Automatic))
    answer = await editor.command(action["command"]["command"], *action["command"]["arguments"])
    assert "load_settings" in path_of(answer["uri"]).read_text()
    editor.take(lsp.WINDOW_SHOW_DOCUMENT)
    editor.take(lsp.WINDOW_SHOW_MESSAGE)


async def test_buffers_are_searched_as_they_are(editor: Editor, workspace: Path) -> None:
    path = workspace / "src/retry.py"
    text = path.read_text()
    editor.open(path, text)
    at_end = lsp.Range(lsp.Position(15, 0), lsp.Position(15, 0))
    editor.change(
        path, 2, lsp.TextDocumentContentChangePartial(at_end, "\n\ndef zebra_crossing():\n    return 'stripes'\n")
    )
    await editor.until_quiescent()
    (hit, *_) = (await editor.search("zebra_crossing")).hits
    assert hit.symbol == "zebra_crossing"
    assert hit.version == 2
    assert hit.location.range.start.line == 15
    editor.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(path.as_uri())))
    await editor.until_quiescent()
    symbols = [hit.symbol for hit in (await editor.search("zebra_crossing")).hits]
    assert "zebra_crossing" not in symbols


async def test_untitled_buffers_are_searched_and_foreign_documents_are_not(editor: Editor) -> None:
    for uri, name in (("untitled:Untitled-1", "walrus"), ("git:/old.py?ref", "narwhal")):
        item = lsp.TextDocumentItem(uri, "python", 1, f"def {name}_function():\n    pass\n")
        editor.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
    await editor.until_quiescent()
    assert (await editor.search("walrus_function")).hits[0].location.uri == "untitled:Untitled-1"
    assert "narwhal_function" not in [hit.symbol for hit in (await editor.search("narwhal_function")).hits]
    related = {"textDocument": {"uri": "untitled:Untitled-1"}, "position": {"line": 0, "character": 5}}
    await editor.request(types.RELATED, related)
    for uri in ("untitled:Untitled-1", "git:/old.py?ref"):
        editor.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(uri)))
    await _until_found(editor, "walrus_function", found=False)


async def test_files_change_on_disk(editor: Editor, workspace: Path) -> None:
    new, old = workspace / "src/aardvark.py", workspace / "src/retry.py"
    new.write_text("def aardvark_burrow():\n    return 'dig'\n")
    editor.workspace_did_change_watched_files(
        lsp.DidChangeWatchedFilesParams([lsp.FileEvent(new.as_uri(), lsp.FileChangeType.Created)])
    )
    await _until_found(editor, "aardvark_burrow", found=True)
    moved = workspace / "src/moved.py"
    old.rename(moved)
    editor.workspace_did_rename_files(lsp.RenameFilesParams([lsp.FileRename(old.as_uri(), moved.as_uri())]))
    await _until_uri(editor, "retry_with_backoff", moved)
    new.unlink()
    editor.workspace_did_delete_files(lsp.DeleteFilesParams([lsp.FileDelete(new.as_uri())]))
    await _until_found(editor, "aardvark_burrow", found=False)
    created = workspace / "src/created.py"
    created.write_text("def badger_sett():\n    return 'dig'\n")
    editor.workspace_did_create_files(lsp.CreateFilesParams([lsp.FileCreate(created.as_uri())]))
    await _until_found(editor, "badger_sett", found=True)
    created.write_text("def badger_home():\n    return 'dig'\n")
    document = lsp.TextDocumentIdentifier(created.as_uri())
    editor.text_document_did_save(lsp.DidSaveTextDocumentParams(document))
    await _until_found(editor, "badger_home", found=True)
    created.unlink()
    moved.rename(old)
    editor.workspace_did_delete_files(
        lsp.DeleteFilesParams([lsp.FileDelete(created.as_uri()), lsp.FileDelete(moved.as_uri())])
    )
    editor.workspace_did_create_files(lsp.CreateFilesParams([lsp.FileCreate(old.as_uri())]))
    await _until_found(editor, "badger_home", found=False)
    await _until_uri(editor, "retry_with_backoff", old)


async def _until_found(editor: Editor, symbol: str, *, found: bool) -> None:
    while (symbol in [hit.symbol for hit in (await editor.search(symbol)).hits]) != found:
        await editor.until_quiescent()


async def _until_uri(editor: Editor, symbol: str, path: Path) -> None:
    while (await editor.search(symbol)).hits[0].location.uri != path.as_uri():
        await editor.until_quiescent()


async def test_folders_come_and_go(editor: Editor, workspace: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "lynx.py").write_text("def lynx_ears():\n    return 2\n")
    folder = lsp.WorkspaceFolder(other.as_uri(), "other")
    editor.workspace_did_change_workspace_folders(
        lsp.DidChangeWorkspaceFoldersParams(lsp.WorkspaceFoldersChangeEvent(added=[folder], removed=[]))
    )
    await _until_found(editor, "lynx_ears", found=True)
    assert {each.uri for each in (await editor.request(types.STATUS)).folders} == {
        workspace.as_uri(),
        other.as_uri(),
    }
    editor.workspace_did_change_workspace_folders(
        lsp.DidChangeWorkspaceFoldersParams(lsp.WorkspaceFoldersChangeEvent(added=[], removed=[folder]))
    )
    await _until_found(editor, "lynx_ears", found=False)


async def test_who_watches_by_itself(editor: Editor, editor_name: str) -> None:
    # Only VS Code is trusted with it.
    assert (_WATCHED in editor.registered) == (editor_name == "visual-studio-code")


async def test_settings(editor_name: str, tmp_path: Path) -> None:
    workspace = write_files(tmp_path / "workspace")
    (workspace / "conexus.toml").write_text('exclude = ["retry.py"]\nworkspaceSymbol = "on"\n')
    client = await start_editor(
        editor_name,
        tmp_path / "data",
        workspace,
        options={"watcher": "client"},
        settings={"trace": {"server": "off"}, "maxFiles": "many", "flavour": 1},
    )
    assert (await client.until_quiescent()).files == 4  # conexus.toml is one of them
    # `initialize` waits for no disk: what conexus.toml turns on comes later.
    registered = f"conexus:{lsp.WORKSPACE_SYMBOL}" in client.registered
    assert registered or client.result.capabilities.workspace_symbol_provider

    def supports(capability: str) -> bool:
        return bool(get_capability(client.capabilities, capability))

    watches = supports("workspace.did_change_watched_files.dynamic_registration")
    assert (_WATCHED in client.registered) == watches
    expected = {"watcher": not watches}
    expected |= dict.fromkeys(("maxFiles", "flavour"), supports("workspace.configuration"))
    shown = [params.message for params in client.take(lsp.WINDOW_SHOW_MESSAGE)]
    for name, wrong in expected.items():
        assert len([message for message in shown if f"`{name}`" in message]) == wrong
    assert [params.message for params in client.take(lsp.WINDOW_LOG_MESSAGE)] == shown

    client.settings = {"exclude": ["parser.py", "test_parser.py"], "watcher": "off"}
    client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(settings={"conexus": client.settings}))
    await _until_found(client, "load_settings", found=False)
    await _until_found(client, "retry_with_backoff", found=True)
    assert _WATCHED not in client.registered
    (workspace / "conexus.toml").write_text('workspaceSymbol = "off"\n')
    client.text_document_did_save(
        lsp.DidSaveTextDocumentParams(lsp.TextDocumentIdentifier((workspace / "conexus.toml").as_uri()))
    )
    while await client.request(lsp.WORKSPACE_SYMBOL, lsp.WorkspaceSymbolParams("retry_with_backoff")):
        await client.until_quiescent()
    await stop_editor(client)


async def test_notifications_that_a_client_asks_for(editor_name: str, tmp_path: Path) -> None:
    workspace = write_files(tmp_path / "workspace")
    capabilities = experimental(
        capabilities_of(editor_name), conexus={"indexChanged": True}, serverStatusNotification=True
    )
    client = await start_editor(editor_name, tmp_path / "data", workspace, capabilities=capabilities)
    await client.until_quiescent()
    await client.until(
        lambda: any(method == types.SERVER_STATUS and params.quiescent for method, params in client.inbox)
    )
    assert client.take(types.SERVER_STATUS)[-1].health == "ok"
    await client.until(lambda: any(method == types.INDEX_CHANGED for method, _ in client.inbox))
    client.take(types.INDEX_CHANGED)
    generation = (await client.search("x")).generation
    client.open(workspace / "src/new.py", "def okapi_neck():\n    pass\n")
    await client.until(
        lambda: any(method == types.INDEX_CHANGED and params.generation > generation for method, params in client.inbox)
    )
    assert list(client.take(types.INDEX_CHANGED)[-1].folders) == [workspace.as_uri()]
    await client.until_quiescent()
    await stop_editor(client, types.SERVER_STATUS, types.INDEX_CHANGED)
