"""Finds the outline of a file: its definitions, the comments and attributes above them, and the names it refers to."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conexus.chunking.budget import Budget
from conexus.chunking.documentation import comment_text
from conexus.chunking.grammar import matches
from conexus.chunking.splitting import Bounds

if TYPE_CHECKING:
    from tree_sitter import Node

# Kinds of definition that hold members. Each member is a chunk of its own.
CONTAINERS = frozenset({"class", "struct", "interface", "trait", "enum", "module", "section"})
_METHOD_OWNERS = CONTAINERS - {"module", "section"}

# Kinds of values that hold definitions: objects, tables, types that a function or a variable stands for.
_LITERALS = frozenset({"variable", "constant", "property", "type"})

# A nested function with fewer lines stays part of the outer function. A longer nested function also stays part of it if
# the outer function is a chunk of readable size.
_LEAST_LINES_IN_FUNCTION = 8
_LEAST_LINES_IN_LITERAL = 3
WHOLE = Bounds(lines=60, bytes=2500)

# Declarations and constants with fewer lines stay with their neighbours.
_LEAST_LINES_DOCUMENTED = 3
_LEAST_LINES_UNDOCUMENTED = 4

# Languages in which a function may be written as several declarations of one name.
_CLAUSES = frozenset({"elixir", "haskell", "typescript", "tsx"})
_OF_CLAUSES = frozenset({"function", "method", "macro"})
_MOST_CLAUSE_LINES = 40

_ABOVE = frozenset({"comment", "attribute"})

# Maximum depth of a definition. Deeper definitions stay part of the enclosing definition.
_DEEPEST = 32

_QUALIFIED = re.compile(r"(operator\b.*|~?[\w$]+[?!]?)\s*\Z", re.DOTALL)
_TEMPLATE = re.compile(r"<[^<>]*>")
_SEPARATOR = re.compile(r"::|[.:]")
_OF_NO_NAME = frozenset({"", "prototype", "exports", "module", "self", "this", "static"})


@dataclass(slots=True)
class Definition:
    """A definition during the layout of its file. Lines are 0-based; ``end_line`` is exclusive."""

    kind: str
    symbol: str
    #: The names that qualify the definition's own name: ``Foo`` in ``Foo::bar``.
    scope: tuple[str, ...]
    start_byte: int
    end_byte: int
    #: The first line, including comments and attributes above the definition.
    start_line: int
    #: The first line of the definition itself.
    first_line: int
    end_line: int
    #: Whether it is a declaration or constant, which is a chunk of its own only if it is documented or long.
    minor: bool = False
    #: Whether it is only a namespace for its members, and of no interest by itself.
    scope_only: bool = False
    breadcrumb: tuple[str, ...] = ()
    documentation: str = ""


@dataclass(slots=True)
class Outline:
    """What the query found. ``definitions`` are ordered: outer before inner, earlier before later."""

    definitions: list[Definition] = field(default_factory=list)
    #: Last line -> first line of each comment or attribute that is the first thing on its line.
    above: dict[int, int] = field(default_factory=dict)
    #: First line -> byte range of each comment in ``above``.
    comments: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: Byte ranges of docstrings.
    docstrings: list[tuple[int, int]] = field(default_factory=list)
    #: (byte offset, name) of each reference, unordered.
    references: list[tuple[int, bytes]] = field(default_factory=list)


def outline(data: bytes, starts: list[int], language: str, budget: Budget) -> Outline:
    """Returns the outline of a file. Raises OverBudget if finding it would take too much time or memory.

    ``language`` is one of ``LANGUAGES``. ``starts`` holds the byte offsets of the file's lines.
    """
    found = matches(data, language, budget)
    result = Outline()
    references = result.references
    wrappers: dict[int, int] = {}
    keywords: set[int] = set()
    # Candidates by byte range. If several patterns match one node, one with a name counts, else the first in the query.
    candidates: dict[tuple[int, int], tuple[bool, int, Definition]] = {}
    for pattern, captures in budget.checked(found):
        for role, nodes in captures.items():
            if role == "reference":
                for node in nodes:
                    start, end = node.byte_range
                    references.append((start, data[start:end]))
            elif role == "_keyword":
                # A name that makes a call a definition, such as `def` or `describe`, is not a reference.
                keywords.update(node.start_byte for node in nodes)
            elif role in _ABOVE:
                for node in nodes:
                    _note_above(result, data, starts, node, role == "comment")
            elif role == "doc":
                result.docstrings.extend(node.byte_range for node in nodes)
            elif role == "wrapper":
                for node in nodes:
                    start, end = _line_range(starts, node)
                    wrappers[end] = min(start, wrappers.get(end, start))
            elif role.startswith(("definition.", "declaration.", "scope.")):
                definition = _definition(data, starts, role, nodes, captures)
                key = (definition.start_byte, definition.end_byte)
                candidate = (not definition.symbol, pattern, definition)
                if key not in candidates or candidate[:2] < candidates[key][:2]:
                    candidates[key] = candidate
    if keywords:
        result.references = [reference for reference in references if reference[0] not in keywords]
    ordered = [candidates[key][2] for key in sorted(candidates, key=lambda key: (key[0], -key[1]))]
    for definition in ordered:
        definition.first_line = min(definition.first_line, wrappers.get(definition.end_line, definition.first_line))
    result.definitions = _nested(budget.checked(ordered), result, data, language)
    return result


def _line_range(starts: list[int], node: Node) -> tuple[int, int]:
    start, end = node.byte_range
    return bisect_right(starts, start) - 1, bisect_right(starts, max(end - 1, start))


def _note_above(result: Outline, data: bytes, starts: list[int], node: Node, comment: bool) -> None:
    start, end = node.byte_range
    first = bisect_right(starts, start) - 1
    if data[starts[first] : start].strip():
        return
    result.above[bisect_right(starts, max(end - 1, start)) - 1] = first
    if comment:
        result.comments[first] = (starts[first], end)


def _definition(
    data: bytes, starts: list[int], role: str, nodes: list[Node], captures: dict[str, list[Node]]
) -> Definition:
    group, _, kind = role.partition(".")
    start = nodes[0].start_byte
    end = max(node.end_byte for node in nodes)
    symbol = ""
    scope: tuple[str, ...] = ()
    if "name" in captures:
        symbol = _text(data, captures["name"][-1])
    elif "name.qualified" in captures:
        symbol, scope = _qualified(_text(data, captures["name.qualified"][-1]))
    if "within" in captures:
        scope = _scope(_text(data, captures["within"][0]))
    first = bisect_right(starts, start) - 1
    return Definition(
        kind=kind,
        symbol=symbol,
        scope=scope,
        start_byte=start,
        end_byte=end,
        start_line=first,
        first_line=first,
        end_line=bisect_right(starts, max(end - 1, start)),
        minor=group == "declaration",
        scope_only=group == "scope",
    )


def _text(data: bytes, node: Node) -> str:
    start, end = node.byte_range
    text = " ".join(data[start : min(end, start + 300)].decode("utf-8", "replace").split())
    return text.strip("\"'`")[:200]


def _qualified(text: str) -> tuple[str, tuple[str, ...]]:
    """Splits a qualified name: ``a::Foo<T>::bar`` -> ``bar`` and (``a``, ``Foo``)."""
    last = _QUALIFIED.search(text)
    if last is None:
        return text, ()
    return last[1], _scope(text[: last.start()])


def _scope(text: str) -> tuple[str, ...]:
    before = None
    while before != text:
        before, text = text, _TEMPLATE.sub("", text)
    parts = (part.strip(" *&()") for part in _SEPARATOR.split(text))
    return tuple(part for part in parts if part not in _OF_NO_NAME)


def _nested(ordered: Iterable[Definition], result: Outline, data: bytes, language: str) -> list[Definition]:
    """Returns the definitions that become chunks, with their final kind, breadcrumb, documentation and lines."""
    kept: list[Definition] = []
    enclosing: list[Definition] = []
    # The latest definition that became a chunk, at the top level and inside each enclosing definition.
    latest: list[Definition | None] = [None]
    for definition in ordered:
        while enclosing and enclosing[-1].end_byte <= definition.start_byte:
            enclosing.pop()
            latest.pop()
        parent = enclosing[-1] if enclosing else None
        sibling = latest[-1]
        first = parent.first_line + 1 if parent else 0
        if sibling is not None:
            first = max(first, sibling.end_line)
        if parent is not None and (definition.first_line <= parent.first_line or len(enclosing) == _DEEPEST):
            continue
        definition.first_line = max(definition.first_line, first)
        if definition.first_line >= definition.end_line or not _stands_alone(definition, parent):
            continue
        start = definition.first_line
        while result.above.get(start - 1, -1) >= first:
            start = result.above[start - 1]
        if sibling is not None and start == definition.first_line and _is_clause(definition, sibling, language):
            sibling.end_line, sibling.end_byte = definition.end_line, definition.end_byte
            enclosing.append(sibling)
            latest.append(None)
            continue
        definition.start_line = start
        definition.documentation = _comment_above(data, result, definition)
        if definition.minor and not _deserves_chunk(definition):
            continue
        if parent is not None:
            definition.breadcrumb = (*parent.breadcrumb, *((parent.symbol,) if parent.symbol else ()))
            if definition.kind == "function" and parent.kind in _METHOD_OWNERS:
                definition.kind = "method"
        definition.breadcrumb += definition.scope
        latest[-1] = definition
        kept.append(definition)
        enclosing.append(definition)
        latest.append(None)
    return kept


def _stands_alone(definition: Definition, parent: Definition | None) -> bool:
    """Decides whether a definition inside ``parent`` is cut out of it."""
    if parent is None or parent.kind in CONTAINERS:
        return True
    lines = definition.end_line - definition.first_line
    if parent.kind in _LITERALS:
        return lines >= _LEAST_LINES_IN_LITERAL
    large = parent.end_line - parent.first_line > WHOLE.lines or parent.end_byte - parent.start_byte > WHOLE.bytes
    return large and lines >= (_LEAST_LINES_IN_LITERAL if definition.kind == "test" else _LEAST_LINES_IN_FUNCTION)


def _is_clause(definition: Definition, sibling: Definition, language: str) -> bool:
    """Decides whether a definition continues ``sibling``, the one before, as the equations of a function do."""
    return (
        language in _CLAUSES
        and definition.kind in _OF_CLAUSES
        and definition.symbol == sibling.symbol != ""
        and definition.first_line - sibling.end_line <= 1
        and (language == "haskell" or definition.end_line - sibling.start_line <= _MOST_CLAUSE_LINES)
    )


def _deserves_chunk(definition: Definition) -> bool:
    if definition.documentation and definition.end_line - definition.start_line >= _LEAST_LINES_DOCUMENTED:
        return True
    return definition.end_line - definition.first_line >= _LEAST_LINES_UNDOCUMENTED


def _comment_above(data: bytes, result: Outline, definition: Definition) -> str:
    if definition.start_line == definition.first_line:
        return ""
    comments = result.comments
    spans = [comments[line] for line in range(definition.start_line, definition.first_line) if line in comments]
    return comment_text(
        [line for start, end in spans for line in data[start:end].decode("utf-8", "replace").splitlines()]
    )
