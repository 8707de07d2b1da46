"""`ParallelExecutor`: a function over a list of items, side by side."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from whet.core.context import current
from whet.core.flow import Flow, Gather, Invoke, Job, drive
from whet.errors import EvaluationError

__all__ = ["ParallelExecutor"]

_logger = logging.getLogger(__name__)


class ParallelExecutor:
    """Calls `function(item)` for every item; results in order, `None` for an item that failed.

    `failed_indices` and `exceptions_map` tell of the failures. When `max_errors` items have failed, `EvaluationError` is raised. `timeout`
    is in seconds per item (`None` or 0 for no limit). Nothing is ever run twice: `straggler_limit` and `compare_results` are accepted and
    have no effect.

    >>> ParallelExecutor(num_threads=2).execute(lambda n: n * n, [1, 2, 3])
    [1, 4, 9]
    """

    def __init__(  # noqa: PLR0913 - the arguments that people know
        self,
        num_threads: int | None = None,
        max_errors: int | None = None,
        disable_progress_bar: bool = False,
        provide_traceback: bool | None = None,
        compare_results: bool = False,
        timeout: float | None = None,
        straggler_limit: int = 3,
    ) -> None:
        self.num_threads, self.max_errors, self.timeout = num_threads, max_errors, timeout or None
        self.disable_progress_bar, self.provide_traceback = disable_progress_bar, provide_traceback
        self.compare_results, self.straggler_limit = compare_results, straggler_limit
        self.failed_indices: list[int] = []
        self.exceptions_map: dict[int, Exception] = {}

    @property
    def error_count(self) -> int:
        """How many items have failed."""
        return len(self.exceptions_map)

    def execute(self, function: Callable[[Any], Any], data: Sequence[Any]) -> list[Any]:
        """The results of `function`, in the order of `data`."""
        return drive(self._flow(function, list(data)))

    def _flow(self, function: Callable[[Any], Any], data: list[Any]) -> Flow[list[Any]]:
        settings, failures = current(), self.exceptions_map
        failures.clear()
        limit = settings.max_errors if self.max_errors is None else self.max_errors

        def jobs() -> Iterator[Job]:
            for item in data:
                if failures and len(failures) >= limit:
                    return
                yield partial(_called, function, item)

        outcomes = yield Gather(jobs(), limit=self.num_threads or settings.num_threads, timeout=self.timeout, done=self._note)
        self.failed_indices = sorted(failures)
        if failures and len(failures) >= limit:
            first = failures[min(failures)]
            raise EvaluationError("Execution cancelled due to errors or interruption.", partial=outcomes) from first
        return [None if index in failures else outcome for index, outcome in enumerate(outcomes)]

    def _note(self, index: int, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            self.exceptions_map[index] = outcome
            shown = current().provide_traceback if self.provide_traceback is None else self.provide_traceback
            _logger.error("Error for item %s: %s", index, "".join(traceback.format_exception(outcome)) if shown else outcome)


def _called(function: Callable[[Any], Any], item: Any) -> Flow[Any]:
    return (yield Invoke(function, (item,)))
