"""Hard caps on what a piece of a program may spend: calls, tokens, money, seconds."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

from whet.core.context import context, current
from whet.core.exchange import Request, Response, Usage
from whet.core.flow import Flow, Sleep, Wait
from whet.errors import BudgetExceeded, ConfigurationError, LMError, LMTimeoutError
from whet.lm.expected import Amount, Asked, Expectation, asked_of
from whet.lm.facts import Price

__all__ = ["Budget", "Deadline", "Metered", "Spend", "budget", "in_time", "seconds_left"]

NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """So many calls, tokens (input and output), US dollars and seconds. In a limit, `None` is no limit."""

    calls: float | None = None
    tokens: float | None = None
    usd: float | None = None
    seconds: float | None = None


class Call:
    """A call that budgets pay for. It `may_wait` unless it is the method of somebody's own model: that may ask other models in turn,
    which would wait for it for ever."""

    __slots__ = ("asked", "held", "may_wait", "room")

    def __init__(self, asked: Asked | None, may_wait: bool) -> None:
        self.asked, self.may_wait = asked, may_wait
        self.held = NOTHING
        self.room: Future[None] | None = None


class Budget:
    """What may be spent, what was, and what the calls under way are holding. Shared by all threads and tasks of its `with` block.

    Calls are counted when they start, exactly. Of tokens and dollars a call holds what it will probably take: what calls took so far, by
    the length of its prompt, or, where nothing is known, the most that it may take. While there is no room for it beside the others
    under way it waits for one of them to be over, first come, first served; alone it goes as long as anything is left. So tokens and
    dollars are overrun by one call, and by what those under way take more than was expected. Budgets nest: a call is paid from all.
    """

    def __init__(self, limit: Spend, parent: Budget | None = None) -> None:
        for name in ("calls", "tokens", "usd", "seconds"):
            value = getattr(limit, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0):
                raise ConfigurationError(f"`budget({name}={value!r})`: a limit is a number, 0 or more, or None for no limit.")
        self.limit, self.parent = limit, parent
        self.weighs: bool = limit.tokens is not None or limit.usd is not None or (parent is not None and parent.weighs)
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._over = self._under_way = self._waited_for = self._tokens = 0
        self._usd = 0.0
        self._held_tokens = self._held_usd = 0.0
        self._expected = Expectation()
        self._queue: deque[Call] = deque()

    @property
    def spent(self) -> Spend:
        """What was spent so far; calls under way count as calls."""
        seconds = time.monotonic() - self._started
        return Spend(calls=self._over + self._under_way, tokens=self._tokens, usd=self._usd, seconds=seconds)

    def pay(
        self, request: Request, price: Price | None, model: str, may_wait: bool, asking: Callable[[], Flow[Response]]
    ) -> Flow[Response]:
        """A call, when there is room for it. Raises `BudgetExceeded` where the budget is used up, `ConfigurationError` for money without
        a price."""
        self._check_price(price, model)
        asked = asked_of(request, price) if self.weighs else None
        chain = [(purse, Call(asked, may_wait)) for purse in self._chain()]
        entered = 0
        try:
            for purse, call in chain:
                yield from purse._enter(call)
                entered += 1
        except BaseException:
            for purse, call in chain[:entered]:
                purse._leave(call, made=False)
            raise
        usage: Usage | None = None
        cost: float | None = None
        try:
            response: Response = yield from asking()
            usage, cost = response.usage, response.cost
            return response
        except LMError as error:
            usage, cost = error.usage, error.cost
            raise
        finally:
            if cost is None and usage is not None and price is not None:
                cost = price.cost(usage)
            for purse, call in chain:
                purse._leave(call, usage, cost)

    def seconds_left(self) -> float | None:
        """Until the first deadline of this budget and those around it; `None` where there is none."""
        mine = None if self.limit.seconds is None else self.limit.seconds - (time.monotonic() - self._started)
        outer = self.parent.seconds_left() if self.parent is not None else None
        return mine if outer is None else outer if mine is None else min(mine, outer)

    def late(self) -> LMError | BudgetExceeded:
        """The error for a call that did not get its turn in time: the first deadline's of this budget and those around it."""
        first = min((p for p in self._chain() if p.limit.seconds is not None), key=lambda p: p.seconds_left() or 0.0, default=self)
        return first._exceeded("seconds")

    def _chain(self) -> Iterator[Budget]:
        purse: Budget | None = self
        while purse is not None:
            yield purse
            purse = purse.parent

    def _check_price(self, price: Price | None, model: str) -> None:
        if price is None and any(purse.limit.usd is not None for purse in self._chain()):
            raise ConfigurationError(
                f"There is a budget in US dollars, but the price of {model or 'this model'!r} is not known, so it could not hold. "
                "Pass `price=Price(input=..., output=...)` (USD per million tokens) to the LM, or limit calls or tokens instead."
            )

    def _enter(self, call: Call) -> Flow[None]:
        with self._lock:
            if (name := self._used_up()) is not None:
                raise self._exceeded(name)
            if not self._queue and self._has_room(call):
                self._begin(call)
                return
            call.room = Future()
            self._queue.append(call)
        try:
            yield from in_time(Wait(call.room))
        except BaseException:
            with self._lock:
                if call in self._queue:
                    self._queue.remove(call)
                    self._let_in()
                elif not call.room.exception():  # it was let in while it gave up
                    self._end(call)
                    self._let_in()
            raise

    def _leave(self, call: Call, usage: Usage | None = None, cost: float | None = None, *, made: bool = True) -> None:
        """The call is over and cost this much; or it was not made at all."""
        with self._lock:
            self._end(call)
            if made:
                self._over += 1
                self._tokens += usage.total_tokens if usage is not None else 0
                self._usd += cost or 0.0
                if usage is not None and call.asked is not None:
                    self._expected.learn(call.asked, usage)
            self._let_in()

    # -- with the lock held ------------------------------------------------------------------------------------------------------------

    def _begin(self, call: Call) -> None:
        self._under_way += 1
        self._waited_for += call.may_wait
        if call.asked is not None:
            call.held = self._expected.of(call.asked)
            self._held_tokens += call.held.tokens
            self._held_usd += call.held.usd

    def _end(self, call: Call) -> None:
        self._under_way -= 1
        self._waited_for -= call.may_wait
        self._held_tokens -= call.held.tokens
        self._held_usd -= call.held.usd

    def _let_in(self) -> None:
        """Whoever waits first goes first; when the budget is used up, nobody goes."""
        queue = self._queue
        while queue:
            room = queue[0].room
            if (name := self._used_up()) is not None:
                refusal = self._exceeded(name)
                call = queue.popleft()
            elif self._has_room(queue[0]):
                refusal = None
                call = queue.popleft()
                self._begin(call)
            else:
                return
            if room is not None and refusal is None:
                room.set_result(None)
            elif room is not None:
                room.set_exception(refusal)

    def _has_room(self, call: Call) -> bool:
        """Whether a call may go now: beside the others, or because it has nobody to wait for."""
        if call.asked is None or not call.may_wait or not self._waited_for or self._fits(self._expected.most(call.asked)):
            return True
        # Few answers teach little: the first to be over are the shortest.
        return self._waited_for <= self._expected.calls and self._fits(self._expected.of(call.asked))

    def _fits(self, amount: Amount) -> bool:
        limit = self.limit
        return (limit.tokens is None or self._tokens + self._held_tokens + amount.tokens <= limit.tokens) and (
            limit.usd is None or self._usd + self._held_usd + amount.usd <= limit.usd
        )

    def _used_up(self) -> str | None:
        limit = self.limit
        if limit.calls is not None and self._over + self._under_way >= limit.calls:
            return "calls"
        if limit.tokens is not None and self._tokens >= limit.tokens:
            return "tokens"
        if limit.usd is not None and self._usd >= limit.usd:
            return "usd"
        if limit.seconds is not None and time.monotonic() - self._started >= limit.seconds:
            return "seconds"
        return None

    def _exceeded(self, name: str) -> LMError | BudgetExceeded:
        spent = self.spent
        text = "$%.4g" if name == "usd" else f"%g {name}"
        under_way = f", and {self._under_way} more under way" if self._under_way and name != "calls" else ""
        message = f"The budget of {text % getattr(self.limit, name)} is used up: {text % getattr(spent, name)} spent{under_way}."
        return BudgetExceeded(f"{message} Raise `{name}=` or ask for less.", spent=spent, limit=self.limit)


