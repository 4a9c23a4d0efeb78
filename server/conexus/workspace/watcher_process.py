"""The process that watches one folder: ``PYTHON -P watcher_process.py FOLDER strict|lenient``.

``watcher.py`` starts it.

It is a process of its own, because watchfiles keeps all other threads of its process from running when it begins, and
for each new directory: half a second for 20 000 directories, including ignored ones.

The process writes one JSON object per line: ``{"began": true}`` once it sees changes;
``{"changed": [path, …], "more": false}``, where ``"more": true`` means that the same changes continue in the next line;
and at its end ``{"moved": true}`` if the folder was replaced by another one, or
``{"failed": message, "number": errno, "denied": false}``. The process ends when its standard input ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

#: Milliseconds of quiet after which changes are reported, and milliseconds after which they are reported in any case.
_QUIET_MS, _AT_MOST_MS = 50, 100
#: Milliseconds between two checks of whether the folder is still the same one.
_LOOK_MS = 250
#: Maximum number of paths in one line. More would take the reader's process too long at once.
_MOST_PATHS = 500


def main(root: str, *, lenient: bool) -> None:
    """Watches until the folder was replaced by another one, or watching fails."""
    # An interrupt at the terminal reaches the whole process group. The process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        _watch(root, lenient=lenient)
    except (OSError, RuntimeError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        _say(failed=str(error), number=number, denied=isinstance(error, PermissionError))


def _watch(root: str, *, lenient: bool) -> None:
    from watchfiles import watch

    identity = _identity(root)
    batches = watch(
        root,
        watch_filter=None,
        debounce=_AT_MOST_MS,
        step=_QUIET_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
        # If watchfiles passes over directories that may not be read, it silently passes over the system's limit, too.
        ignore_permission_denied=lenient,
    )
    for number, changes in enumerate(batches):
        if number == 0:
            _say(began=True)
        paths = list(dict.fromkeys(path for _, path in changes))
        for first in range(0, len(paths), _MOST_PATHS):
            end = first + _MOST_PATHS
            _say(changed=paths[first:end], more=end < len(paths))
        if identity != _identity(root):
            _say(moved=True)
            return


def _identity(path: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)  # noqa: PTH116  pathlib is not needed here, and takes a fifth of this process's start
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _say(**message: object) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except OSError:
        os._exit(1)  # nobody listens any more


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], lenient=sys.argv[2] == "lenient")
