"""The operators of a query: ``lang:python -path:vendor kind:function test:only``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from conexus.chunking import canonical_language
from conexus.chunking.chunk import KINDS
from conexus.values import BadQuery, Tests

#: A path pattern is a word that occurs in the path or a pattern in the syntax of .gitignore.
_OPERATOR = re.compile(
    r'(?<!\S)(?P<sign>-?)(?P<name>lang|language|path|file|kind|test|tests):(?P<value>"[^"]*"|(?!:)[^\s"]+)(?!\S)',
    re.IGNORECASE,
)
_TESTS: dict[str, Tests] = {
    "only": "only",
    "yes": "only",
    "true": "only",
    "exclude": "exclude",
    "no": "exclude",
    "false": "exclude",
    "include": "include",
}
_OPPOSITE: dict[Tests, Tests] = {"only": "exclude", "exclude": "only", "include": "include"}


@dataclass(frozen=True, slots=True)
class Operators:
    """What the operators of a query demand of a hit, which satisfies every field; empty ones demand nothing."""

    #: Canonical names, any of which will do.
    languages: tuple[str, ...] = ()
    not_languages: tuple[str, ...] = ()
    #: Each must match.
    paths: tuple[str, ...] = ()
    #: None may match.
    not_paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    tests: Tests = "include"

    def __bool__(self) -> bool:
        return self != _NOTHING


_NOTHING = Operators()


def parse(text: str) -> tuple[Operators, str]:
    """The operators in a text and what is left of it. ``BadQuery`` names a value that means nothing.

    A word with a colon that is no operator, and an operator without a value, are ordinary words.
    """
    operators = _NOTHING
    rest: list[str] = []
    end = 0
    for match in _OPERATOR.finditer(text):
        rest.append(text[end : match.start()])
        end = match.end()
        value = match["value"].strip('"').strip()
        if value:
            operators = _with(operators, match["name"].lower(), value, negated=bool(match["sign"]))
    rest.append(text[end:])
    return operators, " ".join(part.strip() for part in rest if part.strip())


def _with(operators: Operators, name: str, value: str, *, negated: bool) -> Operators:
    if name in {"path", "file"}:
        if negated:
            return replace(operators, not_paths=(*operators.not_paths, value))
        return replace(operators, paths=(*operators.paths, value))
    values = [each.strip() for each in value.split(",") if each.strip()]
    if name in {"lang", "language"}:
        languages = tuple(canonical_language(each) for each in values)
        if negated:
            return replace(operators, not_languages=operators.not_languages + languages)
        return replace(operators, languages=operators.languages + languages)
    if name == "kind":
        kinds = tuple(kind_named(each, "kind:") for each in values)
        if negated:
            return replace(operators, not_kinds=operators.not_kinds + kinds)
        return replace(operators, kinds=operators.kinds + kinds)
    tests = _TESTS.get(value.lower())
    if tests is None:
        raise BadQuery(f"test: takes only, exclude or include, not `{shown(value)}`")
    return replace(operators, tests=_OPPOSITE[tests] if negated else tests)


def kind_named(value: str, asked_by: str) -> str:
    """The kind of that name, ``BadQuery`` if there is none."""
    kind = value.lower()
    if kind not in KINDS:
        raise BadQuery(f"{asked_by} there is no kind `{shown(value)}`; kinds are {', '.join(KINDS)}")
    return kind


def shown(value: str) -> str:
    """A user's value, short enough to stand in a message."""
    return value if len(value) <= 60 else value[:59] + "…"
