"""The jobs of a `Gather` as its crew takes them, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from whet.core.flow import ENOUGH, Job, JobTimeout, Waiting

__all__ = ["Pull"]


class Pull:
    """The jobs, numbered, and whether they are at an end, or `enough` even without those that are running."""

    def __init__(self, jobs: Iterable[Job | Waiting]) -> None:
        self._jobs: Iterator[Job | Waiting] = iter(jobs)
        self.count = 0
        self.ended = self.enough = False

    def next(self, running: int) -> tuple[int, Job] | None:
        """The next job and its number; `None` where there is none, or none yet."""
        job = None if self.ended else next(self._jobs, None)
        if job is None or job is ENOUGH:
            self.ended, self.enough = True, self.enough or job is ENOUGH
            return None
        if isinstance(job, Waiting):
            if not running:
                raise RuntimeError("a job waits for another, but none is running")
            return None
        number = self.count
        self.count = number + 1
        return number, job

    def all_of(self, outcomes: Mapping[int, Any]) -> list[Any]:
        """The outcomes in the order of the jobs."""
        return [outcomes[i] if i in outcomes else JobTimeout("not needed any more") for i in range(self.count)]
