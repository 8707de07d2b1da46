"""`Evaluate`: run a program over examples and score what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from whet.core.context import Meter, context, current, meter
from whet.core.events import handlers_of, observed
from whet.core.flow import Flow, Gather, Invoke, Job, JobTimeout, adrive, drive
from whet.core.records import Example, Prediction, Score
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
)
from whet.evaluate.metric import MetricCall, metric_call
from whet.evaluate.progress import Progress
from whet.evaluate.repeats import model_of_repeat, program_of_repeat
from whet.evaluate.row import EvaluationResult, Row, Status
from whet.evaluate.stream import RowFile, header_of
from whet.modules.module import Module

__all__ = ["Evaluate", "evaluate_rows"]

_HOPELESS = (LMAuthError, LMBillingError, LMConfigurationError)
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


class Evaluate:
    """Runs a program over `devset` and scores each prediction with `metric`.

    `num_threads` examples run side by side (in tasks under `acall`); `timeout` is in seconds per example. A program that raises scores
    `failure_score`; failures of the network or of the metric are no wrong answers and stay out of the mean. When `max_errors` examples
    have failed in any way, or the first call of the metric fails, `EvaluationError` is raised with what was finished in `partial`. Ctrl-C
    propagates, with
    the finished rows in `evaluate.partial` (and in the files asked for).

    `metric` may be several, in a list or under names: one pass, the first is the score, each is a part. `repeats` runs each example so
    often, with fresh answers each time; the interval knows that repeats are no new examples. `corpus` names measures of all rows together
    (functions of the rows). `stream_to` is a file that rows are written to as they finish: the same evaluation called again goes on from
    there, and asks nothing twice.

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
            raise ConfigurationError(f"`Evaluate` has no argument `{next(iter(unknown))}`.{hint}")
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
        self.corpus = dict(corpus or {})
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

        Raises `ConfigurationError` for a measure that is not in `corpus`.
        """
        if name is not None and name not in self.corpus:
            raise ConfigurationError(f"There is no corpus measure {name!r}; `corpus` has: {', '.join(self.corpus) or 'none'}.")

        def score(program: Any) -> float:
            result = self(program, **options)
            return float(result.corpus[name]) if name is not None else float(result.mean or 0.0)

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
            inputs = {"program": program, "metric": metric, "devset": devset, "callback_metadata": callback_metadata, **options}
            running = observed("evaluate", self, inputs, running)
        return (yield from running)

    def _option(self, name: str, options: dict[str, Any]) -> Any:
        given = options.get(name)
        return getattr(self, name) if given is None else given

    def _run(self, program: Any, metric: Any, devset: Sequence[Any], options: dict[str, Any]) -> Flow[EvaluationResult]:
        settings = current()
        plan = Plan(
            num_threads=options["num_threads"] or settings.num_threads,
            timeout=options["timeout"],
            max_errors=settings.max_errors if options["max_errors"] is None else options["max_errors"],
            failure_score=options["failure_score"],
            display=options["display_progress"],
            provide_traceback=bool(options["provide_traceback"]),
            repeats=options["repeats"],
            corpus=options["corpus"],
            stream_to=options["stream_to"],
        )
        try:
            result: EvaluationResult = yield from evaluate_rows(program, devset, metric_call(metric), plan)
        except (KeyboardInterrupt, EvaluationError, BudgetExceeded) as stopped:
            self.partial = getattr(stopped, "partial", None)
            if self.partial is not None:
                self._deliver(self.partial, options)
            raise
        self._deliver(result, options)
        return result

    def _deliver(self, result: EvaluationResult, options: dict[str, Any]) -> None:
        if options["save_as_json"]:
            result.save_json(options["save_as_json"])
        if options["save_as_csv"]:
            result.save_csv(options["save_as_csv"])
        if shown := options["display_table"]:
            Progress.write(result.table(None if shown is True else int(shown)))


_OPTIONS = frozenset(
    "num_threads timeout max_errors failure_score display_progress display_table provide_traceback save_as_csv save_as_json "
    "repeats corpus stream_to".split()
)


def evaluate_rows(program: Any, devset: Sequence[Any], metric: MetricCall, plan: Plan) -> Flow[EvaluationResult]:
    """Run and score every example; the heart of `Evaluate`, also used by the optimizers' search."""
    check_devset(devset)
    if plan.repeats < 1:
        raise ConfigurationError(f"`repeats` is {plan.repeats}; each example is run at least once.")
    run = _Run(program, devset, metric, plan)
    try:
        yield Gather(run.jobs(), limit=plan.num_threads, timeout=plan.timeout, done=run.done)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | BudgetExceeded | EvaluationError):
            error.partial = run.result(complete=False)  # type: ignore[union-attr]
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
        if isinstance(example, Example) and example._input_keys is None:
            raise InputError(f"Inputs have not been set for example {i} of the devset: `example.with_inputs('question')`.")


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
        self.file = RowFile(plan.stream_to, header_of(program, metric.name, plan.repeats)) if plan.stream_to is not None else None
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
            yield _RowJob(self, index, example)

    def _chosen_jobs(self) -> Iterator[Job]:
        """The jobs of rows that the file does not have yet, every repeat of them; `places` says which they are."""
        self.places = []
        for index, example in enumerate(self.devset):
            for repeat in range(self.plan.repeats):
                if self.fatal is not None:
                    return
                if self.file is not None and (known := self.file.row(index, example, repeat)) is not None:
                    self._keep(known)
                    continue
                self.places.append((index, repeat))
                yield _RowJob(self, index, example, repeat)

    def done(self, number: int, outcome: Any) -> None:
        row = outcome if isinstance(outcome, Row) else self._row_of_failure(number, outcome)
        if self.file is not None:
            self.file.add(row)
        self._keep(row)

    def _keep(self, row: Row) -> None:
        self.rows[row.index * self.plan.repeats + row.repeat] = row
        if row.score is not None:
            self.scored += 1
            self.total += row.score.value
        if row.status != "ok":
            self._count_failure(row)
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
            score=Score(value=self.plan.failure_score) if timed_out else None,
            status="timeout" if timed_out else "program_error",
            seconds=self.plan.timeout or 0.0,
            error=error,
            repeat=repeat,
        )

    def _count_failure(self, row: Row) -> None:
        self.failed += 1
        if isinstance(row.error, BudgetExceeded | _HOPELESS[0] | _HOPELESS[1] | _HOPELESS[2]):
            self.fatal = row.error
        elif row.status == "metric_error" and len(self.rows) == self.failed == 1:
            self.fatal = EvaluationError(
                f"The metric `{self.metric.name}` failed on the first example: {type(row.error).__name__}: {row.error}"
            )
            self.fatal.__cause__ = row.error
        elif self.failed >= self.plan.max_errors and self.fatal is None:
            self.fatal = self._too_many(row)

    def _too_many(self, row: Row) -> EvaluationError:
        error = EvaluationError(
            f"Execution cancelled due to errors or interruption. {self.failed} examples failed (`max_errors={self.plan.max_errors:g}`); "
            f"the last one: {type(row.error).__name__}: {row.error}"
        )
        error.__cause__ = row.error
        return error

    def raise_fatal(self) -> None:
        assert self.fatal is not None
        self.fatal.partial = self.result(complete=False)  # type: ignore[attr-defined]
        raise self.fatal

    def result(self, complete: bool) -> EvaluationResult:
        rows = [self.rows[place] for place in sorted(self.rows)]
        corpus = {name: measure(rows) for name, measure in self.plan.corpus.items()} if complete else {}
        return EvaluationResult(rows, self.plan.failure_score, complete, corpus)

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
            inputs = example.input_values() if isinstance(example, Example) else dict(example)
            if self._native:
                prediction = yield from program.run_flow((), inputs)
            else:
                prediction = yield Invoke(program, (), inputs, twin=getattr(program, "acall", None))
        except Exception as raised:  # noqa: BLE001 - whatever a program raises becomes its row
            prediction, error, status = Prediction(), raised, _status_of(raised)
            score = Score(value=self.plan.failure_score) if status == "program_error" else None
        else:
            try:
                score = yield from self.metric.flow(example, prediction)
            except Exception as raised:  # noqa: BLE001 - whatever a metric raises becomes its row
                error, status = raised, _metric_status(raised)
        return _row(index, example, prediction, score, status, time.perf_counter() - started, spent, error)


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


