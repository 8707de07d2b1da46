"""`Retrying`: a model around a model that asks again where a second try may succeed. The one retry layer."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Protocol

from whet.core.context import current
from whet.core.exchange import NO_USAGE, Request, Response, Usage
from whet.core.flow import Flow, Sleep
from whet.core.http.fault import CERTIFICATE
from whet.core.under import under
from whet.errors import LMError, LMRateLimitError, is_retryable_lm_error
from whet.lm.budget import Deadline, Spend, seconds_left
from whet.lm.limit import Limiter
from whet.lm.pace import LONGEST_PATIENCE

__all__ = ["Retrying", "is_worth_a_retry"]

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
# Of a call that is turned away while others are answered, so many times its retries.
PATIENCE = 10
# Rate limits that no waiting lifts, and a server that is not who it says.
HOPELESS = frozenset({"insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low", CERTIFICATE})


class Model(Protocol):
    """What a wrapper stands around."""

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""


def is_worth_a_retry(error: LMError) -> bool:
    """Whether the same call may succeed later: what is retryable, and 409; never after the first token of a stream was handed on.

    >>> is_worth_a_retry(LMRateLimitError("slow down", status=429)), is_worth_a_retry(LMRateLimitError(provider_code="insufficient_quota"))
    (True, False)
    """
    if error.streamed or error.provider_code in HOPELESS:
        return False
    return is_retryable_lm_error(error) or error.status == 409


class Retrying:
    """A model that is asked up to `num_retries` times more after rate limits, timeouts, server and transport errors.

    With the `limiter` that the model inside goes through, waiting after a rate limit is left to that, and a refusal counts only if the
    endpoint has answered nobody since the call was made, or lately: in a storm of calls that all get through in their turn, none fails
    for having been turned away more often than others. Ten times `num_retries` is the end of that.

    It waits as long as the provider says, else a random time up to 0.5 s, 1 s, 2 s ... 30 s ("full jitter", AWS Architecture Blog, 2015),
    and gives up where that is over 180 s or would pass `deadline` (seconds from the start of the call) or the seconds of a budget. The
    response tells how many `attempts` it took and the usage of all of them; so does the error when all failed.
    """

    __slots__ = ("deadline", "inner", "limiter", "num_retries", "rng")

    def __init__(
        self,
        inner: Model,
        num_retries: int = 3,
        *,
        deadline: float | None = None,
        limiter: Limiter | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.inner, self.num_retries, self.deadline, self.limiter, self.rng = inner, num_retries, deadline, limiter, rng

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request, with patience."""
        if self.deadline is None:
            return self._patiently(request)
        return under(self._patiently(request), budget=Deadline(Spend(seconds=self.deadline), parent=current().budget))

    def _patiently(self, request: Request) -> Flow[Response]:
        limiter, attempts, passed_over, usage, cost = self.limiter, 0, 0, NO_USAGE, 0.0
        answers = 0 if limiter is None else limiter.answers
        while True:
            attempts += 1
            try:
                response: Response = yield from self.inner.flow(request)
            except LMError as error:
                usage, cost = usage + (error.usage or NO_USAGE), cost + (error.cost or 0.0)
                if limiter is not None and isinstance(error, LMRateLimitError) and limiter.goes_on_since(answers):
                    passed_over += attempts <= PATIENCE * self.num_retries
                delay = self._delay(error, attempts - passed_over)
                if delay is None:
                    error.attempts, error.usage, error.cost = attempts, usage, cost
                    raise
            else:
                return response if attempts == 1 else _summed(response, attempts, usage, cost)
            if delay > 0:
                yield Sleep(delay)

    def _delay(self, error: LMError, attempts: int) -> float | None:
        """Seconds until the next try; `None` where there is none."""
        if attempts > self.num_retries or not is_worth_a_retry(error):
            return None
        told = error.retry_after
        if told is not None and told > LONGEST_PATIENCE:
            return None
        if self.limiter is not None and isinstance(error, LMRateLimitError):
            delay = 0.0
        else:
            ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempts - 1))
            drawn = (self.rng or random).uniform(0.0, ceiling)
            # All who were told the same moment should not come back in it.
            delay = drawn if told is None else told + min(drawn, 0.1 * told)
        left = seconds_left()
        if left is not None and max(delay, told or 0.0) >= left:
            return None
        return delay


def _summed(response: Response, attempts: int, usage: Usage, cost: float) -> Response:
    raw = response.usage.raw
    total = replace(usage + response.usage, raw=raw) if usage.total_tokens else response.usage
    return replace(response, attempts=attempts, usage=total, cost=None if response.cost is None else response.cost + cost)
