"""Idle connections, kept for the next request to the same place: last in, first out, each for a limited time."""

from __future__ import annotations

import re
from threading import Lock
from typing import Generic, Protocol, TypeVar

from whet.core.http.parser import AnswerReader

__all__ = ["IDLE_SECONDS", "Kept", "Shelf", "idle_seconds"]

IDLE_SECONDS = 30.0
_ANNOUNCED = re.compile(r"timeout\s*=\s*(\d{1,6})")


class Kept(Protocol):
    """What a shelf holds; `expires` is on the clock that its user passes as `now`."""

    expires: float

    def quiet(self) -> bool:
        """Whether the other side has neither closed the connection nor said anything since."""
        ...

    def close(self) -> None:
        """Close the connection; harmless the second time."""
        ...


K = TypeVar("K", bound=Kept)


class Shelf(Generic[K]):
    """Thread-safe. There is no limit to how many lie here: as many as were busy at once, until they expire."""

    __slots__ = ("_idle", "_lock", "_sweep_at")

    def __init__(self) -> None:
        self._idle: dict[str, list[K]] = {}
        self._lock = Lock()
        self._sweep_at = 0.0

    def take(self, key: str, now: float) -> K | None:
        """The connection used last, or `None`; those found dead or expired on the way are closed."""
        while True:
            with self._lock:
                lines = self._idle.get(key)
                if not lines:
                    return None
                line = lines.pop()
            if line.expires > now and line.quiet():
                return line
            line.close()

    def give(self, key: str, line: K, now: float) -> None:
        """Keep a connection until its `expires`."""
        with self._lock:
            self._idle.setdefault(key, []).append(line)
        if now >= self._sweep_at:
            self.sweep(now)

    def sweep(self, now: float) -> bool:
        """Close what has expired or died, at any key; False if nothing is left."""
        with self._lock:
            self._sweep_at = now + IDLE_SECONDS / 3
            lines = [line for kept in self._idle.values() for line in kept]
            gone = {id(line): line for line in lines if line.expires <= now or not line.quiet()}
            if gone:
                self._idle = {key: [line for line in kept if id(line) not in gone] for key, kept in self._idle.items()}
                self._idle = {key: kept for key, kept in self._idle.items() if kept}
        for line in gone.values():
            line.close()
        return len(lines) > len(gone)

    def clear(self) -> None:
        """Close them all."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for kept in idle.values():
            for line in kept:
                line.close()

    def abandon(self) -> None:
        """After a fork: close them all, though another thread of the parent may have held the lock."""
        self._lock = Lock()
        self.clear()

    def __len__(self) -> int:
        return sum(len(kept) for kept in self._idle.values())


def idle_seconds(reader: AnswerReader) -> float:
    """How long the connection of this answer may lie idle: 30 s, or a second less than the server says in `keep-alive: timeout=...`."""
    announced = reader.headers.get("keep-alive")
    found = _ANNOUNCED.search(announced) if announced else None
    return min(IDLE_SECONDS, int(found[1]) - 1.0) if found else IDLE_SECONDS
