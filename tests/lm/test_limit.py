"""The limiter against endpoints of every kind, in simulated time; then in real threads and tasks."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.flow import Flow, Sleep, Wait, adrive, drive
from whet.core.messages import Message
from whet.errors import ConfigurationError, LMError, LMRateLimitError, LMServerError
from whet.lm.limit import Limited, Limiter, limiter_of
from whet.lm.pace import Pace, duration_of
from whet.lm.retry import Retrying

ANSWER = Response(choices=(Choice(text="x"),), usage=Usage(input_tokens=10))


def patient(source: Any, limiter: Limiter, num_retries: int) -> Retrying:
    return Retrying(Limited(source, limiter), num_retries, limiter=limiter)


def request() -> Request:
    return Request(messages=(Message("user", "x"),))


class Simulation:
    """Runs flows in a time of its own; the same result on every machine, however busy."""

    def __init__(self) -> None:
        self.now = 0.0
        self.count = itertools.count()
        self.due: list[tuple[float, int, Callable[[], None]]] = []
        self.finished: list[float] = []
        self.failed: list[LMError] = []

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.due, (when, next(self.count), action))

    def step(self, flow: Flow[Any], value: Any = None, error: LMError | None = None) -> None:
        try:
            effect: Any = flow.throw(error) if error is not None else flow.send(value)
        except StopIteration:
            self.finished.append(self.now)
        except LMError as error:
            self.failed.append(error)
        else:
            if isinstance(effect, Sleep):
                self.at(self.now + effect.seconds, lambda: self.step(flow))
            elif isinstance(effect, Wait):
                effect.future.add_done_callback(lambda _: self.at(self.now, lambda: self.step(flow)))
            else:
                effect(flow)

    def run(self) -> float:
        while self.due:
            when, _, action = heapq.heappop(self.due)
            self.now = max(self.now, when)
            action()
        return self.finished[-1] if self.finished else 0.0


@dataclass
class Endpoint:
    """Accepts what `verdict` says `None` to; `math.nan` is a refusal without a word about when to come back."""

    simulation: Simulation
    verdict: Callable[[Endpoint, float], float | None]
    latency: float = 0.05
    inside: int = 0
    most_inside: int = 0
    sent: int = 0
    refused: int = 0
    windows: dict[int, int] = field(default_factory=dict)

    def flow(self, request: Request) -> Flow[Response]:
        return (yield self.exchange)  # type: ignore[misc]

    def exchange(self, flow: Flow[Any]) -> None:
        self.sent += 1
        told = self.verdict(self, self.simulation.now)
        if told is None:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            self.simulation.at(self.simulation.now + self.latency, lambda: self.answer(flow))
            return
        self.refused += 1
        error = LMRateLimitError("slow down", status=429, retry_after=None if math.isnan(told) else told)
        self.simulation.at(self.simulation.now + 0.005, lambda: self.simulation.step(flow, error=error))

    def answer(self, flow: Flow[Any]) -> None:
        self.inside -= 1
        self.simulation.step(flow, ANSWER)


def fixed_window(number: int, seconds: float, *, whole_seconds: bool = False) -> Callable[[Endpoint, float], float | None]:
    def verdict(endpoint: Endpoint, now: float) -> float | None:
        window = int(now / seconds + 1e-9)
        endpoint.windows[window] = endpoint.windows.get(window, 0) + 1
        left = (window + 1) * seconds - now
        return None if endpoint.windows[window] <= number else float(math.ceil(left)) if whole_seconds else left

    return verdict


def token_bucket(rate: float, room: float, *, told: float | None = None) -> Callable[[Endpoint, float], float | None]:
    state = [room, 0.0]

    def verdict(endpoint: Endpoint, now: float) -> float | None:
        state[:] = [min(room, state[0] + (now - state[1]) * rate), now]
        if state[0] >= 1:
            state[0] -= 1
            return None
        return (1 - state[0]) / rate if told is None else told

    return verdict


def places(number: int) -> Callable[[Endpoint, float], float | None]:
    return lambda endpoint, now: None if endpoint.inside < number else math.nan


def outage(until: float, told: float) -> Callable[[Endpoint, float], float | None]:
    return lambda endpoint, now: told if now < until else None


STORMS = {
    "50 a second": (fixed_window(50, 1.0), 500, 9.05),
    "50 a second, told in whole seconds": (fixed_window(50, 1.0, whole_seconds=True), 500, 9.05),
    "60 a minute": (fixed_window(60, 60.0), 300, 240.05),
    "a bucket, told exactly": (token_bucket(50, 50), 500, 9.05),
    "a bucket, told a second": (token_bucket(50, 50, told=1.0), 500, 9.05),
    "a small bucket": (token_bucket(10, 1), 100, 9.95),
    "200 a second": (token_bucket(200, 200, told=1.0), 2000, 9.05),
    "20 places": (places(20), 500, 1.25),
    "an outage of a second": (outage(0.5, 1.0), 500, 1.05),
    "an outage of three": (outage(2.5, 1.0), 500, 3.05),
}


@pytest.mark.parametrize("name", STORMS)
def test_a_storm_ends_within_a_fifth_of_the_ideal_schedule_and_no_call_fails(name: str) -> None:
    verdict, calls, ideal = STORMS[name]
    simulation = Simulation()
    endpoint = Endpoint(simulation, verdict)
    limiter = Limiter(clock=lambda: simulation.now)
    lm = patient(endpoint, limiter, 3)
    for _ in range(calls):
        simulation.step(lm.flow(request()))
    took = simulation.run()
    assert not simulation.failed
    assert len(simulation.finished) == calls
    assert took <= 1.2 * ideal, f"{took:.2f} s for {ideal} s; {endpoint.sent} sent, {endpoint.refused} refused"
    assert limiter.in_flight == 0
    assert endpoint.sent <= 2.3 * calls  # the first burst is refused, hardly anything after it


def without_a_word(verdict: Callable[[Endpoint, float], float | None]) -> Callable[[Endpoint, float], float | None]:
    return lambda endpoint, now: None if verdict(endpoint, now) is None else math.nan


@pytest.mark.parametrize(
    ("verdict", "calls", "ideal"),
    [
        (fixed_window(100, 1.0), 600, 5.05),
        (fixed_window(200, 4.0), 600, 8.05),
        (fixed_window(24, 2.0), 240, 18.05),
        (fixed_window(60, 60.0), 300, 240.05),
        (token_bucket(50, 50), 500, 9.05),
    ],
    ids=["100 a second", "200 in four seconds", "24 in two seconds", "60 a minute", "a bucket"],
)
def test_a_storm_that_says_nothing_of_when_to_come_back(verdict: Any, calls: int, ideal: float) -> None:
    simulation = Simulation()
    limiter = Limiter(clock=lambda: simulation.now)
    lm = patient(Endpoint(simulation, without_a_word(verdict)), limiter, 3)
    for _ in range(calls):
        simulation.step(lm.flow(request()))
    took = simulation.run()
    assert not simulation.failed
    assert took <= 1.2 * ideal


@pytest.mark.parametrize("places_used", [4, 24, 200])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.08])
def test_an_endpoint_that_stumbles_now_and_then_holds_up_only_those_it_refused(share: float, places_used: int) -> None:
    drawn = random.Random(places_used)
    simulation = Simulation()
    endpoint = Endpoint(simulation, lambda e, now: 0.2 if drawn.random() < share else None, latency=0.25)
    lm = patient(endpoint, Limiter(clock=lambda: simulation.now), 8)
    left = iter(range(40 * places_used))

    def worker() -> Flow[None]:
        for _ in left:
            yield from lm.flow(request())

    for _ in range(places_used):
        simulation.step(worker())
    took = simulation.run()
    assert not simulation.failed
    alone = 40 * 0.25 + endpoint.refused * 0.205 / places_used  # who was refused waits, and holds a place, for so long
    assert took <= 1.1 * alone, f"{took:.2f} s for {alone:.2f} s; {endpoint.sent} sent, {endpoint.refused} refused"


def test_a_rate_learnt_in_a_storm_is_forgotten_where_the_endpoint_only_stumbles() -> None:
    drawn = random.Random(3)
    simulation = Simulation()
    endpoint = Endpoint(simulation, lambda e, now: 0.2 if now < 0.1 or drawn.random() < 0.05 else None)
    lm = patient(endpoint, Limiter(clock=lambda: simulation.now), 8)
    for _ in range(3000):
        simulation.step(lm.flow(request()))
    assert simulation.run() < 6  # at the pace of the first moments it would be minutes
    assert not simulation.failed


def test_a_limit_that_rises_is_noticed() -> None:
    slow, fast = fixed_window(10, 1.0), fixed_window(500, 1.0)
    simulation = Simulation()
    endpoint = Endpoint(simulation, lambda e, now: slow(e, now) if now < 5 else fast(e, now))
    lm = patient(endpoint, Limiter(clock=lambda: simulation.now), 3)
    for _ in range(1000):
        simulation.step(lm.flow(request()))
    assert simulation.run() < 15  # at 10 a second it would be 100
    assert not simulation.failed


def test_refused_for_ever_ends_after_the_retries() -> None:
    simulation = Simulation()
    endpoint = Endpoint(simulation, lambda e, now: 0.1)
    lm = patient(endpoint, Limiter(clock=lambda: simulation.now), 3)
    simulation.step(lm.flow(request()))
    simulation.run()
    assert endpoint.sent == 4
    assert [error.attempts for error in simulation.failed] == [4]


def test_the_bound_holds_and_is_used() -> None:
    simulation = Simulation()
    endpoint = Endpoint(simulation, lambda e, now: None)
    lm = Limited(endpoint, Limiter(10, clock=lambda: simulation.now))
    for _ in range(200):
        simulation.step(lm.flow(request()))
    assert simulation.run() == pytest.approx(20 * 0.05)
    assert endpoint.most_inside == 10


def test_headers_that_say_nothing_is_left_close_the_gate_before_a_refusal() -> None:
    simulation = Simulation()
    endpoint = Endpoint(simulation, lambda e, now: None)
    limiter = Limiter(clock=lambda: simulation.now)
    limiter.observe({"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"})
    for _ in range(3):
        simulation.step(Limited(endpoint, limiter).flow(request()))
    assert 2 <= simulation.run() <= 4  # one a second


def test_tokens_are_paced_when_they_run_low() -> None:
    pace = Pace()
    pace.accepted(pace.sent(0.0), tokens=100)
    told = {"x-ratelimit-limit-tokens": "6000", "x-ratelimit-remaining-tokens": "150", "x-ratelimit-reset-tokens": "58.5s"}
    pace.told(told, 0.0)
    assert pace.pause(0.0) == 0
    pace.sent(0.0)
    assert pace.pause(0.0) == pytest.approx(0.5, rel=0.01)  # 50 left, 100 a second
    pace.told({**told, "x-ratelimit-remaining-tokens": "5000"}, 1.0)
    assert pace.pause(1.0) == 0


def test_tokens_are_paced_from_a_quarter_of_them_down() -> None:
    told = {"x-ratelimit-limit-tokens": "6000", "x-ratelimit-reset-tokens": "45s"}
    for left, paced in (("1501", False), ("1500", True), ("1499", True)):
        pace = Pace()
        pace.told({**told, "x-ratelimit-remaining-tokens": left}, 0.0)
        assert (pace.tokens is not None) is paced, left


def test_where_no_request_is_left_not_one_is_sent_before_there_is() -> None:
    pace = Pace()
    pace.told({"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}, 0.0)
    assert pace.pause(0.0) == pytest.approx(1.0) and pace.pause(1.0) == 0.0


def test_a_short_while_until_all_is_there_again_is_a_rate_and_none_at_all_is_not() -> None:
    told = {f"x-ratelimit-{what}-{kind}": value for kind in ("requests", "tokens") for what, value in (("limit", "60"), ("remaining", "0"))}
    for seconds, paced in (("500ms", True), ("1s", True), ("0s", False)):
        pace = Pace()
        pace.told({**told, "x-ratelimit-reset-requests": seconds, "x-ratelimit-reset-tokens": seconds}, 0.0)
        assert (pace.requests is not None, pace.tokens is not None) == (paced, paced), seconds


@pytest.mark.parametrize("text", ["", "soon", "1x", "-", "s"])
def test_durations_that_are_none(text: str) -> None:
    assert duration_of(text) in (None, 0.0)


def test_an_overloaded_server_counts_as_a_limit_only_if_it_says_so() -> None:
    simulation = Simulation()
    limiter = Limiter(clock=lambda: simulation.now)
    ticket = limiter.enter(1)
    limiter.leave(ticket, 1, LMServerError(status=503))
    assert limiter.pace.pause(0.0) == 0
    ticket = limiter.enter(1)
    limiter.leave(ticket, 1, LMServerError(status=529, retry_after=3.0))
    assert limiter.pace.pause(0.0) == 3.0


def test_an_endpoint_has_one_limiter() -> None:
    assert limiter_of("a.example/v1") is limiter_of("a.example/v1")
    assert limiter_of("a.example/v1") is not limiter_of("b.example/v1")
    with pytest.raises(ConfigurationError, match="max_concurrency"):
        Limiter(0)


# -- real threads and tasks ----------------------------------------------------------------------------------------------------------------


class Slow:
    """Takes a while, and counts who is inside."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.inside, self.most, self.lock = seconds, 0, 0, threading.Lock()

    def flow(self, request: Request) -> Flow[Response]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            yield Sleep(self.seconds)
        finally:
            with self.lock:
                self.inside -= 1
        return ANSWER


