"""The cache file: one SQLite database in WAL mode, checksummed rows, many threads and processes."""

from __future__ import annotations

import os
import threading
import time
import warnings
import zlib
from collections import deque
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Disk"]

FILE = "responses.sqlite3"
# Sibling processes hold the write lock for microseconds. A row that cannot be written in this time waits for the next call.
BUSY_MS = 250
MAX_PENDING = 2048
# At the end there is no next call: rows are tried so often, for some seconds on a busy machine.
CLOSING_TRIES = 40
# Between two looks at the size of the file, in rows written, and in bytes written, as a share of what it may hold.
CHECK_EVERY = 256
CHECK_SHARE = 32
# A row that is a larger share than this would push out too many others.
LARGEST_SHARE = 8
# Pages in the journal beside the file before they are written into it, at most; a small file has a small journal.
JOURNAL_PAGES = 2000
PAGE = 2048
TABLE = (
    "CREATE TABLE IF NOT EXISTS answers(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, checksum INTEGER NOT NULL, text TEXT NOT NULL)"
)
SELECT = "SELECT id, checksum, text FROM answers WHERE key = ?"
INSERT = "INSERT OR REPLACE INTO answers(key, checksum, text) VALUES (?, ?, ?)"
ADD = "INSERT OR IGNORE INTO answers(key, checksum, text) VALUES (?, ?, ?)"
DELETE = "DELETE FROM answers WHERE key = ?"
WITHOUT = "answers are kept in memory only. Set WHET_CACHE_DIR to a writable place."
# SQLite's result codes: malformed, and not a database at all; busy, locked.
_DAMAGED = (11, 26)
_BUSY = (5, 6)


