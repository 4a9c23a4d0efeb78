"""What is fuzzed: functions that take any bytes and raise only if the product is wrong."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import re
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import conexus
from conexus import escape
from conexus.config import Settings
from tests.property.test_chunking import holds
from tests.security.test_stored_files import DIMENSIONS, Model, use
from tests.unit.test_chunking_languages import SOURCES


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads foreign bytes, and inputs of the right form, from which others are made."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]


def text_of(data: bytes) -> str:
    """Returns the bytes as text in which lone surrogates may be, as in JSON."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


@cache
def scratch() -> Path:
    """Returns a directory in memory, if there is one, for files that are read back."""
    memory = Path("/dev/shm")
    directory = tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)
    scratch_directories.append(directory)
    return Path(directory.name)


#: Kept until the process ends, which removes them.
scratch_directories: list[tempfile.TemporaryDirectory[str]] = []


# --- the protocol ---


def frames(data: bytes) -> None:
    from conexus.lsp.frames import FrameError, FrameReader

    def bodies(pieces: Sequence[bytes]) -> tuple[list[bytes], bool]:
        reader, found = FrameReader(), []
        try:
            for piece in pieces:
                found.extend(reader.feed(piece))
        except FrameError:
            return found, True
        return found, False

    size = 1 + (data[0] if data else 0) % 7
    assert bodies([data]) == bodies([data[start : start + size] for start in range(0, len(data), size)])


def _message(method: str, **params: Any) -> bytes:
    return json.dumps([method, params]).encode()


@cache
def _structuring() -> tuple[Any, list[type]]:
    from lsprotocol import types as lsp

    from conexus.lsp import types
    from conexus.lsp.structuring import make_converter

    standard = [
        lsp.InitializeParams, lsp.DidOpenTextDocumentParams, lsp.DidChangeTextDocumentParams,
        lsp.DidCloseTextDocumentParams, lsp.DidSaveTextDocumentParams, lsp.DidChangeConfigurationParams,
        lsp.DidChangeWatchedFilesParams, lsp.DidChangeWorkspaceFoldersParams, lsp.ExecuteCommandParams,
        lsp.WorkspaceSymbolParams, lsp.CodeActionParams, lsp.CreateFilesParams, lsp.RenameFilesParams,
        lsp.DeleteFilesParams, lsp.WorkDoneProgressCancelParams,
    ]  # fmt: skip
    return make_converter(), [*types.REQUESTS.values(), *standard]


def params(data: bytes) -> None:
    from conexus.lsp.structuring import ParamsError, structure_params

    converter, classes = _structuring()
    try:
        value = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    cls = classes[data[0] % len(classes)]
    with contextlib.suppress(ParamsError):
        assert isinstance(structure_params(converter, value, cls), cls)


def _params_seeds() -> list[bytes]:
    values = [
        {"query": "a", "limit": 5, "filters": {"languages": ["python"], "paths": ["src/**"], "tests": "only"}},
        {"textDocument": {"uri": "file:///a.py"}, "position": {"line": 1, "character": 2}, "relations": ["tests"]},
        {"textDocument": {"uri": "file:///a", "languageId": "c", "version": 1, "text": "x"}},
        {
            "textDocument": {"uri": "file:///a", "version": 2},
            "contentChanges": [
                {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}}, "text": "y"}
            ],
        },
        {"processId": 1, "rootUri": None, "capabilities": {"general": {"positionEncodings": ["utf-8"]}}},
        {"settings": {"conexus": {"maxFiles": 1}}},
        {"changes": [{"uri": "file:///a", "type": 1}]},
        {"event": {"added": [{"uri": "file:///a", "name": "a"}], "removed": []}},
        {"command": "conexus.server.search", "arguments": [{"query": "x"}, -1, 1e308, 9007199254740993]},
        {"files": [{"oldUri": "file:///a", "newUri": "file:///b"}], "token": "t", "workDoneToken": 3},
    ]
    return [bytes([number]) + json.dumps(value).encode() for number in range(19) for value in values]


def uris(data: bytes) -> None:
    from conexus.workspace.paths import path_of_uri, relative_path, uri_of_path

    text = text_of(data)
    for windows in (False, True):
        path = path_of_uri(text, windows)
        if path is not None:
            assert "\0" not in path
            assert path_of_uri(uri_of_path(path, windows), windows) == path
            assert not {"..", "."} & set(re.split(r"[/\\]" if windows else "/", path))
    below = relative_path("/ws", text)
    assert below is None or (text == "/ws" or text.startswith("/ws/"))


