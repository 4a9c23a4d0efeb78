"""Splits text into lexical terms: words, and parts of camelCase and snake_case names, in lower case, in any script.

Letters are folded, so that ``cafe`` finds ``café``, ``STRASSE`` finds ``straße`` and full-width letters are letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

#: Version of the terms, which is part of the index's version: rows with terms of another version are rebuilt.
TERMS_VERSION = 2

_WORD = re.compile(r"\w+")
# Marks do not match `\w` but are parts of words: separate accents, points, and the vowels of South and South-East Asia.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u1dc0-\u1dff\u20d0-\u20dc\ufe20-\ufe2f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u07a6-\u07b0"
    "\u08d3-\u08e1\u08e3-\u0963\u0966-\u096f\u0971-\u0df3"
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u0f18\u0f19\u0f35\u0f37\u0f39\u0f71-\u0f84\u0f8d-\u0fbc"
    "\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u17b4-\u17d3\u3099\u309a"
)
_ANY_WORD = re.compile(rf"\w[\w{_MARKS}]*")
#: Marks that folding removes: accents, and what Hebrew and Arabic may leave out (points, vowels, the stretching line).
_FOLDED_MARK = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]")
#: Letters that are not another letter with an accent, but are written as others if a keyboard lacks them.
_FOLDED_LETTERS = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ŧ": "t",
        "ı": "i", "ς": "σ",
    }
)  # fmt: skip
_ASCII_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
#: The same pattern over the classes of a word's characters (see ``_class``), including letters without case and letters
#: of unspaced scripts.
_PART = re.compile("U+(?!l)|U?l+|d+|x+|c+")
_LONGEST = 64
#: Most characters of a word with letters of an unspaced script, where a run of letters is a sentence and not a name.
_LONGEST_SENTENCE = 1024


def words(text: str) -> list[str]:
    """Returns the words of a text, in any script, as they are written."""
    return (_WORD if text.isascii() else _ANY_WORD).findall(text)


def terms(text: str) -> list[str]:
    """Returns the terms of a text in order, repeated as often as they occur."""
    return list(chain.from_iterable(map(word_terms, words(text))))


@lru_cache(maxsize=1 << 15)
def word_terms(word: str) -> tuple[str, ...]:
    """Returns a word's terms: the folded word, and its parts if it has several.

    ``getUserName_v2`` -> getusername_v2, get, user, name, v, 2. Words longer than 64 characters (encoded data) are cut,
    words with letters of an unspaced script after 1024, so that no file can fill the vocabulary.
    """
    if word.isascii():
        word = word[:_LONGEST]
        parts = [part.lower() for part in _ASCII_PART.findall(word)]
        whole = word.lower().strip("_")
    else:
        parts, whole = _of_any_script(word)
    if len(parts) <= 1:
        return (whole,) if whole else ()
    return (whole, *parts)


def _of_any_script(word: str) -> tuple[list[str], str]:
    """Returns the parts of a word, split before capitals, between letters and digits, between scripts; and the word."""
    plain = _without_marks(word[:_LONGEST_SENTENCE])
    shape = ""
    for character in plain:
        shape += _class(character, shape[-1:])
    if "c" not in shape:
        plain, shape = plain[:_LONGEST], shape[:_LONGEST]
    parts = [
        _lower(part) for match in _PART.finditer(shape) for part in _pairs(plain[match.start() : match.end()], match[0])
    ]
    # Compatibility forms may stand for several words or for a fraction.
    kept = "".join(character for character, kind in zip(plain, shape, strict=True) if kind != "-")
    return [part for part in parts if part], _lower(kept[:_LONGEST]).strip("_")


def _class(character: str, before: str) -> str:
    """Returns the class of a character; a mark has the class of the character before it.

    U: capital, l: small letter, x: letter without case, d: digit, c: letter of an unspaced script, _: underscore, or
    - for a character that is not part of a word.
    """
    if character == "_":
        return "_"
    if is_unspaced(character):
        return "c"
    if character.isdigit():
        return "d"
    if character.isupper() or character.istitle():
        return "U"
    if character.islower():
        return "l"
    if character.isalnum():
        return "x"
    return before if before and unicodedata.category(character).startswith("M") else "-"


def fold(text: str) -> str:
    """Returns a text as its terms are spelled: in lower case, without accents, plain letters for variants."""
    return text.lower() if text.isascii() else _lower(_without_marks(text))


def _without_marks(text: str) -> str:
    # NFC composes again what else NFKD took apart, such as Korean syllables.
    return unicodedata.normalize("NFC", _FOLDED_MARK.sub("", unicodedata.normalize("NFKD", text)))


def _lower(text: str) -> str:
    # In lower case, a capital with a dot becomes a letter and a mark.
    return _FOLDED_MARK.sub("", text.lower()).translate(_FOLDED_LETTERS)


def _pairs(run: str, shape: str) -> Iterator[str]:
    # Chinese, Japanese and Thai are written without spaces: overlapping pairs stand for words.
    if len(run) > 2 and shape[0] == "c":
        for start in range(len(run) - 1):
            yield run[start : start + 2]
    else:
        yield run


def is_unspaced(character: str) -> bool:
    """Returns whether a character's script is written without spaces, or writes several words together."""
    return character > "\u0dff" and (
        "\u3005" <= character <= "\u9fff"
        or "\uac00" <= character <= "\ud7af"
        or "\u0e00" <= character <= "\u0eff"
        or "\u1000" <= character <= "\u109f"
        or "\u1780" <= character <= "\u17ff"
        or "\U00020000" <= character <= "\U0003ffff"
    )
