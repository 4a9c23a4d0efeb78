"""Random edits, sent as an editor sends them: the server's text is the editor's."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types as lsp

from conexus.config import Settings
from conexus.lsp.client import client_of
from conexus.lsp.connection import Connection
from conexus.lsp.methods.documents import did_change, did_close, did_open
from conexus.lsp.protocol import Protocol
from conexus.lsp.structuring import make_converter, structure_params
from conexus.workspace.documents import Documents

CONVERTER = make_converter()
URI = "file:///workspace/a.py"

#: Rich in what moves lines and columns.
pieces = st.text(st.sampled_from("ab \t\n\r\f\v\x1c\x85\u2028é\u0301🙂👩\u200d\ud800"), max_size=8)
texts = st.lists(pieces, max_size=6).map("".join)


def encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding if encoding == "utf-8" else f"{encoding}-le", "surrogatepass")


def position_of(text: str, index: int, encoding: str) -> dict[str, int]:
    """The position of an index, counted by encoding all before it on its line."""
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", text))]
    # Between \r and \n is no position: an editor's cursor stands before both.
    if text[index - 1 : index + 1] == "\r\n" and index:
        index -= 1
    line = max(number for number, begin in enumerate(starts) if begin <= index)
    size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    return {"line": line, "character": len(encoded(text[starts[line] : index], encoding)) // size}


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, str, list[list[dict[str, Any]]], str]:
    """Encoding, first text, messages of changes, and the editor's text at the end."""
    encoding = draw(st.sampled_from(["utf-8", "utf-16", "utf-32"]))
    first = text = draw(texts)
    messages = []
    for _ in range(draw(st.integers(0, 4))):
        changes: list[dict[str, Any]] = []
        for _ in range(draw(st.integers(1, 3))):
            new = draw(pieces)
            if draw(st.integers(0, 9)) == 0:
                changes.append({"text": new})
                text = new
                continue
            start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
            place = {"start": position_of(text, start, encoding), "end": position_of(text, end, encoding)}
            start, end = (index - (text[index - 1 : index + 1] == "\r\n" and index > 0) for index in (start, end))
            changes.append({"range": place, "text": new})
            text = text[:start] + new + text[end:]
        messages.append(changes)
    return encoding, first, messages, text


def connection_of(encoding: str) -> Connection:
    connection = Connection.__new__(Connection)
    params = {"processId": None, "rootUri": None, "capabilities": {"general": {"positionEncodings": [encoding]}}}
    connection.client = client_of(structure_params(CONVERTER, params, lsp.InitializeParams))
    connection.protocol = cast("Protocol", SimpleNamespace(converter=CONVERTER))
    connection._early_documents = connection.lost = Documents()
    connection.session = None
    connection.settings = Settings()
    return connection


@given(edits())
def test_the_text_is_the_editors(drawn: tuple[str, str, list[list[dict[str, Any]]], str]) -> None:
    encoding, first, messages, expected = drawn
    connection = connection_of(encoding)
    item = {"uri": URI, "languageId": "python", "version": 0, "text": first}
    did_open(connection, {"textDocument": item})
    for version, changes in enumerate(messages, 1):
        did_change(connection, {"textDocument": {"uri": URI, "version": version}, "contentChanges": changes})
    (document,) = connection.documents
    assert document.text == expected
    assert document.version == len(messages)
    closing = {"textDocument": {"uri": URI}}
    did_close(connection, structure_params(CONVERTER, closing, lsp.DidCloseTextDocumentParams))
    assert len(connection.documents) == 0


#: Changes that no server can read.
unreadable = st.sampled_from([5, None, {"text": 5}, {"range": 5, "text": ""}, {"range": {"start": {}}, "text": ""}])


@given(st.lists(st.lists(edits() | unreadable, min_size=1, max_size=3), max_size=4))
def test_the_text_is_the_editors_or_is_not_known(messages: list[list[Any]]) -> None:
    """Between changes that cannot be read, one whole text each and edits of it; a wrong text is never kept."""
    connection = connection_of("utf-16")
    did_open(connection, {"textDocument": {"uri": URI, "languageId": "python", "version": 0, "text": ""}})
    known: str | None = ""
    for version, message in enumerate(messages, 1):
        changes: list[Any] = []
        for each in message:
            if isinstance(each, tuple):
                encoding, first, edited, text = each
                in_utf16 = encoding == "utf-16"
                changes += [{"text": first}, *(change for part in edited for change in part)] if in_utf16 else []
                known = text if in_utf16 else known
            else:
                changes.append(each)
                known = None
        did_change(connection, {"textDocument": {"uri": URI, "version": version}, "contentChanges": changes})
        assert [document.text for document in connection.documents] == ([] if known is None else [known])
        assert len(connection.lost) == (known is None)