class Deadline(Budget):
    """The time that one call may take, its retries and the waiting for its turn included."""

    def _exceeded(self, name: str) -> LMError:
        return LMTimeoutError(
            f"No answer within the deadline of {self.limit.seconds:g} s, waiting for a turn at the endpoint included. Raise `deadline=`, "
            "or ask less at once (`max_concurrency=`, `num_threads=`)."
        )


@contextmanager
def budget(
    *, calls: int | None = None, tokens: int | None = None, usd: float | None = None, seconds: float | None = None
) -> Iterator[Budget]:
    """Cap what the calls of models inside the `with` block, and in the threads and tasks started from it, may spend together.

    A call that would begin when a cap is reached raises `BudgetExceeded`, with `spent` and `limit`; answers from the cache are free.
    Retries are calls. A cap in dollars with a model of unknown price is a `ConfigurationError` before the first call.

    >>> with budget(calls=10) as purse:
    ...     purse.spent.calls
    0
    """
    if calls is tokens is usd is seconds is None:
        raise ConfigurationError("`budget()` caps nothing. Give at least one of calls=, tokens=, usd=, seconds=.")
    purse = Budget(Spend(calls=calls, tokens=tokens, usd=usd, seconds=seconds), parent=current().budget)
    with context(budget=purse):
        yield purse


def seconds_left() -> float | None:
    """How long a call that starts now may take under the budgets in force; `None` where they say nothing."""
    purse = current().budget
    return None if purse is None else purse.seconds_left()


def in_time(effect: Sleep | Wait) -> Flow[Any]:
    """A pause, cut short where the time of the budgets in force ends; their error is raised then."""
    purse = current().budget
    left = None if purse is None else purse.seconds_left()
    if left is None:
        return (yield effect)
    try:
        yield replace(effect, seconds=max(left if isinstance(effect, Wait) else min(left, effect.seconds), 0.0))
    except TimeoutError:
        raise purse.late() from None
    if isinstance(effect, Sleep) and effect.seconds >= left:
        raise purse.late()
    return effect.future.result() if isinstance(effect, Wait) else None


class Model(Protocol):
    """What a wrapper stands around."""

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""


class Metered:
    """A model whose calls are paid from the budgets in force. It stands inside cache, retries and limits: what passes it costs money."""

    __slots__ = ("inner", "may_wait", "model", "price")

    def __init__(self, inner: Model, price: Price | None, model: str = "", *, may_wait: bool = True) -> None:
        self.inner, self.price, self.model, self.may_wait = inner, price, model, may_wait

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request, if there is enough left for it."""
        purse: Budget | None = current().budget
        if purse is None:
            return self.inner.flow(request)
        return purse.pay(request, self.price, self.model, self.may_wait, partial(self.inner.flow, request))
