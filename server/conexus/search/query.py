"""Parses a query for the ranking: what it asks for, in which words, and whether it reads like a name."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from conexus.search.operators import Operators, parse_operators
from conexus.segments.terms import terms, word_terms, words
from conexus.values import BadQuery

#: Weight of an occurrence of another form, relative to an occurrence of the word itself.
VARIANT_WEIGHT = 0.6

_ENGLISH_WORD = re.compile(r"[a-z]{4,}")
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
    """Returns other forms that an English word may have in code, each with ``VARIANT_WEIGHT``; none for other terms."""
    if not _ENGLISH_WORD.fullmatch(term):
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


#: Maximum number of characters of a query. Longer texts (a selection used as a query) are cut to this.
MAX_CHARACTERS = 10_000
#: Maximum number of characters of a word; no name in code is longer.
MAX_WORD_CHARACTERS = 256
#: Maximum number of concepts of a query. It keeps the first ones, because later words hardly change the ranking.
MAX_CONCEPTS = 64

_SYMBOL = re.compile(r"[^\W\d]\w*(?:(?:::|\.|#|->|/|\\)[^\W\d]\w*)*[!?]?(?:\(\))?")
_QUALIFIED = re.compile(r"\w+(?:(?:::|\.|#|->)\w+)+")
_JOINED_WORDS = re.compile(r"[a-z0-9][A-Z]|[A-Z][A-Z]+[a-z]|\w_\w")
_FILE = re.compile(r"[\w.\-/\\]*[\w\-]\.[A-Za-z]\w{0,7}(?![\w(])|(?:[\w.\-]+/)+[\w.\-]+")

# Matches what an apostrophe joins to a word of prose (`user's`, `doesn't`, `l'utilisateur`), but no quotes of a name.
_CONTRACTION = re.compile(
    r"(?<=\w)['\u2019](?:s|t|d|m|ll|re|ve)(?!\w)|(?<!\w)(?:[cdjlmnost]|qu)['\u2019](?=[^\W\d_]{2})", re.IGNORECASE
)

#: Words of a query that say nothing about the code.
_STOP_WORD_TEXT = """
a an and any are as at be been but by can could did do does for from had has have how i if in into is it its me my of
on or our shall should so such than that the their them then there these they this those to us was we were what when
where which while who whom why will with would you your
aren couldn didn doesn don hadn hasn haven isn shouldn wasn weren won wouldn
"""
_STOP_WORDS = frozenset(_STOP_WORD_TEXT.split())
_ABOUT_TESTS = frozenset({"test", "tests", "testing", "tested", "spec", "specs", "unittest", "unittests", "testcase"})
_ABOUT_EXAMPLES = frozenset({"example", "examples", "sample", "samples", "demo", "demos", "tutorial", "tutorials"})
_ABOUT_DOCUMENTS = frozenset({"docs", "documentation", "readme", "changelog", "guide", "manual"})


#: Matches ``tests for the parser``, ``examples of retries``: the query asks for such code itself, not for related code.
_WANTS_TESTS = re.compile(
    r"\b(?:tests?|specs?|test ?cases?)\s+(?:for|of|that|which|covering|about)\b|^\s*(?:unit|integration) tests?\b",
    re.IGNORECASE,
)
_WANTS_EXAMPLES = re.compile(
    r"\b(?:examples?|samples?|demos?)\s+(?:for|of|that|which|how|using|about)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that a query asks for."""

    #: Alternative terms of the concept, each with its weight: 1 for the word itself, less for other forms.
    terms: tuple[tuple[str, float], ...]
    #: The word as the user wrote it.
    word: str
    #: 1 for a word of the query, ``PAIR_WEIGHT`` for an added name.
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query; ``understand`` makes it."""

    #: The text without operators. The models embed this text.
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
    wants_tests: bool = False
    wants_examples: bool = False
    #: Names and words that replace mistyped ones, as the index spells them; ``query_expansion`` adds them.
    corrected: frozenset[str] = frozenset()


def understand(text: str) -> Query:
    """Parses a query. Raises BadQuery if it is empty or an operator has a value that means nothing."""
    if not text.strip():
        raise BadQuery("the query is empty")
    operators, prose = parse_operators(text[:MAX_CHARACTERS])
    written = _bounded(prose)
    symbol_like = _SYMBOL.fullmatch(written) is not None
    text_without_contractions = _CONTRACTION.sub(" ", written)
    query_terms = set(terms(text_without_contractions))
    return Query(
        text=prose,
        operators=operators,
        concepts=_concepts(text_without_contractions),
        identifiers=_identifiers(text_without_contractions, symbol_like=symbol_like),
        files=tuple(dict.fromkeys(match.lower().replace("\\", "/") for match in _FILE.findall(written))),
        symbol_like=symbol_like,
        about_tests=bool(query_terms & _ABOUT_TESTS),
        about_examples=bool(query_terms & _ABOUT_EXAMPLES),
        about_documents=bool(query_terms & _ABOUT_DOCUMENTS),
        wants_tests=_WANTS_TESTS.search(text_without_contractions) is not None,
        wants_examples=_WANTS_EXAMPLES.search(text_without_contractions) is not None,
    )


def _bounded(prose: str) -> str:
    # The patterns take quadratic time on a very long word, such as encoded data in a selection.
    text = " ".join(word[:MAX_WORD_CHARACTERS] for word in prose.split())
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def prose_words(text: str) -> list[str]:
    """Returns the words of a query's text as written, without what apostrophes join to them."""
    return words(_CONTRACTION.sub(" ", _bounded(text)))


def is_stop_word(word: str) -> bool:
    """Decides whether a word says nothing about the code, such as ``how``."""
    return word.lower() in _STOP_WORDS


def _concepts(text: str) -> tuple[Concept, ...]:
    found: dict[str, Concept] = {}
    all_words = list(dict.fromkeys(words(text)))
    meaningful = [word for word in all_words if not is_stop_word(word)]
    for word in meaningful or all_words:
        for term in word_terms(word):
            if term not in found:
                found[term] = Concept(((term, 1.0), *variants(term)), word)
    for left, right in neighbouring_words(text):
        joined = (left + right, f"{left}_{right}")
        if joined[0] not in found and joined[1] not in found:
            found[joined[0]] = Concept(tuple((term, 1.0) for term in joined), f"{left} {right}", weight=PAIR_WEIGHT)
    return tuple(found.values())[:MAX_CONCEPTS]


#: Weight of a pair of neighbouring words written as one name, which counts in addition to the two words.
PAIR_WEIGHT = 0.25


def neighbouring_words(text: str) -> list[tuple[str, str]]:
    """Returns pairs of neighbouring plain words, which code may join: ``retry policy`` -> retryPolicy, retry_policy."""
    simple = [
        word_terms(word)[0] if len(word_terms(word)) == 1 and not is_stop_word(word) else "" for word in words(text)
    ]
    return [(left, right) for left, right in pairwise(simple) if left and right]


def _identifiers(text: str, *, symbol_like: bool) -> tuple[str, ...]:
    parts_of_qualified = [part for match in _QUALIFIED.findall(text) for part in words(match)]
    names = words(text)
    if not symbol_like:
        names = [word for word in names if _is_joined_words(word)]
    return tuple(dict.fromkeys([*names, *parts_of_qualified]))


def _is_joined_words(word: str) -> bool:
    """Decides whether a word is written like a name: ``userName``, ``HTTPServer``, ``user_name``, in any script."""
    if not word.isascii():
        word = "".join("A" if each.isupper() else "a" if each.islower() else each for each in word)
    return _JOINED_WORDS.search(word) is not None
