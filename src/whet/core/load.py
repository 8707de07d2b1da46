"""How many threads are of use to jobs that run side by side."""

from __future__ import annotations

from typing import Final

__all__ = ["Load"]

# A worker's share of a look, in seconds: as long as one thread may keep the interpreter from the others.
TURN: Final = 0.005


class Load:
    """How many workers are of use, where they may wait for something, or only for each other.

    Python code of many threads runs on one core: workers that keep about one core busy, all of them together, are in each other's way.
    (Native code that lets go of the interpreter keeps more than one busy; jobs that wait for a server, less.) Half of such workers go;
    where the other half then waits for something they come back, and it takes twice as many looks to send them away again.
    """

    __slots__ = ("before", "cpu", "in_a_row", "jobs", "needed", "since", "wall")

    def __init__(self) -> None:
        self.before, self.in_a_row, self.needed = 0, 0, 1
        self._begin(0.0)

    def _begin(self, now: float) -> None:
        self.since, self.jobs, self.cpu, self.wall = now, 0, 0.0, 0.0

    @property
    def crowded(self) -> bool:
        """Whether workers were in each other's way when that was looked at."""
        return self.in_a_row >= self.needed

    def look(self, workers: int, now: float, cpu: float, wall: float) -> int:
        """Note a job's seconds by both clocks; how many workers there should be."""
        self.jobs += 1
        self.cpu += cpu
        self.wall += wall
        if now - self.since < TURN * workers or self.jobs < 4 * workers:
            return workers
        cores = workers * self.cpu / max(self.wall, 1e-9)
        self._begin(now)
        self.in_a_row = self.in_a_row + 1 if 0.65 < cores < 1.25 else 0
        if self.crowded:
            self.before = workers
            return workers - workers // 2
        if cores > 0.65:
            return workers
        if self.before > workers:
            self.needed *= 2
            self.before = 0
        return 2 * workers