def workspace_paths(data: bytes) -> None:
    from conexus.workspace.inside import OutsideWorkspace, resolve_in_workspace

    text = text_of(data)
    for windows, roots in ((False, ["/ws", "/other/ws"]), (True, ["C:\\ws", "\\\\host\\share\\ws"])):
        try:
            found = resolve_in_workspace(roots, text, windows=windows)
        except OutsideWorkspace:
            continue
        for root, below in found:
            assert root in roots
            assert "\0" not in below
            assert not below.startswith("/")
            assert not {"..", "."} & set(re.split(r"[/\\]" if windows else "/", below))
            if windows:
                assert ":" not in below


def settings(data: bytes) -> None:
    from conexus.config import merge
    from conexus.workspace.settings_file import _parse

    defaults = Settings()
    merged, problems = _parse(data).merged_into(defaults)
    for name in ("max_files", "max_file_bytes", "max_depth", "max_folder_mib"):
        assert 1 <= getattr(merged, name) <= getattr(defaults, name)
    assert merged.model == defaults.model
    for problem in problems:
        assert_harmless(escape.message(problem))
    with contextlib.suppress(ValueError, RecursionError):
        merge(defaults, json.loads(data), "client")


# --- code ---


def chunks(data: bytes) -> None:
    from conexus.chunking import LANGUAGES

    languages = [*sorted(LANGUAGES), "json", "text"]
    if data:
        # The text of a file is decoded, so that it has no lone surrogates.
        holds(data[1:].decode("utf-8", "replace"), languages[data[0] % len(languages)])


def _chunk_seeds() -> list[bytes]:
    from conexus.chunking import LANGUAGES

    return [bytes([n]) + SOURCES[name][0].encode() for n, name in enumerate(sorted(LANGUAGES)) if name in SOURCES]


def patterns(data: bytes) -> None:
    from conexus.workspace.gitignore import PatternList

    content, _, path = data.partition(b"\0")
    for ignore_case in (False, True):
        rules = PatternList.of_bytes(content, ignore_case=ignore_case)
        name = path.decode("latin-1")
        for directory in (False, True):
            assert rules.ignores(name, name.rpartition("/")[2], directory) in (True, False, None)


@cache
def _regular_expressions() -> list[re.Pattern[Any]]:
    """All regular expressions that are names of modules."""
    found = []
    for each in pkgutil.walk_packages(conexus.__path__, "conexus."):
        if not each.name.endswith("__main__"):
            module = importlib.import_module(each.name)
            found += [value for _, value in sorted(vars(module).items()) if isinstance(value, re.Pattern)]
    return list({(each.pattern, each.flags): each for each in found}.values())


