"""`bootstrap_trace_data`: run a program over rows and keep what each predictor did, as fine-tuning and reflection need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whet.core.context import context, current
from whet.core.events import BaseCallback
from whet.core.flow import Flow, Gather, Invoke, drive
from whet.core.trace import Trace
from whet.errors import AdapterParseError, EvaluationError, LMError
from whet.evaluate.metric import MetricCall, metric_call
from whet.modules.predict import Predict

__all__ = ["FailedPrediction", "bootstrap_trace_data"]


@dataclass(slots=True)
class FailedPrediction:
    """What stands in the place of a prediction whose answer could not be read: its raw text."""

    completion_text: str
    format_reward: float | None = None


def bootstrap_trace_data(  # noqa: PLR0913 - the arguments that people know
    program: Any,
    dataset: Sequence[Any],
    metric: Any = None,
    num_threads: int | None = None,
    raise_on_error: bool = True,
    capture_failed_parses: bool = False,
    failure_score: float = 0,
    format_failure_score: float = -1,
    log_format_failures: bool = False,
    callback_metadata: Any = None,
    capture_crashes: bool = False,
) -> list[dict[str, Any]]:
    """One dict per row that was run: `example_ind`, `example`, `prediction`, `trace` and, with a metric, `score`.

    `trace` is the list of (predictor, inputs, prediction). With `capture_failed_parses` an answer that cannot be read becomes a
    `FailedPrediction`, scored `format_failure_score`; with `capture_crashes` so does any other error of the program, scored
    `failure_score`. Errors of the model itself are always raised, others unless `raise_on_error=False`, which leaves their rows out.

    >>> import whet.testing
    >>> rows = [whet.Example(question=q, answer=a).with_inputs("question") for q, a in (("2+2?", "4"), ("3+3?", "6"))]
    >>> with whet.context(lm=whet.testing.ScriptedLM(lambda request: {"answer": "4"})):
    ...     found = bootstrap_trace_data(
    ...         whet.Predict("question -> answer"), rows, metric=lambda row, prediction, trace=None: row.answer == prediction.answer
    ...     )
    >>> [(row["example_ind"], row["prediction"].answer, row["score"], len(row["trace"])) for row in found]
    [(0, '4', True, 1), (1, '4', False, 1)]
    """
    call = metric_call(metric) if metric is not None else None
    rules = _Rules(call, capture_failed_parses, capture_crashes, failure_score, format_failure_score)
    outcomes = drive(_flow(program, dataset, rules, num_threads or current().num_threads))
    for outcome in outcomes:
        if isinstance(outcome, LMError):
            raise outcome
        if isinstance(outcome, Exception) and raise_on_error:
            raise EvaluationError(f"A row failed: {type(outcome).__name__}: {outcome}") from outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]


@dataclass(frozen=True, slots=True)
class _Rules:
    metric: MetricCall | None
    failed_parses: bool
    crashes: bool
    failure_score: float
    format_failure_score: float


class _Watcher(BaseCallback):
    """Remembers the last predictor that was called, and with what."""

    def __init__(self) -> None:
        self.last: tuple[Any, dict[str, Any]] | None = None

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if isinstance(instance, Predict):
            self.last = (instance, inputs)


def _flow(program: Any, dataset: Sequence[Any], rules: _Rules, threads: int) -> Flow[list[Any]]:
    jobs = (lambda i=i, row=row: _row(program, i, row, rules) for i, row in enumerate(dataset))
    outcomes: list[Any] = yield Gather(jobs, limit=threads)
    return outcomes


def _row(program: Any, index: int, row: Any, rules: _Rules) -> Flow[dict[str, Any]]:
    steps, watcher = Trace(), _Watcher()
    score: Any = None
    with context(trace=steps, callbacks=(*current().callbacks, watcher)):
        try:
            prediction = yield Invoke(program, (), row.input_values(), twin=getattr(program, "acall", None))
        except AdapterParseError as error:
            if not rules.failed_parses:
                raise
            prediction = FailedPrediction(error.lm_response or "", rules.format_failure_score)
            if watcher.last is not None:
                steps.append((*watcher.last, prediction))
            score = rules.format_failure_score
        except LMError:
            raise
        except Exception as error:
            if not rules.crashes:
                raise
            prediction, score = FailedPrediction(f"{type(error).__name__}: {error}"), rules.failure_score
        else:
            if rules.metric is not None:
                score = yield from rules.metric.raw(row, prediction, steps)
    found = {"example_ind": index, "example": row, "prediction": prediction, "trace": [tuple(step) for step in steps]}
    return {**found, "score": score} if rules.metric is not None else found
