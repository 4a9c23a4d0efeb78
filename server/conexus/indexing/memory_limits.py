"""How much memory each of our processes may use: what the settings say, within what the system gives us."""

from __future__ import annotations

from dataclasses import dataclass

from conexus.config import Settings
from conexus.processes.memory import available_mib


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """The memory that our processes may use, in MiB: the server, all workers together, the store, a model's process."""

    server_mib: int
    workers_mib: int
    store_mib: int
    model_mib: int

    @classmethod
    def of(cls, settings: Settings, available: int | None = None) -> MemoryLimits:
        """Returns the limits of the settings, lowered to shares of what the control group of this process may use.

        ``available``: that memory in MiB, if it is known already. The workers and the store process take turns.
        """
        available = available_mib() if available is None else available
        given = settings.server_memory_mib, settings.worker_memory_mib, settings.store_memory_mib
        if available is None:
            return cls(*given, settings.model_memory_mib)
        shares = (available // 2, available // 4, available // 2, available // 2)
        return cls(*map(min, (*given, settings.model_memory_mib), shares))
