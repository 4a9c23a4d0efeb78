"""Query expansion: corrects misspelt words and joins words that together are a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from conexus.search.query import PAIR_WEIGHT, Concept, Query, is_stop_word, prose_words
from conexus.search.segment_facts import facts_of
from conexus.search.spellings import MIN_LETTERS
from conexus.segments.lexicon import Lexicon
from conexus.segments.postings import Rows
from conexus.segments.snapshot import View
from conexus.segments.terms import is_unspaced, word_terms

#: Weight of an occurrence of a term that is spelled nearly like a word of the query.
TYPO_WEIGHT = 0.8
#: Number of letters from which a word may have two edits; shorter words may have one.
_MIN_LETTERS_FOR_TWO_EDITS = 8
#: Maximum number of unknown words of a query that are corrected, and of terms for each of them, because a selection is
#: full of strange words.
_MAX_CORRECTED_WORDS = 8
_MAX_CORRECTIONS = 3
#: Number of words of a query, the first ones, that may be parts of a name.
_MAX_WORDS = 64
#: Strings that may separate the words of a name.
_SEPARATORS = ("", "_", "-")
#: Maximum number of words of one name.
_MAX_NAME_WORDS = 4
#: A term in the names of more rows than this is a common word, whose definitions are found by their own name only. Of
#: the definitions of one name, only this many first ones are read for its spelling.
_MAX_ROWS = 100


def expand_query(query: Query, views: Sequence[View]) -> Query:
    """Returns the query with further meanings, and without other forms of its words that occur nowhere.

    All words are looked up at once, which makes later look-ups fast. A word that occurs in no form gets the terms that
    are spelled nearly like it; a word that occurs is never corrected. Words that together are a name, and names in
    lower case, become identifiers.
    """
    asked = [term for concept in query.concepts for term, _ in concept.terms]
    asked += [name.lower() for name in query.identifiers]
    known_words = _known_words(asked, views)
    concepts: list[Concept] = []
    correction_of: dict[str, str] = {}
    corrected: list[str] = []
    identifiers: list[str] = []
    for concept in query.concepts:
        term = concept.terms[0][0]
        found = _corrections_of(concept, query, views, known_words) if len(correction_of) < _MAX_CORRECTED_WORDS else ()
        if not found:
            # Other forms that occur nowhere need no further look-up.
            others = tuple(each for each in concept.terms[1:] if each[0] in known_words)
            concepts.append(Concept((*concept.terms[:1], *others), concept.word, concept.weight))
            continue
        correction_of[term] = found[0]
        names = [name for each in found for name in defined_names(each, views)]
        shown = names or [found[0]]
        corrected += shown
        if term == _term(concept.word):
            identifiers += [name for name in names if concept.word in query.identifiers or len(word_terms(name)) > 1]
        added = tuple((each, TYPO_WEIGHT) for each in found)
        concepts.append(replace(concept, terms=(*concept.terms, *added), word=shown[0]))
    identifiers += _names(query, views, correction_of)
    terms_of_concepts = {term for concept in concepts for term, _ in concept.terms}
    for name in identifiers:
        whole = _term(name)
        if whole not in terms_of_concepts and whole.isidentifier():
            terms_of_concepts.add(whole)
            concepts.append(Concept(((whole, 1.0),), name, PAIR_WEIGHT))
    return replace(
        query,
        concepts=tuple(concepts),
        identifiers=tuple(dict.fromkeys((*query.identifiers, *identifiers))),
        corrected=frozenset(corrected),
    )


def corrections(word: str, views: Sequence[View]) -> tuple[str, ...]:
    """Returns terms of names that are spelled nearly like a word, likeliest first; none for a word that occurs.

    All terms with one edit are among them, within the limits of ``Spellings``; terms with two edits only if there is
    none with one.
    """
    term = _term(word)
    letters = term.replace("_", "")
    if len(letters) < MIN_LETTERS or not any(map(str.isalpha, letters)) or any(map(is_unspaced, letters)):
        return ()
    if _occurs(term, views):
        return ()
    for max_edits in (1, 2) if len(letters) >= _MIN_LETTERS_FOR_TWO_EDITS else (1,):
        edits: dict[str, int] = {}
        for view in views:
            edits.update((near, count) for count, near in facts_of(view.segment).spellings.near(term, max_edits))
        rows = {near: _rows(near, views) for near in edits}
        found = [near for near in edits if rows[near]]
        if found:
            found.sort(key=lambda near: (edits[near], near[0] != term[0], -rows[near], near))
            return tuple(found)
    return ()


def defined_names(term: str, views: Sequence[View]) -> tuple[str, ...]:
    """Returns the names, as their definitions write them, whose whole term is ``term``: ``init`` -> ``__init__``.

    Each name is returned once, in the order of the alphabet.
    """
    found: set[str] = set()
    for view in views:
        segment = view.segment
        rows, _ = segment.definitions.rows_with(term)
        if not len(rows):
            rows, _ = segment.names.rows_with(term)
            rows = rows if len(rows) <= _MAX_ROWS else rows[:0]
        rows = rows[:_MAX_ROWS]
        defining = rows[view.live[rows] & (segment.parts[rows] == 0)]
        # Many definitions have the same name.
        for number in dict.fromkeys(segment.symbols.numbers[defining].tolist()):
            symbol = segment.lexicon.words[number]
            if _term(symbol) == term:
                found.add(symbol)
    return tuple(sorted(found))


def _known_words(words: Sequence[str], views: Sequence[View]) -> frozenset[str]:
    """Returns the words that any view's lexicon has, because a search for other words finds nothing."""
    return Lexicon.known_words((view.segment.lexicon for view in views), words)


