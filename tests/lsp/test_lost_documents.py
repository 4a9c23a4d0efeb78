"""What a client may send for a buffer's text, and what happens to a text that nobody knows any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.raw import RawClient

Start = Callable[..., RawClient]

ON_DISK = "def one():\n    pass\n"
WHOLE = {"text": "def whole():\n    pass\n"}


class Buffer:
    """One open document of a running server, and what a search finds in it."""

    def __init__(self, client: RawClient, folder: Path) -> None:
        self._client = client
        folder.mkdir()
        (folder / "a.py").write_text(ON_DISK)
        self.uri = (folder / "a.py").as_uri()
        client.initialize(folder)
        client.wait_until_quiescent()

    def open(self, **more: Any) -> None:
        item = {"uri": self.uri, "languageId": "python", "version": 1, "text": ON_DISK, **more}
        self._client.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, *changes: Any, version: Any = 2, **more: Any) -> None:
        identifier = {"uri": self.uri, "version": version}
        self._client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes, **more})

    @property
    def hit(self) -> dict[str, Any]:
        self._client.wait_until_quiescent()
        (hit,) = self._client.request("conexus/search", {"query": "one alpha gamma whole"})["hits"]
        return dict(hit)

    @property
    def text(self) -> str:
        return str(self.hit["preview"])


@pytest.fixture
def buffer(start: Start, tmp_path: Path) -> Buffer:
    return Buffer(start(), tmp_path / "folder")


def span(start: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
    return {
        "start": {"line": start[0], "character": start[1]},
        "end": {"line": end[0], "character": end[1]},
    }


def test_a_range_of_null_is_the_whole_text(buffer: Buffer) -> None:
    buffer.open()
    buffer.change({"range": None, "rangeLength": None, "text": "def alpha():\n    pass\n"})
    assert buffer.text == "def alpha():\n    pass\n"
    buffer.change({"range": span((0, 4), (0, 9)), "text": "gamma"}, version=3)
    assert buffer.text == "def gamma():\n    pass\n"
    assert buffer.hit["version"] == 3


def test_a_version_of_null_counts_on(buffer: Buffer) -> None:
    buffer.open(version=7)
    buffer.change({"text": "def alpha():\n    pass\n"}, version=None)
    assert buffer.text == "def alpha():\n    pass\n"
    assert buffer.hit["version"] == 8


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**32 - 1, 2**53])
def test_numbers_beyond_the_end_are_the_end(buffer: Buffer, number: int) -> None:
    buffer.open()
    buffer.change({"range": span((0, 0), (0, number)), "text": "def alpha():"})
    assert buffer.text == "def alpha():\n    pass\n"
    buffer.change({"range": span((1, 4), (number, number)), "text": "return 1\n"}, version=number)
    assert buffer.text == "def alpha():\n    return 1\n"
    assert buffer.hit["version"] == number


def test_a_document_may_be_opened_without_language_and_version(buffer: Buffer) -> None:
    buffer.open(text="def alpha():\n    pass\n", languageId=None, version=None)
    assert buffer.text == "def alpha():\n    pass\n"
    assert "version" not in buffer.hit
    buffer.change({"range": span((0, 4), (0, 9)), "text": "gamma"}, version=None)
    assert buffer.text == "def gamma():\n    pass\n"


UNREADABLE: dict[str, Callable[[Buffer], None]] = {
    "no text": lambda buffer: buffer.change({"range": span((0, 0), (0, 1))}),
    "a text that is none": lambda buffer: buffer.change({"text": 5}),
    "a range that is none": lambda buffer: buffer.change({"range": 5, "text": "x"}),
    "a range without end": lambda buffer: buffer.change({"range": {"start": {"line": 0, "character": 0}}, "text": ""}),
    "a negative line": lambda buffer: buffer.change({"range": span((-1, 0), (0, 1)), "text": "x"}),
    "half a column": lambda buffer: buffer.change({"range": span((0, 0.5), (0, 1)), "text": "x"}),  # type: ignore[arg-type]
    "a version that is none": lambda buffer: buffer.change({"text": "x"}, version="2"),
    "changes that are none": lambda buffer: buffer.change(contentChanges=None),
    "a change that is none": lambda buffer: buffer.change("x"),
    "one bad among good ones": lambda buffer: buffer.change(
        WHOLE, {"range": 5, "text": "x"}, {"range": span((0, 0), (0, 0)), "text": "# "}
    ),
    "opened again without text": lambda buffer: buffer.open(text=None),
}


@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
def test_after_a_change_that_cannot_be_read_the_file_answers_until_a_whole_text_comes(
    buffer: Buffer, unreadable: Callable[[Buffer], None]
) -> None:
    buffer.open(text="def alpha():\n    pass\n")
    assert buffer.text == "def alpha():\n    pass\n"
    unreadable(buffer)
    assert buffer.text == ON_DISK
    assert "version" not in buffer.hit
    buffer.change({"range": span((0, 4), (0, 9)), "text": "gamma"}, version=3)
    assert buffer.text == ON_DISK  # it would have gone into a text that the editor does not have
    buffer.change(WHOLE, {"range": span((0, 4), (0, 9)), "text": "gamma"}, version=4)
    assert buffer.text == "def gamma():\n    pass\n"
    assert (buffer.hit["version"], buffer.hit["language"]) == (4, "python")


def test_a_whole_text_after_a_bad_change_in_one_message_is_enough(buffer: Buffer) -> None:
    buffer.open()
    buffer.change({"text": 5}, WHOLE)
    assert buffer.text == WHOLE["text"]


def test_a_lost_document_can_be_closed_and_opened_again(buffer: Buffer) -> None:
    buffer.open()
    buffer.change({"text": 5})
    buffer._client.notify("textDocument/didClose", {"textDocument": {"uri": buffer.uri}})
    buffer.change(WHOLE, version=3)
    assert buffer.text == ON_DISK  # it is not open
    buffer.open(text="def alpha():\n    pass\n")
    assert buffer.text == "def alpha():\n    pass\n"


def test_a_bad_change_of_a_document_that_is_not_open_opens_none(buffer: Buffer) -> None:
    buffer.change({"text": 5})
    buffer.change(WHOLE, version=3)
    assert buffer.text == ON_DISK


def test_that_a_document_is_lost_is_logged_once(buffer: Buffer) -> None:
    buffer.open()
    for version in range(2, 12):
        buffer.change({"range": 5, "text": "x"}, version=version)
    assert buffer.text == ON_DISK
    assert buffer._client.shut_down() == 0
    assert buffer._client.stderr.count("is not known until the editor sends it as a whole") == 1


def test_a_lost_buffer_without_a_file_is_in_no_answer(start: Start, tmp_path: Path) -> None:
    client = start()
    client.initialize(tmp_path)
    item = {"uri": "untitled:Untitled-1", "languageId": "python", "version": 1, "text": "def alpha():\n    pass\n"}
    client.notify("textDocument/didOpen", {"textDocument": item})
    client.wait_until_quiescent()
    assert client.request("conexus/search", {"query": "alpha"})["hits"]
    change = {"textDocument": {"uri": item["uri"], "version": 2}, "contentChanges": [{"range": 1, "text": ""}]}
    client.notify("textDocument/didChange", change)
    client.wait_until_quiescent()
    assert client.request("conexus/search", {"query": "alpha"})["hits"] == []


def change(uri: object, digits: str = "2") -> bytes:
    """A change of the first line as bytes, in which anything may be wrong."""
    place = json.dumps({"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}})
    document = f'{{"uri": {json.dumps(uri)}, "version": {digits}}}'
    changes = f'[{{"range": {place}, "text": "# new first line\\n"}}]'
    params = f'{{"textDocument": {document}, "contentChanges": {changes}}}'
    return f'{{"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {params}}}'.encode()


#: Messages that may have been an edit, of the document or of another one; the code of the error, if one is answered.
BROKEN: dict[str, tuple[int, Callable[[Buffer], bytes]]] = {
    "no JSON": (-32700, lambda buffer: change(buffer.uri)[:-1]),
    "too deep": (-32700, lambda buffer: b"[" * 200_000),
    "no document": (0, lambda buffer: change(None)),
    "a document that is none": (0, lambda buffer: change(5)),
    "no params": (0, lambda buffer: b'{"jsonrpc": "2.0", "method": "textDocument/didChange"}'),
    "no document closed": (0, lambda buffer: b'{"jsonrpc": "2.0", "method": "textDocument/didClose", "params": {}}'),
    "with an id": (-32601, lambda buffer: b'{"id": 99, ' + change(buffer.uri)[1:]),
}


@pytest.mark.parametrize(("code", "broken"), BROKEN.values(), ids=BROKEN)
def test_after_a_message_that_may_have_been_an_edit_the_files_answer(
    buffer: Buffer, code: int, broken: Callable[[Buffer], bytes]
) -> None:
    buffer.open(text="def alpha():\n    pass\n")
    assert buffer.text == "def alpha():\n    pass\n"
    if code == -32601:
        buffer._client._asked.add(99)
    buffer._client.send_body(broken(buffer))
    if code:
        assert buffer._client.answer(99 if code == -32601 else None)["error"]["code"] == code
    assert buffer.text == ON_DISK
    buffer.change({"range": span((1, 4), (1, 8)), "text": "return 1"}, version=3)
    assert buffer.text == ON_DISK
    buffer.change(WHOLE, version=4)
    assert buffer.text == WHOLE["text"]


def test_a_number_of_thousands_of_digits_is_a_number(buffer: Buffer) -> None:
    buffer.open()
    buffer._client.send_body(change(buffer.uri, "1" * 5000))
    assert buffer.text == f"# new first line\n{ON_DISK}"


def test_bytes_that_are_not_utf8_are_one_character_each(buffer: Buffer) -> None:
    """Neovim sends what is in the buffer."""
    buffer.open()
    buffer._client.send_body(change(buffer.uri).replace(b"new first", b"n\xe9w"))
    assert buffer.text == f"# n\ufffdw line\n{ON_DISK}"
    buffer.change({"range": span((0, 2), (0, 5)), "text": "old"}, version=3)
    assert buffer.text == f"# old line\n{ON_DISK}"