def test_threads_and_tasks_share_the_bound() -> None:
    slow = Slow(0.01)
    lm = Limited(slow, Limiter(4))

    async def main() -> None:
        tasks = [adrive(lm.flow(request())) for _ in range(30)]
        threads = [asyncio.to_thread(lambda: drive(lm.flow(request()))) for _ in range(30)]
        await asyncio.gather(*tasks, *threads)

    asyncio.run(main())
    assert slow.most == 4
    assert lm.limiter.in_flight == 0


def test_those_who_give_up_leave_no_trace() -> None:
    slow = Slow(0.05)
    lm = Limited(slow, Limiter(2))

    async def main() -> int:
        tasks = [asyncio.create_task(adrive(lm.flow(request()))) for _ in range(20)]
        await asyncio.sleep(0.02)
        for task in tasks[1:16]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(answer, Response) for answer in done)

    assert asyncio.run(asyncio.wait_for(main(), 10)) == 5
    assert lm.limiter.in_flight == 0
    assert not lm.limiter._queue


def test_a_thousand_tasks_wait_without_a_thread() -> None:
    before = threading.active_count()
    lm = Limited(Slow(0.001), Limiter(50))

    async def main() -> int:
        tasks = [asyncio.create_task(adrive(lm.flow(request()))) for _ in range(1000)]
        await asyncio.sleep(0.005)
        counted = threading.active_count()
        await asyncio.gather(*tasks)
        return counted

    assert asyncio.run(main()) == before


