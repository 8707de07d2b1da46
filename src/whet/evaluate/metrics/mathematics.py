"""Answers that are numbers or formulas, compared by what they mean."""

from __future__ import annotations

from typing import Any

from whet.core.mathematics import final_answer, math_equal, numeric_equal, read_number

__all__ = ["final_answer", "math_equal", "math_match", "number_match", "numeric_equal", "read_number"]


def number_match(example: Any, pred: Any, trace: Any = None) -> bool:
    """Metric: the number in `pred.answer` (after "####", in a box, or the last one) equals the number of `example.answer`.

    `read_number` says what is read; formulas are `math_match`'s.

    >>> from whet.core.records import Example, Prediction
    >>> number_match(Example(answer="#### 1,250"), Prediction(answer="It costs $1250.00."))
    True
    """
    return numeric_equal(final_answer(example["answer"]), final_answer(pred["answer"]))


def math_match(example: Any, pred: Any, trace: Any = None) -> bool:
    """Metric: `pred.answer` means the same as `example.answer` (see `math_equal`); boxes and "the answer is" are looked through.

    >>> from whet.core.records import Example, Prediction
    >>> math_match(Example(answer="\\\\frac{1}{2}"), Prediction(answer="The answer is 0.5."))
    True
    """
    return math_equal(final_answer(example["answer"]), final_answer(pred["answer"]))
