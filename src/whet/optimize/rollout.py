"""One candidate on one row: run the program, score the answer, and keep who did what on the way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whet.core.context import context, current, meter
from whet.core.flow import Flow, Invoke
from whet.core.records import Example, Prediction, Score
from whet.core.trace import Step, Trace, Unread
from whet.errors import AdapterParseError, BudgetExceeded, LMError, LMInvalidRequestError, LMUnsupportedFeatureError
from whet.evaluate.metric import MetricCall
from whet.modules.module import Module
from whet.optimize.budget import JobMeter, SpendMeter
from whet.optimize.ledger import CallStore, job_settings
from whet.optimize.store import Result, Subject

__all__ = ["Rollout", "is_models_fault", "rollout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What to run and how. `sample` above 0 asks the models for another answer, at `temperature`."""

    program: Any
    row: Any
    subject: Subject
    metric: MetricCall | None
    failure_score: float = 0.0
    sample: int = 0
    temperature: float | None = None
    spend: SpendMeter
    calls: CallStore | None = None
    purse: Any = None
    fresh: bool = False


def rollout(job: Rollout) -> Flow[Result]:
    """Run it; whatever goes wrong is part of the result."""
    started, spent, trace = time.perf_counter(), JobMeter(job.spend), Trace()
    meter.set(spent)
    settings = {**job.subject.settings, "trace": trace}
    if job.subject.training:
        settings["training"] = True
    settings.update(job_settings(job.spend, job.calls, job.purse, fresh=job.fresh))
    with context(**settings):
        program = _resampled(job) if job.sample else job.program
        prediction, score, error = yield from _scored(job, program, trace)
    status = _status_of(error, scored=prediction is not None)
    if status == "program_error":
        score = Score(value=job.failure_score)
    return Result(
        score=score,
        status=status,
        prediction=prediction,
        steps=_named(trace, program),
        unread=_named_unread(trace, program),
        seconds=time.perf_counter() - started,
        tokens=spent.tokens,
        cost=spent.cost,
        calls=spent.calls,
        error=f"{type(error).__name__}: {error}" if error is not None else "",
        failure=error,
    )


def _scored(job: Rollout, program: Any, trace: Trace) -> Flow[tuple[Any, Score | None, Exception | None]]:
    prediction: Any = None
    try:
        prediction = yield from _answered(program, job.row)
        if job.metric is None:
            return prediction, Score(value=1.0), None
        steps = list(trace)
        with context(trace=None):
            score = yield from job.metric.flow(job.row, prediction, steps if job.subject.training else None)
    except Exception as raised:  # noqa: BLE001 - whatever a program or a metric raises becomes its result
        return prediction, None, raised
    return prediction, score, None


def _answered(program: Any, row: Any) -> Flow[Any]:
    inputs = dict(row.inputs()) if isinstance(row, Example) else dict(row)
    if isinstance(program, Module) and type(program).__call__ is Module.__call__:
        result = yield from program.run_flow((), inputs)
    else:
        result = yield Invoke(program, (), inputs, twin=getattr(program, "acall", None))
    return Prediction() if result is None else result


def _resampled(job: Rollout) -> Any:
    program = job.program.deepcopy()
    changes: dict[str, Any] = {"rollout_id": job.sample}
    if job.temperature is not None:
        changes["temperature"] = job.temperature
    for predictor in program.predictors():
        lm = predictor.lm or current().lm
        if lm is not None:
            predictor.lm = lm.copy(**changes)
    return program


def _named(trace: Trace, program: Any) -> tuple[Step, ...]:
    names = {id(predictor): name for name, predictor in program.named_predictors()}
    named = []
    for step in trace:
        if (name := names.get(id(step.predictor))) is not None:
            named.append(Step(step.predictor, step.inputs, step.prediction, name=name, seconds=step.seconds))
    return tuple(named)


def _named_unread(trace: Trace, program: Any) -> tuple[Unread, ...]:
    if not trace.unread:
        return ()
    names = {id(predictor): name for name, predictor in program.named_predictors()}
    return tuple(call._replace(name=names[id(call.predictor)]) for call in trace.unread if id(call.predictor) in names)


def is_models_fault(error: Exception | None) -> bool:
    """Whether a program failed because of what the model answered, and not because of a bug.

    >>> is_models_fault(ZeroDivisionError())
    False
    """
    return isinstance(error, AdapterParseError | LMInvalidRequestError | LMUnsupportedFeatureError)


def _status_of(error: Exception | None, scored: bool) -> str:
    if error is None:
        return "ok"
    if isinstance(error, BudgetExceeded) or (isinstance(error, LMError) and not is_models_fault(error)):
        return "infra_error"
    return "metric_error" if scored else "program_error"


def smoke_score(metric: MetricCall, row: Example) -> Flow[Any]:
    """What the metric makes of a row's own labels as the answer; models may not be asked."""
    labels: Mapping[str, Any] = dict(row.labels()) if row._input_keys is not None else dict(row)
    with context(trace=None, call_store=Forbidden()):
        return (yield from metric.raw(row, Prediction(labels), None))


class WouldAsk(Exception):
    """A metric that was only being tried wanted to ask a model."""


class Forbidden:
    """Stands where a run's memory stands, and lets nobody ask."""

    def around(self, engine: Any, lm: Any) -> Any:
        """Nobody may ask."""
        raise WouldAsk(f"the metric asks {getattr(lm, 'model', lm)!r}")
