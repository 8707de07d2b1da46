"""Which arguments a metric is given."""

from __future__ import annotations

from typing import Any

import pytest

from whet.evaluate.metric import metric_call
from whet.evaluate.metrics.answers import answer_exact_match


def two(example: Any, pred: Any) -> bool:
    return True


def with_trace(example: Any, pred: Any, trace: Any = None) -> bool:
    return True


def with_option(example: Any, pred: Any, trace: Any = None, strictness: float = 1.0) -> bool:
    return True


def five(gold: Any, pred: Any, trace: Any, pred_name: Any, pred_trace: Any) -> bool:
    return True


def five_defaults(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> bool:
    return True


CASES = [(two, 0), (with_trace, 1), (with_option, 1), (five, 3), (five_defaults, 3), (answer_exact_match, 1)]


@pytest.mark.parametrize(("metric", "extra"), CASES)
def test_an_option_of_the_metric_keeps_its_default(metric: Any, extra: int) -> None:
    assert metric_call(metric).extra == extra