class Disk:
    """Texts by key in one file. Every trouble with the file is a miss; the first one that lasts is warned about, once.

    The age of a row is its id: an entry that is read again when it has become one of the oldest is written anew. So eviction is one
    range delete, and a read writes nothing. With `lasting=True` the first text under a key stays, and keeps its id. `without` says what
    is lost where the file cannot be used, and what to do.
    """

    def __init__(self, directory: Path, limit: int, file: str = FILE, *, lasting: bool = False, without: str = WITHOUT) -> None:
        self.directory, self.limit = directory, limit
        self.path = directory / file
        self._lasting, self._without = lasting, without
        self._insert = ADD if lasting else INSERT
        self._lock = threading.Lock()
        self._pending: deque[tuple[bytes, int, str]] = deque()
        self._connection: sqlite3.Connection | None = None
        self._off = False
        self._warned = False
        self._healed = False
        self._unchecked = self._unchecked_bytes = 0
        self._old_below = 0
        self._of_parent: list[Any] = []

    def get(self, key: bytes, until: float = inf) -> str | None:
        """The text under this key; `None` too where the row does not match its checksum, or was written after the row `until`."""
        row = None
        with self._lock:
            connection = self._opened()
            if connection is None:
                return None
            try:
                row = connection.execute(SELECT, (key,)).fetchone()
            except _database_error() as error:
                self._trouble(error)
        text = None if row is None or row[0] > until else self._checked(key, *row)
        if self._pending:
            self._drain()
        return text

    def _checked(self, key: bytes, number: int, checksum: int, raw: Any) -> str | None:
        try:
            if _checksum(key, raw) == checksum:
                text: str = raw.decode()
                if number < self._old_below and not self._lasting:
                    self._pending.append((key, checksum, text))
                return text
        except (TypeError, UnicodeDecodeError):
            pass
        self.delete(key)
        return None

    def put(self, key: bytes, text: str) -> None:
        """Write a row at once, or hand it to the thread that is writing already."""
        if self._off or len(self._pending) >= MAX_PENDING or len(text) > self.limit // LARGEST_SHARE:
            return
        self._pending.append((key, _checksum(key, text.encode()), text))
        self._drain()

    def _drain(self) -> None:
        # Whoever gets the lock writes for all; a row that came while it was released is seen by the check of the loop.
        while self._pending and self._lock.acquire(blocking=False):
            try:
                if not self._write():
                    return
            finally:
                self._lock.release()

    def _write(self) -> bool:
        connection = self._opened()
        if connection is None:
            self._pending.clear()
            return False
        rows = [self._pending.popleft() for _ in range(len(self._pending))]
        try:
            if len(rows) == 1:
                connection.execute(self._insert, rows[0])
            elif rows:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(self._insert, rows)
                connection.execute("COMMIT")
            self._unchecked += len(rows)
            self._unchecked_bytes += sum(len(text) for _, _, text in rows)
            if self._unchecked >= CHECK_EVERY or self._unchecked_bytes >= self.limit // CHECK_SHARE:
                self._keep_small(connection)
        except _database_error() as error:
            _roll_back(connection)
            if getattr(error, "sqlite_errorcode", 0) & 255 in _BUSY:
                self._pending.extendleft(reversed(rows))
            else:
                self._trouble(error)
            return False
        return True

    def delete(self, key: bytes) -> None:
        """Forget a row."""
        self._run(DELETE, (key,))

    def clear(self) -> None:
        """Forget all rows."""
        self._pending.clear()
        self._run("DELETE FROM answers", ())
        self._run("PRAGMA incremental_vacuum", ())

    def count(self) -> int:
        """How many rows there are."""
        row = self._run("SELECT count(*) FROM answers", ())
        return row[0] if row else 0

    def newest(self) -> int:
        """The id of the row that was written last; 0 where there is none."""
        row = self._run("SELECT max(id) FROM answers", ())
        return (row[0] or 0) if row else 0

    def _run(self, statement: str, values: tuple[Any, ...]) -> Any:
        with self._lock:
            connection = self._opened()
            if connection is None:
                return None
            try:
                return next(iter(connection.execute(statement, values).fetchall()), None)
            except _database_error() as error:
                self._trouble(error)
                return None

    def close(self) -> None:
        """Write what is waiting and close the file."""
        with self._lock:
            if self._connection is None:
                return
            for _ in range(CLOSING_TRIES):
                if not self._pending:
                    break
                self._write()
            if self._connection is not None:
                with suppress(_database_error()):
                    self._connection.close()
            self._connection = None

    def forget_parent(self) -> None:
        """In a forked child: never touch the parent's connection, not even to close it."""
        self._of_parent.append(self._connection)
        self._connection = None
        self._lock = threading.Lock()
        self._pending = deque()

    # -- with the lock held ------------------------------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection | None:
        if self._connection is not None or self._off:
            return self._connection
        for _ in range(2):
            try:
                self._connection = self._open()
                break
            except (OSError, _database_error()) as error:
                if not self._trouble(error):
                    break
        return self._connection

    def _open(self) -> sqlite3.Connection:
        import sqlite3  # noqa: PLC0415 - 5 ms that a program without a disk cache never pays

        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
        try:
            connection.text_factory = bytes
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _patiently(connection, "PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            journal = max(1, min(JOURNAL_PAGES, self.limit // (16 * PAGE)))
            connection.execute(f"PRAGMA wal_autocheckpoint = {journal}")
            connection.execute(f"PRAGMA journal_size_limit = {journal * PAGE}").fetchall()
            _patiently(connection, TABLE)
            self._keep_small(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _keep_small(self, connection: sqlite3.Connection) -> None:
        """Drop the oldest rows while the file holds more than it may, and note which rows count as old."""
        self._unchecked = self._unchecked_bytes = 0
        used = _used_bytes(connection)
        for _ in range(64):
            low, high = connection.execute("SELECT min(id), max(id) FROM answers").fetchone()
            if low is None or used <= self.limit:
                break
            connection.execute("DELETE FROM answers WHERE id <= ?", (low + (high - low) // 8,))
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            used = _used_bytes(connection)
        self._old_below = low + (high - low) // 4 if low is not None and used > self.limit // 2 else 0

    def _trouble(self, error: BaseException) -> bool:
        """A damaged file is put aside, once, and then true returned: try again. Anything but a busy file ends the disk layer here."""
        code = getattr(error, "sqlite_errorcode", 0) & 255
        if code in _BUSY:
            return False
        if self._connection is not None:
            with suppress(_database_error()):
                self._connection.close()
            self._connection = None
        if code in _DAMAGED and not self._healed and self._put_aside():
            self._healed = True
            return True
        self._off = True
        self._warn(f"The file {str(self.path)!r} cannot be used ({error}); {self._without}")
        return False

    def _put_aside(self) -> bool:
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        try:
            self.path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except OSError:
            return False
        self._warn(f"The file {self.path.name!r} was damaged, or none of ours; it was put aside as {str(aside)!r} and a new one started.")
        return True

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def _database_error() -> type[Exception]:
    import sqlite3  # noqa: PLC0415 - imported by then, or about to be

    return sqlite3.Error


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Opening is where processes meet, and changing the journal mode does not wait for a lock by itself."""
    for left in range(40, -1, -1):
        try:
            connection.execute(statement).fetchall()
        except _database_error() as error:
            if getattr(error, "sqlite_errorcode", 0) & 255 not in _BUSY or not left:
                raise
            time.sleep(0.025)
        else:
            return


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with suppress(_database_error()):
            connection.execute("ROLLBACK")


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size)


def _checksum(key: bytes, raw: bytes) -> int:
    return zlib.crc32(raw, zlib.crc32(key))
