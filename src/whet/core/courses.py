"""Flows side by side on an event loop: what a `Gather` does in async code.

Not a task per job: that would pass each answer through a future, a wake-up and four coroutines, and let hundreds of jobs end before the
next ones begin, which the garbage collector pays for. Here the answer itself takes its flow up where it waits, and the end of a job starts
the next one (docs/decisions/027).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from whet.core.flow import Effect, Flow, Gather, Job, JobTimeout, Send, Sleep
from whet.core.frames import shorten
from whet.core.http import HttpRequest, HttpResponse, begin
from whet.core.http.looping import Exchange
from whet.core.pull import Pull
from whet.errors import WhetError

__all__ = ["side_by_side_on_loop"]


async def side_by_side_on_loop(gather: Gather) -> list[Any]:
    """The outcomes of the jobs, in order."""
    return await _Courses(gather).run()


class _Course:
    """One job under way: its flow, in a context of its own, and what it waits for."""

    __slots__ = ("began", "context", "courses", "flow", "index", "late", "outcome", "over", "stopped", "waits_for")

    flow: Flow[Any]
    outcome: Any
    waits_for: Exchange | _Pause | asyncio.Task[Any]

    def __init__(self, courses: _Courses, index: int, began: float) -> None:
        self.courses, self.index, self.began = courses, index, began
        self.context = contextvars.copy_context()
        self.late = self.over = self.stopped = False

    def start(self, job: Job) -> None:
        """Run the job until it waits, or is over."""
        self._go(self._begin, job)

    def stop(self) -> None:
        """Have what it waits for cancelled, and the flow told."""
        self.stopped = not self.waits_for.cancel()

    def _go(self, run: Callable[..., Effect | None], *args: Any) -> None:
        effect = self.context.run(run, *args)
        if effect is not None:
            self._wait_for_task(effect)

    def _begin(self, job: Job) -> Effect | None:
        try:
            self.flow = job()
        except Exception as error:  # noqa: BLE001 - an outcome is a value or an exception
            self._end(error)
            return None
        return self._run(self.flow.send, None)

    def _run(self, step: Callable[[Any], Effect], given: Any) -> Effect | None:
        """Take the flow one step on, and begin what it waits for; what needs a task is left to the caller, outside of the context."""
        try:
            effect = step(given)
            while True:
                try:
                    return None if self._waits_for(effect) else effect
                except BaseException as error:  # noqa: BLE001 - the flow decides what an error means
                    effect = self.flow.throw(error)
        except StopIteration as stop:
            self._end(stop.value)
        except Exception as error:  # noqa: BLE001 - an outcome is a value or an exception
            if isinstance(error, WhetError):
                shorten(error)
            self._end(error)
        except asyncio.CancelledError:
            if not self.late:
                raise
            self._end(JobTimeout(f"not done after {self.courses.gather.timeout:g} s"))
        return None

    def _end(self, outcome: Any) -> None:
        self.outcome, self.over = outcome, True

    def _waits_for(self, effect: Effect) -> bool:
        if isinstance(effect, Sleep):
            self.waits_for = _Pause(self, effect.seconds)
            return True
        if isinstance(effect, Send) and (exchange := begin(effect.request, self)) is not None:
            self.waits_for = exchange
            return True
        return False

    def _wait_for_task(self, effect: Effect) -> None:
        # Somebody else's coroutine may count on being in a task, with its time limits and its cancellation. An eager task (3.12) runs now.
        self.waits_for = task = self.courses.loop.create_task(_performed(effect), context=self.context)
        task.add_done_callback(self._told, context=contextvars.Context())

    def rested(self) -> None:
        """Called at the end of a pause."""
        self._take_up(self.flow.send, None)

    def answered(self, response: HttpResponse) -> None:
        """Called by an exchange, as are the next two."""
        self._take_up(self.flow.send, response)

    def failed(self, error: BaseException) -> None:
        """There is no answer; or the exchange or the pause was cancelled."""
        self._take_up(self.flow.throw, error)

    def unanswered(self, request: HttpRequest) -> None:
        """Nobody saw the request; it is to be sent by a coroutine."""
        self._wait_for_task(Send(request))

    def _told(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or self.stopped:
            self.stopped = False
            self._take_up(self.flow.throw, asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._take_up(self.flow.throw, error)
        else:
            self._take_up(self.flow.send, task.result())

    def _take_up(self, step: Callable[[Any], Effect], given: Any) -> None:
        courses = self.courses
        del self.waits_for  # which knows this course
        try:
            self._go(self._run, step, given)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the whole gets it
            courses.failed(self, error)
        else:
            if self.over:
                courses.context.run(courses.ended, self)


class _Pause:
    """A pause of a job."""

    __slots__ = ("course", "timer")

    def __init__(self, course: _Course, seconds: float) -> None:
        self.course = course
        self.timer = course.courses.loop.call_later(seconds, course.rested)

    def cancel(self) -> bool:
        """End it; the course is told of a `CancelledError` soon, and once."""
        if not self.timer.cancelled():
            self.timer.cancel()
            self.course.courses.loop.call_soon(self.course.failed, asyncio.CancelledError())
        return True


async def _performed(effect: Effect) -> Any:
    return await effect.aperform()


class _Courses:
    """A `Gather` on the running event loop; one alarm for the time limits of all."""

    def __init__(self, gather: Gather) -> None:
        self.gather = gather
        self.pull = Pull(gather.jobs)
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self.loop.create_future()
        self.emptied: asyncio.Future[None] | None = None
        self.running: dict[_Course, None] = {}  # by when they began
        self.alarm: asyncio.TimerHandle | None = None
        self.outcomes: dict[int, Any] = {}

    async def run(self) -> list[Any]:
        try:
            self.context.run(self._start_jobs)
            await self.over
        finally:
            self.over.cancel()
            if self.alarm is not None:
                self.alarm.cancel()
            for course in self.running:
                course.stop()
            if self.running:
                self.emptied = self.loop.create_future()
                await self.emptied
        return self.pull.all_of(self.outcomes)

    def ended(self, course: _Course) -> None:
        """Note the outcome, and start the next job."""
        del self.running[course]
        try:
            if not self.over.done():
                self._settle(course)
                self._start_jobs()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the whole gets it
            self._fail(error)
        self._tell_if_emptied()

    def failed(self, course: _Course, error: BaseException) -> None:
        """No outcome of a job, such as an interrupt: this is the end of all."""
        del self.running[course]
        self._fail(error)
        self._tell_if_emptied()

    def _fail(self, error: BaseException) -> None:
        if not self.over.done():
            self.over.set_exception(error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error

    def _tell_if_emptied(self) -> None:
        if self.emptied is not None and not self.running and not self.emptied.done():
            self.emptied.set_result(None)

    def _start_jobs(self) -> None:
        while self.gather.limit is None or len(self.running) < self.gather.limit:
            pulled = self.pull.next(len(self.running))
            if pulled is None:
                break
            index, job = pulled
            course = _Course(self, index, self.loop.time())
            course.start(job)
            if course.over:
                self._settle(course)
                # Others on this loop have their turn between jobs that need not wait.
                self.loop.call_soon(self._start_more, context=self.context)
                return
            self.running[course] = None
        if not self.running or self.pull.enough:
            self.over.set_result(None)
        elif self.gather.timeout is not None and self.alarm is None:
            self._give_up_on_late_jobs()

    def _start_more(self) -> None:
        try:
            if not self.over.done():
                self._start_jobs()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the whole gets it
            self._fail(error)

    def _settle(self, course: _Course) -> None:
        self.outcomes[course.index] = course.outcome
        if self.gather.done is not None:
            self.gather.done(course.index, course.outcome)

    def _give_up_on_late_jobs(self) -> None:
        # All have the same limit, so that they become late in the order in which they began: one timer is enough, for the next of them.
        limit, now = self.gather.timeout or 0.0, self.loop.time()
        self.alarm = None
        for course in self.running:
            if course.began + limit > now:
                self.alarm = self.loop.call_at(course.began + limit, self._give_up_on_late_jobs)
                return
            if not course.late:
                course.late = True
                course.stop()
