"""What outputs with the model's own probabilities share: `Choice` and `Score`, where the model gives log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from whet.core.schema import Schema, schema_of
from whet.core.schema.choice import Choice as Options
from whet.core.schema.reading import Reading
from whet.core.types.kind import FieldType, TypeSchema
from whet.errors import InputError

__all__ = ["Likely"]

L = TypeVar("L", bound="Likely")


class Likely(FieldType):
    """An answer with what the model thought of the alternatives: the base of `Choice` and of `Score` as an output.

    `value` is the answer, of the type `inner`. `probabilities` maps the options to their probability (of those that the model listed;
    they sum to 1), `None` where it gives no log-probabilities.
    """

    __slots__ = ()
    inner: ClassVar[Any] = str
    value: Any
    probabilities: Mapping[Any, float] | None

    @classmethod
    def made(cls: type[L], value: Any, probabilities: Mapping[Any, float] | None = None) -> L:
        """An answer of this type. Subclasses that are made in another way say how."""
        return cls(value, probabilities)  # type: ignore[call-arg]

    @classmethod
    def schema(cls) -> Schema:
        """How answers are read and written: as the inner type."""
        return schema_of(cls.inner)

    @property
    def probability(self) -> float | None:
        """How probable the answer was, 0 to 1; `None` if the model did not say."""
        return None if self.probabilities is None else self.probabilities.get(self.value, 0.0)

    @classmethod
    def validated(cls: type[L], value: Any) -> L:
        """A value of the inner type, or an answer that holds one."""
        return value if isinstance(value, cls) else cls.made(cls.schema().coerce(_inner(value)))

    def dumped(self) -> Any:
        """The value alone."""
        return self.schema().dump(self.value)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """That of the inner type."""
        return cls.schema().json_schema()

    @classmethod
    def __whet_schema__(cls) -> Schema:
        return LikelySchema(cls)

    def with_logprobs(self: L, tokens: list[Mapping[str, Any]], start: int) -> L:
        """The same value with probabilities, read from the token that begins at `start` of the answer's text."""
        place = 0
        for token in tokens:
            place += len(token.get("token") or "")
            if place > start:
                chances = _chances(self.schema(), token)
                return self.made(self.value, chances) if chances else self
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A {type(self).__name__} cannot be changed.")

    def __str__(self) -> str:
        return str(self.value)

    def shown(self, name: str) -> str:
        """The value, and how probable it was, as Python would write them."""
        chance = self.probability
        return f"{name}({self.value!r}{'' if chance is None else f', probability={chance:.3f}'})"


def _inner(value: Any) -> Any:
    return value.value if isinstance(value, Likely) else value


class LikelySchema(TypeSchema):
    """Reads and writes as the inner type does."""

    def __init__(self, cls: type[Any]) -> None:
        super().__init__(cls)
        self.inner: Schema = cls.schema()
        self.shapes, self.expected, self.children = self.inner.shapes, self.inner.expected, (self.inner,)
        self.kind = None

    def fit(self, value: Any, reading: Reading) -> Any:
        return value if isinstance(value, self.annotation) else self.annotation.made(self.inner.fit(_inner(value), reading))

    def fit_text(self, text: str, reading: Reading) -> Any:
        return self.annotation.made(self.inner.fit_text(text, reading))

    def render(self, value: Any) -> str:
        return self.inner.render(_inner(value))

    def dump(self, value: Any) -> Any:
        return self.inner.dump(_inner(value))

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return self.inner.emit(definitions)

    def note(self) -> str:
        return self.inner.note()

    def accepts(self, value: Any) -> bool:
        return self.inner.accepts(_inner(value))


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
    if isinstance(schema, Options):
        exact = [member for wire, member in zip(schema.wires, schema.members, strict=True) if str(wire) == text]
        begun = [member for wire, member in zip(schema.wires, schema.members, strict=True) if str(wire).startswith(text)]
        return exact[0] if exact else begun[0] if len(begun) == 1 else None
    try:
        return schema.parse(text)
    except (InputError, ValueError):
        return None
