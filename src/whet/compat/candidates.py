"""The helpers of DSPy's optimizers that optimizers of users call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from random import Random
from typing import Any

from whet.core.signature import Signature
from whet.evaluate.row import EvaluationResult

__all__ = ["create_minibatch", "eval_candidate_program", "get_signature", "set_signature"]

_logger = logging.getLogger(__name__)


def get_signature(predictor: Any) -> Signature:
    """The signature of a predictor.

    >>> from whet.modules.predict import Predict
    >>> get_signature(Predict("question -> answer")).signature
    'question -> answer'
    """
    signature: Signature = predictor.signature
    return signature


def set_signature(predictor: Any, updated_signature: Signature) -> None:
    """Give a predictor another signature."""
    predictor.signature = updated_signature


def create_minibatch(trainset: Sequence[Any], batch_size: int = 50, rng: Random | None = None) -> list[Any]:
    """So many rows drawn without putting back, or all where there are fewer.

    >>> sorted(create_minibatch([1, 2, 3], 5))
    [1, 2, 3]
    """
    return (rng or Random()).sample(list(trainset), min(batch_size, len(trainset)))


def eval_candidate_program(
    batch_size: int, trainset: Sequence[Any], candidate_program: Any, evaluate: Any, rng: Random | None = None
) -> Any:
    """What `evaluate` says of a program on all rows, or on a minibatch where there are more than `batch_size`.

    An error is logged, and stands as a score of 0 with no results.
    """
    whole = batch_size >= len(trainset)
    rows = trainset if whole else create_minibatch(trainset, batch_size, rng)
    try:
        return evaluate(candidate_program, devset=rows, callback_metadata={"metric_key": "eval_full" if whole else "eval_minibatch"})
    except Exception:  # whatever it is, the search of the caller goes on
        _logger.exception("A candidate could not be evaluated; it counts 0.")
        return EvaluationResult(score=0.0, results=[])
