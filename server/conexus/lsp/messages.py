"""Reads the bodies of messages, whatever they hold: in bounded memory, and in time that grows with their length alone.

A body of 64 MiB may be 30 million empty arrays, or one array in another 60 million times. Therefore the depth and the
number of values are determined before any value is made.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from conexus import limits
from conexus.limits import Limit
from conexus.lsp.frames import Skipped

MessageId = int | str

#: Maximum number of digits of a number that are read. No number of the protocol has more.
_MOST_DIGITS = 100
#: The least whole number that may have been cut at ``_MOST_DIGITS``.
FIRST_CUT = 10 ** (_MOST_DIGITS - 2)
#: Maximum number of values of a message. An editor's largest messages have some hundred thousand: ten for each place
#: that "replace all" has changed, three for each file of a commit.
_MOST_VALUES = 2_000_000
#: Memory that a value takes, in bytes, roughly.
_BYTES_OF_VALUE = 100
#: Size in bytes up to which a message may have as many values as bytes.
_SMALL = 2048

_STRING = rb'"(?:[^"\\]++|\\.)*+"?'
_BRACKETS = re.compile(_STRING + rb"|[\[{\]}]", re.DOTALL)
_BRACKETS_AND_COMMAS = re.compile(_STRING + rb"|[\[{\]},]", re.DOTALL)
#: Matches the first byte of a character beyond U+FFFF.
_WIDEST = re.compile(rb"[\xf0-\xff]")
_PIECE = 1 << 20
_ID = re.compile(rb'\s*:\s*(-?\d{1,16}|"(?:[^"\\]|\\.){0,200}")\s*[,}]', re.DOTALL)
#: Number of bytes in which the `id` of a message that is refused is looked for.
_BEGINNING = 4096

_OPENING, _CLOSING, _COMMA = frozenset(b"[{"), frozenset(b"]}"), ord(",")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that was not read. What it said is unknown; it may have been an edit."""

    #: Why, in a sentence for the user.
    reason: str
    #: The `id` of the message if it is known.
    msg_id: MessageId | None = None
    #: Whether it was longer than the limit.
    too_large: bool = False


def weight(body: bytearray | Skipped) -> int:
    """Returns how much memory a message takes before it is handled, in bytes: an upper bound that is quickly found."""
    if isinstance(body, Skipped):
        return 0
    # A keystroke's message is not worth the counting.
    return len(body) + _BYTES_OF_VALUE * (len(body) if len(body) <= _SMALL else _values(body))


def read_message(body: bytearray | Skipped, most_depth: int, most_bytes: int) -> object:
    """Returns the message, or an Unreadable. ``body`` is emptied: it must not be in memory beside what was read.

    ``most_depth`` is the maximum depth of arrays and objects in each other. The text may take twice ``most_bytes`` in
    memory. Runs in the thread that reads the input.
    """
    if isinstance(body, Skipped):
        limits.hit(Limit.MESSAGE_SIZE)
        reason = f"The message has {body.length} bytes, more than `maxMessageMib` allows."
        return Unreadable(reason, _id_in(body.beginning), too_large=True)
    # First, because it bounds the time that the next check takes.
    if len(body) > _MOST_VALUES and _values(body) > _MOST_VALUES and _has_too_many_values(body):
        limits.hit(Limit.MESSAGE_SIZE)
        reason = f"The message has more than {_MOST_VALUES} values."
        return Unreadable(reason, _id_in(bytes(body[:_BEGINNING])), too_large=True)
    if _is_too_deep(body, most_depth):
        limits.hit(Limit.MESSAGE_DEPTH)
        reason = "The message is nested deeper than `maxMessageDepth` allows."
        return Unreadable(reason, _id_in(bytes(body[:_BEGINNING])))
    if len(body) * 4 > 2 * most_bytes and len(body) * _bytes_of_character(body) > 2 * most_bytes:
        limits.hit(Limit.MESSAGE_SIZE)
        reason = "The text of the message takes more than twice the memory that `maxMessageMib` allows."
        return Unreadable(reason, _id_in(bytes(body[:_BEGINNING])), too_large=True)
    # Editors send bytes of a buffer that are not UTF-8 as they are.
    text = body.decode("utf-8", "replace")
    body.clear()
    try:
        message: Any = json.loads(text, parse_int=_whole_number)
    except (ValueError, RecursionError):
        return Unreadable("The message is not JSON.")
    return message


def _values(body: bytearray) -> int:
    """Returns an upper bound of the number of values."""
    return body.count(b"[") + body.count(b"{") + body.count(b",")


def _bytes_of_character(body: bytearray) -> int:
    """Returns how many bytes each character of the text takes in memory: the widest one decides."""
    # An escape may be any character.
    if b"\\u" in body:
        return 4
    if body.isascii():
        return 1
    # In pieces, because a search lets no other thread run.
    if any(_WIDEST.search(body, start, start + _PIECE) for start in range(0, len(body), _PIECE)):
        return 4
    return 2


def _is_too_deep(body: bytearray, most: int) -> bool:
    if body.count(b"[") + body.count(b"{") <= most:
        return False
    depth = 0
    for token in _BRACKETS.finditer(body):
        first = body[token.start()]
        if first in _OPENING:
            depth += 1
            if depth > most:
                return True
        elif first in _CLOSING:
            depth -= 1
    return False


def _has_too_many_values(body: bytearray) -> bool:
    values = 0
    for token in _BRACKETS_AND_COMMAS.finditer(body):
        first = body[token.start()]
        if first == _COMMA or first in _OPENING:
            values += 1
            if values > _MOST_VALUES:
                return True
    return False


def _id_in(beginning: bytes) -> MessageId | None:
    """Returns the `id` of the message that begins so, or None if it is not there."""
    depth = 0
    for token in _BRACKETS.finditer(beginning):
        first = beginning[token.start()]
        if first in _OPENING:
            depth += 1
        elif first in _CLOSING:
            depth -= 1
        elif depth == 1 and token[0] == b'"id"' and (found := _ID.match(beginning, token.end())):
            try:
                msg_id = json.loads(found[1])
            except ValueError:
                return None
            return msg_id if isinstance(msg_id, (int, str)) else None
    return None


def _whole_number(digits: str) -> int:
    """Returns a whole number of a message, read from its first ``_MOST_DIGITS`` digits.

    Python refuses numbers of thousands of digits, and the protocol's numbers end at 2**31.
    """
    return int(digits[:_MOST_DIGITS])