class _RowJob:
    __slots__ = ("example", "index", "repeat", "run")

    def __init__(self, run: _Run, index: int, example: Any, repeat: int = 0) -> None:
        self.run, self.index, self.example, self.repeat = run, index, example, repeat

    def __call__(self) -> Flow[Row]:
        if self.repeat:
            return self.run.repeated(self.index, self.example, self.repeat)
        return self.run.row_flow(self.index, self.example, self.run.program)


def _row(  # noqa: PLR0913 - one place builds rows
    index: int, example: Any, prediction: Any, score: Score | None, status: Any, seconds: float, spent: Meter, error: Any
) -> Row:
    if not spent.spent:
        return Row(index=index, example=example, prediction=prediction, score=score, status=status, seconds=seconds, error=error)
    return Row(
        index=index,
        example=example,
        prediction=prediction,
        score=score,
        status=status,
        seconds=seconds,
        tokens=spent.tokens,
        cost=spent.cost,
        calls=spent.calls,
        cache_hits=spent.cache_hits,
        error=error,
    )


def _status_of(error: Exception) -> Status:
    if isinstance(error, BudgetExceeded) or (isinstance(error, LMError) and not isinstance(error, _PROGRAMS_FAULT)):
        return "infra_error"
    return "program_error"


def _metric_status(error: Exception) -> Status:
    return "infra_error" if isinstance(error, LMError) else "metric_error"
