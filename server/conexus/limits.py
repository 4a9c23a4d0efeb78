"""Counts how often each limit acted. The counts are a part of the status, and of the audit log.

The counts are those of the process: a limit protects the process, whichever session reached it.
"""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum

from conexus import audit


class Limit(StrEnum):
    """What is limited. The values are the names in the status and the audit log."""

    CHUNKS_OF_FILE = "chunksOfFile"
    CHUNKS_OF_FOLDER = "chunksOfFolder"
    DEPTH = "depth"
    DISK = "disk"
    DOCUMENTS = "documents"
    FILE_SIZE = "fileSize"
    FILES = "files"
    FOLDER_SIZE = "folderSize"
    IGNORE_RULES = "ignoreRules"
    MESSAGE_DEPTH = "messageDepth"
    MESSAGE_SIZE = "messageSize"
    QUERY_LENGTH = "queryLength"
    REQUEST_FILTERS = "requestFilters"
    REQUEST_TIME = "requestTime"
    SERVER_MEMORY = "serverMemory"
    STORE_MEMORY = "storeMemory"
    UNREAD_ANSWERS = "unreadAnswers"
    WAITING_REQUESTS = "waitingRequests"
    WATCHED_DIRECTORIES = "watchedDirectories"
    WORKER_MEMORY = "workerMemory"


_counts: Counter[Limit] = Counter()
_lock = threading.Lock()


def hit(limit: Limit, times: int = 1) -> None:
    """Counts that a limit acted a number of times, 0 or more. Any thread may call this.

    Only the first and every thousandth time is audited, against floods.
    """
    if not times:
        return
    with _lock:
        before = _counts[limit]
        _counts[limit] += times
    if before == 0 or before // 1000 != (before + times) // 1000:
        audit.record("limitReached", limit=limit, times=before + times)


def counts() -> dict[str, int]:
    """Returns how often each limit acted since the process began, without those that never did."""
    with _lock:
        return {limit.value: number for limit, number in sorted(_counts.items()) if number}
