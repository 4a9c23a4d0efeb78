"""Defines what all helper processes have in common: how they start, and that they end with their parent."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.context import SpawnContext

from conexus.isolation import isolate_children
from conexus.logs import log_to_stderr
from conexus.processes.memory import KEPT_BY_HELPERS, limit
from conexus.processes.start import leave_workspace, silence

#: The niceness of a helper process, relative to that of this process.
_NICER = 10


def spawn_context() -> SpawnContext:
    """Returns the context that starts helper processes: never by fork, because the parent has threads."""
    isolate_children()
    return multiprocessing.get_context("spawn")


def lower_priority(process: int) -> None:
    """Gives a helper process low priority; ``process`` is its number.

    The parent calls this as soon as it has started the helper, because the helper's first imports take half a second.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process, os.getpriority(os.PRIO_PROCESS, 0) + _NICER)


def begin_child() -> None:
    """Prepares a helper process so that it ends with its parent; the process calls this first."""
    # An interrupt at the terminal reaches the whole group; the parent ends its helpers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    leave_workspace()
    silence()
    # Libraries write files of the index, too.
    os.umask(0o077)
    limit(KEPT_BY_HELPERS)
    log_to_stderr(logging.WARNING, "%(message)s")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A killed parent closes no queue that its helpers wait for: without this thread they would never end.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
