"""The code and the documents say what they mean in plain technical English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import conexus

ROOT = Path(__file__).parents[2]
PACKAGE = Path(conexus.__file__).parent


def phrases_of(*patterns: str) -> re.Pattern[str]:
    """Makes one pattern of several. A space in them also matches a line break inside a comment."""
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b".replace(" ", r"(?:\s|#:?)+"), re.IGNORECASE)


#: Phrases that have a plainer form ("again", "is in", "scored", "while …"); forbidden in code and documents.
_BANNED = phrases_of(
    "anew",
    "for ever",
    "(?:was|were) told of",
    "so many",
    "those of which",
    "lies? in",
    "looked at",
    "it is had",
    "puts? away",
)

#: Further phrases that are forbidden in documents. Code may quote some of them or use them in another sense.
_BANNED_IN_DOCUMENTS = phrases_of(
    "meanwhile",
    "looks? at",
    "can(?:not)? be had",
    "told of",
    "(?:lies|lie|lay) (?:below|there|beside)",
    "is as good as",
    "as it stands",
    "whoever",
    "(?:brings?|brought) along",
    "of which alone",
    "what of",
)


def documents() -> Iterator[Path]:
    """Yields all texts for users and developers: documents, guides, manuals, READMEs."""
    for pattern in (
        "*.md",
        ".github/*.md",
        "docs/**/*.md",
        "editors/*/*.md",
        "editors/*/media/*.md",
        "editors/*/package.json",
        "editors/*/doc/*.txt",
        "server/benchmarks/*.md",
        "server/training/*.md",
    ):
        yield from sorted(ROOT.glob(pattern))


def found_in(source: Path, banned: re.Pattern[str]) -> Iterator[str]:
    """Yields the place of each forbidden phrase in a file."""
    text = source.read_text(encoding="utf-8")
    for match in banned.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"{source.relative_to(ROOT)}:{line}: {' '.join(match[0].split())}"


def test_phrases_are_found_across_lines_and_not_in_words() -> None:
    assert _BANNED.search("as it\n    was told\n    of")
    assert not _BANNED.search("a renewal, for everyone")


def test_no_module_speaks_in_riddles() -> None:
    editors = ("vscode/src/**/*.ts", "vscode/test/**/*.ts", "neovim/lua/**/*.lua", "neovim/plugin/*.lua")
    sources = [*PACKAGE.rglob("*.py"), *(path for each in editors for path in (ROOT / "editors").glob(each))]
    assert {".py", ".ts", ".lua"} == {source.suffix for source in sources}
    found = [place for source in sorted(sources) for place in found_in(source, _BANNED)]
    assert not found, "\n".join(found)


def test_no_document_speaks_in_riddles() -> None:
    checked = list(documents())
    assert {"README.md", "architecture.md", "conexus.txt", "package.json"} <= {source.name for source in checked}
    found = [
        place for source in checked for banned in (_BANNED, _BANNED_IN_DOCUMENTS) for place in found_in(source, banned)
    ]
    assert not found, "\n".join(found)
