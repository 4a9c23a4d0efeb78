"""What all helper processes have in common: how they start, and that they end with their parent."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.context import SpawnContext

from conexus.heap import KEPT_BY_HELPERS, limit
from conexus.isolation import isolate_children
from conexus.logs import log_to_stderr

#: What is added to the niceness of this process for that of a helper.
_NICER = 10


def spawn_context() -> SpawnContext:
    """Returns what helper processes are started with: never by fork, because the parent has threads."""
    isolate_children()
    return multiprocessing.get_context("spawn")


def lower_priority(process: int) -> None:
    """Give a helper process, by its number, low priority.

    The parent does that as soon as it has started one: what the helper imports first takes half a second.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process, os.getpriority(os.PRIO_PROCESS, 0) + _NICER)


def begin_child() -> None:
    """To be called first in a helper process: it ends with the parent."""
    # An interrupt at the terminal reaches the whole group; the parent ends its helpers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    limit(KEPT_BY_HELPERS)
    log_to_stderr(logging.WARNING, "%(message)s")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A killed parent closes no queue that its helpers wait at: without this they would wait for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
