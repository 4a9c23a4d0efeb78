"""Records what was refused, limited, removed and changed, for the audit log."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


def record(event: str, **details: str | int | bool) -> None:
    """Records an event, in any thread, and returns at once.

    ``details`` never have code, queries, or paths outside the workspace.
    """
    log.debug("%s %s", event, details)
