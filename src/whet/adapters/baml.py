"""The BAML format: JSON answers, with the types shown in a compact notation instead of JSON schema."""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args, get_origin

from whet.adapters.json import JSONAdapter
from whet.core.schema import type_name
from whet.core.signature import Signature
from whet.errors import SignatureError

__all__ = ["BAMLAdapter", "compact_type"]

_NAMES: Final[Mapping[Any, str]] = {str: "string", int: "int", float: "float", bool: "boolean", type(None): "null", Any: "any"}
_ROWS: Final = frozenset({list, set, frozenset})


class BAMLAdapter(JSONAdapter):
    """As `JSONAdapter`, with every output's type in a notation like that of BAML: fewer tokens than JSON schema for nested models.

    >>> from typing import Literal
    >>> print(compact_type(list[Literal["a", "b"]] | None))
    ("a" or "b")[] or null
    """

    def format_field_structure(self, signature: Signature) -> str:
        """The sections of a request, and the type of each output."""
        inputs = "\n\n".join(self._input_shape(name) for name in signature.input_fields)
        outputs = "\n\n".join(
            f"{self.marks.of(f.name)}\nOutput field `{f.name}` should be of type: {compact_type(f.annotation)}"
            for f in signature.output_fields.values()
        )
        return (
            f"A request has these sections, each under its marker:\n\n{inputs}\n\n"
            f"The answer is one JSON object with these keys:\n\n{outputs}\n\n{self.end}\n"
        )

    def format_user_message_content(
        self, signature: Signature, inputs: Mapping[str, Any], prefix: str = "", suffix: str = "", main_request: bool = False
    ) -> Any:
        """The inputs of a call, of a demo or of an earlier turn; pydantic models as JSON on several lines, under their aliases."""
        models = [name for name, value in inputs.items() if hasattr(type(value), "model_dump_json") and name in signature.input_fields]
        shown = {**inputs, **{name: _indented(inputs[name]) for name in models}} if models else inputs
        return super().format_user_message_content(signature, shown, prefix, suffix, main_request)


def _indented(model: Any) -> Any:
    return model if getattr(type(model), "__whet_parts__", False) else model.model_dump_json(indent=2, by_alias=True)


def compact_type(annotation: Any, depth: int = 0, open_types: tuple[Any, ...] = ()) -> str:
    """A type in compact notation. Raises `SignatureError` (a `ValueError`) for a type that contains itself."""
    if annotation is None or (isinstance(annotation, typing.Hashable) and annotation in _NAMES):
        return _NAMES[annotation or type(None)]
    origin, args = get_origin(annotation), get_args(annotation)

    def inner(part: Any) -> str:
        return compact_type(part, depth, open_types)

    if origin is Literal:
        return " or ".join(json.dumps(member, default=str, ensure_ascii=False) for member in args)
    if origin is typing.Annotated:
        return inner(args[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(inner(part) for part in sorted(args, key=lambda part: part is type(None)))
    return _named(annotation, depth, open_types) if origin is None else _generic(origin, args, inner, depth, open_types)


def _generic(origin: Any, args: tuple[Any, ...], inner: Callable[[Any], str], depth: int, open_types: tuple[Any, ...]) -> str:
    if origin in _ROWS or (origin is tuple and len(args) == 2 and args[1] is ...):
        if _fields(args[0]):
            pad = "  " * depth
            return f"[\n{pad}  {compact_type(args[0], depth + 1, open_types)}\n{pad}]"
        shown = inner(args[0])
        return f"({shown})[]" if " or " in shown and "\n" not in shown else f"{shown}[]"
    if origin is dict:
        return f"dict[{inner(args[0])}, {inner(args[1])}]"
    if origin is tuple:
        return f"[{', '.join(map(inner, args))}]"
    return _named(origin, depth, open_types)


def _named(annotation: Any, depth: int, open_types: tuple[Any, ...]) -> str:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " or ".join(json.dumps(member.value, default=str, ensure_ascii=False) for member in annotation)
    fields = _fields(annotation)
    if not fields:
        return type_name(annotation)
    if annotation in open_types:
        raise SignatureError(
            f"BAMLAdapter cannot handle recursive pydantic models: `{annotation.__name__}` contains itself. Use `JSONAdapter` for it."
        )
    pad, lines = "  " * (depth + 1), []
    for name, (kind, remark) in fields.items():
        lines += [f"{pad}# {line}" for line in remark.splitlines()] + [
            f"{pad}{name}: {compact_type(kind, depth + 1, (*open_types, annotation))},"
        ]
    doc = [f"{pad}# {line.strip()}" for line in (_own_doc(annotation) or "").splitlines() if line.strip()]
    return "\n".join(["{", *doc, *lines, "  " * depth + "}"])


def _own_doc(cls: Any) -> str | None:
    doc: str | None = cls.__dict__.get("__doc__")
    # A dataclass without a docstring gets its signature as one.
    return None if doc is None or doc.startswith(f"{cls.__name__}(") else doc


def _fields(cls: Any) -> dict[str, tuple[Any, str]]:
    """The fields of a model, dataclass, TypedDict or named tuple: type, and the remark above it (description, else alias)."""
    if not isinstance(cls, type) or hasattr(cls, "__whet_schema__"):
        return {}
    if hasattr(cls, "model_fields"):
        return {
            name: (info.annotation, info.description or (f"alias: {info.alias}" if info.alias else ""))
            for name, info in cls.model_fields.items()
        }
    if hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__total__") or hasattr(cls, "_fields"):
        return {name: (kind, "") for name, kind in typing.get_type_hints(cls).items()}
    return {}
