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
from collections.abc import Iterable, Sequence
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
    """One line of an ignore file."""

    #: The pattern without its ``!``, its first and its last slash.
    text: str
    negated: bool
    directories_only: bool
    #: Whether the pattern is compared with the path below the ignore file's directory, and not with its last name.
    whole_path: bool
    #: Number of wildcards: stars, question marks, classes and escapes.
    wildcards: int


def parse_pattern(line: str) -> Pattern | None:
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
    wildcards = len(_WILDCARD.findall(text[: _LONGEST_PATTERN + 1]))
    return Pattern(text, negated, directories_only, whole_path, wildcards)


@dataclass(slots=True)
class _Budget:
    """What the patterns of one list may cost. A pattern that does not fit is dropped.

    The limits are far above those of real files. The largest ignore files that people share have 600 patterns.
    """

    #: Number of patterns, and how many of them may have wildcards.
    patterns: int = 20_000
    with_wildcards: int = 2_000
    #: Number of characters of all patterns with wildcards, which decides how long it takes to compile them.
    characters: int = 64 * 1024

    def admits(self, pattern: Pattern) -> bool:
        """Decides whether a pattern fits, and spends what it costs."""
        length = len(pattern.text)
        if length > _LONGEST_PATTERN or pattern.wildcards > _MOST_WILDCARDS or not self.patterns:
            return False
        if pattern.wildcards:
            if not self.with_wildcards or length > self.characters:
                return False
            self.with_wildcards -= 1
            self.characters -= length
        self.patterns -= 1
        return True


#: Maximum number of characters of a pattern, which is the longest path of most systems, and of its wildcards.
_LONGEST_PATTERN, _MOST_WILDCARDS = 4096, 64
#: Number of bytes of an ignore file that are read; lines after them are dropped.
MOST_BYTES = 2**20
#: Number of patterns that are compiled into one expression, so that no call of ``re`` takes long.
_PIECE = 50


class _Piece:
    """Some patterns with wildcards, which are compiled when they are first needed."""

    __slots__ = ("_expression", "_flags", "_numbers", "_patterns", "highest")

    def __init__(self, numbered: Sequence[tuple[int, Pattern]], flags: int) -> None:
        """``numbered``: the patterns with their numbers, the highest number first."""
        self._patterns: tuple[Pattern, ...] = tuple(pattern for _, pattern in numbered)
        self._numbers = tuple(number for number, _ in numbered)
        self._flags = flags
        self._expression: re.Pattern[str] | None = None
        self.highest = self._numbers[0]

    def last(self, subject: str) -> int:
        """Returns the highest number of a pattern that matches a subject; -1 if none does."""
        expression = self._expression
        if expression is None:
            # The first alternative that matches ends the search, and the empty group after it tells which one it is.
            alternatives = (f"{_expression(pattern.text)}()" for pattern in self._patterns)
            expression = self._expression = re.compile("|".join(alternatives), self._flags)
            self._patterns = ()
        match = expression.fullmatch(subject)
        return -1 if match is None or match.lastindex is None else self._numbers[match.lastindex - 1]


class _Kind:
    """The patterns of a list that are compared with the same subject, for the same kind of entry."""

    __slots__ = ("_ignore_case", "_literals", "_pieces", "_suffix_numbers", "_suffixes", "whole_path")

    def __init__(self, numbered: Sequence[tuple[int, Pattern]], *, whole_path: bool, ignore_case: bool) -> None:
        """``numbered``: the patterns with their numbers, ascending."""
        self.whole_path, self._ignore_case = whole_path, ignore_case
        self._literals: dict[str, int] = {}
        suffixes: dict[str, int] = {}
        others: list[tuple[int, Pattern]] = []
        for number, pattern in numbered:
            text = _lower(pattern.text) if ignore_case else pattern.text
            if not pattern.wildcards:
                self._literals[text] = number
            elif not whole_path and pattern.wildcards == 1 and text[0] == "*":
                suffixes[text[1:]] = number
            else:
                others.append((number, pattern))
        self._suffixes = tuple(suffixes)
        self._suffix_numbers = suffixes
        others.reverse()
        flags = re.DOTALL | (re.IGNORECASE | re.ASCII if ignore_case else 0)
        self._pieces = tuple(_Piece(others[at : at + _PIECE], flags) for at in range(0, len(others), _PIECE))

    def last(self, subject: str) -> int:
        """Returns the highest number of a pattern that matches a subject; -1 if none does."""
        text = _lower(subject) if self._ignore_case else subject
        last = self._literals.get(text, -1)
        if self._suffixes and text.endswith(self._suffixes):
            last = max(last, *(number for suffix, number in self._suffix_numbers.items() if text.endswith(suffix)))
        for piece in self._pieces:
            if piece.highest <= last:
                break
            found = piece.last(subject)
            if found >= 0:
                return max(found, last)
        return last


