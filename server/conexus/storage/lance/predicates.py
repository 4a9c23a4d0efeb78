"""Builds predicates of LanceDB, which are SQL. Every foreign value gets into one through ``quote``."""

from __future__ import annotations

from collections.abc import Iterable


def quote(value: str) -> str:
    """Returns a value as a string literal of LanceDB's SQL. A predicate may hold a value in no other way."""
    return "'" + value.replace("'", "''") + "'"


def any_of(column: str, values: Iterable[str]) -> str:
    """Returns the predicate that a column has one of these values."""
    return f"{column} IN ({', '.join(quote(value) for value in values)})"
