"""`Score`: what a metric says of one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

        Of a mapping (or prediction) with `score` the other numbers are the parts; without it the mean of its numbers is the value. Raises
        `InputError` for anything else, `None`, NaN and infinity included, also among the parts.

        >>> Score.of({"score": 1, "recall": 0.5, "feedback": "half of it"})
        Score(value=1.0, feedback='half of it', parts={'recall': 0.5})
        """
        if result is True or result is False:
            return _RIGHT if result else _WRONG
        if isinstance(result, Score):
            plain = type(result.value) is float and isfinite(result.value)
            return result if plain and (not result.parts or _all_plain(result.parts.values())) else _plain(result)
        if isinstance(result, Mapping):
            return _score_of_mapping(result)
        return cls(value=_finite(result))


_RIGHT, _WRONG = Score(value=1.0), Score(value=0.0)
_NO_PARTS = frozenset(("score", "feedback", "parts", "objective_scores"))


def _finite(value: Any, whole: Any = None) -> float:
    """A number that a metric returned, alone or in `whole`, as a float that can be averaged and written down."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            "A metric must return a bool, a number, a `whet.Score`, a dict of numbers or a prediction with a field `score`; "
            f"it returned {value if whole is None else whole!r}."
        ) from None
    if not isfinite(number):
        shown = "NaN" if number != number else str(number)
        raise InputError(f"A metric returned {shown}. Return a finite number; raise an error where there is no score.")
    return number


def _all_plain(numbers: Iterable[Any]) -> bool:
    for number in numbers:  # noqa: SIM110 - faster than a generator, in the path of every row
        if type(number) is not float or not isfinite(number):
            return False
    return True


def _plain(score: Score) -> Score:
    """The same score with Python's own numbers in it, which files can hold."""
    value, parts = _finite(score.value, score), {name: _finite(part, score) for name, part in score.parts.items()}
    exact = all(type(number) in (int, float) for number in (score.value, *score.parts.values()))
    return score if exact else Score(value=value, feedback=score.feedback, parts=parts)


def _score_of_mapping(result: Mapping[str, Any]) -> Score:
    feedback = str(result.get("feedback") or "")
    numbers = {str(name): number for name, value in result.items() if name not in _NO_PARTS and (number := _number(value)) is not None}
    if "score" in result:
        given = result.get("parts") or result.get("objective_scores") or {}
        return _plain(Score(value=_finite(result["score"], dict(result)), feedback=feedback, parts={**numbers, **given}))
    if not numbers:
        raise InputError(f"A metric returned a dict without a number in it: {dict(result)!r}. Give it a `score`, or one number per part.")
    return _plain(Score(value=sum(numbers.values()) / len(numbers), feedback=feedback, parts=numbers))


def _number(value: Any) -> float | None:
    """A number of any library, as a float; `None` for text and what is no number."""
    if value is None or isinstance(value, str | bytes | Score):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
