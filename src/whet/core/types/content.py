"""Values with media and custom types inside, as message parts. Nothing is marked in the text: parts are values from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from whet.core.messages import MediaPart, RawPart, TextPart
from whet.core.schema import Schema, one_line, plain
from whet.core.types.kind import joined, parts_of

__all__ = ["Parts", "holds_parts", "holds_special", "renderer"]

Part: TypeAlias = TextPart | MediaPart | RawPart
Parts: TypeAlias = tuple[Part, ...]
_DEEPEST = 32


def holds_parts(schema: Schema) -> bool:
    """Whether values of a type may put more than text into a message: custom types at any depth, and `Any`."""
    return any(getattr(part.annotation, "__whet_parts__", False) or part.annotation in (Any, object) for part in schema.family())


def renderer(schema: Schema) -> Callable[[Any], str | Parts]:
    """Writes a value of the type as text, or as parts where something in it is no text."""

    def render(value: Any) -> str | Parts:
        if is_special(value):
            found = joined(parts_of(value))
        elif isinstance(value, (str, int, float)) or not holds_special(value):
            return schema.render(value)
        else:
            found = joined(_written(value, 0))
        return found[0].text if len(found) == 1 and isinstance(found[0], TextPart) and not found[0].apart else found

    return render


def is_special(value: Any) -> bool:
    """Whether the value itself puts parts into a message."""
    return getattr(type(value), "__whet_parts__", False) is True


def holds_special(value: Any, depth: int = 0) -> bool:
    """Whether the value, or something in it, puts parts into a message."""
    if is_special(value):
        return True
    if isinstance(value, (str, int, float, bytes, type(None))) or depth > _DEEPEST:
        return False
    inner = _inner(value)
    return inner is not None and any(holds_special(part, depth + 1) for part in (inner.values() if isinstance(inner, Mapping) else inner))


def _inner(value: Any) -> Mapping[Any, Any] | list[Any] | None:
    if isinstance(value, Mapping):
        return value
    if hasattr(type(value), "model_fields") or hasattr(type(value), "__dataclass_fields__"):
        cls: Any = type(value)
        names = getattr(cls, "model_fields", None) or cls.__dataclass_fields__
        return {name: getattr(value, name) for name in names}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else None


def _written(value: Any, depth: int) -> Iterator[Part]:
    """JSON on one line, with the parts of custom values where they stand."""
    if is_special(value):
        shown = list(parts_of(value))
        plain_text = len(shown) == 1 and isinstance(shown[0], TextPart) and not shown[0].apart
        yield from [TextPart(one_line(shown[0].text))] if plain_text and isinstance(shown[0], TextPart) else shown
        return
    inner = _inner(value) if depth <= _DEEPEST else None
    if inner is None:
        yield TextPart(one_line(plain(value)))
    elif isinstance(inner, Mapping):
        yield from _row("{}", [(one_line(str(plain(key))) + ": ", part) for key, part in inner.items()], depth)
    else:
        yield from _row("[]", [("", part) for part in inner], depth)


def _row(brackets: str, entries: list[tuple[str, Any]], depth: int) -> Iterator[Part]:
    yield TextPart(brackets[0])
    for place, (head, part) in enumerate(entries):
        yield TextPart((", " if place else "") + head)
        yield from _written(part, depth + 1)
    yield TextPart(brackets[1])
