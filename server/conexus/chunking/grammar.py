"""Parses the bytes of a file with its language's grammar, and runs the language's query on the tree."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from conexus.chunking.budget import Budget, OverBudget
from conexus.chunking.tree_sitter_leak import ReadCallbackBuffers

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Query

Match: TypeAlias = "tuple[int, dict[str, list[Node]]]"

# Maximum number of in-progress matches of a query. Real files need a few hundred; hostile nesting would need millions.
_MATCH_LIMIT = 20_000

# Largest number of nodes of a tree that is queried. Real files have 200 000 in each MB, dense tables 500 000. What a
# query returns of many more nodes would take hundreds of MB.
_MOST_NODES = 600_000

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


def matches(data: bytes, language: str, budget: Budget) -> list[Match]:
    """Returns the matches of the language's query in ``data``.

    Raises OverBudget if parsing or the query would take too much time or memory.
    """
    from tree_sitter import Parser, QueryCursor

    known, query = grammar(language)
    step = _STEP

    def stops(*_: object) -> bool:
        return budget.stops_parser()

    pieces = ReadCallbackBuffers(data)

    def read(offset: int, _: object) -> bytes:
        return pieces.lend(offset, offset + step)

    try:
        # Only a parse that reads through a callback can be stopped. The callback costs nothing measurable.
        tree = Parser(known).parse(read, progress_callback=stops)
        if tree.root_node.descendant_count > _MOST_NODES or _is_rubble(tree.root_node):
            raise OverBudget
        budget.check()
        # Predicates read the text of their nodes, which are names, through the same callback. A query cannot be
        # stopped: py-tree-sitter 0.26.1 crashes if it is given a progress callback.
        step = _STEP_OF_NAMES
        return QueryCursor(query, match_limit=_MATCH_LIMIT).matches(tree.root_node)
    except ValueError as error:  # the parser was stopped
        raise OverBudget from error
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
