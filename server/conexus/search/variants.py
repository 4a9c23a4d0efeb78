"""Derives other forms of an English word, so that ``loads plugins`` finds ``loadPlugin``."""

from __future__ import annotations

import re
from functools import lru_cache

#: Weight of an occurrence of another form, relative to an occurrence of the word itself.
VARIANT_WEIGHT = 0.6

_PLAIN = re.compile(r"[a-z]{4,}")
_VOWELS = frozenset("aeiou")
#: Endings to remove, longest first, with the endings that may turn the stem into a word again.
_ENDINGS = (
    ("ization", ("ize", "izing", "ized", "izes", "izer")),
    ("ations", ("ate", "ation", "ating", "ated", "ates", "ator", "e", "")),
    ("ation", ("ate", "ations", "ating", "ated", "ates", "ator", "e", "")),
    ("ments", ("ment", "")),
    ("ment", ("ments", "")),
    ("ings", ("ing", "e", "")),
    ("ies", ("y", "ie")),
    ("ied", ("y", "ies", "ying")),
    ("ing", ("", "e", "s", "es", "ed", "er", "or", "ion")),
    ("ers", ("er", "e", "", "ing")),
    ("ors", ("or", "e", "")),
    ("ion", ("", "e", "ions", "ing", "ed")),
    ("ed", ("", "e", "s", "es", "ing", "er", "ion")),
    ("er", ("", "e", "ers", "ing", "ed")),
    ("or", ("", "e", "ors", "ing", "ed")),
    ("es", ("", "e", "ing", "ed")),
    ("s", ("", "ing", "ed", "er")),
)


@lru_cache(maxsize=4096)
def variants(term: str) -> tuple[tuple[str, float], ...]:
    """Returns other forms that an English word may have in code, with their weight; none if ``term`` is no word."""
    if not _PLAIN.fullmatch(term):
        return ()
    forms: list[str] = []
    for ending, replacements in _ENDINGS:
        if term.endswith(ending) and len(term) - len(ending) >= 3 and not term.endswith("ss"):
            stem = term[: -len(ending)]
            forms += [stem + replacement for replacement in replacements]
            if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in _VOWELS:
                forms.append(stem[:-1])  # running -> run
            break
    else:
        forms += _derived(term)
    return tuple((form, VARIANT_WEIGHT) for form in dict.fromkeys(forms) if form != term)


def _derived(word: str) -> list[str]:
    if word.endswith("e"):
        stem = word[:-1]
        return [word + "s", word + "d", word + "r", stem + "ing", stem + "ion", stem + "or", stem + "ation"]
    if word.endswith("y") and word[-2] not in _VOWELS:
        return [word[:-1] + "ies", word[:-1] + "ied", word + "ing"]
    plural = word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")
    forms = [plural, word + "ed", word + "ing", word + "er", word + "or", word + "ion", word + "ation"]
    if word[-1] not in _VOWELS and word[-2] in _VOWELS:
        forms += [word + word[-1] + "ing", word + word[-1] + "ed", word + word[-1] + "er"]
    return forms
