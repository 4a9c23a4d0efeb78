"""Matches paths with patterns in the syntax of .gitignore, with the same results as git.

This module follows git's source (dir.c and wildmatch.c) and not its manual, quirks included: patterns and paths are
bytes, a `**` that is the first wildcard of a pattern may stand in the middle of a name, a broken character class
matches nothing. The pathspec library was measured first: it re-includes files below an ignored directory, does not know
`[[:digit:]]`, and raises on `[z-a]`. A property test compares this module with git.

Bytes are held as strings with one character for each byte, because matching strings is faster.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

_WILDCARD = re.compile(r"[*?\[\\]")
_NEVER = r"(?!)"
_ASCII = "".join(map(chr, range(128)))
_CLASSES = {
    "alnum": str.isalnum,
    "alpha": str.isalpha,
    "blank": " \t".__contains__,
    "cntrl": lambda c: c < " " or c == "\x7f",
    "digit": str.isdigit,
    "graph": "!".__le__,
    "lower": str.islower,
    "print": " ".__le__,
    "punct": lambda c: "!" <= c <= "~" and not c.isalnum(),
    "space": " \t\n\v\f\r".__contains__,
    "upper": str.isupper,
    "xdigit": "0123456789abcdefABCDEF".__contains__,
}


def byte_string(path: str) -> str:
    """Returns a path in the form that this module compares: one character for each of its bytes."""
    if path.isascii():
        return path
    try:
        return os.fsencode(path).decode("latin-1")
    except UnicodeEncodeError:  # a client's name for a buffer, which no file can have
        return path.encode("utf-8", "surrogatepass").decode("latin-1")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of an ignore file. Either ``literal``, ``suffix`` or ``expression`` says what it matches."""

    negated: bool
    directories_only: bool
    #: Whether the pattern is compared with the path below the ignore file's directory, and not with its last name.
    whole_path: bool
    literal: str | None = None
    suffix: str | None = None
    expression: str = _NEVER

    def matches(self, subject: str, flags: int) -> bool:
        if self.literal is not None:
            return subject == self.literal
        if self.suffix is not None:
            return subject.endswith(self.suffix)
        return re.fullmatch(self.expression, subject, flags) is not None


def parse_pattern(line: str, *, ignore_case: bool = False) -> Pattern | None:
    """Returns the pattern of a line, or None for a blank line or a comment.

    ``line`` is a byte string without its line end.
    """
    text = _without_trailing_spaces(line.partition("\0")[0])
    if text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text[negated:]
    directories_only = text.endswith("/")
    text = text[: len(text) - directories_only]
    whole_path = "/" in text
    text = text.removeprefix("/")
    if not text:
        return None
    if ignore_case:
        return Pattern(negated, directories_only, whole_path, expression=_expression(text))
    if not _WILDCARD.search(text):
        return Pattern(negated, directories_only, whole_path, literal=text)
    if not whole_path and text[0] == "*" and not _WILDCARD.search(text, 1):
        return Pattern(negated, directories_only, whole_path, suffix=text[1:])
    return Pattern(negated, directories_only, whole_path, expression=_expression(text))


@dataclass(frozen=True, slots=True)
class PatternList:
    """The patterns of one ignore file. The last pattern that matches decides."""

    patterns: tuple[Pattern, ...]
    flags: int
    names: frozenset[str]
    suffixes: tuple[str, ...]
    name_expression: re.Pattern[str] | None
    paths: frozenset[str]
    path_expression: re.Pattern[str] | None

    @classmethod
    def of_lines(cls, lines: Iterable[str], *, ignore_case: bool = False) -> Self:
        """Makes a list of patterns as a person writes them, for example in a setting."""
        return cls.of_bytes("\n".join(lines).encode("utf-8", "surrogatepass"), ignore_case=ignore_case)

    @classmethod
    def of_bytes(cls, content: bytes, *, ignore_case: bool = False) -> Self:
        """Makes a list of the patterns in the content of an ignore file."""
        lines = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
        parsed = (parse_pattern(line.removesuffix("\r"), ignore_case=ignore_case) for line in lines)
        patterns = tuple(pattern for pattern in parsed if pattern is not None)
        flags = re.DOTALL | (re.IGNORECASE | re.ASCII if ignore_case else 0)
        names = [pattern for pattern in patterns if not pattern.whole_path]
        paths = [pattern for pattern in patterns if pattern.whole_path]
        return cls(
            patterns,
            flags,
            frozenset(pattern.literal for pattern in names if pattern.literal is not None),
            tuple({pattern.suffix for pattern in names if pattern.suffix is not None}),
            _any_of(names, flags),
            frozenset(pattern.literal for pattern in paths if pattern.literal is not None),
            _any_of(paths, flags),
        )

    def ignores(self, path: str, name: str, is_directory: bool) -> bool | None:
        """Decides whether a path is ignored (True), re-included (False) or not matched by any pattern (None).

        ``path`` is relative to the ignore file's directory, ``name`` its last part; both are byte strings.
        """
        if not (
            name in self.names
            or (self.suffixes and name.endswith(self.suffixes))
            or (self.name_expression and self.name_expression.fullmatch(name))
            or path in self.paths
            or (self.path_expression and self.path_expression.fullmatch(path))
        ):
            return None
        for pattern in reversed(self.patterns):
            if (is_directory or not pattern.directories_only) and pattern.matches(
                path if pattern.whole_path else name, self.flags
            ):
                return not pattern.negated
        return None


