"""Strands: the search's own generators, many side by side over one `Gather`, so that no place is idle while any of them has work.

A strand yields what it waits for: a `Work` (one flow, for one place), a `Handle` of something started, another strand, or a list of
these, and is sent the results. What it decides must not depend on timing, or a resumed run would go another way: `Strands.sees` says
whether a strand has waited for a result, itself or through a strand that it waited for, and only then it may look at it.

>>> def add(x, y):
...     yield from ()
...     return x + y
>>> def both():
...     sums = yield [Work(lambda: add(1, 2)), Work(lambda: add(3, 4))]
...     return sums
>>> drive(Strands(limit=2).flow(both()))
[3, 7]
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any, TypeAlias, TypeVar

from whet.core.flow import ENOUGH, WAIT, Flow, Gather, Job, Sleep, drive

__all__ = ["Handle", "Stopped", "Strand", "Strands", "Work", "drive", "finished"]

# A work is late at this multiple of the median, but not before so many seconds, and not before so many works are done.
_LATE, _LATE_AT_LEAST, _KNOWN_FROM = 2.2, 0.5, 16
T = TypeVar("T")
Strand: TypeAlias = Generator[Any, Any, T]


@dataclass(slots=True, eq=False)
class Work:
    """One flow to be run in one place; the strand that yields it is sent its value, or the exception it ended with.

    Works with a lower `rank` come first; equal ones in the order in which they were asked for. Where a place is idle, a work that takes
    much longer than others is done `again` beside itself, and what is in first counts (Dean and Barroso 2013, The Tail at Scale). `then`
    makes the result from the outcome; what it raises ends the search. `beaten` is given the outcome that came second.

    >>> def add(x, y):
    ...     yield from ()
    ...     return x + y
    >>> def sums():
    ...     return (yield [Work(lambda: add(1, 2)), Work(lambda: add(3, 4), then=str)])
    >>> drive(Strands(limit=2).flow(sums()))
    [3, '7']
    """

    job: Job
    rank: float = 0.0
    again: Job | None = None
    then: Callable[[Any], Any] | None = None
    beaten: Callable[[Any], None] | None = None


class Stopped(Exception):
    """The search ended before the strand did; `reason` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Handle:
    """Something under way: `done`, then `value`; `seen` is what the strand that made the value had waited for."""

    __slots__ = ("done", "seen", "value", "waiting")

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.seen: set[Handle] = set()
        self.waiting: list[_Group] = []

    def finish(self, value: Any) -> list[_Group]:
        """Note the value; returns those who waited."""
        self.done, self.value = True, value
        waiting, self.waiting = self.waiting, []
        return waiting


def finished(value: Any) -> Handle:
    """A handle of something that is there already."""
    handle = Handle()
    handle.finish(value)
    return handle


class _Group:
    """What one `yield` of a strand waits for."""

    __slots__ = ("alone", "frame", "handles", "missing")

    def __init__(self, frame: _Frame, handles: list[Handle], alone: bool) -> None:
        self.frame, self.handles, self.alone = frame, handles, alone
        self.missing = 0
        for handle in handles:
            if not handle.done:
                self.missing += 1
                handle.waiting.append(self)

    @property
    def result(self) -> Any:
        return self.handles[0].value if self.alone else [handle.value for handle in self.handles]


