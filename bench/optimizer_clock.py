"""A virtual clock for one compilation of ours: how long it would take if the client took no time, whatever else this machine is doing.

Works of the search are run one after the other, each in the moment in which a place is free for it; a call of the model costs what the
simulator's law of latencies draws for it (the model itself answers at once), and the results come in in the order of their ends. So a
run on 128 threads takes as long on a busy laptop as on a quiet server. What it leaves out is the client's own CPU, and the cache: a
prompt that comes twice (the first of two predictors, say) is a call twice, and the simulator may answer it otherwise.
"""

from __future__ import annotations

import heapq
import importlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from types import SimpleNamespace
from typing import Any

__all__ = ["Clock", "without_cache"]

# As in the simulator: lognormal around the median, longer for longer answers, and one call in a hundred takes six times as long.
SIGMA, TAIL, TIMES = 0.35, 0.01, 6.0


@dataclass
class Clock:
    """The time (`now`, in seconds), and what was waited for in all: `waited` seconds in `calls` calls, `chain` if nothing had to queue."""

    latency: float
    salt: str
    now: float = 0.0
    waited: float = 0.0
    calls: int = 0
    asked: dict[bytes, int] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[None]:
        """While this lasts, whet's own flows go by this clock."""
        flow, crew, strand = (importlib.import_module(f"whet.{name}") for name in ("core.flow", "core.crew", "optimize.strand"))
        kept = flow.Send.perform, flow.Sleep.perform, flow.Gather.perform, strand.time
        send = flow.Send.perform

        def sent(effect: Any) -> Any:
            response = send(effect)
            self.pass_by(self.drawn(effect.request.body or b"", response.body))
            return response

        flow.Send.perform = sent
        flow.Sleep.perform = lambda effect: self.pass_by(effect.seconds, waited=False)
        flow.Gather.perform = lambda gather: self.side_by_side(gather, crew)
        strand.time = SimpleNamespace(monotonic=lambda: self.now)
        try:
            yield
        finally:
            flow.Send.perform, flow.Sleep.perform, flow.Gather.perform, strand.time = kept

    def pass_by(self, seconds: float, waited: bool = True) -> None:
        """Let so much time go by, waiting for a model or just sleeping."""
        self.now += seconds
        if waited:
            self.waited += seconds
            self.calls += 1

    def drawn(self, request: bytes, answer: bytes) -> float:
        """The latency of a call: a matter of what is asked and how often it was asked before, not of when."""
        count = self.asked[request] = self.asked.get(request, 0) + 1
        rng = Random(sha256(b"%s %d " % (self.salt.encode(), count) + request).digest())
        tokens = json.loads(answer).get("usage", {}).get("completion_tokens", 60)
        return self.latency * math.exp(SIGMA * rng.gauss(0, 1)) * (0.6 + 0.4 * tokens / 60) * (TIMES if rng.random() < TAIL else 1.0)

    def side_by_side(self, gather: Any, crew: Any) -> list[Any]:
        """A `Gather` on this clock."""
        pull, outcomes, running = crew._Pull(gather.jobs), {}, []
        while True:
            began = self.now
            while gather.limit is None or len(running) < gather.limit:
                pulled = pull.next(len(running))
                if pulled is None:
                    break
                index, job = pulled
                outcome = crew._outcome_of(copy_context(), job)
                heapq.heappush(running, (self.now, index, Outcome(outcome)))
                self.now = began
            if not running or pull.enough:
                return crew._all_of(pull, outcomes)  # type: ignore[no-any-return]
            self.now, index, ended = heapq.heappop(running)
            outcomes[index] = ended.value
            if gather.done is not None:
                gather.done(index, ended.value)


@dataclass(frozen=True)
class Outcome:
    """What a work ended with; never compared."""

    value: Any

    def __lt__(self, other: Any) -> bool:
        return False


def without_cache(library: Any) -> None:
    """Models that keep no answers: a late call that is asked again must not find the answer that is on its way."""
    made = library.LM
    library.LM = lambda *given, **named: made(*given, **{**named, "cache": False})
