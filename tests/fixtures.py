"""Code for tests, written as one string with a cursor, and a snapshot of it without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from conexus.chunking import language_of
from conexus.embedding.embedder import Embedder
from conexus.embedding.static import StaticEmbedder
from conexus.segments.analysis import FileFacts, analyse
from conexus.segments.build import build_segment
from conexus.segments.snapshot import RowRef, Searchable, Snapshot, View
from tests.workspaces import parse

FOLDER = "/workspace"
CURSOR = "$0"


@dataclass(frozen=True, slots=True)
class Fixture:
    files: dict[str, str]
    #: Path and 0-based line of ``$0``; empty and 0 if there is none.
    path: str = ""
    line: int = 0


def fixture(text: str) -> Fixture:
    """Files of a text with ``//- /path`` sections, and where ``$0`` stands in it; the mark is taken out."""
    files = parse(text)
    for path, content in files.items():
        before, mark, after = content.partition(CURSOR)
        if mark:
            return Fixture({**files, path: before + after}, path, before.count("\n"))
    return Fixture(files)


@cache
def model() -> StaticEmbedder:
    """The shipped model."""
    return StaticEmbedder()


def view(files: Mapping[str, str], folder: str = FOLDER) -> View:
    indexed = [
        analyse(FileFacts(path, language_of(path, "") or "text", len(text), 0, ""), text, model())
        for path, text in files.items()
    ]
    segment = build_segment(indexed, model().fingerprint, model().dimensions)
    return View(folder, segment, np.ones(len(segment), np.bool_))


def snapshot(files: Mapping[str, str]) -> Snapshot:
    return Snapshot(1, (view(files),))


def searchable(of: Snapshot, *embedders: Embedder) -> Searchable:
    """A snapshot whose queries the shipped model embeds, unless others are given."""
    return Searchable(of, embedders or (model(),))


def where(ref: RowRef) -> str:
    """``path:symbol`` of an answer, or ``path:line`` (1-based) where it defines nothing."""
    segment = ref.view.segment
    return f"{ref.path}:{segment.symbols[ref.row] or int(segment.start_lines[ref.row]) + 1}"
