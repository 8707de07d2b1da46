"""The metrics for worked solutions."""

from __future__ import annotations

from whet.core.records import Example, Prediction
from whet.evaluate.metrics.mathematics import math_match, number_match


def test_the_metrics_look_through_the_working() -> None:
    gold = Example(question="?", answer="She has 48/2 = <<48/2=24>>24.\n#### 1,024").with_inputs("question")
    assert number_match(gold, Prediction(answer="So it is $1024.00"))
    assert not number_match(gold, Prediction(answer="1025"))
    assert math_match(Example(answer=r"\frac{\sqrt{3}}{2}"), Prediction(answer=r"Thus \boxed{\sqrt{3}/2}"))
