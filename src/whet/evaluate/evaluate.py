"""`Evaluate`: run a program over examples and score what it returns."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

from whet.core.context import current
from whet.core.events import handlers_of, observed
from whet.core.flow import Flow, adrive, drive
from whet.core.whole import can_be_written
from whet.core.wording import a_kind, counted
from whet.errors import ConfigurationError, EvaluationError
from whet.evaluate.metric import metric_call
from whet.evaluate.progress import Progress
from whet.evaluate.row import EvaluationResult, Row
from whet.evaluate.running import Plan, check_devset, evaluate_rows
from whet.modules.module import Module

__all__ = ["Evaluate", "Plan", "check_devset", "evaluate_rows"]

_logger = logging.getLogger(__name__)


class Evaluate:
    """Runs a program over `devset` and scores each prediction with `metric`.

    `num_threads` examples run side by side (in tasks under `acall`); `timeout` is in seconds per example. A program that raises scores
    `failure_score`; failures of the network or of the metric are no wrong answers and stay out of the mean. When `max_errors` examples have
    failed in any way, or the first call of the metric fails, `EvaluationError` is raised with what was finished in `partial`. Ctrl-C
    propagates, with the finished rows in `evaluate.partial` (and in the files asked for: `save_as_csv`, `save_as_json`). `display_progress`
    shows a line with the score so far, `display_table` the rows (or as many of them); `provide_traceback` logs where a program or the
    metric failed.

    `metric` may be several, in a list or under names: one pass, the first is the score, each is a part. `repeats` runs each example so
    often, with fresh answers each time; the interval knows that repeats are no new examples. `corpus` names measures of all rows together
    (functions of the rows, but for those that the network cost). `stream_to` is a file that rows are written to as they finish: the same
    evaluation called again goes on from there, and asks nothing twice.

    >>> from whet.core.records import Example
    >>> rows = [Example(text="a", label="A").with_inputs("text")]
    >>> Evaluate(devset=rows, metric=lambda row, pred: row.label == pred, num_threads=1)(lambda text: text.upper()).score
    100.0
    """

    def __init__(  # noqa: PLR0913 - the arguments that people know
        self,
        *,
        devset: Sequence[Any],
        metric: Any = None,
        num_threads: int | None = None,
        display_progress: bool = False,
        display_table: bool | int = False,
        max_errors: int | None = None,
        provide_traceback: bool | None = None,
        failure_score: float = 0.0,
        timeout: float | None = None,
        save_as_csv: Any = None,
        save_as_json: Any = None,
        callbacks: Sequence[Any] | None = None,
        repeats: int = 1,
        corpus: Mapping[str, Callable[[Sequence[Row]], Any]] | None = None,
        stream_to: Any = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            hint = " Read `rows` and `results` of the result instead." if "return_outputs" in unknown else ""
            fit = ", ".join(sorted({"callbacks", "devset", "metric"} | _OPTIONS))
            raise ConfigurationError(f"`Evaluate` has no argument `{next(iter(unknown))}`.{hint} Arguments that fit: {fit}.")
        self.devset = devset
        self.metric = metric
        self.num_threads = num_threads
        self.display_progress = display_progress
        self.display_table = display_table
        self.max_errors = max_errors
        self.provide_traceback = provide_traceback
        self.failure_score = failure_score
        self.timeout = timeout
        self.save_as_csv = save_as_csv
        self.save_as_json = save_as_json
        self.callbacks = list(callbacks or ())
        self.repeats = repeats
        self.corpus = corpus or {}
        self.stream_to = stream_to
        self.partial: EvaluationResult | None = None

    def __call__(self, program: Any, metric: Any = None, devset: Sequence[Any] | None = None, **options: Any) -> EvaluationResult:
        """Evaluate a program; keywords override what the constructor was given."""
        return drive(self.flow(program, metric, devset, **options))

    async def acall(self, program: Any, metric: Any = None, devset: Sequence[Any] | None = None, **options: Any) -> EvaluationResult:
        """The same, from async code."""
        return await adrive(self.flow(program, metric, devset, **options))

    def objective(self, name: str | None = None, **options: Any) -> Callable[[Any], float]:
        """This evaluation as a function from a program to one number: the mean score (0 to 1), or the corpus measure `name`.

        Raises `ConfigurationError` for a measure that is not in `corpus`. The function raises `EvaluationError` where there is no number:
        no row counts, or the measure is something else.
        """
        if name is not None and name not in self.corpus:
            raise ConfigurationError(f"There is no corpus measure {name!r}; `corpus` has: {', '.join(self.corpus) or 'none'}.")

        def score(program: Any) -> float:
            result = self(program, **options)
            value = result.mean if name is None else result.corpus[name]
            try:
                return float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                found = result.summary() if name is None else f"the corpus measure {name!r} is {value!r:.80}"
            raise EvaluationError(f"This evaluation gives no number: {found}.", partial=result)

        return score

    def flow(
        self, program: Any, metric: Any = None, devset: Sequence[Any] | None = None, *, callback_metadata: Any = None, **options: Any
    ) -> Flow[EvaluationResult]:
        """An evaluation, as a flow."""
        if wrong := [name for name in options if name not in _OPTIONS]:
            raise ConfigurationError(f"`Evaluate` has no argument `{wrong[0]}`. Arguments that fit: {', '.join(sorted(_OPTIONS))}.")
        rows = self.devset if devset is None else devset
        chosen = {name: self._option(name, options) for name in _OPTIONS}
        running = self._run(program, self.metric if metric is None else metric, rows, chosen)
        if handlers_of(self):
            given = {name: options.get(name) for name in _ARGUMENTS}
            inputs = {"program": program, "metric": metric, "devset": devset, **given, **options, "callback_metadata": callback_metadata}
            running = observed("evaluate", self, inputs, running)
        return (yield from running)

    def _option(self, name: str, options: dict[str, Any]) -> Any:
        given = options.get(name)
        return getattr(self, name) if given is None else given

    def _run(self, program: Any, metric: Any, devset: Sequence[Any], options: dict[str, Any]) -> Flow[EvaluationResult]:
        settings = current()
        _check(program, devset, options)
        plan = Plan(
            num_threads=options["num_threads"] or settings.num_threads,
            timeout=options["timeout"],
            max_errors=settings.max_errors if options["max_errors"] is None else options["max_errors"],
            failure_score=options["failure_score"],
            display=options["display_progress"],
            provide_traceback=bool(settings.provide_traceback if options["provide_traceback"] is None else options["provide_traceback"]),
            repeats=options["repeats"],
            corpus=options["corpus"],
            stream_to=options["stream_to"],
        )
        try:
            result: EvaluationResult = yield from evaluate_rows(program, devset, metric_call(metric), plan)
        except BaseException as stopped:
            self.partial = getattr(stopped, "partial", None)
            if self.partial is not None:
                self._deliver(self.partial, options)
            raise
        if result.errors:
            _logger.warning("%s", _told(result))
        self._deliver(result, options)
        return result

    def _deliver(self, result: EvaluationResult, options: dict[str, Any]) -> None:
        """Write and show what was asked for. What cannot be written raises, and takes nothing with it that was paid for."""
        shown = options["display_table"]
        wanted: dict[str, Callable[[Any], None]] = {
            "save_as_json": result.save_json,
            "save_as_csv": result.save_csv,
            "display_table": lambda rows: Progress.write(result.table(None if rows is True else rows)),
        }
        failed: Exception | None = None
        for name, deliver in wanted.items():
            if not (target := shown if name == "display_table" else options[name]):
                continue
            try:
                deliver(target)
            except (OSError, ValueError) as error:
                error.add_note(f"This was `{name}={target!r}`. The rows are finished: `evaluate.partial` has them.")
                failed = failed or error
        if failed is not None:
            self.partial = failed.partial = result  # type: ignore[attr-defined]
            raise failed


def _told(result: EvaluationResult) -> str:
    kinds = ", ".join(f"{n} {status}" for status, n in sorted(result.statuses.items()) if status != "ok")
    first, rows = result.errors[0], counted(len(result.rows), "row")
    why = " ".join(first.reason.split())
    return f"{len(result.errors)} of {rows} failed ({kinds}); all are in `errors` of the result. Example {first.index}: {why:.300}"


def _check(program: Any, devset: Any, options: dict[str, Any]) -> None:
    """Raise for what would fail in every row, in none, or at the end, before the first call."""
    if not callable(program) and not hasattr(program, "acall"):
        raise ConfigurationError(f"The program is {program!r:.80}, {a_kind(program)}; give a module, or a function of the inputs.")
    if isinstance(program, type) and issubclass(program, Module):
        raise ConfigurationError(f"The program is the class `{program.__name__}`; give an object of it: `{program.__name__}(...)`.")
    if not hasattr(devset, "__len__"):
        if hasattr(devset, "__iter__"):
            raise ConfigurationError(f"`devset` is {a_kind(devset)}, which can be gone through once; give a list: `list(devset)`.")
        raise ConfigurationError(f"`devset` is {a_kind(devset)}; give a list of examples.")
    for name in ("max_errors", "timeout", "display_table"):
        value = options[name]
        if value is not None and (not isinstance(value, Real) or not float(value) >= 0):
            raise ConfigurationError(f"`{name}` is {value!r}; it is a number, at least 0.")
    for name in ("num_threads", "repeats"):
        value = options[name]
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ConfigurationError(f"`{name}` is {value!r}; it is a whole number, at least 1.")
    _check_ends(options)


def _check_ends(options: dict[str, Any]) -> None:
    """The same for what is needed once rows have failed or are finished."""
    if not isinstance(failure := options["failure_score"], Real) or not math.isfinite(failure):
        raise ConfigurationError(f"`failure_score` is {failure!r}; a row that failed scores a number.")
    if not isinstance(options["corpus"], Mapping):
        raise ConfigurationError(
            f"`corpus` is {options['corpus']!r:.80}; it maps names to functions of the rows: {{'f1': corpus_f1(...)}}."
        )
    for name, measure in options["corpus"].items():
        if not callable(measure):
            raise ConfigurationError(f"The corpus measure {name!r} is {measure!r}; it is a function of the rows.")
    _check_files(options)


def _check_files(options: dict[str, Any]) -> None:
    for name in ("save_as_csv", "save_as_json", "stream_to"):
        if options[name] is not None and not isinstance(options[name], str | PathLike):
            raise ConfigurationError(f"`{name}` is {options[name]!r}; give the path of a file.")
    for name in ("save_as_csv", "save_as_json"):
        if options[name] and not (path := Path(options[name])).parent.is_dir():
            raise ConfigurationError(f"`{name}` is {str(path)!r}, and there is no folder {str(path.parent)!r}. Make it first.")
        if options[name] and not can_be_written(path):
            raise _not_writable(name, path)
    if options["stream_to"] is not None and (folder := Path(options["stream_to"])).is_dir():
        raise _not_writable("stream_to", folder)


def _not_writable(name: str, path: Path) -> ConfigurationError:
    what = f"a folder. Give a file, such as {str(path / 'rows')!r}" if path.is_dir() else "which cannot be written to. Give another file"
    return ConfigurationError(f"`{name}` is {str(path)!r}, {what}.")


# What a call takes in DSPy: handlers find each of these among the inputs, `None` where it was not given.
_ARGUMENTS = ("num_threads", "display_progress", "display_table", "save_as_csv", "save_as_json")
_OPTIONS = frozenset(
    "num_threads timeout max_errors failure_score display_progress display_table provide_traceback save_as_csv save_as_json "
    "repeats corpus stream_to".split()
)
