"""Parses the bytes of a file with its language's grammar, and runs the language's query on the tree."""

from __future__ import annotations

import time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from conexus.chunking.tree_sitter_leak import ReadCallbackBuffers

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Query

Match: TypeAlias = "tuple[int, dict[str, list[Node]]]"

# Maximum number of in-progress matches of a query. Real files need a few hundred; hostile nesting would need millions.
_MATCH_LIMIT = 20_000

# Seconds of this thread's processor time that parsing may take, in any case and for each byte. Real files need 0.2 s
# per MB, hostile files need hours.
_SECONDS = 0.5
_SECONDS_PER_BYTE = 1.5e-6

# Number of pairs of loose tokens that cost a query half a second, and number of nodes that may be examined to count
# the pairs.
_MOST_LOOSE_PAIRS = 400_000_000
_MOST_NODES_WITH_ERRORS = 2_000

# Number of bytes that one read returns, to the parser and to a query's predicates. Grammars that look back often read
# the same bytes again.
_STEP = 4096
_STEP_OF_NAMES = 64


@cache
def grammar(language: str) -> tuple[Language, Query]:
    """Returns the grammar and the compiled query of one of ``LANGUAGES``."""
    from tree_sitter import Query
    from tree_sitter_language_pack import get_language

    source = (files(__package__) / "queries" / f"{language}.scm").read_text(encoding="utf-8")
    inherited = _INHERITED.get(language)
    if inherited is not None:
        source = (files(__package__) / "queries" / f"{inherited}.scm").read_text(encoding="utf-8") + source
    known = get_language(cast("Any", language))
    return known, Query(known, source)


_INHERITED = {"tsx": "typescript"}


def matches(data: bytes, language: str) -> list[Match] | None:
    """Returns the matches of the language's query in ``data``, or None if parsing or the query would take too long."""
    from tree_sitter import Parser, QueryCursor

    known, query = grammar(language)
    step = _STEP
    give_up = time.thread_time() + _SECONDS + len(data) * _SECONDS_PER_BYTE

    def late(*_: object) -> bool:
        return time.thread_time() > give_up

    pieces = ReadCallbackBuffers(data)

    def read(offset: int, _: object) -> bytes:
        return pieces.lend(offset, offset + step)

    try:
        # Only a parse that reads through a callback can be stopped. The callback costs nothing measurable.
        tree = Parser(known).parse(read, progress_callback=late)
        if _is_rubble(tree.root_node):
            return None
        # Predicates read the text of their nodes, which are names, through the same callback.
        step = _STEP_OF_NAMES
        return QueryCursor(query, match_limit=_MATCH_LIMIT).matches(tree.root_node)
    except ValueError:
        return None
    finally:
        pieces.take_back()


def _is_rubble(root: Node) -> bool:
    """Decides whether errors left too many loose tokens side by side that a query would take too long.

    The time of a query is quadratic in their number.
    """
    if not root.has_error:
        return False
    waiting = [root]
    cost = 0
    for _ in range(_MOST_NODES_WITH_ERRORS):
        if not waiting:
            break
        node = waiting.pop()
        cost += (node.child_count - node.named_child_count) ** 2
        if cost > _MOST_LOOSE_PAIRS:
            return True
        waiting.extend(child for child in node.children if child.has_error)
    return False
