"""One protocol for all metrics: any number of arguments from two to five, sync or async, any kind of result. Decided once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from time import perf_counter
from typing import Any

from whet.core.flow import Flow, Invoke, Sleep
from whet.core.records import Example, Score
from whet.errors import ConfigurationError
from whet.modules.module import Module

__all__ = ["MetricCall", "SeveralMetrics", "metric_call"]

# A metric is trusted to be quick after so many calls in a row below so many seconds. A call that took longer costs trust, since it may
# have been the machine's fault; one that held everything up for long costs all of it.
QUICK_CALLS, QUICK_SECONDS, LONG_SECONDS = 3, 0.005, 0.05
PATIENCE, MOST_PATIENCE = 0.005, 10
MOST_TRUST, DOUBT, FORGIVEN_AFTER = 20, 10, 1000
_NAMES = ("trace", "pred_name", "pred_trace")


class MetricCall:
    """A metric made uniform: `flow(example, prediction, trace)` returns a `Score`, `raw(...)` what the metric itself returned.

    >>> from whet.core.flow import drive
    >>> drive(MetricCall(lambda example, prediction: example == prediction).flow("4", "4")).value
    1.0
    """

    def __init__(self, metric: Callable[..., Any]) -> None:
        self.metric = metric
        self.name = _name_of(metric)
        self._open, self.extra = _extra_arguments(metric)
        self._trust = 0
        self._watched = 0
        self._awaited = inspect.iscoroutinefunction(metric)
        self._is_module = isinstance(metric, Module) and type(metric).__call__ is Module.__call__

    @property
    def column(self) -> str:
        """The name that its value stands under in tables."""
        return self.name

    def failed(self, value: float) -> Score:
        """The score of a row whose program failed."""
        return Score(value=value)

    def raw(self, example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Flow[Any]:
        """What the metric returns for one prediction."""
        args = self._given(example, prediction, trace, pred_name, pred_trace)
        if self._is_module:
            return (yield from self.metric.run_flow(args, {}))  # type: ignore[attr-defined]
        return (yield from self._called(args))

    def flow(self, example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Flow[Score]:
        """The score of one prediction."""
        if self._is_module:
            return Score.of((yield from self.raw(example, prediction, trace, pred_name, pred_trace)))
        args = self._given(example, prediction, trace, pred_name, pred_trace) if self._open or self.extra else (example, prediction)
        for _ in range(MOST_PATIENCE):
            if not 0 <= self._trust < QUICK_CALLS <= self._watched:
                break
            # So many calls are being timed already; soon it is known how to make this one.
            yield Sleep(PATIENCE)
        if self._trust < QUICK_CALLS:
            return Score.of((yield from self._called(args)))
        started = perf_counter()
        result = self.metric(*args)
        if result is not True and result is not False and hasattr(type(result), "__await__"):
            result = yield Invoke(lambda: result, inline=True)
        if (seconds := perf_counter() - started) >= QUICK_SECONDS or self._trust < MOST_TRUST:
            self._learn(seconds, FORGIVEN_AFTER)
        return Score.of(result)

    def _given(self, *args: Any) -> tuple[Any, ...]:
        if not self._open:
            return args[: 2 + self.extra]
        # Of a metric that takes `*args` nobody knows how many it needs: a wrapper of one that takes two fails with an empty third.
        return args[: max(i for i, one in enumerate(args, 1) if one is not None or i <= 2)]

    def _called(self, args: tuple[Any, ...]) -> Flow[Any]:
        # On an event loop a function has a thread of its own, since it may block. One that has proved quick runs where it is (`flow`):
        # thousands of threads would cost more than all the rest of an evaluation.
        if self._awaited:
            return (yield Invoke(self.metric, args))
        self._watched += 1  # from now on, not from when its thread begins: hundreds of rows may come here before that
        try:
            return (yield Invoke(self._timed, args))
        finally:
            self._watched -= 1

    def _timed(self, *args: Any) -> Any:
        started = perf_counter()
        try:
            return self.metric(*args)
        finally:
            self._learn(perf_counter() - started, DOUBT)

    def _learn(self, seconds: float, if_long: int) -> None:
        if seconds < QUICK_SECONDS:
            self._trust = min(self._trust + 1, MOST_TRUST)
        else:
            trust = self._trust - DOUBT if seconds < LONG_SECONDS else min(self._trust, 0) - if_long
            self._trust = max(trust, -FORGIVEN_AFTER)


class SeveralMetrics(MetricCall):
    """Several metrics as one: the value is that of the first, `parts` has each by its name."""

    def __init__(self, metrics: Mapping[str, Any] | Sequence[Any]) -> None:
        pairs = list(metrics.items()) if isinstance(metrics, Mapping) else [(None, m) for m in metrics]
        calls = [metric_call(m) for _, m in pairs]
        self.calls: dict[str, MetricCall] = {name or call.name: call for (name, _), call in zip(pairs, calls, strict=True)}
        if unnamed := [name for name in self.calls if not isinstance(name, str)]:
            raise ConfigurationError(f"A metric is called {unnamed[0]!r}; names are texts: `metric={{'exact': ..., 'loose': ...}}`.")
        if len(self.calls) < len(calls):
            raise ConfigurationError("Two of the metrics have the same name; give them names: `metric={'exact': ..., 'loose': ...}`.")
        self.metric = metrics  # type: ignore[assignment]
        self.name = ", ".join(self.calls)
        self._open, self.extra = False, max(call.extra for call in calls)
        self._is_module = False

    @property
    def column(self) -> str:
        """The name of the first, whose value is the score."""
        return next(iter(self.calls))

    def failed(self, value: float) -> Score:
        """The same score of each metric: the means of all of them speak of the same rows."""
        return self._together({name: call.failed(value) for name, call in self.calls.items()})

    def raw(self, example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Flow[Any]:
        """The same as `flow`: there is no single thing that several metrics return."""
        return self.flow(example, prediction, trace, pred_name, pred_trace)

    def flow(self, example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Flow[Score]:
        """The scores of one prediction, as one."""
        scores: dict[str, Score] = {}
        for name, call in self.calls.items():
            scores[name] = yield from call.flow(example, prediction, trace, pred_name, pred_trace)
        return self._together(scores)

    def _together(self, scores: Mapping[str, Score]) -> Score:
        parts = {name: score.value for name, score in scores.items()}
        parts |= {f"{name}.{part}": value for name, score in scores.items() for part, value in score.parts.items()}
        feedback = "\n".join(f"{name}: {score.feedback}" for name, score in scores.items() if score.feedback)
        return Score(value=next(iter(scores.values())).value, feedback=feedback, parts=parts)


def metric_call(metric: Any) -> MetricCall:
    """The uniform form of a metric. Raises `ConfigurationError` for what cannot be called with an example and a prediction.

    Several metrics, in a list or under names, are computed in one pass: the first one is the score, all of them are its parts.

    >>> metric_call(lambda example, prediction: True).extra
    0
    """
    if isinstance(metric, MetricCall):
        return metric
    if isinstance(metric, Mapping | list | tuple) and metric and not isinstance(metric, Example):
        return SeveralMetrics(metric)
    if not callable(metric):
        raise ConfigurationError(f"A metric is a function of an example and a prediction (and optionally a trace); got {metric!r:.80}.")
    return MetricCall(metric)


def _name_of(metric: Any) -> str:
    """What it is called in tables: a function's name, that of the function behind a `partial`, and `metric` for a lambda."""
    named = getattr(metric, "func", metric)
    name: str = getattr(named, "__name__", type(named).__name__)
    return "metric" if name == "<lambda>" else name


