"""What one endpoint allows, learnt from what it accepts and refuses. Pure bookkeeping: no clock, no lock, no I/O."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping

__all__ = ["LONGEST_PATIENCE", "Pace", "duration_of"]

# How much more than what was accepted is tried, so that a limit that rises is noticed.
MORE = 1.1
# With nothing accepted at all, so many calls try first, and each success lets three more try.
PROBES = 16.0
# A provider that asks for more patience than this gets its error reported instead.
LONGEST_PATIENCE = 180.0
# In the dark so many calls try at a time, first after the one pause, at last after the other (in seconds).
TRYING = 4.0
FIRST_BACKOFF, SHORTEST_BACKOFF, LONGEST_BACKOFF = 0.25, 0.1, 8.0
# Where many wait, they try after this share of the time that it has been dark for: the light is found late by little of what was waited.
SEARCH = 0.15
# A learnt rate beyond this, in requests per second, limits nothing.
UNLIMITED = 10_000.0
# While nothing is refused, what is remembered is about the last second.
MEMORY = 1.0
# Up to this share of refusals says that the endpoint stumbles now and then, not that it is asked too fast.
STUMBLES = 0.15
SHORTEST_PERIOD = 0.01
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


class Bucket:
    """A level that refills by `rate` per second up to `room`."""

    __slots__ = ("at", "level", "rate", "room")

    def __init__(self, level: float, rate: float, room: float, now: float) -> None:
        self.level, self.rate, self.room, self.at = level, rate, room, now

    def pause(self, amount: float, now: float) -> float:
        """Seconds until so much is there."""
        if now > self.at:
            self.level = min(self.room, self.level + (now - self.at) * self.rate)
            self.at = now
        if self.level >= amount - 1e-6:
            return 0.0
        return (amount - self.level) / self.rate if self.rate > 0 else 0.05


class Pace:
    """Gate, rate and window of one endpoint. Times are seconds of any one clock.

    An epoch lasts from one opening of the gate to the next. What it sent and was not refused is what a period of that length holds.
    A few refusals among many answers close no gate: only who was refused waits.
    """

    def __init__(self) -> None:
        self.window = math.inf
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.epoch = 0
        self._gate = 0.0
        self._closing = False
        self._probing = False
        self._started = 0.0
        self._period = MEMORY
        self._sent = 0
        self._refused = 0
        self._before = (0, 0)
        self._answered = self._bound = False
        self._in_the_dark = False
        self._dark_from = 0.0
        self._slow_from = 0.0
        self._tokens_per_call = 0.0

    @property
    def in_the_dark(self) -> bool:
        """Whether nothing at all was accepted lately: then the calls that try should take turns."""
        return self._probing or self._in_the_dark

    def pause(self, now: float) -> float:
        """Seconds until the next request may be sent; 0 for now."""
        if now < self._gate:
            return self._gate - now
        if self._closing:
            self._open(now)
        pause = 0.0
        if self.requests is not None:
            if not self._probing and now - self._started >= max(MEMORY, self._period):
                self._relax(now)
            if self.requests is not None:
                pause = self.requests.pause(1.0, now)
                self._bound = self._bound or pause > 0
        if self.tokens is not None:
            pause = max(pause, self.tokens.pause(self._tokens_per_call, now))
        return pause

    def sent(self, now: float) -> int:
        """A request goes out; the number of its epoch."""
        if self.requests is not None:
            self.requests.level -= 1.0
        elif now - self._started > MEMORY:
            self._restart(now)
        if self.tokens is not None:
            self.tokens.level -= self._tokens_per_call
        self._sent += 1
        return self.epoch

    def accepted(self, epoch: int, tokens: int) -> None:
        """A request of that epoch was answered."""
        self._in_the_dark = False
        self._answered = self._answered or epoch == self.epoch
        if tokens:
            self._tokens_per_call += (tokens - self._tokens_per_call) * (0.1 if self._tokens_per_call else 1.0)
        if self.window < math.inf:
            self.window += 1.0 if self.window < self._slow_from else 1.0 / self.window
        if self._probing and epoch == self.epoch and self.requests is not None:
            self.requests.level += 3.0

    def refused(self, epoch: int, retry_after: float | None, under_way: int, waiting: int, now: float) -> bool:
        """A request of that epoch was turned away, while so many others are under way and wait; whether that concerns nobody else."""
        if epoch == self.epoch:
            self._refused += 1
        if retry_after is not None and self._stumbles():
            return True
        if retry_after is not None:
            self._gate = max(self._gate, now + min(retry_after, LONGEST_PATIENCE))
            self._closing = self._closing or epoch == self.epoch
        elif under_way:
            # The accepted ones are still under way, and the refused ones are back at once: what is left is what fits.
            self.window = self._slow_from = max(1.0, min(self.window, float(under_way)))
        elif now >= self._gate:
            self._back_off(waiting, now)
        return False

    def _back_off(self, waiting: int, now: float) -> None:
        """Nothing was accepted: each call tries again after twice as long, but of many some are always trying."""
        if not self._in_the_dark:
            self._in_the_dark, self._dark_from = True, now
        share = max(SEARCH, min(1.0, TRYING / (1 + waiting)))
        pause = share * (FIRST_BACKOFF + now - self._dark_from)
        self._gate = now + min(LONGEST_BACKOFF, max(SHORTEST_BACKOFF, pause)) * random.uniform(0.5, 1.0)
        self.window, self._slow_from = TRYING, math.inf

    def _stumbles(self) -> bool:
        sent, refused = self._before
        return not (self._closing or self._bound) and self._refused + refused <= STUMBLES * (self._sent + sent) + self._answered

    def _open(self, now: float) -> None:
        """The gate opens: a new epoch, with what the last one taught."""
        accepted = self._sent - self._refused
        self._period = max(now - self._started, SHORTEST_PERIOD)
        self._probing = accepted <= 0
        if self._probing:
            self.requests = Bucket(PROBES, 0.0, math.inf, now)
        elif self.requests is not None and self._refused <= STUMBLES * self._sent:
            self._widen(MORE if self._refused <= STUMBLES / 2 * self._sent else 1.0)
        else:
            more = 1.0 + (MORE - 1.0) * min(1.0, self._period)
            room = max(1.0, accepted * more)
            self.requests = Bucket(room, accepted * more / self._period, room, now)
        self._begin(now)

    def _relax(self, now: float) -> None:
        """A whole period went by with the gate open: there is more room, or, where a few were refused, perhaps a little more."""
        self._widen(MORE if self._refused else 2.0)
        self._begin(now)

    def _widen(self, more: float) -> None:
        bucket = self.requests
        if bucket is not None:
            bucket.level += bucket.room * (more - 1.0)
            bucket.rate, bucket.room = bucket.rate * more, bucket.room * more
            if bucket.rate > UNLIMITED:
                self.requests = None

    def _begin(self, now: float) -> None:
        self.epoch += 1
        self._closing = self._answered = self._bound = False
        self._restart(now)

    def _restart(self, now: float) -> None:
        self._before = (self._sent, self._refused)
        self._started, self._sent, self._refused = now, 0, 0

    def told(self, headers: Mapping[str, str], now: float) -> None:
        """The provider said how much is left. Requests count only when none is; tokens when a quarter is left."""
        limit, left, refill = _numbers(headers, "requests")
        if left <= 0 < refill and limit > 0 and self.requests is None:
            self.requests = Bucket(0.0, limit / refill, limit, now)
            self._period = refill
            self._begin(now)
        limit, left, refill = _numbers(headers, "tokens")
        if limit <= 0:
            return
        if left > limit / 4:
            self.tokens = None
        elif refill > 0:
            self.tokens = Bucket(left, (limit - left) / refill, limit, now)


def _numbers(headers: Mapping[str, str], kind: str) -> tuple[float, float, float]:
    """Limit, what is left, and the seconds until all is there again; a limit of 0 where that is not said."""
    try:
        limit, left = float(headers[f"x-ratelimit-limit-{kind}"]), float(headers[f"x-ratelimit-remaining-{kind}"])
    except (KeyError, ValueError):
        return 0.0, 1.0, 0.0
    return limit, left, duration_of(headers.get(f"x-ratelimit-reset-{kind}", "")) or 0.0


def duration_of(text: str) -> float | None:
    """Seconds from `1m30s`, `250ms`, `2.5s` or a plain number.

    >>> duration_of("1m30.5s"), duration_of("250ms"), duration_of("7"), duration_of("soon")
    (90.5, 0.25, 7.0, None)
    """
    try:
        return float(text)
    except ValueError:
        found = DURATION.fullmatch(text)
    if not found or not text:
        return None
    days, hours, minutes, seconds, millis = (float(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds + millis / 1000
