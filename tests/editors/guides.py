"""The configurations that the guides tell users to take, so that the tests use those and no others."""

from __future__ import annotations

import re
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs/editors"


def configuration(guide: str, language: str) -> list[str]:
    """The blocks of a language in a guide, in order."""
    text = (_DOCS / f"{guide}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
