"""Makes, opens, replaces and removes our own files, and checks the directories that hold them.

The files hold the user's code, so only the user may read them, and nobody else may decide what they are. On a shared
computer another user may put a link, a directory or a pipe where we expect a file of ours. Therefore files are private
whatever the umask is, they are made exclusively, the last component of a path is never followed if it is a link, and
names are looked up in a directory that was checked after it was opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

#: Directories of ours in the data directory: the indexes, the pages of results, the vectors of chosen models.
INDEXES, RESULTS, VECTORS = "indexes", "results", "vectors"

_DIRECTORY_MODE, _FILE_MODE = 0o700, 0o600
#: Mode bits that let the group or everyone write.
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_ROOT = 0
#: Whether the system has owners, modes and descriptors of directories.
_POSIX = os.name == "posix"
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# A pipe that nobody writes to would block the thread that opens it.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class Untrusted(PermissionError):
    """Raised if a file or directory of ours may be under the control of another user. ``strerror`` is a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EPERM, sentence)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.strerror,)


# --- directories ---


def check_directories(data_directory: Path, *names: str) -> None:
    """Checks the data directory and the directories of ours on a way down from it, as far as they exist.

    Each must be a directory and no link, must belong to this user or to root, and no other user may write to it.
    Directories above the data directory may be links. Raises Untrusted for what others may control, and OSError for
    what cannot be looked up.
    """
    path = data_directory
    for depth in range(len(names) + 1):
        if depth:
            path /= names[depth - 1]
        try:
            facts = os.lstat(path)
        except FileNotFoundError:
            return
        _judge(facts, _in_words(names[:depth]))
        if not stat.S_ISDIR(facts.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def check_entries(directory: Path) -> None:
    """Checks everything that a directory of ours holds in the same way. Raises Untrusted or OSError."""
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed at the same time
                continue
            _judge(facts, f"`{entry.name}` in the index directory")


def make_directories(data_directory: Path, *names: str) -> None:
    """Makes the data directory and directories of ours below it, after checking those that exist.

    What is made has mode 0700. Directories of this user's below the data directory lose the rights of others. Raises as
    ``check_directories``, and OSError if a directory cannot be made.
    """
    check_directories(data_directory, *names)
    missing = [data_directory, *data_directory.parents]
    missing = missing[: next(number for number, path in enumerate(missing) if os.path.lexists(path))]
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process made it
            _make(path)
    path = data_directory
    for name in names:
        path /= name
        _make_private(path)
    # Others may have made one of them in the meantime.
    check_directories(data_directory, *names)


def _make(path: Path) -> None:
    """Makes a directory that only this user can use."""
    path.mkdir(_DIRECTORY_MODE)
    if _POSIX and stat.S_IMODE(os.lstat(path).st_mode) != _DIRECTORY_MODE:
        path.chmod(_DIRECTORY_MODE)  # the umask took rights from it


def _make_private(path: Path) -> None:
    """Makes a directory that only this user can use, or takes others' rights from one of this user's."""
    try:
        _make(path)
    except FileExistsError:
        facts = os.lstat(path)
        mode = stat.S_IMODE(facts.st_mode)
        if _POSIX and stat.S_ISDIR(facts.st_mode) and mode & ~_DIRECTORY_MODE and facts.st_uid == os.geteuid():
            path.chmod(mode & _DIRECTORY_MODE)


def _in_words(names: tuple[str, ...]) -> str:
    return f"`{'/'.join(names)}` in the data directory" if names else "the data directory"


def _judge(facts: os.stat_result, what: str) -> None:
    """Raises Untrusted if a file, given its own state and its description, may be under the control of others."""
    if stat.S_ISLNK(facts.st_mode):
        raise Untrusted(f"{what} is a link, and Conexus follows none; set CONEXUS_DATA_DIR to the place that is meant")
    if not _POSIX:
        return
    if facts.st_uid not in {_ROOT, os.geteuid()}:
        raise Untrusted(f"{what} belongs to another user; set CONEXUS_DATA_DIR to a directory of your own")
    if facts.st_mode & _WRITABLE_BY_OTHERS:
        raise Untrusted(
            f"other users can write to {what}; take that right from them (`chmod -R go-w`) or choose another"
        )


@contextmanager
def _parent_of(path: Path) -> Iterator[tuple[int | None, str]]:
    """Yields a descriptor of the directory that holds a path, and the path's name in it.

    So nobody can put another directory in its place between the check and the use. Without such descriptors, yields
    None and the path. Raises Untrusted if others may control the directory.
    """
    if not _POSIX:
        yield None, str(path)
        return
    try:
        parent = os.open(path.parent, os.O_RDONLY | _DIRECTORY | _NO_LINK)
    except NotADirectoryError:
        _judge(os.lstat(path.parent), f"`{path.parent.name}`")
        raise
    try:
        _judge(os.fstat(parent), f"`{path.parent.name}`")
        yield parent, path.name
    finally:
        os.close(parent)


# --- files ---


def create(path: Path) -> IO[bytes]:
    """Makes a file that only this user can read, and opens it to write.

    Raises FileExistsError if anything has that name, Untrusted if others may control the directory, and OSError if the
    file cannot be made.
    """
    with _parent_of(path) as (parent, name):
        return _create(parent, name)


def _create(parent: int | None, name: str) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY
    descriptor = os.open(name, flags, _FILE_MODE, dir_fd=parent)
    if _POSIX:
        os.fchmod(descriptor, _FILE_MODE)  # whatever the umask took from it
    return os.fdopen(descriptor, "wb")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yields a private file whose content takes the place of a file at the end, at once and only if nothing failed.

    A link at ``path`` is replaced and not followed. Raises as ``create``.
    """
    with _parent_of(path) as (parent, name):
        draft = f"{name}.{os.getpid()}.draft"
        try:
            with _fresh(parent, draft) as file:
                yield file
            os.replace(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            _unlink(parent, draft)
            raise


def _fresh(parent: int | None, name: str) -> IO[bytes]:
    _unlink(parent, name)  # left by a killed process that had our number
    return _create(parent, name)


def _unlink(parent: int | None, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def open_regular(path: Path, *, follow: bool = False) -> IO[bytes]:
    """Opens a regular file to read, and never waits for another program.

    With ``follow``, the path may be a link. Raises Untrusted for a link otherwise and for what is no regular file, such
    as a pipe, and OSError if the file cannot be opened.
    """
    # Opening a device may already do something, so nothing else is opened.
    if not stat.S_ISREG(path.stat(follow_symlinks=follow).st_mode):
        raise Untrusted(f"`{path.name}` is no regular file")
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY | (0 if follow else _NO_LINK))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Untrusted(f"`{path.name}` is no regular file")
    return os.fdopen(descriptor, "rb")


def read(path: Path, most: int) -> bytes:
    """Returns the content of a regular file of at most ``most`` bytes.

    Raises as ``open_regular``, and OSError if the file is larger.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def is_regular(path: Path) -> bool:
    """Returns whether a path is a regular file itself, and no link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def rename(path: Path, name: str) -> None:
    """Gives a file or a directory another name in the same directory.

    Raises Untrusted if others may control the directory, and OSError if that fails.
    """
    with _parent_of(path) as (parent, former):
        new = name if parent is not None else str(path.with_name(name))
        os.rename(former, new, src_dir_fd=parent, dst_dir_fd=parent)


def remove(path: Path) -> None:
    """Removes a file, a link itself, or a directory with all that it holds. Does nothing if there is nothing.

    Follows no link, also if someone puts one in a directory's place meanwhile. What cannot be removed does not keep the
    rest. Raises Untrusted if others may control the directory that holds the path, and OSError for the first thing that
    could not be removed.
    """
    failures: list[OSError] = []

    def failed(function: object, place: object, information: Any) -> None:
        error: OSError = information[1]
        if not isinstance(error, FileNotFoundError):  # removed by another process
            failures.append(error)

    try:
        with _parent_of(path) as (parent, name):
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                shutil.rmtree(name, onerror=failed, dir_fd=parent)
            else:
                os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    if failures:
        raise failures[0]
