"""The same program again with fresh answers: each repeat has a rollout number of its own, so that no cache makes it a copy of the first."""

from __future__ import annotations

from typing import Any

from whet.lm.base import BaseLM
from whet.modules.module import Module

__all__ = ["model_of_repeat", "program_of_repeat"]


def model_of_repeat(lm: Any, repeat: int) -> Any:
    """The model as repeat number `repeat` asks it; number 0 is the model itself."""
    return lm.copy(rollout_id=(lm.kwargs.get("rollout_id") or 0) + repeat) if repeat and isinstance(lm, BaseLM) else lm


def program_of_repeat(program: Any, repeat: int) -> Any:
    """The program as repeat number `repeat` runs it: models bound to its predictors are that repeat's too."""
    if not repeat or not isinstance(program, Module):
        return program
    fresh = program.deepcopy()
    for _, predictor in fresh.named_predictors():
        predictor.lm = model_of_repeat(predictor.lm, repeat)
    return fresh
