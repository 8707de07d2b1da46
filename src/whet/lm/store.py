"""Where cached answers live: memory over one SQLite file that many processes may share."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from whet.errors import ConfigurationError
from whet.lm.disk import Disk

__all__ = ["CacheStore", "default_directory"]

MEMORY_ENTRIES = 1_000_000
MEMORY_BYTES = 64 * 2**20
DISK_BYTES = 4 * 2**30
# What an entry costs beside its text: the key, its places in the ordered dict.
_OVERHEAD = 200


def default_directory() -> Path:
    """`$WHET_CACHE_DIR`, else `whet` in `$XDG_CACHE_HOME` or `~/.cache`. Looked up when a store is made, created at its first use."""
    if named := os.environ.get("WHET_CACHE_DIR"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "whet" if base else Path("~/.cache/whet").expanduser()


class Memory:
    """The entries used last, bounded by number and by bytes. Safe to use from many threads."""

    def __init__(self, max_entries: float, max_bytes: float) -> None:
        self.max_entries, self.max_bytes = max_entries, max_bytes
        self.entries: OrderedDict[bytes, str] = OrderedDict()
        self.size = 0
        self.lock = threading.Lock()

    def get(self, key: bytes) -> str | None:
        """The text under this key, which becomes the youngest."""
        with self.lock:
            text = self.entries.get(key)
            if text is not None:
                self.entries.move_to_end(key)
            return text

    def put(self, key: bytes, text: str) -> None:
        """Keep a text and let the oldest go where there are too many."""
        with self.lock:
            self._forget(key)
            self.entries[key] = text
            self.size += text.__sizeof__() + _OVERHEAD
            while self.entries and (len(self.entries) > self.max_entries or self.size > self.max_bytes):
                _, gone = self.entries.popitem(last=False)
                self.size -= gone.__sizeof__() + _OVERHEAD

    def delete(self, key: bytes) -> None:
        """Forget one."""
        with self.lock:
            self._forget(key)

    def clear(self) -> None:
        """Forget all."""
        with self.lock:
            self.entries.clear()
            self.size = 0

    def _forget(self, key: bytes) -> None:
        gone = self.entries.pop(key, None)
        if gone is not None:
            self.size -= gone.__sizeof__() + _OVERHEAD


class CacheStore:
    """Texts under 16-byte keys: memory first, then `responses.sqlite3` in `directory`.

    `directory=None` keeps everything in memory; without it, `default_directory()`. It is created (mode 0700) and its file opened (0600)
    at the first use, never at import. Where that cannot be done, the store warns once and goes on in memory. Memory holds at most
    `memory_entries` and `memory_bytes` (0 for no memory layer), the file at most `disk_bytes`; the entries that were used longest ago
    go first. Threads, event loops and processes may share one; a forked child opens the file anew.

    >>> store = CacheStore(None)
    >>> store.put(b"k" * 16, "text")
    >>> store.get(b"k" * 16)
    'text'
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = "",
        *,
        memory_entries: float = MEMORY_ENTRIES,
        memory_bytes: float = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        if memory_entries < 0 or memory_bytes < 0 or disk_bytes <= 0:
            raise ConfigurationError("The limits of a cache are positive numbers; `memory_entries=0` or `directory=None` turn a layer off.")
        self.memory = Memory(memory_entries, memory_bytes)
        self.directory = None if directory is None else Path(directory or default_directory())
        self.disk = None if self.directory is None else Disk(self.directory, disk_bytes)
        self.enabled = self.disk is not None or (memory_entries > 0 and memory_bytes > 0)
        # A key of somebody's own for a request, and the store that this one was put in the place of; see `whet.compat.cache`.
        self.key_of: Callable[[Any, str], str] | None = None
        self.in_place_of: CacheStore | None = None
        # The calls under way, by what they ask for; see `Cached`.
        self.flights: dict[Any, Future[Any]] = {}
        self.flights_lock = threading.Lock()
        if self.disk is not None:
            weakref.finalize(self, self.disk.close)
        me = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _start_over(me()))

    def get(self, key: bytes) -> str | None:
        """The text under this key; one found on disk is copied to memory."""
        text = self.memory.get(key)
        if text is None and self.disk is not None:
            text = self.disk.get(key)
            if text is not None:
                self.memory.put(key, text)
        return text

    def put(self, key: bytes, text: str) -> None:
        """Keep a text under this key, in both layers."""
        self.memory.put(key, text)
        if self.disk is not None:
            self.disk.put(key, text)

    def delete(self, key: bytes) -> None:
        """Forget what is under this key."""
        self.memory.delete(key)
        if self.disk is not None:
            self.disk.delete(key)

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None

    def clear_memory(self) -> None:
        """Empty the memory layer; the file keeps what it has."""
        self.memory.clear()

    def clear(self) -> None:
        """Empty both layers."""
        self.memory.clear()
        if self.disk is not None:
            self.disk.clear()

    def close(self) -> None:
        """Write what is waiting and close the file; the next use opens it again."""
        if self.disk is not None:
            self.disk.close()

    def __repr__(self) -> str:
        return f"CacheStore({str(self.directory) if self.directory is not None else None!r})"


def _start_over(store: CacheStore | None) -> None:
    """In a forked child: locks may be held, and calls be led, by threads that exist only in the parent."""
    if store is None:
        return
    store.memory.lock = threading.Lock()
    store.flights_lock = threading.Lock()
    store.flights = {}
    if store.disk is not None:
        store.disk.forget_parent()
