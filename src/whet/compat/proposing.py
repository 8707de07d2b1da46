"""The types that programs written for DSPy name when they bring a metric or a proposer of their own for `GEPA`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict, runtime_checkable

__all__ = ["GEPAFeedbackMetric", "InstructionProposer", "ReflectiveExample"]

ReflectiveExample = TypedDict(
    "ReflectiveExample", {"Inputs": dict[str, Any], "Generated Outputs": dict[str, Any] | str, "Feedback": str}, total=False
)


@runtime_checkable
class GEPAFeedbackMetric(Protocol):
    """A metric for `GEPA`: a number, or a `Prediction` with `score` and `feedback`."""

    def __call__(self, gold: Any, pred: Any, trace: Any, pred_name: str | None, pred_trace: Any) -> Any:
        """The score of one prediction, of the whole program or, with `pred_name`, of one of its predictors."""


@runtime_checkable
class InstructionProposer(Protocol):
    """What `GEPA(instruction_proposer=...)` takes."""

    def __call__(
        self, candidate: dict[str, str], reflective_dataset: Mapping[str, Sequence[Any]], components_to_update: list[str]
    ) -> dict[str, str]:
        """New instructions by predictor, from what the candidate's predictors did."""
