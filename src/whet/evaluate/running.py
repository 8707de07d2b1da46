"""One evaluation under way: every example becomes a row, whatever happens to it."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from whet.core.context import Meter, context, current, meter
from whet.core.flow import Flow, Gather, Invoke, Job, JobTimeout
from whet.core.records import Example, Prediction, Score
from whet.core.wording import a_kind
from whet.errors import (
    BudgetExceeded,
    ConfigurationError,
    EvaluationError,
    InputError,
    LMAuthError,
    LMBillingError,
    LMConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMUnsupportedFeatureError,
    MissingExtraError,
)
from whet.evaluate.calling import check_call, inputs_of
from whet.evaluate.metric import MetricCall
from whet.evaluate.progress import Progress
from whet.evaluate.repeats import model_of_repeat, program_of_repeat
from whet.evaluate.row import EvaluationResult, Row, Status, make_row
from whet.evaluate.stream import RowFile, header_of
from whet.modules.module import Module

__all__ = ["Plan", "check_devset", "evaluate_rows"]

_logger = logging.getLogger(__name__)
_HOPELESS = (BudgetExceeded, LMAuthError, LMBillingError, LMConfigurationError)
# No model or retriever, no package: of every row where it is so of the first ones, and then no fault of the program's answers.
_NOT_SET_UP = (ConfigurationError, MissingExtraError)
_NOTHING = (0, 0.0, 0, 0)
_PROGRAMS_FAULT = (LMInvalidRequestError, LMUnsupportedFeatureError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to run an evaluation: side by side, how long per example, how many errors, what a failure scores, how often, and the file
    that rows are written to as they finish."""

    num_threads: int = 8
    timeout: float | None = None
    max_errors: float = 10
    failure_score: float = 0.0
    display: bool = False
    provide_traceback: bool = False
    repeats: int = 1
    corpus: Mapping[str, Callable[[Sequence[Row]], Any]] = field(default_factory=dict)
    stream_to: Any = None


def evaluate_rows(program: Any, devset: Sequence[Any], metric: MetricCall, plan: Plan) -> Flow[EvaluationResult]:
    """Run and score every example; the heart of `Evaluate`, also used by the optimizers' search."""
    check_devset(devset)
    check_call(program, devset)
    if plan.repeats < 1:
        raise ConfigurationError(f"`repeats` is {plan.repeats}; each example is run at least once.")
    run = _Run(program, devset, metric, plan)
    try:
        yield Gather(run.jobs(), limit=plan.num_threads, timeout=plan.timeout, done=run.done)
    except BaseException as error:
        # Whoever is interrupted (on a loop, that is a `CancelledError`) keeps what is there; so does who runs out of disk.
        if not isinstance(error, Exception | GeneratorExit) or isinstance(error, BudgetExceeded | EvaluationError | OSError):
            error.partial = run.result(complete=False)  # type: ignore[attr-defined]
        raise
    finally:
        run.close()
    if run.fatal is not None:
        run.raise_fatal()
    return run.result(complete=True)


def check_devset(devset: Sequence[Any]) -> None:
    """Raise before anything is paid for: no examples, or examples that do not say what their inputs are."""
    if not len(devset):
        raise ConfigurationError("There is nothing to evaluate: `devset` is empty.")
    for i, example in enumerate(devset):
        if isinstance(example, Example):
            named = example._input_keys
            if named is None:
                raise InputError(f"Inputs have not been set for example {i} of the devset: `example.with_inputs('question')`.")
            if named and named.isdisjoint(example._store):
                wanted, there = ", ".join(sorted(named)), ", ".join(example.keys()) or "nothing"
                raise InputError(f"Example {i} of the devset has none of its inputs ({wanted}); it has: {there}.")
        elif not isinstance(example, Mapping):
            raise InputError(f"Example {i} of the devset is {example!r:.80}, {a_kind(example)}; give a `whet.Example` or a mapping.")


