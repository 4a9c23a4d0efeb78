"""Keeps values that were derived from an immutable value, so that each of them is derived once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """Derived values by key. Safe in several threads, without a lock.

    A memo belongs to one immutable value, its owner. A derived value may be kept if the owner and the key determine it,
    if it is not None, if nobody changes it afterwards, and if it does not reference the owner, because such a cycle
    would keep the owner in memory until the garbage collector runs. Two threads may derive the same value at once; then
    both have an equal value, and one of the two is kept.
    """

    __slots__ = ("_limit", "_values")

    def __init__(self, limit: int) -> None:
        """``limit`` is the maximum number of values; a memo that is full forgets all values before it keeps another."""
        self._limit = limit
        self._values: dict[Hashable, Any] = {}

    def get(self, key: Hashable, derive: Callable[[], T]) -> T:
        """Returns the value of a key. Calls ``derive`` if the memo does not have it."""
        value: T | None = self._values.get(key)
        if value is None:
            value = derive()
            if len(self._values) >= self._limit:
                self._values = {}
            self._values[key] = value
        return value
