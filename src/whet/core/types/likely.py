"""`Likely[T]`: an output with the model's own probabilities, where it gives log-probabilities. For choices and for scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

from whet.core.schema import Schema, schema_of
from whet.core.schema.choice import Choice
from whet.core.schema.reading import Reading
from whet.core.types.kind import FieldType, TypeSchema
from whet.errors import InputError

__all__ = ["Likely"]


class Likely(FieldType):
    """A value of type T with what the model thought of the alternatives: `Likely[Literal["spam", "ham"]]`, `Likely[bool]`, `Likely[int]`.

    `value` is the answer. `probabilities` maps the options to their probability (of those that the model listed; they sum to 1), and
    `probability` is that of the answer; both are `None` where the model gives no log-probabilities. `expected` is the mean of a numeric
    score under these probabilities (as in G-Eval, Liu et al. 2023, arXiv:2303.16634), else the value.

    >>> Likely[int](4, {4: 0.75, 5: 0.25}).expected
    4.25
    """

    __slots__ = ("probabilities", "value")
    inner: ClassVar[Any] = str
    value: Any
    probabilities: Mapping[Any, float] | None

    def __init__(self, value: Any, probabilities: Mapping[Any, float] | None = None) -> None:
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "probabilities", probabilities)

    def __class_getitem__(cls, inner: Any) -> type[Likely]:
        return _likely(inner)

    @property
    def probability(self) -> float | None:
        """How probable the answer was, `None` if the model did not say."""
        return None if self.probabilities is None else self.probabilities.get(self.value, 0.0)

    @property
    def expected(self) -> Any:
        """The mean of a numeric score; the value where there are no numbers or no probabilities."""
        chances = self.probabilities
        if not chances or not all(isinstance(option, (int, float)) for option in chances):
            return self.value
        return sum(float(option) * chance for option, chance in chances.items())

    @classmethod
    def validated(cls, value: Any) -> Likely:
        """A value of the inner type."""
        return value if isinstance(value, cls) else cls(schema_of(cls.inner).coerce(value.value if isinstance(value, Likely) else value))

    def dumped(self) -> Any:
        """The value alone."""
        return schema_of(self.inner).dump(self.value)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """That of the inner type."""
        return schema_of(cls.inner).json_schema()

    @classmethod
    def __whet_schema__(cls) -> Schema:
        return LikelySchema(cls)

    def with_logprobs(self, tokens: list[Mapping[str, Any]], start: int) -> Likely:
        """The same value with probabilities, read from the token that begins at `start` of the answer's text."""
        place = 0
        for token in tokens:
            place += len(token.get("token") or "")
            if place > start:
                chances = _chances(schema_of(self.inner), token)
                return type(self)(self.value, chances) if chances else self
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("A Likely value cannot be changed.")

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, Likely) else other))

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        chance = self.probability
        return f"Likely({self.value!r}{'' if chance is None else f', probability={chance:.3f}'})"

    def __reduce__(self) -> Any:
        return _restored, (self.inner, self.value, self.probabilities)


def _restored(inner: Any, value: Any, probabilities: Any) -> Likely:
    return _likely(inner)(value, probabilities)


@lru_cache(maxsize=256)
def _likely(inner: Any) -> type[Likely]:
    name = schema_of(inner).name
    own = {"inner": inner, "__slots__": (), "__module__": Likely.__module__, "__whet_type_name__": name}
    return type(f"Likely[{name}]", (Likely,), own)


class LikelySchema(TypeSchema):
    """Reads and writes as the inner type does."""

    def __init__(self, cls: type[Any]) -> None:
        super().__init__(cls)
        self.inner = schema_of(cls.inner)
        self.shapes, self.expected, self.children = self.inner.shapes, self.inner.expected, (self.inner,)
        self.kind = None

    def fit(self, value: Any, reading: Reading) -> Any:
        if isinstance(value, Likely):
            value = value.value
        return self.annotation(self.inner.fit(value, reading))

    def fit_text(self, text: str, reading: Reading) -> Any:
        return self.annotation(self.inner.fit_text(text, reading))

    def render(self, value: Any) -> str:
        return self.inner.render(value.value if isinstance(value, Likely) else value)

    def dump(self, value: Any) -> Any:
        return self.inner.dump(value.value if isinstance(value, Likely) else value)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return self.inner.emit(definitions)

    def note(self) -> str:
        return self.inner.note()


def _chances(schema: Schema, token: Mapping[str, Any]) -> dict[Any, float]:
    """Probabilities of the options by the token that begins them; a token that could begin several tells nothing of any."""
    listed = [*(token.get("top_logprobs") or ()), token]
    seen: dict[str, float] = {}
    for entry in listed:
        seen.setdefault(str(entry.get("token")), math.exp(float(entry.get("logprob", -9999.0))))
    found: dict[Any, float] = {}
    for text, chance in seen.items():
        option = _option(schema, text.strip().strip('"').strip())
        if option is not None:
            found[option] = found.get(option, 0.0) + chance
    whole = sum(found.values())
    return {option: chance / whole for option, chance in found.items()} if whole > 0 else {}


def _option(schema: Schema, text: str) -> Any:
    if not text:
        return None
    if isinstance(schema, Choice):
        exact = [member for wire, member in zip(schema.wires, schema.members, strict=True) if str(wire) == text]
        begun = [member for wire, member in zip(schema.wires, schema.members, strict=True) if str(wire).startswith(text)]
        return exact[0] if exact else begun[0] if len(begun) == 1 else None
    try:
        return schema.parse(text)
    except (InputError, ValueError):
        return None
