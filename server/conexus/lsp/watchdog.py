"""Ends the server when the editor that started it is gone, even if another process still holds its pipe open."""

import asyncio
import ctypes
import logging
import os
import sys
from collections.abc import Callable

logger = logging.getLogger(__name__)

_POLL_SECONDS = 3.0


def watch_process(pid: int, gone: Callable[[], None]) -> bool:
    """Calls ``gone`` on the running loop once the process has ended. Returns False if there is no such process."""
    if pid <= 0 or not _is_alive(pid):
        return False
    loop = asyncio.get_running_loop()
    if sys.platform == "linux":
        try:
            descriptor = os.pidfd_open(pid)
        except OSError as error:
            logger.info("Process %d is polled: %s", pid, error.strerror)
        else:

            def ended() -> None:
                loop.remove_reader(descriptor)
                os.close(descriptor)
                gone()

            # The descriptor is readable as soon as the process ends, even before its parent has asked for its status.
            loop.add_reader(descriptor, ended)
            return True

    def poll() -> None:
        if _is_alive(pid):
            loop.call_later(_POLL_SECONDS, poll)
        else:
            gone()

    poll()
    return True


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _is_alive_on_windows(pid: int) -> bool:
    """Checks without `os.kill`, which would end the process on Windows. Not tested on Windows."""
    synchronize, timed_out = 0x00100000, 0x102
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(synchronize, False, pid)
    if not handle:
        return False
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == timed_out)
    finally:
        kernel.CloseHandle(handle)
