"""Checks that only its owner, a thread, uses an object. Tests switch the checks on; otherwise they cost nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

#: Environment variable that switches the checks on, if it is ``1`` when this module is imported.
VARIABLE = "CONEXUS_CHECK_OWNERS"

_CHECKED = os.environ.get(VARIABLE) == "1"

#: The owner of each object: the first thread that used it since it was created or handed over.
_owners: WeakKeyDictionary[Any, threading.Thread] = WeakKeyDictionary()
_guard = threading.Lock()


def owned(*, shared: Collection[str] = ()) -> Callable[[type[T]], type[T]]:
    """Returns a class decorator that checks that one thread alone uses each instance.

    The first thread that calls a public method or reads a public property becomes the owner. Any thread may use the
    members named in ``shared``. The other members raise AssertionError if another thread uses them.
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
    """Hands objects over to another thread: the next thread that uses one of them becomes its owner."""
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
