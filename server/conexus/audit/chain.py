"""Keeps the files of the audit log: appends lines, rotates files, and finds what was changed in them.

Each line is one JSON object that ends with the SHA-256 of the rest of the line, and names the hash of the line before.
The head file holds the number and the hash of the last line, so that a cut end is found, and those before the first
line that must be there, so that a removed file is found. Lines are written before the head: a crash between the two
leaves lines beyond the head, which are right if they continue the chain.

All processes of the user share one log; they take turns by a lock.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from conexus import own_files
from conexus.audit.events import Entry, bounded
from conexus.audit.writer import Place

LOG_FILE, HEAD_FILE, LOCK_FILE = "audit.jsonl", "head.json", "audit.lock"
#: A file is rotated when it has this share of the size or of the age of the whole log.
_SHARE = 8
#: Maximum number of bytes of a line or of the head that are read at once.
_LONGEST_LINE = 1 << 16
_LOCK_SECONDS = 10.0
_DAY_SECONDS = 24 * 3600.0
#: What the first line names as the hash of the line before.
_NO_HASH = "0" * 64
#: A rotated file is named after the number of its last line.
_ROTATED = re.compile(r"audit\.(\d{12,15})\.jsonl")
_SEAL = re.compile(rb'(?P<body>\{.*),"hash":"(?P<hash>[0-9a-f]{64})"\}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """A line whose hash is right."""

    seq: int
    previous: str
    hash: str
    #: The whole line.
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of the lines apart from the lines themselves."""

    #: Number of the first line that must be there, and the hash of the line before; empty if it is not known.
    first: int = 1
    first_previous: str = _NO_HASH
    #: Number and hash of the last line.
    last: int = 0
    last_hash: str = _NO_HASH
    #: Size in bytes that the file had with that line, and when the file was begun, in seconds since the epoch.
    size: int = 0
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of the whole log found."""

    #: Numbers of lines and files.
    lines: int
    files: int
    #: One sentence for each fault.
    problems: tuple[str, ...]


def append(place: Place, entries: Sequence[Entry]) -> None:
    """Appends events. Raises OSError if the files cannot be used, and nothing is written then.

    If the files were changed since they were last written, says so in a line of its own.
    """
    own_files.make_directories(place.directory.parent, place.directory.name)
    with _locked(place.directory):
        log = _OpenLog(place)
        log.recover()
        log.rotate_if_due()
        log.write(entries)


class _OpenLog:
    """The files during one ``append``, while this process holds the lock."""

    def __init__(self, place: Place) -> None:
        self._place, self._directory = place, place.directory
        self._path = place.directory / LOG_FILE
        self._head = Head()
        #: Events about the log itself, which are written first.
        self._notes: list[Entry] = []

    def recover(self) -> None:
        """Finds the end of the chain, whatever became of the files."""
        head = read_head(self._directory)
        if head is None:
            # Before there are lines, so that a missing head is always a fault.
            head = self._begin_head()
            _write_head(self._directory, head)
        size = _size_of(self._path)
        if size < head.size:
            if size == 0 and rotated_path(self._directory, head.last).is_file():
                head = replace(head, begun=time.time())  # a crash interrupted a rotation
            else:
                self._note("logDamaged", reason="the end is missing")
            head = replace(head, size=size)
        elif size > head.size:
            head = self._follow(head)
        self._head = head

    def _begin_head(self) -> Head:
        lines = list(lines_of(self._directory))
        if not log_files(self._directory):
            return Head(begun=time.time())
        self._note("logDamaged", reason="the head file is missing or damaged")
        if not lines:
            last = max((number for number, _ in _rotated(self._directory)), default=0)
            return Head(last + 1, "", last, _NO_HASH, _size_of(self._path), time.time())
        first, last_line = lines[0], lines[-1]
        return Head(first.seq, first.previous, last_line.seq, last_line.hash, _size_of(self._path), time.time())

    def _follow(self, head: Head) -> Head:
        """Returns the head after the lines beyond it: their process was killed before it wrote its head."""
        with _opened(self._path, os.O_RDWR) as descriptor:
            content = _read_from(descriptor, head.size)
            whole, _, torn = content.rpartition(b"\n")
            if torn:
                size = head.size + len(content) - len(torn)
                os.ftruncate(descriptor, size)
                self._note("eventsLost", count=1, reason="crash")
        for raw in whole.split(b"\n") if whole else ():
            line = parsed(raw)
            if line is None or (line.seq, line.previous) != (head.last + 1, head.last_hash):
                self._note("logDamaged", reason="lines were added or changed")
                break
            head = replace(head, last=line.seq, last_hash=line.hash)
        return replace(head, size=head.size + len(content) - len(torn))

    def _note(self, event: Any, **details: Any) -> None:
        self._notes.append(Entry(time.time(), event, details))

    def rotate_if_due(self) -> None:
        """Begins another file if the present one is large or old enough, and removes the oldest files."""
        limit, age = self._limit // _SHARE, self._seconds / _SHARE
        if self._head.size > limit or (self._head.size and time.time() - self._head.begun > age):
            target = rotated_path(self._directory, self._head.last)
            if not os.path.lexists(target):
                self._path.rename(target)
                self._set_head(replace(self._head, size=0, begun=time.time()))
        self._remove_old()

    @property
    def _limit(self) -> int:
        return self._place.mib << 20

    @property
    def _seconds(self) -> float:
        return self._place.days * _DAY_SECONDS

    def _remove_old(self) -> None:
        rotated = [(number, path, path.lstat()) for number, path in _rotated(self._directory)]
        total = self._head.size + sum(facts.st_size for _, _, facts in rotated)
        oldest = time.time() - self._seconds
        for number, path, facts in rotated:
            if total > self._limit - self._limit // _SHARE or facts.st_mtime < oldest:
                if number >= self._head.first:
                    last = _last_line(path)
                    known = last is not None and last.seq == number
                    # The head first: a crash then leaves a file that need not be there.
                    self._set_head(
                        replace(self._head, first=number + 1, first_previous=last.hash if last and known else "")
                    )
                path.unlink()
                total -= facts.st_size
            else:
                break

    def write(self, entries: Sequence[Entry]) -> None:
        """Appends the lines and then replaces the head."""
        head, lines = self._head, []
        for entry in (*self._notes, *entries):
            line = _sealed(_body(head, entry, self._place.command))
            head = replace(head, last=head.last + 1, last_hash=line[-66:-2].decode("ascii"))
            lines.append(line + b"\n")
        content = b"".join(lines)
        with _opened(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
            if head.size and _read_from(descriptor, head.size - 1) != b"\n":
                content = b"\n" + content  # what was cut there must not swallow this line
            try:
                _write_all(descriptor, content)
                # Before the head: after a loss of power, the head must not name a line that is not there.
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, head.size)
                raise
        with contextlib.suppress(OSError):  # the lines are there, and the next process finds them beyond the head
            self._set_head(replace(head, size=head.size + len(content)))

    def _set_head(self, head: Head) -> None:
        _write_head(self._directory, head)
        self._head = head


def verify(directory: Path) -> Report:
    """Checks the whole log against its hashes and its head. Raises OSError if there is no directory to read."""
    with _locked_if_possible(directory):
        files = log_files(directory)
        check = _Check()
        check.head(directory)
        for path in files:
            try:
                check.file(path)
            except OSError as error:
                check.problems.append(f"{path.name}: {error.strerror}")
        return check.report(len(files))


class _Check:
    def __init__(self) -> None:
        #: One sentence for each fault.
        self.problems: list[str] = []
        self._head: Head | None = None
        self._last: Line | None = None
        self._lines = 0

    def head(self, directory: Path) -> None:
        """Reads the head, with which the files are compared."""
        try:
            self._head = read_head(directory)
            fault = "" if self._head else "the file is missing or was changed"
        except OSError as error:
            fault = error.strerror or "the file cannot be read"
        if fault:
            self.problems.append(f"{HEAD_FILE}: {fault}")

    def file(self, path: Path) -> None:
        """Checks a file, after the ones before it."""
        offset = 0
        for number, raw in enumerate(_raw_lines(path), 1):
            if not raw.endswith(b"\n"):
                # A crash may tear a line that the head does not count yet.
                is_torn = self._head and path.name == LOG_FILE and offset >= self._head.size
                if len(raw) == _LONGEST_LINE or not is_torn:
                    self.problems.append(f"{path.name}, line {number}: the line is cut")
                return
            offset += len(raw)
            self._lines += 1
            line = parsed(raw[:-1])
            if line is None:
                self.problems.append(f"{path.name}, line {number}: the line was changed")
            else:
                self._line(f"{path.name}, line {number}", line)

    def _line(self, place: str, line: Line) -> None:
        last, head = self._last, self._head
        if last is None:
            if head and line.seq > head.first:
                self.problems.append(f"{place}: lines {head.first} to {line.seq - 1} are missing before it")
            elif head and line.seq == head.first and head.first_previous not in ("", line.previous):
                self.problems.append(f"{place}: the line does not follow the line that was before it")
        elif line.seq > last.seq + 1:
            self.problems.append(f"{place}: lines {last.seq + 1} to {line.seq - 1} are missing before it")
        elif line.seq <= last.seq:
            self.problems.append(f"{place}: line {line.seq} of the log follows line {last.seq}")
        elif line.previous != last.hash:
            self.problems.append(f"{place}: the line before it was replaced")
        if head and line.seq == head.last and line.hash != head.last_hash:
            self.problems.append(f"{place}: the line was replaced")
        if line.value["event"] == "logDamaged":
            reason = line.value["details"].get("reason", "")
            self.problems.append(f"{place}: damage was found on {line.value['time']}: {reason}")
        self._last = line

    def report(self, files: int) -> Report:
        """Returns what was found, after the last file."""
        last, head = self._last, self._head
        at = last.seq if last is not None else head.first - 1 if head else 0
        if head and at < head.last:
            self.problems.append(f"lines {at + 1} to {head.last} are missing at the end")
        return Report(self._lines, files, tuple(self.problems))


def lines_of(directory: Path) -> Iterator[Line]:
    """Yields the lines of all files whose own hash is right, the oldest first."""
    for path in log_files(directory):
        for raw in _raw_lines(path):
            line = parsed(raw.removesuffix(b"\n"))
            if line is not None:
                yield line


def log_files(directory: Path) -> list[Path]:
    """Returns the files of lines, the oldest first."""
    present = directory / LOG_FILE
    return [path for _, path in _rotated(directory)] + ([present] if os.path.lexists(present) else [])


def _rotated(directory: Path) -> list[tuple[int, Path]]:
    return sorted((int(match[1]), path) for path in directory.iterdir() if (match := _ROTATED.fullmatch(path.name)))


def rotated_path(directory: Path, last: int) -> Path:
    """Returns the path of a rotated file whose last line has this number."""
    return directory / f"audit.{last:012}.jsonl"


# --- lines ---


def _body(head: Head, entry: Entry, command: str) -> dict[str, Any]:
    return {
        "seq": head.last + 1,
        "time": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "process": os.getpid(),
        "command": command,
        "event": entry.event,
        "details": bounded(entry.details),
        "previous": head.last_hash,
    }


def _sealed(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, separators=(",", ":")).encode("ascii")
    return text[:-1] + b',"hash":"' + hashlib.sha256(text).hexdigest().encode("ascii") + b'"}'


def _unsealed(raw: bytes) -> tuple[dict[str, Any], str] | None:
    """Returns a JSON object without its hash, and the hash; None if the hash is not right."""
    match = _SEAL.fullmatch(raw)
    if match is None or hashlib.sha256(match["body"] + b"}").hexdigest().encode("ascii") != match["hash"]:
        return None
    try:
        body = json.loads(match["body"] + b"}")
    except (ValueError, RecursionError):
        return None
    return body, match["hash"].decode("ascii")


def parsed(raw: bytes) -> Line | None:
    """Returns a line without its end; None if it is not as it was written."""
    found = _unsealed(raw)
    if found is None:
        return None
    body, hash_ = found
    kinds = {"seq": int, "time": str, "process": int, "command": str, "event": str, "details": dict, "previous": str}
    if list(body) != list(kinds) or not all(isinstance(body[name], kind) for name, kind in kinds.items()):
        return None
    return Line(body["seq"], body["previous"], hash_, {**body, "hash": hash_})


def _raw_lines(path: Path) -> Iterator[bytes]:
    with _opened(path, os.O_RDONLY) as descriptor, open(descriptor, "rb", closefd=False) as file:
        # A line of ours is far shorter. A longer one comes in pieces, which are no lines.
        while raw := file.readline(_LONGEST_LINE):
            yield raw


def _last_line(path: Path) -> Line | None:
    last = b""
    for raw in _raw_lines(path):
        last = raw
    return parsed(last.removesuffix(b"\n"))


# --- the head ---


def read_head(directory: Path) -> Head | None:
    """Returns the head; None if there is none, or if it was changed. Raises OSError if it cannot be read."""
    try:
        with _opened(directory / HEAD_FILE, os.O_RDONLY) as descriptor:
            raw = os.read(descriptor, _LONGEST_LINE)
    except FileNotFoundError:
        return None
    found = _unsealed(raw)
    if found is None:
        return None
    values, defaults = found[0], asdict(Head())
    if list(values) != list(defaults) or any(type(values[name]) is not type(defaults[name]) for name in defaults):
        return None
    return Head(**values)


def _write_head(directory: Path, head: Head) -> None:
    draft = directory / f"{HEAD_FILE}.draft"
    draft.unlink(missing_ok=True)
    with _opened(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        _write_all(descriptor, _sealed(asdict(head)))
        os.fsync(descriptor)
    draft.replace(directory / HEAD_FILE)


# --- files ---


@contextlib.contextmanager
def _locked(directory: Path, seconds: float = _LOCK_SECONDS) -> Iterator[None]:
    path = directory / LOCK_FILE
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "a file of the audit log is not a plain file", str(path))
    with FileLock(str(path), timeout=seconds, mode=0o600):
        yield


@contextlib.contextmanager
def _locked_if_possible(directory: Path) -> Iterator[None]:
    """Holds the lock, or none where it cannot be had: on a disk that cannot be written, nobody writes."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(_locked(directory))
        yield


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Opens a file of the log. Raises OSError if it is a link or anything else than a file of the user."""
    # A named pipe must not make the thread wait.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "a file of the audit log is not a plain file", str(path))
        if os.name == "posix" and flags & os.O_CREAT and facts.st_mode & 0o777 != 0o600:
            os.fchmod(descriptor, 0o600)
        yield descriptor
    finally:
        os.close(descriptor)


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _read_from(descriptor: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