class _Run:
    """One evaluation under way."""

    def __init__(self, program: Any, devset: Sequence[Any], metric: MetricCall, plan: Plan) -> None:
        self.program, self.devset, self.metric, self.plan = program, devset, metric, plan
        self.rows: dict[int, Row] = {}
        self.places: list[tuple[int, int]] | None = None
        self.failed = 0
        self.scored = 0
        self.total = 0.0
        self.fatal: BaseException | None = None
        self.file = RowFile(plan.stream_to, header_of(program, metric, plan.repeats)) if plan.stream_to is not None else None
        self.programs = [program_of_repeat(program, repeat) for repeat in range(plan.repeats)]
        self.progress = Progress(len(devset) * plan.repeats, shown=plan.display)
        self._native = isinstance(program, Module) and type(program).__call__ is Module.__call__

    def jobs(self) -> Iterator[Job]:
        if self.file is not None or self.plan.repeats > 1:
            yield from self._chosen_jobs()
            return
        for index, example in enumerate(self.devset):
            if self.fatal is not None:
                return
            yield partial(self.row_flow, index, example, self.program)

    def _chosen_jobs(self) -> Iterator[Job]:
        """The jobs of rows that the file does not have yet, every repeat of them; `places` says which they are."""
        self.places = []
        if self.file is not None:
            self.file.check(self.devset)
        for index, example in enumerate(self.devset):
            for repeat in range(self.plan.repeats):
                if self.fatal is not None:
                    return
                if self.file is not None and (known := self.file.row(index, example, repeat)) is not None:
                    # What a failure scores may have been set anew since.
                    failed = known.status == "program_error"
                    self._keep(replace(known, score=self.metric.failed(self.plan.failure_score)) if failed else known)
                    continue
                self.places.append((index, repeat))
                yield partial(self.repeated, index, example, repeat) if repeat else partial(self.row_flow, index, example, self.program)

    def done(self, number: int, outcome: Any) -> None:
        row = outcome if isinstance(outcome, Row) else self._row_of_failure(number, outcome)
        self._keep(row)
        if self.file is not None and (row.error is None or row.error is not self.fatal):  # what ends the run is no finished row
            self.file.add(row)
        if row.error is not None and self.plan.provide_traceback:
            _logger.error("Example %d failed: %s", row.index, "".join(traceback.format_exception(row.error)))

    def _keep(self, row: Row) -> None:
        self.rows[row.index * self.plan.repeats + row.repeat] = row
        if (score := row.score) is not None:
            self.scored += 1
            self.total += score.value
        if row.status != "ok":
            self._count_failure(row)
        if self.progress.shown:
            self.progress.step(self.total / self.scored if self.scored else None, self.failed)

    def close(self) -> None:
        self.progress.close()
        if self.file is not None:
            self.file.close()

    def _row_of_failure(self, number: int, error: Exception) -> Row:
        index, repeat = (number, 0) if self.places is None else self.places[number]
        timed_out = isinstance(error, JobTimeout)
        return Row(
            index=index,
            example=self.devset[index],
            prediction=Prediction(),
            score=self.metric.failed(self.plan.failure_score) if timed_out else None,
            status="timeout" if timed_out else "program_error",
            seconds=self.plan.timeout or 0.0,
            error=error,
            repeat=repeat,
        )

    def _count_failure(self, row: Row) -> None:
        self.failed += 1
        if isinstance(row.error, _HOPELESS) or (isinstance(row.error, _NOT_SET_UP) and self.failed == len(self.rows)):
            self.fatal = row.error
        elif row.status == "metric_error" and len(self.rows) == self.failed == 1:
            self.fatal = EvaluationError(f"The metric `{self.metric.name}` failed on the first example: {row.reason}")
            self.fatal.__cause__ = row.error
        elif self.failed >= self.plan.max_errors and self.fatal is None:
            self.fatal = self._too_many(row)

    def _too_many(self, row: Row) -> EvaluationError:
        error = EvaluationError(
            f"Execution cancelled due to errors or interruption. {self.failed} examples failed (`max_errors={self.plan.max_errors:g}`); "
            f"the last one: {row.reason}"
        )
        error.__cause__ = row.error
        return error

    def raise_fatal(self) -> None:
        assert self.fatal is not None
        self.fatal.partial = self.result(complete=False)  # type: ignore[attr-defined]
        raise self.fatal

    def result(self, complete: bool) -> EvaluationResult:
        rows = [self.rows[place] for place in sorted(self.rows)]
        corpus = {name: self._measured(name, measure, rows) for name, measure in self.plan.corpus.items()} if complete else {}
        return EvaluationResult(rows, self.plan.failure_score, complete, corpus, self.metric.column)

    def _measured(self, name: str, measure: Callable[[Sequence[Row]], Any], rows: Sequence[Row]) -> Any:
        try:
            # What the network cost is nobody's wrong answer here either.
            return measure([row for row in rows if row.status != "infra_error"])
        except Exception as error:
            raise EvaluationError(
                f"The corpus measure {name!r} failed: {type(error).__name__}: {error}. `partial` has the rows.",
                partial=EvaluationResult(rows, self.plan.failure_score, True, {}, self.metric.column),
            ) from error

    # -- one row -------------------------------------------------------------------------------------------------------

    def repeated(self, index: int, example: Any, repeat: int) -> Flow[Row]:
        with context(lm=model_of_repeat(current().lm, repeat)):
            row = yield from self.row_flow(index, example, self.programs[repeat])
        return replace(row, repeat=repeat)

    def row_flow(self, index: int, example: Any, program: Any) -> Flow[Row]:
        started = time.perf_counter()
        outer = meter.get()
        spent = Meter() if outer is None else _Inner(outer)
        meter.set(spent)
        prediction: Any = None
        score: Score | None = None
        error: Exception | None = None
        status: Status = "ok"
        try:
            inputs = inputs_of(example)
            if self._native:
                prediction = yield from program.run_flow((), inputs)
            else:
                prediction = yield Invoke(program, (), inputs, twin=getattr(program, "acall", None))
        except Exception as raised:  # noqa: BLE001 - whatever a program raises becomes its row
            prediction, error, status = Prediction(), raised, _status_of(raised)
            score = self.metric.failed(self.plan.failure_score) if status == "program_error" else None
        else:
            try:
                score = yield from self.metric.flow(example, prediction)
            except Exception as raised:  # noqa: BLE001 - whatever a metric raises becomes its row
                error, status = raised, _metric_status(raised)
        tokens, cost, calls, hits = spent.totals() if spent else _NOTHING
        seconds = time.perf_counter() - started
        return make_row(index, example, prediction, score, status, seconds, tokens, cost, calls, hits, error)


class _Inner(Meter):
    """The meter of a row in an evaluation that is itself part of something metered, such as an optimizer's search."""

    __slots__ = ("outer",)

    def __init__(self, outer: Meter) -> None:
        super().__init__()
        self.outer = outer

    def add(self, tokens: int, cost: float | None, cache_hit: bool) -> None:
        """Note one call, here and there."""
        super().add(tokens, cost, cache_hit)
        self.outer.add(tokens, cost, cache_hit)


def _status_of(error: Exception) -> Status:
    if isinstance(error, BudgetExceeded) or (isinstance(error, LMError) and not isinstance(error, _PROGRAMS_FAULT)):
        return "infra_error"
    return "program_error"


def _metric_status(error: Exception) -> Status:
    return "infra_error" if isinstance(error, LMError) else "metric_error"
