"""Columns in the negotiated encoding, and line ends as the protocol has them, there and back over the wire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conexus.text.positions import split_lines
from tests.lsp.raw import RawClient

Start = Callable[..., RawClient]

#: Form feeds and the like end no line; an emoji, a combining accent and a lone CR before what is searched.
TEXT = (
    "# page one\f# page two\x0b\x85\u2028 still the first line\n"
    "title = '🙂👨‍👩‍👧 é é'; MARKER = 1\r\n"
    "x = 0\r"
    "def zanzibar_harbour(s='🙂e\u0301', quayside=2):\n"
    "    return '🙂', quayside\n"
)


def width(text: str, encoding: str) -> int:
    """Code units, counted another way than the product does."""
    size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    return len(text.encode(f"{encoding}-le" if size > 1 else encoding)) // size


def cut(lines: list[str], place: dict[str, Any], encoding: str) -> str:
    """The text in a range within one line."""
    start, end = place["start"], place["end"]
    assert start["line"] == end["line"]
    data = lines[start["line"]].encode(f"{encoding}-le" if encoding != "utf-8" else encoding)
    size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    return data[start["character"] * size : end["character"] * size].decode(
        f"{encoding}-le" if encoding != "utf-8" else encoding
    )


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["utf-8", "utf-16"], "utf-8"),
        (["utf-16", "utf-8"], "utf-16"),
        (["utf-32", "utf-8", "utf-16"], "utf-32"),
        (None, "utf-16"),
        (["utf-7"], "utf-16"),
    ],
)
def test_positions(start: Start, workspace: Path, offered: list[str] | None, chosen: str) -> None:
    client = start()
    capabilities = {"general": {"positionEncodings": offered}} if offered else {}
    result = client.initialize(workspace, capabilities=capabilities)
    assert result["capabilities"]["positionEncoding"] == chosen
    uri = (workspace / "src" / "harbour.py").as_uri()
    item = {"uri": uri, "languageId": "python", "version": 1, "text": TEXT}
    client.notify("textDocument/didOpen", {"textDocument": item})

    # Edit behind the emoji of the second line: MARKER = 1 becomes MARKER = 42.
    lines = split_lines(TEXT)
    column = width(lines[1][: lines[1].index("= 1") + 2], chosen)
    place = {"start": {"line": 1, "character": column}, "end": {"line": 1, "character": column + 1}}
    # And rename the function on the line after the lone CR.
    first, last = (width(lines[3][: lines[3].index(part)], chosen) for part in ("quayside=", "=2"))
    renamed = {"start": {"line": 3, "character": first}, "end": {"line": 3, "character": last}}
    client.notify(
        "textDocument/didChange",
        {
            "textDocument": {"uri": uri, "version": 2},
            "contentChanges": [{"range": place, "text": "42"}, {"range": renamed, "text": "wharf"}],
        },
    )
    client.wait_until_quiescent()
    expected = TEXT.replace("= 1\r", "= 42\r").replace("quayside=2", "wharf=2")
    lines = split_lines(expected)

    hit = client.request("conexus/search", {"query": "zanzibar_harbour wharf", "limit": 1})["hits"][0]
    assert hit["location"]["uri"] == uri
    assert hit["version"] == 2
    assert cut(lines, hit["nameRange"], chosen) == "zanzibar_harbour"
    assert {cut(lines, match, chosen).lower() for match in hit["matches"]} >= {"wharf"}
    assert "wharf=2" in hit["preview"]
    (marker, *_) = client.request("conexus/search", {"query": "MARKER"})["hits"]
    assert "MARKER = 42" in marker["preview"]

    # A position behind an emoji is understood too.
    behind = {"line": 4, "character": width("    return '🙂', qu", chosen)}
    related = client.request("conexus/related", {"textDocument": {"uri": uri}, "position": behind})
    assert "zanzibar_harbour" not in {hit.get("symbol") for hit in related["hits"]}
    assert client.shut_down() == 0
