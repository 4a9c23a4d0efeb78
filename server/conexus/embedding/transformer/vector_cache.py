"""Caches vectors of a slow model for all folders, branches, clones and processes: one SQLite database for each model.

SQLite and not LanceDB, because several processes write to it and look up single keys. It is only a cache: whatever
fails, texts are embedded without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock

from conexus import own_files
from conexus.embedding.embedder import Embedder
from conexus.embedding.unit_vectors import Vectors

log = logging.getLogger(__name__)

#: Minimum number of vectors that are kept. Twice as many as the folders that use the model have chunks are kept, too.
LEAST_KEPT = 200_000
#: Seconds after which the chunks of a folder that was not seen do not count any more.
_FOLDER_SECONDS = 60 * 24 * 3600
_LOCK_SECONDS = 10.0
#: Seconds without writing after an error that is not the database's fault, such as a full disk.
_PAUSE_SECONDS = 60.0
#: Number of vectors that one transaction deletes. Other processes can write between two transactions.
_DELETED_AT_ONCE = 500
#: Number of texts that are embedded before their vectors are cached, so that a failure loses few vectors.
_TEXTS_AT_ONCE = 64
#: Version of the schema, which is part of the file's name. Raise it with every change of what a file holds.
_LAYOUT = 2
_LOCK_FILE = "vectors.lock"
#: Most bytes of a value that a database may hold.
_LONGEST_VALUE = 1 << 20
#: What a database holds: types and names.
_TABLES = {("table", "vectors"), ("table", "uses"), ("table", "folders")}
# Pages are large, so that a row with a long vector does not leave half of a page empty. ``uses`` is a table of its own,
# because an update rewrites the whole row. ``turn`` ascends with every use: a clock that nobody can set back.
_SCHEMA = """
    PRAGMA page_size = 16384;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS uses (turn INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS folders (folder TEXT PRIMARY KEY, chunks INTEGER NOT NULL, seen INTEGER NOT NULL);
"""


class VectorCache:
    """Maps texts to vectors, on disk. Safe to use from several threads and processes. No method raises.

    A damaged database is deleted, and the next one gets a new name: another process may still have the old one open.
    Damage is found where it is met. ``PRAGMA quick_check`` would read the whole file at every start, which takes
    seconds, and would not notice a damaged vector.
    """

    def __init__(self, directory: Path, fingerprint: str, dimensions: int, *, least: int = LEAST_KEPT) -> None:
        """``fingerprint`` and ``dimensions`` are the model's. Creates the directory if there is none."""
        self._directory, self._least, self._dimensions = directory, least, dimensions
        self._name = hashlib.blake2b(f"{_LAYOUT} {dimensions} {fingerprint}".encode(), digest_size=12).hexdigest()
        #: ``_writing`` is held while a thread waits for a disk or another process. ``_reading`` guards ``_reader`` and
        #: ``_used`` and is held for moments. ``_writing`` is taken first.
        self._writing, self._reading = threading.Lock(), threading.Lock()
        #: Readers have a connection of their own, because a connection serves one thread at a time.
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._path, self._damaged, self._last_error = directory, False, ""
        self._write_after = 0.0
        #: Keys of the vectors that were read since uses were recorded.
        self._used: set[bytes] = set()
        self._write(self._record_uses)

    def get_many(self, texts: Iterable[str]) -> dict[str, Vectors]:
        """Returns the cached vectors by text: float32, shape (dimensions,), with the precision of float16."""
        found: dict[str, Vectors] = {}
        with self._reading:
            if self._reader is None or self._damaged:
                return found
            try:
                for text in texts:
                    key = _key(text)
                    row = self._reader.execute("SELECT vector, checksum FROM vectors WHERE key = ?", (key,)).fetchone()
                    vector = None if row is None else self._vector(key, *row)
                    if vector is not None:
                        found[text] = vector
                        self._used.add(key)
            except sqlite3.Error as error:
                self._note(error)
        return found

    def _vector(self, key: bytes, stored: object, checksum: object) -> Vectors | None:
        """Returns a stored vector; None if it is not as it was stored, or is no vector of the model."""
        if not isinstance(stored, bytes) or len(stored) != 2 * self._dimensions:
            return None
        # SQLite does not notice a flipped bit, and a wrong vector would stay in the index.
        if checksum != zlib.crc32(key + stored):
            return None
        vector: Vectors = np.frombuffer(stored, np.float16).astype(np.float32)
        return vector if np.isfinite(vector).all() else None

    def put_many(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Caches the vectors of texts, shape (len(texts), dimensions)."""
        keys, stored = [_key(text) for text in texts], [row.tobytes() for row in vectors.astype(np.float16)]
        rows = [(key, vector, zlib.crc32(key + vector)) for key, vector in zip(keys, stored, strict=True)]

        def insert(writer: sqlite3.Connection) -> None:
            writer.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            self._record_uses(writer, keys)

        self._write(insert)

    def collect(self, live: Mapping[str, int]) -> None:
        """Deletes the least recently used vectors if there are too many. Call it when nothing else is to be done.

        ``live``: number of chunks of each folder that this process knows; the numbers of other folders are remembered.
        """
        while self._write(partial(self._collect_some, live)):
            pass

    def close(self) -> None:
        """Records which vectors were used and closes the database. Afterwards the cache finds and keeps nothing."""
        self._write(self._record_uses)
        with self._writing:
            self._write_after = math.inf
            self._disconnect()

    def _collect_some(self, live: Mapping[str, int], writer: sqlite3.Connection) -> bool:
        """Deletes some vectors. Returns whether there are still too many."""
        self._record_uses(writer)
        now = int(time.time())
        rows = [(folder, chunks, now) for folder, chunks in live.items()]
        writer.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", rows)
        writer.execute("DELETE FROM folders WHERE seen < ?", (now - _FOLDER_SECONDS,))
        (chunks,) = writer.execute("SELECT coalesce(sum(chunks), 0) FROM folders").fetchone()
        (vectors,) = writer.execute("SELECT count(*) FROM uses").fetchone()
        excess = int(vectors) - max(self._least, 2 * int(chunks))
        oldest = "SELECT key FROM uses ORDER BY turn LIMIT ?"
        keys = writer.execute(oldest, (max(0, min(excess, _DELETED_AT_ONCE)),)).fetchall()
        writer.executemany("DELETE FROM vectors WHERE key = ?", keys)
        writer.executemany("DELETE FROM uses WHERE key = ?", keys)
        return excess > _DELETED_AT_ONCE

    def _record_uses(self, writer: sqlite3.Connection, keys: Iterable[bytes] = ()) -> None:
        """Records that vectors were used: those that were read since the last call, and those of ``keys``."""
        with self._reading:
            used, self._used = self._used.union(keys), set()
        # Another process may have deleted some of them.
        record = "INSERT OR REPLACE INTO uses (key) SELECT key FROM vectors WHERE key = ?"
        writer.executemany(record, [(key,) for key in used])

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> object:
        """Does ``work`` in a transaction and returns its result; None if the cache cannot be written."""
        with self._writing:
            if time.monotonic() < self._write_after:
                return None
            try:
                with self._connected() as writer:
                    writer.execute("BEGIN IMMEDIATE")
                    return work(writer)
            except (sqlite3.Error, OSError) as error:
                with self._reading:
                    self._note(error)
                if not self._damaged:
                    self._write_after = time.monotonic() + _PAUSE_SECONDS
                return None

    def _note(self, error: sqlite3.Error | OSError) -> None:
        """Records an error, and logs it if it is not the same as the last one. ``_reading`` is held."""
        # This class itself and none of its subclasses stands for damage (SQLITE_CORRUPT, SQLITE_NOTADB).
        self._damaged = self._damaged or type(error) is sqlite3.DatabaseError
        reason = str(error) if isinstance(error, sqlite3.Error) else error.strerror or "it is locked"
        if reason != self._last_error:
            log.warning("the vector cache %s: %s", "is damaged" if self._damaged else "cannot be used for now", reason)
        self._last_error = reason

    def _connected(self) -> sqlite3.Connection:
        """Returns the connection that writes; opens the database if it is not open, and a new one if it is damaged."""
        if self._writer is not None and self._reader is not None and not self._damaged:
            return self._writer
        self._disconnect()
        own_files.make_directories(self._directory.parent, self._directory.name)
        own_files.check_entries(self._directory)
        with FileLock(str(self._directory / _LOCK_FILE), timeout=_LOCK_SECONDS, mode=0o600):
            for file in self._directory.glob(f"{self._path.name}*") if self._damaged else ():
                own_files.remove(file)
            new = self._directory / f"{self._name}-{time.time_ns()}.sqlite3"
            self._path = max(filter(own_files.is_regular, self._directory.glob(f"{self._name}-*.sqlite3")), default=new)
            if self._path is new:
                # A file that exists is not opened, because closing it would release SQLite's locks.
                own_files.create(new).close()
            self._damaged = False
            self._writer = _connect(self._path)
            self._writer.executescript(_SCHEMA)
            if set(self._writer.execute("SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL")) != _TABLES:
                # Views and triggers would run with every look-up.
                raise sqlite3.DatabaseError("it holds other things than vectors")
            with self._reading:
                self._reader = _connect(self._path)
        return self._writer

    def _disconnect(self) -> None:
        with self._reading:
            connections = (self._reader, self._writer)
            self._reader = self._writer = None
        for connection in connections:
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    """Opens a database whose content is not trusted: nothing in it runs, and no value in it takes much memory."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def forget_folder(directory: Path, folder: str) -> int:
    """Removes the caches in a directory that hold vectors of a folder, and returns how many they were.

    They hold no texts, but vectors tell something of the texts that they were made of. A cache does not know which of
    its vectors are of which folder, so it goes as a whole: other folders' vectors are made again when they are needed.
    Raises OSError if a cache cannot be removed.
    """
    removed = 0
    own_files.check_directories(directory.parent, directory.name)
    for path in directory.glob("*.sqlite3"):
        if own_files.is_regular(path) and _may_hold(path, folder):
            for file in directory.glob(f"{path.name}*"):
                own_files.remove(file)
            removed += 1
    return removed


def _may_hold(path: Path, folder: str) -> bool:
    """Decides whether a cache holds vectors of a folder. One that cannot be read may."""
    try:
        with contextlib.closing(_connect(path)) as connection:
            tables = set(connection.execute("SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL"))
            found = connection.execute("SELECT 1 FROM folders WHERE folder = ?", (folder,)).fetchone()
    except (sqlite3.Error, UnicodeEncodeError):
        return True
    return tables != _TABLES or found is not None


class RememberedEmbedder:
    """Takes vectors from the cache, asks the model for the others and caches these. Safe to call from any thread.

    Vectors of documents have the precision of float16, in which they are stored, whether or not they were cached.
    """

    def __init__(self, embedder: Embedder, cache: VectorCache) -> None:
        """``embedder`` must be ready. Whoever made ``cache`` closes it."""
        self._embedder, self._cache = embedder, cache
        self.name, self.dimensions, self.fingerprint = embedder.name, embedder.dimensions, embedder.fingerprint
        #: Number of texts that the model embedded.
        self.embedded = 0

    def known(self, texts: Sequence[str]) -> Vectors:
        """Returns vectors as ``embed_documents`` does, but zero if the cache has none. Asks no model: takes no time."""
        return self._rows(texts, self._cache.get_many(texts))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        found = self._cache.get_many(texts)
        # The shortest first, because the model pads a batch to its longest text.
        missing = sorted(dict.fromkeys(text for text in texts if text not in found), key=len)
        for start in range(0, len(missing), _TEXTS_AT_ONCE):
            some = missing[start : start + _TEXTS_AT_ONCE]
            vectors = self._embedder.embed_documents(some).astype(np.float16).astype(np.float32)
            self.embedded += len(some)
            self._cache.put_many(some, vectors)
            found.update(zip(some, vectors, strict=True))
        return self._rows(texts, found)

    def embed_query(self, text: str) -> Vectors:
        return self._embedder.embed_query(text)

    def close(self) -> None:
        """Closes the model. The cache stays open, because another thread may be writing it."""
        self._embedder.close()

    def _rows(self, texts: Sequence[str], found: Mapping[str, Vectors]) -> Vectors:
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = found.get(text, 0)
        return rows


def _key(text: str) -> bytes:
    """Returns the key of a text: 128 bits, while digests in a folder's index have 64.

    The cache also holds texts of strangers' repositories, and texts with equal keys share a vector. Texts with equal
    digests of 64 bits can be found in hours.
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