def _any_of(patterns: list[Pattern], flags: int) -> re.Pattern[str] | None:
    expressions = [p.expression for p in patterns if p.literal is None and p.suffix is None]
    return re.compile("|".join(expressions), flags) if expressions else None


def _without_trailing_spaces(line: str) -> str:
    end = at = 0
    while at < len(line):
        escaped = line[at] == "\\"
        if escaped and at + 1 == len(line):
            return line
        at += 1 + escaped
        if escaped or line[at - 1] != " ":
            end = at
    return line[:end]


# --- from wildcards to a regular expression ---
#
# Python's expressions backtrack, so a naive translation of `*a*a*a*a*a*b` takes ages on a name of many a's.
# Therefore every piece after a star, except the last, is matched at its first place and held there (an atomic
# group), because no later place of that piece could help the rest to match. The same holds for the text between
# two `**/`.


def _expression(text: str) -> str:
    groups: list[str] = []
    segments: list[list[str]] = [[""]]  # segments of the current group; each is a list of the pieces between its stars
    literal_so_far = True
    at = 0
    while at < len(text):
        character = text[at]
        if character == "*":
            stop = at
            while text[stop : stop + 1] == "*":
                stop += 1
            begins_segment = literal_so_far or text[at - 1] == "/"
            literal_so_far = False
            if stop - at >= 2 and begins_segment and text[stop : stop + 1] == "/":
                groups.append(_sequence(segments))
                segments = [[""]]
                stop += 1
            elif stop - at >= 2 and begins_segment and stop == len(text):
                segments[-1][-1] += ".*"
            else:
                segments[-1].append("")
            at = stop
        elif character == "/":
            segments.append([""])
            at += 1
        else:
            literal_so_far = literal_so_far and character not in "?[\\"
            atom, at = _atom(text, at)
            segments[-1][-1] += atom
    first, *rest = [*groups, _sequence(segments)]
    held = "".join(f"(?>(?:.*?/)??{group})" for group in rest[:-1])
    last = f"(?:.*/)?{rest[-1]}" if rest else ""
    return f"(?:{first}{held}{last})"


def _sequence(segments: list[list[str]]) -> str:
    return "/".join(_segment(pieces) for pieces in segments)


def _segment(pieces: list[str]) -> str:
    first, *rest = pieces
    held = "".join(f"(?>[^/]*?{piece})" for piece in rest[:-1])
    return first + held + (f"[^/]*{rest[-1]}" if rest else "")


def _atom(text: str, at: int) -> tuple[str, int]:
    """Returns the expression of the item that begins at ``at`` (no star and no slash), and the index of its end."""
    character = text[at]
    if character == "?":
        return "[^/]", at + 1
    if character == "\\":
        return (re.escape(text[at + 1]), at + 2) if at + 1 < len(text) else (_NEVER, at + 1)
    if character == "[":
        return _bracket(text, at + 1)
    return re.escape(character), at + 1


def _bracket(text: str, at: int) -> tuple[str, int]:
    """Returns the expression of a character class whose inside begins at ``at``, and the index of its end.

    A broken class matches nothing.
    """
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    members: set[str] = set()
    previous = ""  # where a range could begin
    first = True
    while at < len(text) and (first or text[at] != "]"):
        first = False
        character = text[at]
        following = text[at + 1 : at + 2]
        if character == "-" and previous and following not in ("", "]"):
            at += 1
            if following == "\\":
                at += 1
            if at >= len(text):
                break
            members.update(map(chr, range(ord(previous), ord(text[at]) + 1)))
            previous = ""
        elif character == "[" and following == ":":
            stop = text.find("]", at + 2)
            if stop < 0:
                break
            if stop > at + 2 and text[stop - 1] == ":":
                is_member = _CLASSES.get(text[at + 2 : stop - 1])
                if is_member is None:
                    return _NEVER, len(text)
                members.update(filter(is_member, _ASCII))
                previous = ""
                at = stop
            else:
                members.add("[")
                previous = "["
        else:
            if character == "\\":
                at += 1
                if at >= len(text):
                    break
            members.add(text[at])
            previous = text[at]
        at += 1
    if at >= len(text):
        return _NEVER, len(text)
    members.discard("/")
    listed = "".join(map(re.escape, sorted(members)))
    if negated:
        return f"[^/{listed}]", at + 1
    return (f"[{listed}]" if listed else _NEVER), at + 1
