"""Extracts the text of comments and docstrings, without their markers."""

from __future__ import annotations

import re

# Markers at the beginning of a comment line in any of the languages, and at the end of a block comment.
_OPENING = re.compile(r"^[ \t]*(?:/{2,}!?<?|/\*+!?<?|\*+(?!/)|<!--|#+['!]?|--+(?:\[=*\[)?|\{-+)?(?: ?[|^](?= |$))?")
_CLOSING = re.compile(r"(?:\*+/|-+\}|\]=*\]|-->)$")
_TAG = re.compile(
    r"</?(?:summary|remarks|para|param|typeparam|returns|value|exception|example|code|inheritdoc)\b[^>\n]*>"
)
_CLOSERS = ("*/", "-}", "]", "-->")
_STRING = re.compile(r"^\s*(?:[rRbBuUfF]{0,2}|@|~[sS])?(\"\"\"|'''|\"|')(.*)\1\s*$", re.DOTALL)


def comment_text(lines: list[str]) -> str:
    """Returns the text of comment lines, without markers and common indentation."""
    return _TAG.sub("", _trimmed([_without_markers(line.rstrip()) for line in lines])).strip()


def _without_markers(line: str) -> str:
    if line.endswith(_CLOSERS):
        line = _CLOSING.sub("", line).rstrip()
    opening = _OPENING.match(line)
    return line[opening.end() :] if opening else line


def string_text(literal: str) -> str:
    """Returns the text of a docstring, without quotes, prefix and common indentation."""
    whole = _STRING.match(literal)
    return _trimmed((whole[2] if whole else literal).replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def _trimmed(lines: list[str]) -> str:
    kept = [line.strip() if number == 0 else line.rstrip() for number, line in enumerate(lines)]
    margins = [len(line) - len(line.lstrip()) for line in kept[1:] if line.strip()]
    margin = min(margins, default=0)
    return "\n".join(kept[:1] + [line[margin:] for line in kept[1:]]).strip()
