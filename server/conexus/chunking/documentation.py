"""Documentation without its markers."""

from __future__ import annotations

import re

# What a line of a comment begins with in any of the languages, and what a block comment ends with.
_OPENING = re.compile(r"^[ \t]*(?:/{2,}!?<?|/\*+!?<?|\*+(?!/)|<!--|#+['!]?|--+(?:\[=*\[)?|\{-+)?(?: ?[|^](?= |$))?")
_CLOSING = re.compile(r"[ \t]*(?:\*+/|-+\}|\]=*\]|-->)?[ \t]*$")
_STRING = re.compile(r"^\s*(?:[rRbBuUfF]{0,2}|@|~[sS])?(\"\"\"|'''|\"|')(.*)\1\s*$", re.DOTALL)


def comment_text(lines: list[str]) -> str:
    """The text of comment lines, without markers and common indentation."""
    found = [_CLOSING.sub("", _OPENING.sub("", line.rstrip("\r\n"), count=1)).rstrip() for line in lines]
    return _trimmed(found)


def string_text(literal: str) -> str:
    """The text of a docstring: without quotes, prefix and common indentation."""
    whole = _STRING.match(literal)
    return _trimmed((whole[2] if whole else literal).replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def _trimmed(lines: list[str]) -> str:
    kept = [line.strip() if number == 0 else line.rstrip() for number, line in enumerate(lines)]
    margins = [len(line) - len(line.lstrip()) for line in kept[1:] if line.strip()]
    margin = min(margins, default=0)
    return "\n".join(kept[:1] + [line[margin:] for line in kept[1:]]).strip()
