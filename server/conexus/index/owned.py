"""Checks that an object is used by the one thread that owns it. Tests switch the checks on; else they cost nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

#: Set in the environment, before this module is imported, to have the checks made.
VARIABLE = "CONEXUS_CHECK_OWNERS"

_CHECKED = os.environ.get(VARIABLE) == "1"

#: The thread that used each object first since it was made or handed over.
_owners: WeakKeyDictionary[Any, threading.Thread] = WeakKeyDictionary()
_guard = threading.Lock()


def owned(*, shared: Collection[str] = ()) -> Callable[[type[T]], type[T]]:
    """Returns a decorator of a class whose instances are each used by one thread.

    The thread that calls a public method or reads a public property first becomes the owner. Members that are
    ``shared`` may be used by any. AssertionError, if another thread uses one of the others.
    """

    def decorated(cls: type[T]) -> type[T]:
        for name, member in list(vars(cls).items()) if _CHECKED else ():
            if name.startswith("_") or name in shared:
                continue
            if isinstance(member, property) and member.fget is not None:
                setattr(cls, name, property(_checked(member.fget), member.fset))
            elif callable(member) and not isinstance(member, type):
                setattr(cls, name, _checked(member))
        return cls

    return decorated


def hand_over(*objects: object) -> None:
    """Give objects to another thread: the one that uses them next owns them."""
    if _CHECKED:
        with _guard:
            for each in objects:
                _owners.pop(each, None)


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def checked(self: object, *arguments: Any, **more: Any) -> Any:
        thread = threading.current_thread()
        with _guard:
            owner = _owners.setdefault(self, thread)
        if owner is not thread:
            raise AssertionError(f"{type(self).__name__}.{method.__name__} belongs to {owner.name}, not {thread.name}")
        return method(self, *arguments, **more)

    return checked
