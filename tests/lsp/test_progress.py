"""Work-done progress of indexing, on a workspace that takes a while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as lsp

from conexus.lsp import types
from tests.lsp.conftest import FILES
from tests.lsp.editors import Editor, start_editor, stop_editor

COPIES = 400
FIRST = "conexus-1"


@pytest.fixture
def large_workspace(tmp_path: Path) -> Path:
    """The small one many times."""
    folder = tmp_path / "large"
    for copy in range(COPIES):
        for name, text in FILES.items():
            path = folder / f"copy{copy}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return folder


def bar(editor: Editor) -> list[dict[str, Any]]:
    """What was reported under the server's first token."""
    reports = [params for method, params in editor.inbox if method == lsp.PROGRESS]
    return [params.value for params in reports if params.token == FIRST]


async def test_indexing_shows_a_bar_and_cancelling_it_pauses(tmp_path: Path, large_workspace: Path) -> None:
    editor = await start_editor("visual-studio-code", tmp_path / "data", large_workspace)
    await editor.until(lambda: len(bar(editor)) > 1)
    assert bar(editor)[0]["kind"] == "begin"
    assert bar(editor)[0]["cancellable"]

    editor.window_work_done_progress_cancel(lsp.WorkDoneProgressCancelParams("conexus-1"))
    await editor.until(lambda: bar(editor)[-1]["kind"] == "end")
    assert bar(editor)[-1]["message"] == "Paused"
    status = await editor.until_status(lambda status: status.paused and status.quiescent)
    assert status.pending > 0
    assert not status.folders[0].complete
    # What is indexed so far is found, and the answer says that it is not all.
    assert not (await editor.search("growing delays")).index.complete

    await editor.command(types.COMMAND_RESUME)
    done = await editor.until_status(lambda status: not status.paused and status.quiescent)
    assert done.files == COPIES * len(FILES)
    percentages = [value.get("percentage", 100) for value in bar(editor)]
    assert percentages == sorted(percentages)
    await stop_editor(editor)


async def test_a_bar_is_ended_at_shutdown(tmp_path: Path, large_workspace: Path) -> None:
    editor = await start_editor("visual-studio-code", tmp_path / "data", large_workspace)
    await editor.until(lambda: len(bar(editor)) > 0)
    await stop_editor(editor)  # checks that what was begun is ended


async def test_clients_without_progress_get_none(tmp_path: Path, large_workspace: Path) -> None:
    editor = await start_editor(
        "visual-studio-code", tmp_path / "data", large_workspace, capabilities=lsp.ClientCapabilities()
    )
    await editor.until_quiescent()
    assert editor.inbox == []
    await stop_editor(editor)
