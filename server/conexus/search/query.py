"""A query as the ranking sees it: what is asked for, in which words, and whether it reads like a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from conexus.index.terms import terms, word_terms
from conexus.search.operators import Operators, parse
from conexus.search.variants import variants
from conexus.values import BadQuery

#: Longer texts (a selection used as a query) are cut to this for the lexical legs.
LONGEST = 10_000
#: No name of code is longer.
LONGEST_WORD = 256
#: A query with more distinct words than this keeps its first ones: what follows hardly changes the ranking.
MOST_CONCEPTS = 64

_NAME = re.compile(r"[^\W\d]\w*(?:(?:::|\.|#|->|/|\\)[^\W\d]\w*)*[!?]?(?:\(\))?")
_QUALIFIED = re.compile(r"\w+(?:(?:::|\.|#|->)\w+)+")
_WORD = re.compile(r"\w+")
_HUMP = re.compile(r"[a-z0-9][A-Z]|[A-Z][A-Z]+[a-z]|\w_\w")
_FILE = re.compile(r"[\w.\-/\\]*[\w\-]\.[A-Za-z]\w{0,7}(?![\w(])|(?:[\w.\-]+/)+[\w.\-]+")

#: Words of a question that say nothing about the code.
_STOP_WORDS = """
a an and any are as at be been but by can could did do does for from had has have how i if in into is it its me my of
on or our shall should so such than that the their them then there these they this those to us was we were what when
where which while who whom why will with would you your
"""
_STOP = frozenset(_STOP_WORDS.split())
_ABOUT_TESTS = frozenset({"test", "tests", "testing", "tested", "spec", "specs", "unittest", "unittests", "testcase"})
_ABOUT_EXAMPLES = frozenset({"example", "examples", "sample", "samples", "demo", "demos", "tutorial", "tutorials"})
_ABOUT_DOCUMENTS = frozenset({"docs", "documentation", "readme", "changelog", "guide", "manual"})


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that a query asks for."""

    #: Terms any of which stands for it, each with its weight: 1 for the word itself, less for other forms.
    terms: tuple[tuple[str, float], ...]
    #: The word as the user wrote it.
    word: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was understood; ``understand`` makes it."""

    #: The text without operators: what is embedded.
    text: str
    operators: Operators
    concepts: tuple[Concept, ...]
    #: Words that look like names of code, as written; all words if the query looks like one name.
    identifiers: tuple[str, ...]
    #: Words that look like names of files or paths, in lower case, with ``/``.
    files: tuple[str, ...]
    #: True if the whole query looks like the name of a symbol.
    symbol_like: bool
    about_tests: bool = False
    about_examples: bool = False
    about_documents: bool = False


def understand(text: str) -> Query:
    """Read a query. ``BadQuery`` if it is empty or an operator has a value that means nothing."""
    if not text.strip():
        raise BadQuery("the query is empty")
    operators, prose = parse(text[:LONGEST])
    # The patterns below take quadratic time on a word without end, such as encoded data in a selection.
    rest = " ".join(word[:LONGEST_WORD] for word in prose.split())
    words = set(terms(rest))
    symbol_like = _NAME.fullmatch(rest) is not None
    return Query(
        text=prose,
        operators=operators,
        concepts=_concepts(rest),
        identifiers=_identifiers(rest, symbol_like=symbol_like),
        files=tuple(dict.fromkeys(match.lower().replace("\\", "/") for match in _FILE.findall(rest))),
        symbol_like=symbol_like,
        about_tests=bool(words & _ABOUT_TESTS),
        about_examples=bool(words & _ABOUT_EXAMPLES),
        about_documents=bool(words & _ABOUT_DOCUMENTS),
    )


def _concepts(text: str) -> tuple[Concept, ...]:
    found: dict[str, Concept] = {}
    words = list(dict.fromkeys(_WORD.findall(text)))
    meaningful = [word for word in words if word.lower() not in _STOP]
    for word in meaningful or words:
        for term in word_terms(word):
            if term not in found:
                found[term] = Concept(((term, 1.0), *variants(term)), word)
    for left, right in pairs(text):
        joined = (left + right, f"{left}_{right}")
        if joined[0] not in found and joined[1] not in found:
            found[joined[0]] = Concept(tuple((term, 1.0) for term in joined), f"{left} {right}", weight=PAIR_WEIGHT)
    return tuple(found.values())[:MOST_CONCEPTS]


#: A pair of neighbouring words written as one name counts this much beside its two words.
PAIR_WEIGHT = 0.25


def pairs(text: str) -> list[tuple[str, str]]:
    """Neighbouring plain words, which code may write as one: ``retry policy`` -> retryPolicy, retry_policy."""
    words = [word.lower() for word in _WORD.findall(text)]
    simple = [word if len(terms(word)) == 1 and word not in _STOP else "" for word in words]
    return [(left, right) for left, right in pairwise(simple) if left and right]


def _identifiers(text: str, *, symbol_like: bool) -> tuple[str, ...]:
    qualified = [part for match in _QUALIFIED.findall(text) for part in _WORD.findall(match)]
    words = _WORD.findall(text)
    if not symbol_like:
        words = [word for word in words if _HUMP.search(word)]
    return tuple(dict.fromkeys([*words, *qualified]))