class _Late:
    """Which works under way are late, compared with those that are done."""

    def __init__(self) -> None:
        self.running: dict[int, tuple[float, Work]] = {}
        self.seconds: deque[float] = deque(maxlen=64)
        self.napping = False

    def patience(self) -> float:
        """How long a work may take before it is late; unlimited until enough is known."""
        if len(self.seconds) < _KNOWN_FROM:
            return inf
        return max(_LATE_AT_LEAST, _LATE * sorted(self.seconds)[len(self.seconds) // 2])

    def pick(self) -> tuple[int | None, float]:
        """The work that is late, if any, and else how long until one will be."""
        patience, now = self.patience(), time.monotonic()
        waits = [(began + patience - now, index) for index, (began, work) in self.running.items() if work.again is not None]
        wait, index = min(waits, default=(inf, None))
        return (index, 0.0) if wait <= 0 else (None, wait)


@dataclass(slots=True)
class _Frame:
    """A strand, the handle of what it will return, and the handles that it has waited for."""

    strand: Strand[Any]
    handle: Handle
    seen: set[Handle]

    def resume(self, group: _Group | None) -> Any:
        """Give the strand what it waited for; returns what it wants next."""
        if group is None:
            return self.strand.send(None)
        for handle in group.handles:
            self.seen.add(handle)
            self.seen |= handle.seen
        return self.strand.send(group.result)


class Strands:
    """Runs strands to their end with at most `limit` works under way. `stop` is asked before each work; a reason ends the whole."""

    def __init__(self, limit: int, stop: Callable[[], str | None] = lambda: None) -> None:
        self.limit = limit
        self.stop = stop
        self.stopped: str | None = None
        self._ready: list[tuple[float, int, Work, Handle]] = []
        self._count = 0
        self._issued: dict[int, tuple[Handle, Work]] = {}
        self._runnable: deque[tuple[_Frame, _Group | None]] = deque()
        self._running: _Frame | None = None
        self._root: Handle | None = None
        self._turning = False
        self._closed = False
        self._late = _Late()
        self._nap = Handle()

    def flow(self, strand: Strand[T]) -> Flow[T]:
        """Run a strand and all that it starts. Raises `Stopped` when the search had to end before it."""
        self._root = self.start(strand)
        try:
            yield Gather(self._jobs(), limit=self.limit, done=self._done)
        finally:
            self._closed = True
        if not self._root.done:
            raise Stopped(self.stopped or "nothing left to do")
        return self._root.value  # type: ignore[no-any-return]

    def start(self, strand: Strand[Any] | Work) -> Handle:
        """Start a strand or a work without waiting for it; yield the handle to wait."""
        handle = Handle()
        if isinstance(strand, Work):
            self._count += 1
            heapq.heappush(self._ready, (strand.rank, self._count, strand, handle))
        else:
            seen = set() if self._running is None else set(self._running.seen)
            self._runnable.append((_Frame(strand, handle, seen), None))
            self._turn()
        return handle

    def sees(self, handle: Handle) -> bool:
        """Whether the strand that asks has waited for this one, or had when it was started; outside of strands, whether it is done."""
        return handle.done if self._running is None else handle in self._running.seen

    def _jobs(self) -> Iterator[Any]:
        index = 0
        while self._root is not None and not self._closed:
            if self._root.done:
                yield ENOUGH
                return
            self.stopped = self.stopped or self.stop()
            if self.stopped is not None:
                return
            job = self._next(index)
            index += job is not None
            yield WAIT if job is None else job

    def _next(self, index: int) -> Job | None:
        """What to do in an idle place: the next work, a late one again, or a nap until one is late."""
        if self._ready:
            _, _, work, handle = heapq.heappop(self._ready)
            self._late.running[index] = (time.monotonic(), work)
            self._issued[index] = (handle, work)
            return work.job
        late, wait = self._late.pick()
        if late is not None:
            _, work = self._late.running.pop(late)
            self._issued[index] = self._issued[late]
            return work.again
        if wait < inf and not self._late.napping:
            self._late.napping = True
            nap = Work(lambda: _nap(wait))
            self._issued[index] = (self._nap, nap)
            return nap.job
        return None

    def _done(self, index: int, outcome: Any) -> None:
        if self._closed:  # a thread that an interrupted search left behind
            return
        handle, work = self._issued.pop(index)
        began, _ = self._late.running.pop(index, (None, None))
        if began is not None:
            self._late.seconds.append(time.monotonic() - began)
        if handle is self._nap:
            self._late.napping = False
        elif not handle.done:
            self._tell(handle.finish(self._value(work, outcome)))
            self._turn()
        elif work.beaten is not None:
            work.beaten(outcome)

    def _value(self, work: Work, outcome: Any) -> Any:
        try:
            return outcome if work.then is None else work.then(outcome)
        except BaseException:
            self._closed = True
            raise

    def _tell(self, groups: list[_Group]) -> None:
        for group in groups:
            group.missing -= 1
            if not group.missing:
                self._runnable.append((group.frame, group))

    def _turn(self) -> None:
        # A strand may start another one while it runs: that one is put into the queue and taken from here.
        if self._turning:
            return
        self._turning = True
        try:
            while self._runnable:
                self._advance(*self._runnable.popleft())
        except BaseException:
            self._closed = True
            raise
        finally:
            self._turning = False
            self._running = None

    def _advance(self, frame: _Frame, group: _Group | None) -> None:
        self._running = frame
        try:
            wanted = frame.resume(group)
        except StopIteration as end:
            frame.handle.seen = frame.seen
            self._tell(frame.handle.finish(end.value))
            return
        alone = not isinstance(wanted, list | tuple)
        handles = [w if isinstance(w, Handle) else self.start(w) for w in ((wanted,) if alone else wanted)]
        waiting = _Group(frame, handles, alone)
        if not waiting.missing:
            self._runnable.append((frame, waiting))


def _nap(seconds: float) -> Flow[None]:
    yield Sleep(seconds)