class PatternList:
    """The patterns of one ignore file. The last pattern that matches decides. Immutable, except for what it compiles.

    A path costs time proportional to its length and to the number of patterns with wildcards, which is limited.
    """

    __slots__ = ("_for_directories", "_for_files", "_negated", "characters", "dropped", "with_wildcards")

    def __init__(self, patterns: Sequence[Pattern], *, dropped: int = 0, ignore_case: bool = False) -> None:
        #: Number of patterns that did not fit into the budget and were dropped; at least 1 if any was.
        self.dropped = dropped
        #: Number of patterns with wildcards, and of their characters.
        self.with_wildcards = sum(pattern.wildcards > 0 for pattern in patterns)
        self.characters = sum(len(pattern.text) for pattern in patterns if pattern.wildcards)
        self._negated = tuple(pattern.negated for pattern in patterns)
        kinds: dict[tuple[bool, bool], list[tuple[int, Pattern]]] = {}
        for number, pattern in enumerate(patterns):
            kinds.setdefault((pattern.directories_only, pattern.whole_path), []).append((number, pattern))
        made = [
            (directories_only, _Kind(numbered, whole_path=whole_path, ignore_case=ignore_case))
            for (directories_only, whole_path), numbered in sorted(kinds.items())
        ]
        self._for_directories = tuple(kind for _, kind in made)
        self._for_files = tuple(kind for directories_only, kind in made if not directories_only)

    def __len__(self) -> int:
        return len(self._negated)

    @classmethod
    def of_lines(cls, lines: Iterable[str], *, ignore_case: bool = False) -> Self:
        """Makes a list of patterns as a person writes them, for example in a setting."""
        return cls.of_bytes("\n".join(lines).encode("utf-8", "surrogatepass"), ignore_case=ignore_case)

    @classmethod
    def of_bytes(cls, content: bytes, *, ignore_case: bool = False) -> Self:
        """Makes a list of the first patterns in the content of an ignore file, as many as fit into the budget."""
        cut = len(content) > MOST_BYTES
        if cut:
            content = content[: content.rfind(b"\n", 0, MOST_BYTES) + 1]
        lines = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
        budget = _Budget()
        patterns: list[Pattern] = []
        dropped = int(cut)
        for number, line in enumerate(lines):
            pattern = parse_pattern(line.removesuffix("\r"))
            if pattern is not None and budget.admits(pattern):
                patterns.append(pattern)
            elif pattern is not None:
                dropped += 1
                if not budget.patterns:
                    dropped += len(lines) - number - 1
                    break
        return cls(patterns, dropped=dropped, ignore_case=ignore_case)

    def ignores(self, path: str, name: str, is_directory: bool) -> bool | None:
        """Decides whether a path is ignored (True), re-included (False) or not matched by any pattern (None).

        ``path`` is relative to the ignore file's directory, ``name`` its last part; both are byte strings.
        """
        last = -1
        for kind in self._for_directories if is_directory else self._for_files:
            found = kind.last(path if kind.whole_path else name)
            if found >= 0:
                last = max(last, found)
        return None if last < 0 else not self._negated[last]


def _lower(text: str) -> str:
    """Returns a byte string in lower case: as in git, only letters of ASCII have one."""
    return text.lower() if text.isascii() else text.encode("latin-1").lower().decode("latin-1")


def _without_trailing_spaces(line: str) -> str:
    text = line.rstrip(" ")
    backslashes = len(text) - len(text.rstrip("\\"))
    # An odd number of backslashes escapes the space after them.
    return line[: len(text) + 1] if backslashes % 2 else text


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
