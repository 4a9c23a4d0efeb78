"""Query expansion: corrects misspelt words and joins words that together are a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from conexus.search.query import PAIR_WEIGHT, Concept, Query, prose_words, says_nothing
from conexus.search.segment_facts import table
from conexus.search.spellings import SHORTEST
from conexus.segments.lexicon import Lexicon
from conexus.segments.postings import Rows
from conexus.segments.snapshot import View
from conexus.segments.terms import is_unspaced, word_terms

#: Weight of an occurrence of a term that is spelled nearly like a word of the query.
TYPO_WEIGHT = 0.8
#: Number of letters from which a word may have two edits; shorter words may have one.
_LONG = 8
#: Maximum number of unknown words of a query that are corrected, and of terms for each of them, because a selection is
#: full of strange words.
_MOST_CORRECTED = 8
_MOST_CORRECTIONS = 3
#: Number of words of a query, the first ones, that may be parts of a name.
_MOST_WORDS = 64
#: Strings that may separate the words of a name.
_MARKS = ("", "_", "-")
#: Maximum number of words of one name.
_MOST_PARTS = 4
#: A term in the names of more rows than this is a common word, whose definitions are found by their own name only. Of
#: the definitions of one name, only this many first ones are read for its spelling.
_MOST_ROWS = 100


def expand_query(query: Query, views: Sequence[View]) -> Query:
    """Returns the query with further meanings, and without other forms of its words that occur nowhere.

    All words are looked up at once, which makes later look-ups fast. A word that occurs in no form gets the terms that
    are spelled nearly like it. Words that together are a name, and names in lower case, become identifiers. A word that
    occurs is never corrected, so expanding a query twice changes nothing.
    """
    if query.expanded:
        return query
    asked = [term for concept in query.concepts for term, _ in concept.terms]
    asked += [name.lower() for name in query.identifiers]
    here = _here(asked, views)
    concepts: list[Concept] = []
    meant: dict[str, str] = {}
    corrected: list[str] = []
    identifiers: list[str] = []
    for concept in query.concepts:
        term = concept.terms[0][0]
        found = _corrections_of(concept, query, views, here) if len(meant) < _MOST_CORRECTED else ()
        if not found:
            # Other forms that occur nowhere need no further look-up.
            others = tuple(each for each in concept.terms[1:] if each[0] in here)
            concepts.append(Concept((*concept.terms[:1], *others), concept.word, concept.weight))
            continue
        meant[term] = found[0]
        names = [name for each in found for name in defined_names(each, views)]
        shown = names or [found[0]]
        corrected += shown
        if term == _term(concept.word):
            identifiers += [name for name in names if concept.word in query.identifiers or len(word_terms(name)) > 1]
        added = tuple((each, TYPO_WEIGHT) for each in found)
        concepts.append(replace(concept, terms=(*concept.terms, *added), word=shown[0]))
    identifiers += _names(query, views, meant)
    known = {term for concept in concepts for term, _ in concept.terms}
    for name in identifiers:
        whole = _term(name)
        if whole not in known and whole.isidentifier():
            known.add(whole)
            concepts.append(Concept(((whole, 1.0),), name, PAIR_WEIGHT))
    return replace(
        query,
        concepts=tuple(concepts),
        identifiers=tuple(dict.fromkeys((*query.identifiers, *identifiers))),
        corrected=query.corrected | frozenset(corrected),
        expanded=True,
    )


def corrections(word: str, views: Sequence[View]) -> tuple[str, ...]:
    """Returns terms of names that are spelled nearly like a word, likeliest first; none for a word that occurs.

    All terms with one edit are among them, within the limits of ``Spellings``; terms with two edits only if there is
    none with one.
    """
    term = _term(word)
    letters = term.replace("_", "")
    if len(letters) < SHORTEST or not any(map(str.isalpha, letters)) or any(map(is_unspaced, letters)):
        return ()
    if _occurs(term, views):
        return ()
    for most in (1, 2) if len(letters) >= _LONG else (1,):
        edits: dict[str, int] = {}
        for view in views:
            edits.update((near, count) for count, near in table(view.segment).spellings.near(term, most))
        rows = {near: _rows(near, views) for near in edits}
        found = [near for near in edits if rows[near]]
        if found:
            found.sort(key=lambda near: (edits[near], near[0] != term[0], -rows[near], near))
            return tuple(found)
    return ()


def defined_names(term: str, views: Sequence[View]) -> tuple[str, ...]:
    """Returns the names, as their definitions write them, whose whole term is ``term``: ``init`` -> ``__init__``.

    Each name is returned once.
    """
    found: dict[str, None] = {}
    for view in views:
        segment = view.segment
        rows, _ = segment.definitions.of(term)
        if not len(rows):
            rows, _ = segment.names.of(term)
            rows = rows if len(rows) <= _MOST_ROWS else rows[:0]
        rows = rows[:_MOST_ROWS]
        defining = rows[view.live[rows] & (segment.parts[rows] == 0)]
        # Many definitions have the same name.
        for number in dict.fromkeys(segment.symbol_numbers[defining].tolist()):
            symbol = segment.lexicon.words[number]
            if _term(symbol) == term:
                found[symbol] = None
    return tuple(found)


def _here(words: Sequence[str], views: Sequence[View]) -> frozenset[str]:
    """Returns the words that any view's lexicon has, because a search for other words finds nothing."""
    return Lexicon.learn_in((view.segment.lexicon for view in views), words)


