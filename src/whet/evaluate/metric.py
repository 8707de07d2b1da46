"""One protocol for all metrics: any number of arguments from two to five, sync or async, any kind of result. Decided once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from whet.core.flow import Flow, Invoke
from whet.core.records import Score
from whet.errors import ConfigurationError
from whet.modules.module import Module

__all__ = ["MetricCall", "metric_call"]

_NAMES = ("trace", "pred_name", "pred_trace")


class MetricCall:
    """A metric made uniform: `flow(example, prediction, trace)` returns a `Score`, `raw(...)` what the metric itself returned."""

    def __init__(self, metric: Callable[..., Any]) -> None:
        self.metric = metric
        self.name = getattr(metric, "__name__", type(metric).__name__)
        self.extra = _extra_arguments(metric)
        self._is_module = isinstance(metric, Module) and type(metric).__call__ is Module.__call__

    def raw(self, example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Flow[Any]:
        """What the metric returns for one prediction."""
        args = (example, prediction, *(trace, pred_name, pred_trace)[: self.extra])
        if self._is_module:
            return (yield from self.metric.run_flow(args, {}))  # type: ignore[attr-defined]
        return (yield Invoke(self.metric, args))

    def flow(self, example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Flow[Score]:
        """The score of one prediction."""
        if self._is_module:
            return Score.of((yield from self.raw(example, prediction, trace, pred_name, pred_trace)))
        args = (example, prediction, *(trace, pred_name, pred_trace)[: self.extra])
        return Score.of((yield Invoke(self.metric, args)))


def metric_call(metric: Any) -> MetricCall:
    """The uniform form of a metric. Raises `ConfigurationError` for what cannot be called with an example and a prediction.

    >>> metric_call(lambda example, prediction: True).extra
    0
    """
    if isinstance(metric, MetricCall):
        return metric
    if not callable(metric):
        raise ConfigurationError(f"A metric is a function of an example and a prediction (and optionally a trace); got {metric!r}.")
    return MetricCall(metric)


def _extra_arguments(metric: Callable[..., Any]) -> int:
    target = metric.forward if isinstance(metric, Module) and hasattr(metric, "forward") else metric
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return 1
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 1
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in places if p.default is p.empty]
    if len(places) < 2 or len(needed) > 2 + len(_NAMES):
        shown = ", ".join(p.name for p in parameters)
        raise ConfigurationError(
            f"A metric takes (example, prediction), optionally followed by {', '.join(_NAMES)}; this one takes ({shown})."
        )
    # What comes third and later is ours to fill where it is needed or has one of our names; `frac=1.0` keeps its default.
    taken = takewhile(lambda p: p.default is p.empty or p.name in _NAMES, places[2 : 2 + len(_NAMES)])
    return len(list(taken))
