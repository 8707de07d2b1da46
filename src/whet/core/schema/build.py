"""From an annotation to its schema, compiled once and kept."""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from whet.core.schema.base import Schema
from whet.core.schema.choice import enum_choice, literal_choice
from whet.core.schema.constraint import Bounded
from whet.core.schema.container import DictOf, ListOf, SetOf, TupleOf
from whet.core.schema.naming import type_name
from whet.core.schema.scalar import AnyValue, Bool, Float, Int, Null, Text
from whet.core.schema.structured import Structured
from whet.core.schema.union import union_of
from whet.errors import SignatureError

__all__ = ["Builder", "schema_of"]

_KEPT: Final = 2_048
_SIMPLE: Final[Mapping[Any, Callable[[Any], Schema]]] = {
    str: Text,
    int: Int,
    float: Float,
    bool: Bool,
    None: Null,
    type(None): Null,
    Any: AnyValue,
    object: AnyValue,
}
_ROWS: Final[Mapping[Any, type[Any]]] = {
    list: list,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    set: set,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    frozenset: frozenset,
}
_MAPPINGS: Final = frozenset({dict, collections.abc.Mapping, collections.abc.MutableMapping})
_LEAF_MODULES: Final = frozenset({"datetime", "decimal", "uuid", "builtins"})


class Builder:
    """Compiles one annotation and everything in it; `open` holds the recursive types that are still being built."""

    def __init__(self, memo: _Memo) -> None:
        self.memo = memo
        self.open: dict[Any, Schema] = {}

    def schema(self, annotation: Any) -> Schema:
        """The schema of an annotation inside another one.

        Raises:
            SignatureError: no value of this type could be written or read.
        """
        known = _hashable(annotation)
        simple = _SIMPLE.get(annotation) if known else None
        if simple is not None:
            return simple(annotation)
        ready = (self.open.get(annotation) if known else None) or self.memo.ready(annotation)
        return ready if ready is not None else self._special(annotation)

    def _special(self, annotation: Any) -> Schema:
        origin = get_origin(annotation)
        if origin is Literal:
            return literal_choice(annotation)
        if origin is Union or origin is types.UnionType:
            return union_of(annotation, tuple(self.schema(part) for part in get_args(annotation)))
        if origin is Annotated:
            from whet.core.schema.annotated import annotated  # noqa: PLC0415 - only wanted where something is annotated

            return annotated(self, annotation)
        if isinstance(annotation, str) or type(annotation).__name__ == "ForwardRef":
            raise SignatureError(f"The type {annotation!r} is only a name. Give the type itself, or pass it in `custom_types`.")
        return self._container(annotation, origin or annotation, get_args(annotation)) or self._named(annotation, origin)

    def _container(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Schema | None:
        if not _hashable(origin):
            return None
        kind = _ROWS.get(origin)
        if kind is not None:
            item = self.schema(args[0] if args else Any)
            return (ListOf if kind is list else SetOf)(annotation, item, kind)
        if origin in _MAPPINGS:
            key, value = args or (str, Any)
            return DictOf(annotation, self.schema(key), self.schema(value))
        return self._tuple(annotation, args) if origin is tuple else None

    def _tuple(self, annotation: Any, args: tuple[Any, ...]) -> Schema:
        if not args and annotation in (tuple, typing.Tuple):  # noqa: UP006 - users still write it
            return ListOf(annotation, self.schema(Any), tuple)
        if len(args) == 2 and args[1] is ...:
            return ListOf(annotation, self.schema(args[0]), tuple)
        return TupleOf(annotation, tuple(self.schema(part) for part in args))

    def _named(self, annotation: Any, origin: Any) -> Schema:
        if isinstance(annotation, type) and origin is None:
            own = getattr(annotation, "__whet_schema__", None)
            if own is not None:
                schema: Schema = own()  # a field type that says itself how it is read and written
                return schema
            if issubclass(annotation, enum.Enum):
                return enum_choice(annotation)
            if annotation.__module__ in _LEAF_MODULES:
                from whet.core.schema.leaf import LEAVES  # noqa: PLC0415 - decimal, uuid and base64 are slow to import

                if annotation in LEAVES:
                    return LEAVES[annotation]
        if isinstance(annotation, typing.TypeVar):
            return self.schema(annotation.__bound__ or Any)
        inner = getattr(annotation, "__supertype__", None)
        if inner is not None:
            return self.schema(inner)
        from whet.core.schema.classes import class_schema  # noqa: PLC0415 - dataclasses and pydantic are slow to import

        return class_schema(self, annotation, origin)


class _Memo:
    """Schemas by the identity of their annotation, which is kept with them, so that no two annotations are confused.

    (`Literal["a", "b"] == Literal["b", "a"]` and `Union[int, str] == Union[str, int]` hold, but their prompts differ.)
    The oldest go first when there are too many.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Schema]] = {}
        self._bounded: dict[tuple[int, str], tuple[Any, Schema]] = {}

    def __call__(self, annotation: Any, constraints: Mapping[str, Any] | None = None) -> Schema:
        if constraints:
            return self._with_bounds(annotation, constraints)
        found = self._kept.get(id(annotation))
        if found is not None and found[0] is annotation:
            return found[1]
        try:
            schema = Builder(self).schema(annotation)
        except RecursionError:
            raise unsupported(annotation, "It contains itself without end.") from None
        return self._keep(self._kept, id(annotation), annotation, schema)

    def ready(self, annotation: Any) -> Schema | None:
        """The finished schema of an annotation that was seen before."""
        found = self._kept.get(id(annotation))
        return found[1] if found is not None and found[0] is annotation else None

    def _with_bounds(self, annotation: Any, constraints: Mapping[str, Any]) -> Schema:
        key = id(annotation), repr(tuple(constraints.items()))
        found = self._bounded.get(key)
        if found is not None and found[0] is annotation:
            return found[1]
        return self._keep(self._bounded, key, annotation, Bounded(annotation, self(annotation), constraints))

    def _keep(self, kept: dict[Any, tuple[Any, Schema]], key: Any, annotation: Any, schema: Schema) -> Schema:
        if isinstance(schema, Structured):
            schema.prepare()
        while len(kept) >= _KEPT:
            kept.pop(next(iter(list(kept)), None), None)
        kept[key] = (annotation, schema)
        return schema


def _hashable(annotation: Any) -> bool:
    try:
        hash(annotation)
    except TypeError:
        return False
    return True


def unsupported(annotation: Any, reason: str = "") -> SignatureError:
    """The error for a type whose values whet cannot write or read."""
    return SignatureError(
        f"`{type_name(annotation)}` cannot be the type of a field: its values cannot be written into a prompt and read back."
        f"{' ' + reason if reason else ''} Make it a dataclass or a pydantic model, or give the class `__get_pydantic_core_schema__`."
    )


_SCHEMAS: Final = _Memo()


def schema_of(annotation: Any, constraints: Mapping[str, Any] | None = None) -> Schema:
    """The schema of a type, compiled once for each annotation object and set of constraints.

    `constraints` are bounds on the value by name: gt, ge, lt, le, multiple_of, min_length, max_length, pattern, allow_inf_nan.

    >>> schema_of(list[int]).parse("[1, 2,]")
    [1, 2]

    Raises:
        SignatureError: no value of this type could be written into a prompt and read back, or a constraint is unknown.
    """
    return _SCHEMAS(annotation, constraints)
