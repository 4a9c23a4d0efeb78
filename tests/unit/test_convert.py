"""The engine's values on the wire."""

from __future__ import annotations

import pytest
from lsprotocol import types as lsp

from conexus import values
from conexus.chunking.chunk import KINDS
from conexus.lsp import convert, types
from conexus.lsp.structuring import make_converter


def at(start: int, end: int) -> values.TextRange:
    return values.TextRange(values.Position(start, 1), values.Position(end, 2))


HIT = values.Hit(
    document="/work space/src/ä.py",
    range=at(3, 9),
    version=None,
    folder="/work space",
    language="python",
    kind="method",
    symbol="run",
    container="Server",
    score=0.5,
    reasons=("meaning",),
    preview="def run(self): ...",
    matches=(at(3, 3),),
    name_range=at(3, 3),
)
ANSWER = values.Answer((HIT,), values.IndexState(complete=False, indexed_files=1, total_files=2), 7, 1.5)


def test_an_answer_on_the_wire() -> None:
    span = {"start": {"line": 3, "character": 1}, "end": {"line": 3, "character": 2}}
    assert make_converter().unstructure(convert.result(ANSWER)) == {
        "hits": (
            [
                {
                    "location": {
                        "uri": "file:///work%20space/src/%C3%A4.py",
                        "range": {"start": {"line": 3, "character": 1}, "end": {"line": 9, "character": 2}},
                    },
                    "folder": "file:///work%20space",
                    "language": "python",
                    "score": 0.5,
                    "reasons": ["meaning"],
                    "preview": "def run(self): ...",
                    "symbol": "run",
                    "kind": "method",
                    "container": "Server",
                    "nameRange": span,
                    "matches": [span],
                }
            ]
        ),
        "index": {"complete": False, "indexedFiles": 1, "totalFiles": 2},
        "generation": 7,
        "tookMs": 1.5,
    }


@pytest.mark.parametrize(
    ("uri", "document"),
    [
        ("file:///a/b%20c.py", "/a/b c.py"),
        ("untitled:Untitled-1", "untitled:Untitled-1"),
        ("git:/a/b.py", None),
        ("https://example.org/a.py", None),
        ("nonsense", None),
    ],
)
def test_documents(uri: str, document: str | None) -> None:
    assert convert.document_of_uri(uri) == document
    if document is not None:
        assert convert.uri_of_document(document) == uri


def test_a_place_is_a_range_or_an_empty_one() -> None:
    position = lsp.Position(4, 2)
    assert convert.place("/a", position).range == values.TextRange(values.Position(4, 2), values.Position(4, 2))
    span = lsp.Range(position, lsp.Position(5, 0))
    assert convert.place("/a", span).range.end == values.Position(5, 0)


def test_folders_that_are_not_here_still_restrict() -> None:
    given = types.Filters(folders=["file:///here", "vscode-remote://there"], tests="only")
    assert convert.filters(given) == values.Filters(folders=("/here", "vscode-remote://there"), tests="only")


def test_every_kind_of_chunk_has_a_symbol_kind() -> None:
    assert set(KINDS) - {"text"} == set(convert._SYMBOL_KINDS)


def test_a_symbol_is_shown_by_its_name_or_its_place() -> None:
    symbol = convert.symbol(HIT)
    assert (symbol.name, symbol.kind, symbol.container_name) == ("run", lsp.SymbolKind.Method, "Server")
    assert symbol.location.range.end.line == 3
    nameless = values.Hit("/a/b.md", at(9, 11), None, "", "markdown", "text", "", "", 0.1, (), "")
    assert convert.symbol(nameless).name == "b.md:10"
    assert convert.symbol(nameless).kind is lsp.SymbolKind.File
