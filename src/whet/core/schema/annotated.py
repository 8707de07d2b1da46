"""`Annotated[...]`: bounds become our constraints, validators are left to pydantic, anything else is a remark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, get_args

from whet.core.schema.base import Schema
from whet.core.schema.constraint import Bounded

if TYPE_CHECKING:
    from whet.core.schema.build import Builder

__all__ = ["annotated", "bounds_and_validators", "looks_first"]

_BOUNDS: Final = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "allow_inf_nan")
_FIRST: Final = frozenset({"BeforeValidator", "WrapValidator", "PlainValidator"})


def annotated(builder: Builder, annotation: Any) -> Schema:
    """The schema of an `Annotated` type."""
    inner, *metadata = get_args(annotation)
    bounds, validators = bounds_and_validators(metadata)
    if validators:
        from whet.core.schema.classes import adapter_of  # noqa: PLC0415 - pydantic is slow to import
        from whet.core.schema.model import Checked  # noqa: PLC0415 - as above

        adapter = adapter_of(annotation)
        return Checked(annotation, builder.schema(inner), adapter, raw=any(map(looks_first, validators)))
    schema = builder.schema(inner)
    if not bounds:
        return schema
    bounded = Bounded(annotation, schema, bounds)
    bounded.pydantic_reads = True
    return bounded


def bounds_and_validators(metadata: Iterable[Any]) -> tuple[dict[str, Any], list[Any]]:
    """What the metadata of a type says: bounds by name, and what only pydantic can apply."""
    bounds: dict[str, Any] = {}
    validators: list[Any] = []
    for part in _flat(metadata):
        found = {name: value for name in _BOUNDS if (value := _attribute(part, name)) is not None}
        bounds.update(found)
        if not found and hasattr(part, "__get_pydantic_core_schema__"):
            validators.append(part)
    return bounds, validators


def looks_first(validator: Any) -> bool:
    """Whether a validator wants to see the input before it is read."""
    name = type(validator).__name__
    return name in _FIRST or name not in ("AfterValidator", "PlainSerializer", "WrapSerializer", "WithJsonSchema", "Strict")


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    """Groups of metadata (a `Field(...)`, an interval) taken apart."""
    for part in metadata:
        inner = getattr(part, "metadata", None)
        if isinstance(inner, list):
            yield from _flat(inner)
        elif hasattr(part, "__is_annotated_types_grouped_metadata__"):
            yield from _flat(part)
        elif not isinstance(part, (str, bytes)):
            yield part


def _attribute(part: Any, name: str) -> Any:
    """A bound as its carrier holds it; slots, fields and pydantic's own bag of constraints alike."""
    return None if isinstance(part, type) else getattr(part, name, None)
