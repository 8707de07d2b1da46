"""Runs that fail through no fault of a candidate: how many there were, and the error that ends a search after too many."""

from __future__ import annotations

import logging

from whet.errors import EvaluationError
from whet.evaluate.metric import MetricCall
from whet.optimize.run import Run
from whet.optimize.store import Result

__all__ = ["Failures"]

_logger = logging.getLogger(__name__)


class Failures:
    """Counts failed runs of a search and gives up at `allowed` of them, with the last one's own error where `raises_last`."""

    def __init__(self, run: Run, metric: MetricCall | None, *, allowed: float, raises_last: bool) -> None:
        self.run, self.metric, self.allowed, self.raises_last = run, metric, allowed, raises_last
        self.counts: dict[str, int] = {}

    def add(self, result: Result, failure: BaseException, *, first: bool) -> None:
        """Count one; `first` says that no run was judged before. Raises `EvaluationError` where that is the end."""
        self.counts[result.status] = self.counts.get(result.status, 0) + 1
        _logger.warning("A row failed (%s): %s", result.status, result.error)
        if result.status == "metric_error" and first:
            name = self.metric.name if self.metric is not None else "metric"
            raise EvaluationError(f"The metric `{name}` failed on its first row: {result.error}", partial=self.run) from failure
        if sum(self.counts.values()) < self.allowed:
            return
        if self.raises_last:
            failure.add_note(f"{self} Mend that or raise `max_errors`.")
            raise failure
        raise EvaluationError(f"{self} The last one: {result.error}. Mend that or raise `max_errors`.", partial=self.run) from failure

    def __str__(self) -> str:
        kinds = ", ".join(f"{n} by {kind}" for kind, n in sorted(self.counts.items()))
        return f"The search gave up after {sum(self.counts.values())} failed runs ({kinds}; `max_errors={self.allowed:g}`)."
