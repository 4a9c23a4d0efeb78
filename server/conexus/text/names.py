"""Finds a definition's name in the lines of the definition."""

import re
from collections.abc import Iterable

#: Matches what may precede a definition on its line: closed comments, attributes, annotations, decorators.
_BEFORE = re.compile(r"\s*(?:(?:/\*.*?\*/|#!?\[[^\]]*\]|\[\[.*?\]\]|@[\w.]+(?:\([^()]*\))?)\s*)*")
#: Matches the beginning of a line of documentation. `#define NAME` is code.
_DOCUMENTATION = re.compile(r"#(?!\s*define\b)|//|\*|--|;|%|\"\"\"|'''")


def place_of_name(lines: Iterable[str], name: str, kind: str) -> tuple[int, int] | None:
    """Returns the name's line number and index in that line, both from 0; None if it is nowhere outside comments."""
    inside_comment = False
    for number, line in enumerate(lines):
        start = 0
        if inside_comment:
            start = line.find("*/") + 2
            if start < 2:
                continue
            inside_comment = False
        # A heading looks like a comment of other languages.
        if kind != "section":
            before = _BEFORE.match(line, start)
            start = before.end() if before else start
            if line.startswith("/*", start):
                inside_comment = True
                continue
            if _DOCUMENTATION.match(line, start):
                continue
        if (at := _find_word(line, name, start)) >= 0:
            return number, at
    return None


def _find_word(line: str, word: str, start: int) -> int:
    """Returns the index of a whole word at or after ``start``, or -1; like `str.find`, but not within a longer word."""
    while (at := line.find(word, start)) >= 0:
        end = at + len(word)
        if not (_are_of_one_word(line[at - 1 : at + 1]) or _are_of_one_word(line[end - 1 : end + 1])):
            return at
        start = at + 1
    return -1


def _are_of_one_word(two: str) -> bool:
    return len(two) == 2 and all(character.isalnum() or character == "_" for character in two)