def _extra_arguments(metric: Callable[..., Any]) -> tuple[bool, int]:
    """Whether the metric takes `*args`, and how many arguments it takes after the example and the prediction."""
    if isinstance(metric, type) and issubclass(metric, Module):
        raise ConfigurationError(f"The metric is the class `{metric.__name__}`; give an object of it: `{metric.__name__}()`.")
    target = metric.forward if isinstance(metric, Module) and hasattr(metric, "forward") else metric
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return True, 1
    if unfilled := [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]:
        raise ConfigurationError(
            f"The metric needs `{unfilled[0]}` by keyword, and nobody gives it. Give it yourself: `partial(metric, {unfilled[0]}=...)`."
        )
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True, 1
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in places if p.default is p.empty]
    if len(places) < 2 or len(needed) > 2 + len(_NAMES):
        shown = ", ".join(p.name for p in parameters)
        raise ConfigurationError(
            f"A metric takes (example, prediction), optionally followed by {', '.join(_NAMES)}; this one takes ({shown})."
        )
    # What comes third and later is ours to fill where it is needed or has one of our names; `frac=1.0` keeps its default.
    taken = takewhile(lambda p: p.default is p.empty or p.name in _NAMES, places[2 : 2 + len(_NAMES)])
    return False, len(list(taken))
