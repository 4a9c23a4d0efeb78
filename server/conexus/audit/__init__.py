"""Records what was refused, limited, removed and changed, for the audit log.

``record`` costs a microsecond. A thread writes the events of the process in which ``keep`` was called. A helper process
records nothing: the process that started it decides and records what follows from its answers.
"""

from __future__ import annotations

from conexus.audit.writer import Place, Writer

__all__ = ["Place", "close", "keep", "record"]

_writer = Writer()
#: ``record(event, **details)`` records an event, in any thread, and returns at once; see ``Writer.record``.
record = _writer.record
#: ``keep(place)`` says where the log is; None switches it off.
keep = _writer.keep
#: ``close()`` writes what waits, at the end of a server or a command.
close = _writer.close
