"""Hard caps on what a piece of a program may spend: calls, tokens, money, seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from whet.core.context import context, current
from whet.core.exchange import Request, Response, Usage
from whet.core.flow import Flow
from whet.errors import BudgetExceeded, ConfigurationError, LMError
from whet.lm.facts import Price

__all__ = ["Budget", "Metered", "Spend", "budget", "seconds_left"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """So many calls, tokens (input and output), US dollars and seconds. In a limit, `None` is no limit."""

    calls: float | None = None
    tokens: float | None = None
    usd: float | None = None
    seconds: float | None = None


class Budget:
    """What may be spent, what was, and what the calls under way are holding. Shared by all threads and tasks of its `with` block.

    A call holds what calls of this budget cost on average so far (nothing, before the first is over), so spending stops at the limit
    but for what is under way when it is reached. Budgets nest: a call is paid from all of them.
    """

    def __init__(self, limit: Spend, parent: Budget | None = None) -> None:
        for name in ("calls", "tokens", "usd", "seconds"):
            value = getattr(limit, name)
            if value is not None and value < 0:
                raise ConfigurationError(f"`budget({name}={value!r})`: a limit is 0 or more, or None for no limit.")
        self.limit, self.parent = limit, parent
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._over = 0
        self._under_way = 0
        self._tokens = 0
        self._usd = 0.0

    @property
    def spent(self) -> Spend:
        """What was spent so far; calls under way count as calls."""
        seconds = time.monotonic() - self._started
        return Spend(calls=self._over + self._under_way, tokens=self._tokens, usd=self._usd, seconds=seconds)

    def reserve(self, price: Price | None, model: str = "") -> None:
        """Hold the price of one call. Raises `BudgetExceeded` where it is used up, `ConfigurationError` for money without a price."""
        if self.limit.usd is not None and price is None:
            raise ConfigurationError(
                f"There is a budget in US dollars, but the price of {model or 'this model'!r} is not known, so it could not hold. "
                "Pass `price=Price(input=..., output=...)` (USD per million tokens) to the LM, or limit calls or tokens instead."
            )
        with self._lock:
            if (name := self._used_up()) is not None:
                raise self._exceeded(name)
            self._under_way += 1
        if self.parent is not None:
            try:
                self.parent.reserve(price, model)
            except BaseException:
                with self._lock:
                    self._under_way -= 1
                raise

    def settle(self, usage: Usage | None, cost: float | None) -> None:
        """The call is over and cost this much."""
        with self._lock:
            self._under_way -= 1
            self._over += 1
            self._tokens += usage.total_tokens if usage is not None else 0
            self._usd += cost or 0.0
        if self.parent is not None:
            self.parent.settle(usage, cost)

    def seconds_left(self) -> float | None:
        """Until the first deadline of this budget and those around it; `None` where there is none."""
        mine = None if self.limit.seconds is None else self.limit.seconds - (time.monotonic() - self._started)
        outer = self.parent.seconds_left() if self.parent is not None else None
        return mine if outer is None else outer if mine is None else min(mine, outer)

    def _used_up(self) -> str | None:
        limit, held = self.limit, self._under_way / self._over if self._over else 0.0
        if limit.calls is not None and self._over + self._under_way >= limit.calls:
            return "calls"
        if limit.tokens is not None and self._tokens * (1 + held) >= limit.tokens:
            return "tokens"
        if limit.usd is not None and self._usd * (1 + held) >= limit.usd:
            return "usd"
        if limit.seconds is not None and time.monotonic() - self._started >= limit.seconds:
            return "seconds"
        return None

    def _exceeded(self, name: str) -> BudgetExceeded:
        spent = self.spent
        text = "$%.4g" if name == "usd" else f"%g {name}"
        under_way = f", and {self._under_way} more under way" if self._under_way and name != "calls" else ""
        message = f"The budget of {text % getattr(self.limit, name)} is used up: {text % getattr(spent, name)} spent{under_way}."
        return BudgetExceeded(f"{message} Raise `{name}=` or ask for less.", spent=spent, limit=self.limit)


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


class Model(Protocol):
    """What a wrapper stands around."""

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""


class Metered:
    """A model whose calls are paid from the budgets in force. It stands inside cache, retries and limits: what passes it costs money."""

    __slots__ = ("inner", "model", "price")

    def __init__(self, inner: Model, price: Price | None, model: str = "") -> None:
        self.inner, self.price, self.model = inner, price, model

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request, if there is enough left for it."""
        purse: Budget | None = current().budget
        return self.inner.flow(request) if purse is None else self._paid(request, purse)

    def _paid(self, request: Request, purse: Budget) -> Flow[Response]:
        purse.reserve(self.price, self.model)
        usage: Usage | None = None
        cost: float | None = None
        try:
            response: Response = yield from self.inner.flow(request)
            usage, cost = response.usage, response.cost
            return response
        except LMError as error:
            usage, cost = error.usage, error.cost
            raise
        finally:
            if cost is None and usage is not None and self.price is not None:
                cost = self.price.cost(usage)
            purse.settle(usage, cost)