def regular_expressions(data: bytes) -> None:
    """Searches ``prefix + unit * n + suffix``: what takes more than linear time here takes minutes."""
    known = _regular_expressions()
    if not data:
        return
    expression = known[data[0] % len(known)]
    prefix, _, rest = data[1:].partition(b"\0")
    unit, _, suffix = rest.partition(b"\0")
    pumped = prefix + unit * (4000 // max(1, len(unit))) + suffix
    expression.search(pumped if isinstance(expression.pattern, bytes) else pumped.decode("utf-8", "replace"))


def names(data: bytes) -> None:
    from conexus.chunking.documentation import comment_text, string_text
    from conexus.chunking.languages import did_you_mean, language_of
    from conexus.text.names import place_of_name

    text = text_of(data)
    lines = text.split("\n")
    place = place_of_name(lines[1:], lines[0], "function")
    if place is not None:
        assert lines[1:][place[0]].startswith(lines[0], place[1])
    comment_text(lines)
    string_text(text)
    language_of(lines[0], text)
    did_you_mean(text)


# --- queries ---


def queries(data: bytes) -> None:
    from conexus.search.operators import parse_operators
    from conexus.search.query import understand
    from conexus.values import BadQuery

    text = text_of(data)[:10_000]
    with contextlib.suppress(BadQuery):
        parse_operators(text)
    with contextlib.suppress(BadQuery):
        understand(text)


def scopes(data: bytes) -> None:
    from conexus.search.scope import _PathPatterns, _patterns
    from conexus.values import BadQuery

    value, _, path = text_of(data).partition("\n")
    with contextlib.suppress(BadQuery):
        matches = _PathPatterns.of(_patterns(value))._matcher()
        assert {matches(path), matches("src/a.py")} <= {True, False}


@cache
def _table() -> Any:
    import lancedb
    import pyarrow as pa

    database = lancedb.connect(scratch() / "tables")
    return database.create_table("files", pa.table({"path": ["a", "b", "'", "a'b", "--", "\\"]}))


def predicates(data: bytes) -> None:
    """A literal is one value: no text selects other rows than those that equal it."""
    from conexus.storage.lance.predicates import any_of, quote

    text = data.decode("utf-8", "replace")
    rows = ["a", "b", "'", "a'b", "--", "\\"]
    table = _table()
    assert table.count_rows(f"path = {quote(text)}") == rows.count(text)
    assert table.count_rows(any_of("path", [text, "b"])) == len({text, "b"} & set(rows))


# --- files of ours ---


@cache
def _segment() -> bytes:
    from conexus.segments.analysis import FileFacts, analyse
    from conexus.segments.build import build_segment
    from conexus.segments.file import save_segment

    model: Any = Model()
    code = "class Okapi:\n    def giraffe(self):\n        return zebra(1)\n"
    segment = build_segment(
        [analyse(FileFacts("src/größe.py", "python", 10, 20, "00"), code, model)], "noise-1", DIMENSIONS
    )
    save_segment(scratch() / "seed.segment", segment, "1|noise-1")
    return (scratch() / "seed.segment").read_bytes()


def with_checksum(data: bytes) -> bytes:
    """Returns a file of arrays whose checksum is right, if its header can be understood."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        header["__metadata__"]["crc32"] = str(zlib.crc32(data[8 + length :]))
        encoded = json.dumps(header).encode()
    except (ValueError, RecursionError, KeyError, TypeError):
        return data
    encoded = encoded.ljust(length)
    return len(encoded).to_bytes(8, "little") + encoded + data[8 + length :]


def segments(data: bytes) -> None:
    from conexus.arrays.file import DamagedFile

    path = scratch() / "1-1-1.segment"
    path.write_bytes(with_checksum(data))
    path.chmod(0o600)
    with contextlib.suppress(DamagedFile):
        use(path)


def manifests(data: bytes) -> None:
    from conexus.arrays.file import DamagedFile
    from conexus.storage import manifest
    from conexus.storage.index_directory import MANIFEST_FILE

    directory = scratch() / "index"
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / MANIFEST_FILE).write_bytes(data)
    with contextlib.suppress(DamagedFile, OSError):
        for entry in manifest.read(directory):
            assert manifest.segment_path(directory, entry.name).parent == directory


def audit_lines(data: bytes) -> None:
    from conexus.audit import chain

    directory = scratch() / "audit"
    directory.mkdir(mode=0o700, exist_ok=True)
    head, _, lines = data.partition(b"\0")
    (directory / chain.HEAD_FILE).write_bytes(head)
    (directory / chain.LOG_FILE).write_bytes(lines)
    chain.verify(directory)
    list(chain.lines_of(directory))


def _audit_seeds() -> list[bytes]:
    from conexus.audit import chain
    from conexus.audit.events import Entry
    from conexus.audit.writer import Place

    directory = scratch() / "seed-audit"
    entries = [Entry(number, "limitReached", {"limit": "disk", "times": number}) for number in range(2)]
    chain.append(Place(directory, "test", 1, 90), entries)
    return [(directory / chain.HEAD_FILE).read_bytes() + b"\0" + (directory / chain.LOG_FILE).read_bytes()]


# --- sinks ---

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def assert_harmless(text: str) -> None:
    assert not _CONTROL.search(text)


def sinks(data: bytes) -> None:
    from conexus.audit.events import LONGEST_TEXT, bounded

    text = text_of(data)
    once = escape.one_line(text)
    assert escape.one_line(once) == once
    for shown in (once, escape.message(text), escape.markdown(text), escape.markdown_code(text)):
        assert_harmless(shown)
    assert "](" not in escape.message(text)
    assert all("\n" not in line for line in escape.markdown_block(text, text)[::2])
    assert re.fullmatch(r"[\w:/%#?&=.,;@!$*+~-]*", escape.markdown_target(text), re.ASCII)
    for name in ("path", "reason"):
        kept = str(bounded({name: text})[name])
        assert_harmless(kept)
        assert len(kept) <= 10 * (LONGEST_TEXT + 1) + 2
        assert not kept.startswith("/")


def of(*seeds: bytes) -> Callable[[], Sequence[bytes]]:
    return lambda: seeds


TARGETS: dict[str, Target] = {
    "frames": Target(
        frames,
        of(
            b"Content-Length: 2\r\n\r\n{}",
            b"x\r\ncontent-length:1\r\nContent-Type: a\r\n\r\n1Content-Length: 0\r\n\r\n",
        ),
    ),
    "params": Target(params, _params_seeds),
    "uris": Target(
        uris,
        of(
            b"file:///a/b.py",
            b"file:///c%3A/a",
            b"file://host/share/a",
            b"file:///a/%2e%2e/b",
            b"FILE:/a",
            b"/ws/a",
            b"untitled:1",
            b"file:////host/a",
            b"file:///C|/a/../..",
            b"file:///%00",
            b"file:///a%2fb%5c..%5cc",
        ),
    ),
    "workspace paths": Target(
        workspace_paths,
        of(
            b"a/b.py",
            b"/ws/a",
            b"file:///ws/a",
            b"C:\\ws\\a",
            b"\\\\host\\share\\ws\\a",
            b"a/../../b",
            b"con.txt",
            b"a\\..\\b",
            b"file:///c%3A/ws/a:b",
            b"/ws2/a",
            b"\\\\?\\C:\\ws\\a",
            b"C:a",
            b"a. /b",
            b"~/a",
            b"",
        ),
    ),
    "settings": Target(
        settings,
        of(
            b'exclude = ["*.key"]\nmaxFiles = 5\nwatcher = "off"\n',
            b"maxFiles = 1e308\nmaxDepth = true\nmodel = 'x'\n",
            b"a.b.c = {d = [1, 2]}\n[[x]]\ny = 1979-05-27T07:32:00Z\n",
            b'{"maxFiles": 1, "exclude": ["a"]}',
            b"maxFileBytes = 9223372036854775807\nmaxFolderMib = -1\n",
            b'"\\u001b]8;;x" = """\nx"""\n',
        ),
    ),
    "chunks": Target(chunks, _chunk_seeds),
    "patterns": Target(
        patterns,
        of(
            b"*.pyc\n!keep.pyc\n/build/\n**/a/**/b\n\0x/build/a.pyc",
            b"[a-z]*[!0-9]\\ \n\\#a\0a b",
            b"a/**\n[[:alpha:]]\n[]-]\n[^\n\0a/b",
            b"*a*a*a*a*b\n\0" + b"a" * 30,
            b"\xef\xbb\xbf?\xff\r\n\0\xff",
        ),
    ),
    "regular expressions": Target(
        regular_expressions,
        lambda: [
            bytes([number]) + pumped
            for number in range(len(_regular_expressions()))
            for pumped in (b"a\0a\0!", b'\0"\0', b" \0 \t\0x", b"/*\0*/ \0", b"\0a.\0", b"[\0[(\0]", b"\0_\0-")
        ],
    ),
    "names": Target(
        names, of(b"foo\n/* x */ @a(b) def foo(x):\n  foo()", b"a.py\n#!/usr/bin/env python3\n", b"x\n[[a]] x")
    ),
    "queries": Target(
        queries,
        of(
            b"lang:python -path:tests/** kind:function where is JSON parsed",
            b'path:"a b" test:only retry_with_backoff',
            b"how does HTTPServer2 close() work?",
            b'"exact phrase" lang: -kind:"" Foo::bar->baz',
            b"\xe6\x97\xa5\xe6\x9c\xac",
        ),
    ),
    "scopes": Target(scopes, of(b"src/**\nsrc/a/b.py", b"/src\nx", b"*.[ch]\na.c", b"!a\na", b"\0a\na")),
    "predicates": Target(
        predicates, of(b"a", b"' OR '1'='1", b"a'b", b"\\' OR 1=1 --", b"'';--", b"\0", b"a\nb", b"%_")
    ),
    "segments": Target(segments, lambda: [_segment()]),
    "manifests": Target(
        manifests,
        of(
            b'{"layout": "2", "segments": [{"name": "1-2-3", "hidden": ["a"], "indexed": true}]}',
            b'{"segments": 1}',
            b"[]",
        ),
    ),
    "audit lines": Target(audit_lines, _audit_seeds),
    "sinks": Target(
        sinks,
        of(
            b"\x1b]8;;http://x\x07y",
            b"[a](command:b) <img> `c`",
            b"\xe2\x80\xaea",
            b"/home/me/x",
            b"a: C:\\b c",
            b"```\n~~~\n",
            b"\xed\xa0\x80",
            b"www.a.b https://c _d_ **e** $f$",
            b"a/../../b",
        ),
    ),
}
