"""`Limited`: a model around a model that learns how fast its endpoint may be asked, and asks no faster."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any, Protocol

from whet.core.exchange import Request, Response
from whet.core.flow import Flow, Sleep, Wait
from whet.errors import ConfigurationError, LMError
from whet.lm.budget import in_time
from whet.lm.pace import LONGEST_PATIENCE, Pace

__all__ = ["Limited", "Limiter", "limiter_of"]

# More calls than this that were told to come back and never did are forgotten together.
MAX_BOUNCED = 10_000
# Limits are mostly told per minute: for longer than this, in seconds, no endpoint keeps silent that will answer again by itself.
LATELY = 90.0
THROTTLED = (429, 503, 529)


class Model(Protocol):
    """What a wrapper stands around."""

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""


class _Ticket:
    """One call at the gate: its place in the queue, and what it waits for."""

    __slots__ = ("epoch", "future", "granted", "place", "wake_at")

    def __init__(self, place: int) -> None:
        self.place = place
        self.epoch = 0
        self.granted = False
        self.future: Future[None] | None = None
        self.wake_at = 0.0

    def __lt__(self, other: _Ticket) -> bool:
        return self.place < other.place


class Limiter:
    """The gate before one endpoint, shared by every model, thread and task that asks it.

    It lets everything through until the endpoint says 429 (or 503, 529). Told to come back in so many seconds, it sends nothing until then,
    learns from what was accepted how many requests a period holds, and sends at that rate, a tenth more to notice when the limit rises
    (`Pace`). Where at most one in seven is turned away, only that one waits. Told nothing, it lets as many calls be under way as were
    accepted at once, one more after each round of successes (additive increase, multiplicative decrease; Chiu and Jain, 1989).
    `max_concurrency` bounds the calls under way from the start.

    Calls that were turned away go first when the gate opens again. Nobody holds a thread while waiting on an event loop: the call at the
    head of the queue keeps the time for all.
    """

    def __init__(self, max_concurrency: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        if max_concurrency is not None and max_concurrency < 1:
            raise ConfigurationError(f"`max_concurrency` is {max_concurrency!r}; it must be at least 1, or None for no bound.")
        self.max_concurrency = math.inf if max_concurrency is None else max_concurrency
        self.pace = Pace()
        self.in_flight = 0
        self.answers = 0
        self._answered_at = -math.inf
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: list[_Ticket] = []
        self._count = 0
        self._bounced: dict[int, tuple[int, float]] = {}  # place in the queue, and when it may come back where only it has to wait
        me = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _start_over(me()))

    def goes_on_since(self, answers: int) -> bool:
        """Whether more than so many calls were answered, the last of them not long ago."""
        return self.answers > answers and self._clock() - self._answered_at < LATELY

    def patience(self, name: int) -> float:
        """How many seconds a call that was turned away was told to stay away by itself, while others go on."""
        if not self._bounced:  # nearly always: nobody was
            return 0.0
        with self._lock:
            until = self._bounced.get(name, (0, 0.0))[1]
            return until - self._clock() if until else 0.0

    def enter(self, name: int) -> _Ticket:
        """Ask to be let through; a ticket that is not `granted` yet must `wait`. `name` recognises a call that comes back."""
        now = self._clock()
        with self._lock:
            place = self._bounced.pop(name, (0, 0.0))[0] if self._bounced else 0
            if not place:
                self._count = place = self._count + 1
            ticket = _Ticket(place)
            if not self._queue and self._may_go(now):
                self._grant(ticket, now)
            else:
                heappush(self._queue, ticket)
        return ticket

    def wait(self, ticket: _Ticket) -> Flow[None]:
        """Until the ticket is granted. Whoever gives up waiting leaves the queue."""
        try:
            while True:
                future: Future[None] = Future()
                with self._lock:
                    now = self._clock()
                    ticket.wake_at = 0.0
                    self._let_through(now)
                    if ticket.granted:
                        return
                    pause = self.pace.pause(now) if self._queue[0] is ticket else 0.0
                    if pause > 0:
                        ticket.wake_at = now + pause
                    else:
                        ticket.future = future
                yield from in_time(Sleep(pause) if pause > 0 else Wait(future))
        except BaseException:
            with self._lock:
                if ticket.granted:
                    self.in_flight -= 1
                else:
                    self._queue = sorted(t for t in self._queue if t is not ticket)
                self._let_through(self._clock())
            raise

    def leave(self, ticket: _Ticket, name: int, error: BaseException | None = None, tokens: int = 0) -> None:
        """The call is over, with this error or with an answer that took so many tokens."""
        now = self._clock()
        with self._lock:
            self.in_flight -= 1
            if error is None:
                self.answers += 1
                self._answered_at = now
                self.pace.accepted(ticket.epoch, tokens)
            elif isinstance(error, LMError) and error.status in THROTTLED:
                self._turned_away(ticket, name, error, now)
            if self._queue:
                self._let_through(now)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Learn from the rate-limit headers of an answer, where there are any."""
        if "x-ratelimit-remaining-requests" in headers or "x-ratelimit-remaining-tokens" in headers:
            with self._lock:
                self.pace.told(headers, self._clock())

    def _turned_away(self, ticket: _Ticket, name: int, error: LMError, now: float) -> None:
        told = error.retry_after
        if told is not None and told > LONGEST_PATIENCE:
            told = None  # the one who asked is told so; nobody else shall wait for it
        shown = error.status == 429 or told is not None
        alone = shown and self.pace.refused(ticket.epoch, told, self.in_flight, len(self._queue), now)
        if error.status == 429 and not self.pace.in_the_dark:
            if len(self._bounced) >= MAX_BOUNCED:
                self._bounced.clear()
            self._bounced[name] = (ticket.place, now + (told or 0.0) if alone else 0.0)

    # -- with the lock held ------------------------------------------------------------------------------------------------------------

    def _may_go(self, now: float) -> bool:
        return self.in_flight < self.max_concurrency and self.in_flight < self.pace.window and self.pace.pause(now) <= 0

    def _grant(self, ticket: _Ticket, now: float) -> None:
        self.in_flight += 1
        ticket.granted = True
        ticket.epoch = self.pace.sent(now)

    def _let_through(self, now: float) -> None:
        """Grant what may go, oldest first, and wake the head so that it keeps the time. A head that sleeps wakes by itself."""
        queue = self._queue
        while queue and queue[0].wake_at == 0.0 and self._may_go(now):
            ticket = heappop(queue)
            self._grant(ticket, now)
            _wake(ticket)
        if queue and queue[0].wake_at == 0.0 and self.pace.pause(now) > 0:
            _wake(queue[0])


