"""The invariants of chunking hold for any text in any language."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import conexus
from conexus.chunking import LANGUAGES, chunk_text
from tests.unit.test_chunking_languages import SOURCES

LANGUAGE = st.sampled_from([*sorted(LANGUAGES), "json", "text"])
ODD = [
    "\r",
    "\r\n",
    "\n",
    "\x0c",
    "\0",
    "\u2028",
    "\x85",
    "\ud800",
    "\ufeff",
    "\t",
    "{",
    "}",
    "(",
    '"',
    "'",
    "/*",
    "😀",
    "é",
]
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


def holds(text: str, language: str) -> None:
    lines = LINE.findall(text)
    assert "".join(lines) == text
    chunks = chunk_text(text, language)
    covered = [0] * len(lines)
    end = 0
    for chunk in chunks:
        assert end <= chunk.start_line < chunk.end_line <= len(lines)
        end = chunk.end_line
        assert chunk.code == "".join(lines[chunk.start_line : chunk.end_line])
        assert len(chunk.references) == len(set(chunk.references)) <= 200
        assert chunk.symbol not in chunk.references
        for line in range(chunk.start_line, chunk.end_line):
            covered[line] += 1
    for line, count in zip(lines, covered, strict=True):
        assert count == 1 or (count == 0 and not line.strip())
    assert chunks == chunk_text(text, language)


@given(
    st.text(st.characters(exclude_categories=[]), max_size=400)
    | st.lists(st.sampled_from([*ODD, *"ab #"]), max_size=200).map("".join),
    LANGUAGE,
)
@settings(max_examples=300, deadline=None)
def test_random_text(text: str, language: str) -> None:
    holds(text, language)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, str]:
    language = draw(st.sampled_from(sorted(LANGUAGES)))
    text = SOURCES[language][0] * draw(st.integers(1, 4))
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 80)))
        text = text[:start] + draw(st.sampled_from(ODD) | st.text(max_size=5)) + text[end:]
    if draw(st.booleans()):
        text = text.replace("\n", draw(st.sampled_from(["\r", "\r\n", "\n\n", "\n\x0c"])))
    # Another language's grammar has to cope as well.
    return text, draw(st.sampled_from([language, language, language, *sorted(LANGUAGES)]))


@given(mutations())
@settings(max_examples=400, deadline=None)
def test_mutated_sources(case: tuple[str, str]) -> None:
    holds(*case)


@given(st.sampled_from(sorted(Path(conexus.__file__).parent.rglob("*.py"))), st.data())
@settings(max_examples=60, deadline=None)
def test_cut_files(path: Path, data: st.DataObject) -> None:
    text = path.read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    holds(text[start:end], "python")
