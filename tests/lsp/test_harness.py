"""The account that the other tests rely on notices what it is there for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from tests.lsp.editors import Editor
from tests.lsp.raw import RawClient, server_environment


def complaint(data: Path, course: Callable[[RawClient], None]) -> str:
    """What the account of a course says at its end."""
    client = RawClient(server_environment(data))
    course(client)
    with pytest.raises(AssertionError) as raised:
        client.settle(clean=True)
    return str(raised.value)


def test_a_message_that_nobody_took_is_noticed(tmp_path: Path, workspace: Path) -> None:
    def forget(client: RawClient) -> None:
        client.initialize(workspace)
        client.ask("conexus/status")

    assert "not expected" in complaint(tmp_path, forget)


def test_a_request_without_an_answer_is_noticed(tmp_path: Path) -> None:
    def expect_too_much(client: RawClient) -> None:
        client.initialize()
        client._asked.add(99)

    assert "unanswered" in complaint(tmp_path, expect_too_much)


def test_a_second_answer_is_noticed(tmp_path: Path) -> None:
    def ask_twice(client: RawClient) -> None:
        client.initialize()
        client._asked.add(5)
        for _ in range(2):
            client.send({"jsonrpc": "2.0", "id": 5, "method": "conexus/status"})
            client.answer(5)

    assert "answered twice" in complaint(tmp_path, ask_twice)


@pytest.mark.parametrize(
    ("messages", "wrong"),
    [
        ([("window/showMessage", None)], "not expected"),
        ([(lsp.WORKSPACE_CONFIGURATION, None)], "does not support"),
        ([(lsp.PROGRESS, lsp.ProgressParams("a", {"kind": "begin"}))], "not ended"),
    ],
)
async def test_an_editor_notices_what_it_did_not_ask_for(messages: list[tuple[str, object]], wrong: str) -> None:
    editor = Editor("Sparse")
    editor.capabilities = lsp.ClientCapabilities()
    editor.inbox = messages
    with pytest.raises(AssertionError, match=wrong):
        editor.check()
