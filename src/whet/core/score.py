"""`Score`: what a metric says of one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from whet.errors import InputError

__all__ = ["Score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good one answer is: a value, why, and its parts by name. Higher is better; 0 to 1 by convention.

    In a signature it is an output that a model grades: `quality: whet.Score[1, 5]`, with the probabilities of the grades where the model
    tells them (`whet.core.types.grade.Grade`); a metric may return what comes of it.

    >>> float(Score(value=0.5, feedback="half of it"))
    0.5
    """

    value: float
    feedback: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value

    if not TYPE_CHECKING:

        def __class_getitem__(cls, scale: Any) -> Any:
            from whet.core.types.grade import grade_type  # noqa: PLC0415 - a field type, and those stand on the schemas

            return grade_type(scale)

    @classmethod
    def __whet_schema__(cls) -> Any:
        from whet.core.types.grade import Grade  # noqa: PLC0415 - as above

        return Grade.__whet_schema__()

    @classmethod
    def of(cls, result: Any) -> Score:
        """Whatever a metric may return, as a `Score`: bool, number, `Score`, a mapping of parts, a prediction with `score`.

        Raises `InputError` for anything else, `None`, NaN and infinity included.
        """
        if result is True or result is False:
            return _RIGHT if result else _WRONG
        if isinstance(result, Score):
            return _checked(result)
        if isinstance(result, int | float):
            return _checked(cls(value=float(result)))
        if isinstance(result, Mapping):
            return _score_of_mapping(result)
        try:
            return _checked(cls(value=float(result)))
        except (TypeError, ValueError):
            raise InputError(
                "A metric must return a bool, a number, a `whet.Score`, a dict of numbers or a prediction with a field `score`; "
                f"it returned {result!r}."
            ) from None


_RIGHT, _WRONG = Score(value=1.0), Score(value=0.0)


def _score_of_mapping(result: Mapping[str, Any]) -> Score:
    if "score" in result:
        parts = result.get("parts") or result.get("objective_scores") or {}
        return _checked(Score(value=float(result["score"]), feedback=str(result.get("feedback") or ""), parts=dict(parts)))
    numbers = {k: float(v) for k, v in result.items() if isinstance(v, bool | int | float)}
    if not numbers:
        raise InputError(f"A metric returned a dict without a number in it: {dict(result)!r}. Give it a `score`, or one number per part.")
    return _checked(Score(value=sum(numbers.values()) / len(numbers), parts=numbers))


def _checked(score: Score) -> Score:
    if not isfinite(score.value):
        shown = "NaN" if score.value != score.value else str(score.value)
        raise InputError(f"A metric returned {shown}. Return a finite number; raise an error where there is no score.")
    return score
