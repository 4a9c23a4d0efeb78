"""The code says what it does in plain technical English."""

from __future__ import annotations

import re
from pathlib import Path

import conexus

#: Phrases of riddles: each has a plain word ("again", "is in", "scored", "while …").
_BANNED = re.compile(
    r"\b(anew|for ever|(?:was|were) told of|so many|those of which|lies? in|looked at|it is had|puts? away)\b",
    re.IGNORECASE,
)


def test_no_module_speaks_in_riddles() -> None:
    package = Path(conexus.__file__).parent
    found = [
        f"{source.relative_to(package)}:{number}: {match[0]}"
        for source in sorted(package.rglob("*.py"))
        for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1)
        if (match := _BANNED.search(line))
    ]
    assert not found, "\n".join(found)
