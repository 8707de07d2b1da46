"""Flows side by side on threads, or one after the other: what a `Gather` does in sync code."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import Any

from whet.core.flow import ENOUGH, Gather, Job, JobTimeout, Waiting, drive
from whet.core.load import Load
from whet.core.pull import Pull

__all__ = ["in_turn", "on_threads"]

# How soon after a job began it is seen to be slow; while all are quick, that is looked at less and less often.
_HIRE_EVERY, _LOOK_EVERY = 0.001, 0.016


def in_turn(gather: Gather) -> list[Any]:
    """One job after the other, right here."""
    outcomes: list[Any] = []
    for job in gather.jobs:
        if job is ENOUGH:
            break
        if isinstance(job, Waiting):
            raise RuntimeError("a job waits for another, but none is running")
        outcomes.append(_outcome_of(contextvars.copy_context(), job))
        if gather.done is not None:
            gather.done(len(outcomes) - 1, outcomes[-1])
    return outcomes


def on_threads(gather: Gather) -> list[Any]:
    """Side by side on daemon threads."""
    return _Threads(gather).run()


def _outcome_of(context: contextvars.Context, job: Job) -> Any:
    try:
        return context.run(_driven, job)
    except Exception as error:  # noqa: BLE001 - an outcome is a value or an exception
        return error


def _driven(job: Job) -> Any:
    return drive(job())


class _Threads:
    """A `Gather` on daemon threads that end with it; each pulls its next job itself, so that a finished job costs no hand-over.

    Jobs that wait get more workers, up to the limit; where workers are in each other's way, half of them go.
    """

    def __init__(self, gather: Gather) -> None:
        self.gather = gather
        self.pull = Pull(gather.jobs)
        self.context = contextvars.copy_context()
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)  # for whoever waits for the whole
        self.idle = threading.Condition(self.lock)  # for workers who found nothing to do
        self.idlers = 0
        self.asleep = False
        self.look_again = _HIRE_EVERY
        self.started: dict[int, float] = {}
        self.outcomes: dict[int, Any] = {}
        self.workers = 0
        self.surplus = 0
        self.load = Load()
        self.failure: BaseException | None = None
        self.stopped = False

    def run(self) -> list[Any]:
        with self.lock:
            try:
                self._hire(1)
                while self.workers and self.failure is None and not self.pull.enough:
                    before = len(self.outcomes)
                    patience = self._patience()
                    self.asleep = patience is None
                    self.changed.wait(patience)
                    self.asleep = False
                    self._give_up_on_late_jobs()
                    if self._may_hire():
                        self._hire_if_slow(len(self.outcomes) - before)
            finally:
                self.stopped = True
                self.idle.notify_all()
        if self.failure is not None:
            raise self.failure
        return self.pull.all_of(self.outcomes)

    def _may_hire(self) -> bool:
        return not (self.stopped or self.pull.ended or self.idlers) and (self.gather.limit is None or self.workers < self.gather.limit)

    def _hire_if_slow(self, finished: int) -> None:
        # Jobs that end faster than a thread is started gain nothing from a second one, nor from being looked at often; jobs that wait do.
        if finished < (1 if self.load.crowded else self.workers):
            self.look_again = _HIRE_EVERY
            self._hire(self.workers)
        else:
            self.look_again = min(2 * self.look_again, _LOOK_EVERY)

    def _hire(self, count: int) -> None:
        for _ in range(count):
            if self._may_hire():
                self.workers += 1
                threading.Thread(target=self.context.copy().run, args=(self._work,), name="whet-worker", daemon=True).start()

    def _work(self) -> None:
        left_behind = False
        cpu: float | None = None
        lock, started, settle, context = self.lock, self.started, self._settle, self.context
        try:
            with lock:
                pulled = self._next_job()
            while pulled is not None:
                index, job = pulled
                outcome = _outcome_of(context.copy(), job)
                del pulled, job
                with lock:
                    began = started.pop(index, None)
                    if began is None or self.stopped:
                        left_behind = True
                        return
                    settle(index, outcome)
                    del outcome
                    # Asking for it takes as long as handing out a job, and nobody needs to know it of a worker that is alone.
                    before, cpu = cpu, time.thread_time() if self.workers > 1 else None
                    if before is not None and cpu is not None and self._is_surplus(began, cpu - before):
                        return
                    pulled = self._next_job()
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            self.failure = error
        finally:
            with self.lock:
                self.workers -= not left_behind
                self.changed.notify_all()

    def _is_surplus(self, began: float, cpu: float) -> bool:
        """Whether the worker that did a job is one too many: never while others are idle, for what it did may have made work for them."""
        if self.idlers:
            return False
        now = time.monotonic()
        useful = self.load.look(self.workers, now, cpu, now - began)
        if useful > self.workers:
            self._hire(useful - self.workers)
        elif useful < self.workers:
            self.surplus = self.workers - useful
        leaves = self.surplus > 0
        self.surplus -= leaves
        return leaves

    def _next_job(self) -> tuple[int, Job] | None:
        while not self.stopped:
            pulled = self.pull.next(len(self.started))
            if pulled is not None:
                self.started[pulled[0]] = time.monotonic()
                if self.idlers or self.asleep:
                    self._call_another()
                return pulled
            if self.pull.ended:
                self.idle.notify_all()
                return None
            self.idlers += 1
            self.idle.wait()
            self.idlers -= 1
        return None

    def _call_another(self) -> None:
        # Where there was one job there may be more: each worker wakes the next one, so that none is woken in vain.
        if self.idlers:
            self.idle.notify()
        elif self._may_hire():
            self.changed.notify()

    def _settle(self, index: int, outcome: Any) -> None:
        self.outcomes[index] = outcome
        if self.gather.done is not None:
            self.gather.done(index, outcome)

    def _patience(self) -> float | None:
        look_again = self.look_again if self._may_hire() else None
        if self.gather.timeout is None:
            return look_again
        now = time.monotonic()
        left = max(0.0, min(self.started.values(), default=now) + self.gather.timeout - now)
        return left if look_again is None else min(left, look_again)

    def _give_up_on_late_jobs(self) -> None:
        limit = self.gather.timeout
        if limit is None:
            return
        now = time.monotonic()
        for index in [i for i, began in self.started.items() if now - began >= limit]:
            del self.started[index]
            self.workers -= 1
            self._settle(index, JobTimeout(f"not done after {limit:g} s"))
            self._hire(1)
        self.idle.notify()