def test_a_real_storm_in_threads() -> None:
    class Window:
        """100 per quarter of a second."""

        def __init__(self) -> None:
            self.lock, self.counts, self.started = threading.Lock(), dict[int, int](), time.monotonic()

        def flow(self, request: Request) -> Flow[Response]:
            yield Sleep(0.002)
            now = time.monotonic() - self.started
            with self.lock:
                window = int(now / 0.25)
                self.counts[window] = self.counts.get(window, 0) + 1
                if self.counts[window] > 100:
                    raise LMRateLimitError("slow down", status=429, retry_after=(window + 1) * 0.25 - now + 0.001)
            return ANSWER

    def seconds_of_400(lm: Any) -> float:
        started = time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            assert len(list(pool.map(lambda _: drive(lm.flow(request())), range(400)))) == 400
        return time.monotonic() - started

    free = Window()
    free.counts = dict.fromkeys(range(4000), -400)
    unlimited = seconds_of_400(patient(free, Limiter(), 3))
    limited = seconds_of_400(patient(Window(), Limiter(), 3))
    assert limited < 2.0 + 10 * unlimited  # ideal is 0.75 more; the same calls without a limit say how busy the machine is


def test_an_absurd_delay_is_told_to_the_one_who_asked_and_holds_up_nobody_else() -> None:
    limiter = Limiter()
    ticket = limiter.enter(1)
    limiter.leave(ticket, 1, LMRateLimitError("later", status=429, retry_after=1e20))
    assert limiter.pace.pause(time.monotonic()) < 10