def _start_over(limiter: Limiter | None) -> None:
    """In a forked child: the calls under way, and whoever held the lock, exist only in the parent."""
    if limiter is not None:
        limiter._lock = threading.Lock()
        limiter._queue = []
        limiter.in_flight = 0


@lru_cache(maxsize=1024)
def limiter_of(endpoint: str, max_concurrency: int | None = None) -> Limiter:
    """The one limiter of this process for an endpoint; whoever names the same endpoint and bound shares it.

    >>> limiter_of("api.openai.com/v1") is limiter_of("api.openai.com/v1")
    True
    """
    return Limiter(max_concurrency)


def _wake(ticket: _Ticket) -> None:
    if ticket.future is not None and not ticket.future.done():
        ticket.future.set_result(None)


class Limited:
    """A model whose calls go through a `Limiter`. Many models may share one."""

    __slots__ = ("inner", "limiter")

    def __init__(self, inner: Model, limiter: Limiter) -> None:
        self.inner, self.limiter = inner, limiter

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request when its turn has come."""
        limiter, name = self.limiter, id(request)
        if (pause := limiter.patience(name)) > 0:
            yield from in_time(Sleep(pause))
        ticket = limiter.enter(name)
        if not ticket.granted:
            yield from limiter.wait(ticket)
        error: Any = None
        tokens = 0
        try:
            response: Response = yield from self.inner.flow(request)
            tokens = response.usage.total_tokens
            return response
        except BaseException as caught:
            error = caught
            raise
        finally:
            limiter.leave(ticket, name, error, tokens)
            error = None
