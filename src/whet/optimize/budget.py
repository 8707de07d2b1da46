"""What a search may spend and what it has spent: calls, tokens, money, seconds."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from whet.core.context import Meter, current
from whet.errors import BudgetExceeded, ConfigurationError, LMTimeoutError
from whet.lm.budget import Budget as Purse, Spend as Limit

__all__ = ["Budget", "SearchOver", "Spend", "SpendMeter", "cap_behind", "cap_of", "purse_of"]

# A call that timed out so soon before the seconds were over had no more time because of them.
_MOMENT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Model calls that were paid, those answered from a cache, tokens, US dollars (`None`: a price is unknown) and seconds; `reused` are
    program runs whose result an earlier search left in the memory, which cost nothing.

    >>> print(Spend(calls=12, tokens=3400, usd=0.0123, seconds=8.2))
    12 calls, 3,400 tokens, $0.0123, 8.2 s
    """

    calls: int = 0
    cache_hits: int = 0
    tokens: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    reused: int = 0

    @property
    def money(self) -> str:
        """The US dollars as people write them."""
        if self.usd is None:
            return "price unknown"
        return f"${self.usd:.4f}" if 0 < self.usd < 1 else f"${self.usd:,.2f}"

    def __str__(self) -> str:
        reused = f", {self.reused:,} runs reused" if self.reused else ""
        return f"{self.calls:,} calls, {self.tokens:,} tokens, {self.money}, {self.seconds:.1f} s{reused}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Caps; `None` is no cap. A search that reaches one stops with that reason, once the calls in flight are in.

    >>> Budget(max_usd=2.0).reached(Spend(usd=1.99)), Budget(max_usd=2.0).reached(Spend(usd=2.0))
    (None, 'max_usd')
    """

    max_calls: int | None = None
    max_tokens: int | None = None
    max_usd: float | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_calls", "max_tokens", "max_usd", "max_seconds"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                raise ConfigurationError(f"`{name}` is {value!r}; give a number above 0, or leave it out for no cap.")

    def reached(self, spend: Spend) -> str | None:
        """The name of the cap that this spend has reached, if any.

        >>> Budget(max_calls=10).reached(Spend(calls=10))
        'max_calls'
        """
        spent = {"max_calls": spend.calls, "max_tokens": spend.tokens, "max_usd": spend.usd or 0.0, "max_seconds": spend.seconds}
        for name, value in spent.items():
            cap = getattr(self, name)
            if cap is not None and value >= cap:
                return name
        return None


class SearchOver(Exception):
    """A program run that a finished search left behind wanted to ask a model."""


class SpendMeter:
    """Adds up what is spent from all threads. `before` is what earlier sessions of the same run had spent."""

    def __init__(self, before: Spend | None = None) -> None:
        self._lock = threading.Lock()
        before = before or Spend()
        self._calls, self._hits, self._tokens, self._usd = before.calls, before.cache_hits, before.tokens, before.usd
        self._unpriced = before.usd is None
        self._reused = before.reused
        self._earlier = before.seconds
        self._started = time.monotonic()
        self._under_way = 0
        self._closed = False

    def ask(self) -> None:
        """Note that a call begins. Raises `SearchOver` when nobody waits for its answer any more."""
        with self._lock:
            if self._closed:
                raise SearchOver("The search this call belongs to is over, so it was not made.")
            self._under_way += 1

    def failed(self) -> None:
        """Note that a call which began ended without an answer."""
        with self._lock:
            self._under_way -= 1

    def close(self) -> int:
        """Let no more calls begin, and count those under way as paid; returns how many they are."""
        with self._lock:
            self._closed = True
            left, self._under_way = self._under_way, 0
            self._calls += left
        return left

    def add(self, tokens: int, cost: float | None, cache_hit: bool) -> None:
        """Note one call that was answered; one that was under way when the search ended is counted already."""
        with self._lock:
            if self._closed:
                return
            self._under_way -= 1
            if cache_hit:
                self._hits += 1
                return
            self._calls += 1
            self._tokens += tokens
            self._unpriced = self._unpriced or cost is None
            self._usd = (self._usd or 0.0) + (cost or 0.0)

    def reuse(self) -> None:
        """Note a program run that was not needed, because its result was known."""
        with self._lock:
            self._reused += 1

    def include(self, spend: Spend) -> None:
        """Note what another search spent, one that was run as a part of this one; its seconds are counted here already."""
        with self._lock:
            self._calls += spend.calls
            self._hits += spend.cache_hits
            self._tokens += spend.tokens
            self._reused += spend.reused
            self._unpriced = self._unpriced or spend.usd is None
            self._usd = (self._usd or 0.0) + (spend.usd or 0.0)

    @property
    def spend(self) -> Spend:
        """Everything up to now."""
        seconds = self._earlier + time.monotonic() - self._started
        usd = None if self._unpriced else self._usd
        return Spend(calls=self._calls, cache_hits=self._hits, tokens=self._tokens, usd=usd, seconds=seconds, reused=self._reused)

    def reached(self, budget: Budget) -> str | None:
        """The cap that is reached, if any; unknown prices count as nothing here."""
        spend = self.spend
        known = self._usd or 0.0
        return budget.reached(Spend(calls=spend.calls, tokens=spend.tokens, usd=known, seconds=spend.seconds))


class JobMeter(Meter):
    """The meter of one job, which also tells the search."""

    __slots__ = ("total",)

    def __init__(self, total: SpendMeter) -> None:
        super().__init__()
        self.total = total

    def add(self, tokens: int, cost: float | None, cache_hit: bool) -> None:
        """Note one call, here and in the total."""
        super().add(tokens, cost, cache_hit)
        self.total.add(tokens, cost, cache_hit)


def purse_of(budget: Budget, before: Spend) -> Purse | None:
    """What the calls of a search are paid from, less what earlier sessions spent: caps then hold for each call, not only between jobs."""
    outer = current().budget
    caps = (budget.max_calls, budget.max_tokens, budget.max_usd, budget.max_seconds)
    if all(cap is None for cap in caps):
        return outer  # type: ignore[no-any-return]
    spent = (before.calls, before.tokens, before.usd or 0.0, before.seconds)
    left = [None if cap is None else max(0, cap - used) for cap, used in zip(caps, spent, strict=True)]
    return Purse(Limit(calls=left[0], tokens=left[1], usd=left[2], seconds=left[3]), parent=outer)


def cap_behind(error: BaseException, purse: Purse | None) -> str | None:
    """The cap that a call failed for, if it is one: calls under way when the seconds are over end with a timeout of their own."""
    if isinstance(error, BudgetExceeded):
        return cap_of(error)
    left = purse.seconds_left() if purse is not None and isinstance(error, LMTimeoutError) else None
    return "max_seconds" if left is not None and left <= _MOMENT else None


def cap_of(error: BudgetExceeded) -> str:
    """The name of the cap that was reached.

    >>> cap_of(BudgetExceeded("", spent=Limit(calls=3), limit=Limit(calls=3)))
    'max_calls'
    """
    spent: Any = error.spent
    limit: Any = error.limit
    shares = {}
    for name in ("calls", "tokens", "usd", "seconds"):
        cap, used = getattr(limit, name, None), getattr(spent, name, None)
        if cap is not None and used is not None:
            shares[f"max_{name}"] = used / cap if cap else 1.0
    return max(shares, key=lambda name: shares[name], default="budget")
