"""Parses the operators of a query: ``lang:python -path:vendor kind:function test:only``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from conexus import limits
from conexus.chunking import canonical_language
from conexus.chunking.chunk import KINDS
from conexus.limits import Limit
from conexus.values import BadQuery, Tests

#: Maximum number of values of a request's filters or of a query's operators, and of their characters.
MOST_VALUES, MOST_CHARACTERS = 100, 10_000

#: Matches one operator. The value of a path operator is a word that occurs in the path, or a pattern in the syntax of
#: .gitignore.
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
_NEGATED: dict[Tests, Tests] = {"only": "exclude", "exclude": "only", "include": "include"}


@dataclass(frozen=True, slots=True)
class Operators:
    """The conditions that a query's operators set. A hit satisfies every field; an empty field sets no condition."""

    #: Canonical names; one of them must match.
    languages: tuple[str, ...] = ()
    not_languages: tuple[str, ...] = ()
    #: Path patterns; each must match.
    paths: tuple[str, ...] = ()
    #: Path patterns; none may match.
    not_paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    tests: Tests = "include"

    def __bool__(self) -> bool:
        return self != _NO_CONDITION


_NO_CONDITION = Operators()


def parse_operators(text: str) -> tuple[Operators, str]:
    """Returns the operators in a text and the text without them.

    A word with a colon that is no operator, and an operator without a value, are ordinary words; an operator with the
    value ``""`` is dropped. Raises BadQuery, which names the value, if a value means nothing.
    """
    operators = _NO_CONDITION
    prose: list[str] = []
    end = 0
    values: list[str] = []
    for match in _OPERATOR.finditer(text):
        prose.append(text[end : match.start()])
        end = match.end()
        value = match["value"].strip('"').strip()
        if value:
            values += value.split(",")
            check_size(values)
            operators = _add_condition(operators, match["name"].lower(), value, negated=bool(match["sign"]))
    prose.append(text[end:])
    return operators, " ".join(part.strip() for part in prose if part.strip())


def check_size(values: Sequence[str]) -> None:
    """Raises BadQuery if the values of filters or operators are too many or too long, because each costs time."""
    if len(values) > MOST_VALUES or sum(map(len, values)) > MOST_CHARACTERS:
        limits.hit(Limit.REQUEST_FILTERS)
        raise BadQuery(f"a request may have at most {MOST_VALUES} filters, with {MOST_CHARACTERS} characters together")


def _add_condition(operators: Operators, name: str, value: str, *, negated: bool) -> Operators:
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
        kinds = tuple(parse_kind(each) for each in values)
        if negated:
            return replace(operators, not_kinds=operators.not_kinds + kinds)
        return replace(operators, kinds=operators.kinds + kinds)
    tests = _TESTS.get(value.lower())
    if tests is None:
        raise BadQuery(f"`test:` takes `only`, `exclude` or `include`, not `{shortened(value)}`")
    return replace(operators, tests=_NEGATED[tests] if negated else tests)


def parse_kind(value: str) -> str:
    """Returns the kind with that name. Raises BadQuery if there is none."""
    kind = value.lower()
    if kind not in KINDS:
        raise BadQuery(f"there is no kind `{shortened(value)}`; the kinds are {', '.join(KINDS)}")
    return kind


def shortened(value: str) -> str:
    """Returns a user's value, cut to 60 characters for use in a message."""
    return value if len(value) <= 60 else value[:59] + "…"
