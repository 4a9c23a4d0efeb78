"""The decisions are complete and in their index, and links between documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_english import ROOT, documents

DECISIONS = sorted((ROOT / "docs/decisions").glob("0*.md"))
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)]*))?\)")


def test_every_decision_is_in_the_index_with_its_title() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d{4})\]\((.+?)\) \| (.+) \|$", index, re.MULTILINE)
    titles = [path.read_text(encoding="utf-8").partition("\n")[0] for path in DECISIONS]
    assert [(name, f"# {number}: {title}") for number, name, title in rows] == [
        (path.name, title) for path, title in zip(DECISIONS, titles, strict=True)
    ]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_short_and_has_its_four_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Reconsider"]
    assert 15 <= len(text.splitlines()) <= 40


def test_links_between_documents_lead_somewhere() -> None:
    dead = []
    for document in documents():
        for target, heading in _LINK.findall(document.read_text(encoding="utf-8")):
            path = (document.parent / target) if target else document
            if not path.exists() or (heading and path.suffix == ".md" and heading not in headings_of(path)):
                dead.append(f"{document.relative_to(ROOT)}: {target}#{heading}")
    assert not dead, "\n".join(dead)


def headings_of(path: Path) -> set[str]:
    """Returns the anchors that a Markdown renderer gives the headings of a file."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
