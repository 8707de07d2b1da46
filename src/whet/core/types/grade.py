"""`Grade`: a `Score` that a model gave, with the probability of each grade where the model tells. It is what `Score` means as an output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal

from whet.core.records import Score
from whet.core.schema import Schema, schema_of, type_name
from whet.core.schema.choice import Choice as Options
from whet.core.schema.constraint import Bounded
from whet.core.types.likely import Likely
from whet.errors import SignatureError

__all__ = ["Grade", "grade_type"]

# So many whole grades are listed for the model one by one.
_LISTED: Final = 21


class Grade(Likely, Score):
    """A score that a model gave: `quality: whet.Score[1, 5]` in a signature.

    `value` is the grade that was written. `probabilities` maps the grades to their probability (of those that the model listed; they sum
    to 1), and `expected` is the mean under them, as in G-Eval (Liu et al. 2023, arXiv:2303.16634); where the model gives no
    log-probabilities, they are `None` and the value. A grade compares as its value does, and a metric may return it.

    >>> quality = Score[1, 5](value=4, probabilities={4: 0.75, 5: 0.25})
    >>> quality == 4, quality.expected, quality.probability
    (True, 4.25, 0.75)
    """

    __slots__ = ("probabilities",)
    inner: ClassVar[Any] = float
    low: ClassVar[float | None] = None
    high: ClassVar[float | None] = None
    probabilities: Mapping[Any, float] | None

    def __init__(
        self,
        *,
        value: float,
        feedback: str = "",
        parts: Mapping[str, float] | None = None,
        probabilities: Mapping[Any, float] | None = None,
    ) -> None:
        super().__init__(value=value, feedback=feedback, parts=dict(parts or {}))
        object.__setattr__(self, "probabilities", probabilities)

    @classmethod
    def made(cls, value: Any, probabilities: Mapping[Any, float] | None = None) -> Grade:
        """A grade of this value."""
        return cls(value=value, probabilities=probabilities)

    def __float__(self) -> float:
        return float(self.value)

    @classmethod
    def schema(cls) -> Schema:
        """A number within the scale; on a short one of whole numbers, one of them."""
        inner = schema_of(cls.inner)
        return inner if cls.low is None or isinstance(inner, Options) else Bounded(cls.inner, inner, {"ge": cls.low, "le": cls.high})

    @property
    def expected(self) -> float:
        """The mean under the probabilities; the value where the model gave none."""
        chances = self.probabilities
        return sum(float(grade) * chance for grade, chance in chances.items()) if chances else self.value

    def __repr__(self) -> str:
        return self.shown("Score")

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, Score) else other))

    def __lt__(self, other: Any) -> bool:
        return float(self) < float(other)

    def __le__(self, other: Any) -> bool:
        return float(self) <= float(other)

    def __gt__(self, other: Any) -> bool:
        return float(self) > float(other)

    def __ge__(self, other: Any) -> bool:
        return float(self) >= float(other)

    def __hash__(self) -> int:
        return hash(self.value)

    def __reduce__(self) -> Any:
        return _restored, (self.low, self.high, self.value, self.feedback, dict(self.parts), self.probabilities)


def grade_type(scale: Any) -> type[Grade]:
    """The grades on a scale: whole numbers between two whole numbers, any numbers between two others.

    Raises:
        SignatureError: `scale` is no pair of a lower and a higher number.
    """
    pair = scale if isinstance(scale, tuple) else ()
    numbers = len(pair) == 2 and all(isinstance(end, (int, float)) and not isinstance(end, bool) and math.isfinite(end) for end in pair)
    if not numbers or pair[0] >= pair[1]:
        raise SignatureError(f"`Score[low, high]` takes the ends of a scale, such as `Score[1, 5]` or `Score[0.0, 1.0]`; got {scale!r}.")
    return _grade(*pair)


@lru_cache(maxsize=256, typed=True)
def _grade(low: float, high: float) -> type[Grade]:
    inner: Any = float
    if isinstance(low, int) and isinstance(high, int):
        inner = Literal[tuple(range(low, high + 1))] if high - low < _LISTED else int
    own = {
        "inner": inner,
        "low": low,
        "high": high,
        "__slots__": (),
        "__module__": Grade.__module__,
        "__whet_type_name__": type_name(inner) if inner not in (int, float) else f"{inner.__name__} from {low} to {high}",
    }
    return type(f"Score[{low}, {high}]", (Grade,), own)


def _restored(low: Any, high: Any, value: Any, feedback: str, parts: Any, probabilities: Any) -> Grade:
    cls = Grade if low is None else _grade(low, high)
    return cls(value=value, feedback=feedback, parts=parts, probabilities=probabilities)