def _corrections_of(concept: Concept, query: Query, views: Sequence[View], here: frozenset[str]) -> tuple[str, ...]:
    # A pair of words that is no name is not misspelt.
    if concept.weight < 1 or any(term in here and _occurs(term, views) for term, _ in concept.terms):
        return ()
    term = concept.terms[0][0]
    found = corrections(term, views)
    if concept.word not in query.identifiers:
        # A plain word that differs in its first letter is more often another word (`book`, `look`) than misspelt.
        found = tuple(each for each in found if each[0] == term[0])
    return found[:_MOST_CORRECTIONS]


def _names(query: Query, views: Sequence[View], meant: dict[str, str]) -> Iterator[str]:
    """Yields names that the query writes in lower case, without accents or as several words."""
    said = prose_words(query.text)[:_MOST_WORDS]
    folded = [meant.get(_term(word), _term(word)) for word in said]
    joined = [
        [mark.join(folded[start:end]) for end in _ends(start, said) for mark in _MARKS] for start in range(len(said))
    ]
    here = _here([*folded, *map(str.lower, said), *(name for names in joined for name in names)], views)
    for start, word in enumerate(said):
        # A name that is defined as written, apart from its case, means no other name: `_change` is not `change`.
        is_name = word in query.identifiers
        if folded[start] in here and not says_nothing(word) and not (is_name and _is_defined(word.lower(), views)):
            for name in defined_names(folded[start], views):
                if is_name or len(word_terms(name)) > 1:
                    yield name if is_name else name.lower()
        for name in joined[start]:
            if name in here and _is_defined(name, views):
                yield name


def _ends(start: int, said: Sequence[str]) -> Iterator[int]:
    """Yields where a name of several words that begins at ``start`` may end (exclusive).

    Words that all say nothing about the code are no name.
    """
    for end in range(start + 2, min(start + _MOST_PARTS, len(said)) + 1):
        if not all(map(says_nothing, said[start:end])):
            yield end


def _is_defined(name: str, views: Sequence[View]) -> bool:
    return any(_any_counts(view, view.segment.definitions.of(name)[0]) for view in views)


def _occurs(term: str, views: Sequence[View]) -> bool:
    return any(
        _any_counts(view, postings.of(term)[0])
        for view in views
        for postings in (view.segment.body, view.segment.names)
    )


def _any_counts(view: View, rows: Rows) -> bool:
    # Most words are in no row of a segment. Most rows are live, so the first rows usually decide; a common word has
    # very many rows.
    return len(rows) > 0 and bool(view.live[rows[:_MOST_ROWS]].any() or view.live[rows].any())


def _rows(term: str, views: Sequence[View]) -> int:
    """Returns the number of live rows that have a term in their names."""
    return sum(int(view.live[view.segment.names.of(term)[0]].sum()) for view in views)


def _term(word: str) -> str:
    found = word_terms(word)
    return found[0] if found else ""