def _corrections_of(
    concept: Concept, query: Query, views: Sequence[View], known_words: frozenset[str]
) -> tuple[str, ...]:
    # A pair of words that is no name is not misspelt.
    if concept.weight < 1 or any(term in known_words and _occurs(term, views) for term, _ in concept.terms):
        return ()
    term = concept.terms[0][0]
    found = corrections(term, views)
    if concept.word not in query.identifiers:
        # A plain word that differs in its first letter is more often another word (`book`, `look`) than misspelt.
        found = tuple(each for each in found if each[0] == term[0])
    return found[:_MAX_CORRECTIONS]


def _names(query: Query, views: Sequence[View], correction_of: dict[str, str]) -> Iterator[str]:
    """Yields names that the query writes in lower case, without accents or as several words."""
    words = prose_words(query.text)[:_MAX_WORDS]
    folded = [correction_of.get(_term(word), _term(word)) for word in words]
    joined = [
        [mark.join(folded[start:end]) for end in _ends(start, words) for mark in _SEPARATORS]
        for start in range(len(words))
    ]
    known_words = _known_words([*folded, *map(str.lower, words), *(name for names in joined for name in names)], views)
    for start, word in enumerate(words):
        # A name that is defined as written, apart from its case, means no other name: `_change` is not `change`.
        is_name = word in query.identifiers
        if (
            folded[start] in known_words
            and not is_stop_word(word)
            and not (is_name and _is_defined(word.lower(), views))
        ):
            for name in defined_names(folded[start], views):
                if is_name or len(word_terms(name)) > 1:
                    yield name if is_name else name.lower()
        for name in joined[start]:
            if name in known_words and _is_defined(name, views):
                yield name


def _ends(start: int, words: Sequence[str]) -> Iterator[int]:
    """Yields where a name of several words that begins at ``start`` may end (exclusive).

    Words that all say nothing about the code are no name.
    """
    for end in range(start + 2, min(start + _MAX_NAME_WORDS, len(words)) + 1):
        if not all(map(is_stop_word, words[start:end])):
            yield end


def _is_defined(name: str, views: Sequence[View]) -> bool:
    return any(_any_live(view, view.segment.definitions.rows_with(name)[0]) for view in views)


def _occurs(term: str, views: Sequence[View]) -> bool:
    return any(
        _any_live(view, postings.rows_with(term)[0])
        for view in views
        for postings in (view.segment.body, view.segment.names)
    )


def _any_live(view: View, rows: Rows) -> bool:
    # Most words are in no row of a segment. Most rows are live, so the first rows usually decide; a common word has
    # very many rows.
    return len(rows) > 0 and bool(view.live[rows[:_MAX_ROWS]].any() or view.live[rows].any())


def _rows(term: str, views: Sequence[View]) -> int:
    """Returns the number of live rows that have a term in their names."""
    return sum(int(view.live[view.segment.names.rows_with(term)[0]].sum()) for view in views)


def _term(word: str) -> str:
    found = word_terms(word)
    return found[0] if found else ""
