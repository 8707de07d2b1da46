"""`Parallel`: many calls side by side, results in order."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from whet.core.context import current
from whet.core.flow import Flow, Gather, Invoke, Job
from whet.core.records import Example
from whet.errors import ConfigurationError, EvaluationError
from whet.modules.module import Module

__all__ = ["Parallel"]

_logger = logging.getLogger(__name__)


class Parallel(Module):
    """Runs pairs of (module, example) side by side; a failed one gives `None`, and its error is kept beside.

    An example is an `Example` (called with its inputs), a dict (keywords), a tuple (positional arguments), or a list of pairs when the
    module is a `Parallel`. When `max_errors` items have failed the rest is not started and `EvaluationError` is raised. `timeout` is in
    seconds per item, `None` for no limit; nothing is ever run twice (`straggler_limit` and `disable_progress_bar` are accepted and have no
    effect). `access_examples=False` hands an `Example` to its module as it is; with `return_failed_examples` a call gives the results, the
    examples that failed and their errors.

    >>> import whet.testing
    >>> program = whet.Predict("question -> answer", lm=whet.testing.ScriptedLM({"2+2": {"answer": "4"}, "3+3": {"answer": "6"}}))
    >>> pairs = [(program, whet.Example(question=q).with_inputs("question")) for q in ("2+2?", "3+3?")]
    >>> [prediction.answer for prediction in Parallel(num_threads=2)(pairs)]
    ['4', '6']
    """

    _transparent = True

    if TYPE_CHECKING:

        def __call__(self, exec_pairs: Sequence[tuple[Any, Any]], num_threads: int | None = None) -> Any:
            """The results in order."""

        async def acall(self, exec_pairs: Sequence[tuple[Any, Any]], num_threads: int | None = None) -> Any:
            """The results in order."""

    def __init__(  # noqa: PLR0913 - the arguments that people know
        self,
        num_threads: int | None = None,
        max_errors: int | None = None,
        access_examples: bool = True,
        return_failed_examples: bool = False,
        provide_traceback: bool | None = None,
        disable_progress_bar: bool = False,
        timeout: float | None = None,
        straggler_limit: int = 3,
    ) -> None:
        super().__init__()
        self.num_threads = num_threads
        self.max_errors = max_errors
        self.access_examples = access_examples
        self.return_failed_examples = return_failed_examples
        self.provide_traceback = provide_traceback
        self.disable_progress_bar = disable_progress_bar
        self.timeout = timeout or None
        self.straggler_limit = straggler_limit
        self.failed_examples: list[Any] = []
        self.exceptions: list[Exception] = []

    def flow(self, exec_pairs: Sequence[tuple[Any, Any]], num_threads: int | None = None) -> Flow[Any]:
        """The results in order, `None` for a failed item; with `return_failed_examples` also those items and their errors."""
        pairs = _pairs(exec_pairs)
        calls = [(module, *self._arguments(module, example)) for module, example in pairs]
        settings = current()
        failures = _Failures(settings.max_errors if self.max_errors is None else self.max_errors, self._shows_traceback(settings))

        def jobs() -> Iterator[Job]:
            for module, args, kwargs in calls:
                if failures.too_many():
                    return
                yield _job(module, args, kwargs)

        def done(index: int, outcome: Any) -> None:
            if isinstance(outcome, Exception):
                failures.add(index, pairs[index][1], outcome)

        outcomes = yield Gather(jobs(), limit=num_threads or self.num_threads or settings.num_threads, timeout=self.timeout, done=done)
        if failures.too_many():
            raise EvaluationError("Execution cancelled due to errors or interruption.", partial=outcomes) from failures.first()
        results = [None if isinstance(outcome, Exception) else outcome for outcome in outcomes]
        failed = sorted(failures.found)
        self.failed_examples = [pairs[i][1] for i in failed]
        self.exceptions = [failures.found[i] for i in failed]
        return (results, self.failed_examples, self.exceptions) if self.return_failed_examples else results

    def _shows_traceback(self, settings: Any) -> bool:
        return bool(settings.provide_traceback if self.provide_traceback is None else self.provide_traceback)

    def _arguments(self, module: Any, example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if isinstance(example, Example):
            return ((), example.input_values()) if self.access_examples else ((example,), {})
        if isinstance(example, dict):
            return (), example
        if isinstance(example, tuple):
            return example, {}
        if isinstance(example, list) and isinstance(module, Parallel):
            return (example,), {}
        raise ConfigurationError(
            f"`Parallel` takes an `Example`, a dict, a tuple, or for another `Parallel` a list of pairs; it got {type(example).__name__}."
        )


def _pairs(given: Any) -> list[tuple[Any, Any]]:
    """The pairs of a call. Raises `ConfigurationError` for what is none, before anything is run."""
    if isinstance(given, Iterable):
        pairs = list(given)
        odd = next((one for one in pairs if not isinstance(one, (tuple, list)) or len(one) != 2), None)
        if odd is None:
            return pairs
        given = odd
    shown = f"{type(given).__name__} of {len(given)}" if isinstance(given, (tuple, list)) else type(given).__name__
    raise ConfigurationError(
        f"`Parallel` takes a list of pairs, each a module and its example; it got {shown}. "
        "Write `parallel([(program, example) for example in examples])`."
    )


def _job(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job:
    if isinstance(module, Module) and type(module).__call__ is Module.__call__:
        return lambda: module.run_flow(args, kwargs)
    return lambda: _invoked(module, args, kwargs)


def _invoked(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Any]:
    return (yield Invoke(function, args, kwargs, twin=getattr(function, "acall", None)))


class _Failures:
    def __init__(self, limit: int, shows_traceback: bool) -> None:
        self.limit, self.shows_traceback = limit, shows_traceback
        self.found: dict[int, Exception] = {}

    def add(self, index: int, example: Any, error: Exception) -> None:
        self.found[index] = error
        text = "".join(traceback.format_exception(error)) if self.shows_traceback else str(error) or repr(error)
        _logger.error("Error for %s: %s", example, text)

    def too_many(self) -> bool:
        return bool(self.found) and len(self.found) >= self.limit

    def first(self) -> Exception:
        return self.found[min(self.found)]
