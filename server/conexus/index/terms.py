"""Text -> lexical terms: words, and the parts of camelCase and snake_case names, lower-cased, in any script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

#: Part of the index's version: rows whose terms were made otherwise are made anew.
TERMS_VERSION = 1

_WORD = re.compile(r"\w+")
_ASCII_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LONGEST = 64


def terms(text: str) -> list[str]:
    """The terms of a text in order, repeated as often as they occur."""
    found: list[str] = []
    for word in _WORD.findall(text):
        found.extend(word_terms(word))
    return found


@lru_cache(maxsize=1 << 16)
def word_terms(word: str) -> tuple[str, ...]:
    """A word's terms: itself, lower-cased, and its parts where it has several.

    ``getUserName_v2`` -> getusername_v2, get, user, name, v, 2. Words longer than 64 characters (encoded data) are
    cut, so that no file can fill the vocabulary.
    """
    word = word[:_LONGEST]
    if word.isascii():
        parts = [part.lower() for part in _ASCII_PART.findall(word)]
    else:
        word = unicodedata.normalize("NFKC", word)
        parts = [part.lower() for part in _parts(word)]
    whole = word.lower().strip("_")
    if len(parts) <= 1:
        return (whole,) if whole else ()
    return (whole, *parts)


def _parts(word: str) -> Iterator[str]:
    """Parts of a word in any script: at ``_``, before a capital, between letters and digits; CJK as pairs."""
    run = ""
    for character in word:
        if character == "_":
            edge = True
        elif not run:
            edge = False
        else:
            last = run[-1]
            edge = (character.isupper() and not last.isupper()) or character.isdigit() != last.isdigit()
            edge = edge or is_ideograph(character) != is_ideograph(last)
        if edge and run:
            yield from _pairs(run)
            run = ""
        if character != "_":
            run += character
    if run:
        yield from _pairs(run)


def _pairs(run: str) -> Iterator[str]:
    # Chinese and Japanese are written without spaces: overlapping pairs stand for words.
    if len(run) > 2 and is_ideograph(run[0]):
        for start in range(len(run) - 1):
            yield run[start : start + 2]
    else:
        yield run


def is_ideograph(character: str) -> bool:
    """Whether a character belongs to a script that is written without spaces between words."""
    return "\u3040" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7af"
