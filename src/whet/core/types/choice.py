"""`Choice[T]`: an output that is one of a few options, with the probability of each where the model tells."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from whet.core.schema import schema_of
from whet.core.types.likely import Likely

__all__ = ["Choice"]

T = TypeVar("T")

if TYPE_CHECKING:

    class _Chosen(Likely, Generic[T]):
        value: T
        probabilities: Mapping[T, float] | None

else:
    # At run time `Choice[...]` makes a type that knows its options.
    _Chosen = {T: Likely}


class Choice(_Chosen[T]):
    """One of a few options, with what the model thought of the others: `Choice[Literal["spam", "ham"]]`, `Choice[Colour]`, `Choice[bool]`.

    `Choice["spam", "ham"]` is short for the first. `value` is the option chosen. `probabilities` maps options to their probability (those
    that the model listed; they sum to 1), and `probability` is that of the one chosen; both are `None` where the model gives no
    log-probabilities. A choice equals its value.

    >>> label = Choice["spam", "ham"]("spam", {"spam": 0.75, "ham": 0.25})
    >>> label == "spam", label.probability, label.ranked()
    (True, 0.75, [('spam', 0.75), ('ham', 0.25)])
    """

    __slots__ = ("probabilities", "value")

    def __init__(self, value: T, probabilities: Mapping[T, float] | None = None) -> None:
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "probabilities", probabilities)

    if not TYPE_CHECKING:

        def __class_getitem__(cls, options: Any) -> type[Choice]:
            given = options if isinstance(options, tuple) else (options,)
            plain = all(option is None or isinstance(option, (str, int)) for option in given)
            inner = Literal[given] if plain else options
            return _choice(inner, schema_of(inner).name)

    def ranked(self) -> list[tuple[T, float]]:
        """The options that the model listed with their probabilities, the most probable first; empty where it tells none."""
        return sorted((self.probabilities or {}).items(), key=lambda pair: -pair[1])

    def __repr__(self) -> str:
        return self.shown("Choice")

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, Choice) else other))

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __reduce__(self) -> Any:
        return _restored, (self.inner, self.value, self.probabilities)


def _restored(inner: Any, value: Any, probabilities: Any) -> Choice[Any]:
    return _choice(inner, schema_of(inner).name)(value, probabilities)


@lru_cache(maxsize=256)
def _choice(inner: Any, name: str) -> type[Choice[Any]]:  # equal Literals may list their options in another order
    own = {"inner": inner, "__slots__": (), "__module__": Choice.__module__, "__whet_type_name__": name}
    return type(f"Choice[{name}]", (Choice,), own)
