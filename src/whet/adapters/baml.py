"""The BAML format: JSON answers, with the types shown in a compact notation instead of JSON schema."""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args, get_origin

from whet.adapters.json import JSONAdapter
from whet.core.schema import type_name
from whet.core.signature import Signature

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
        notation = _Notation()
        outputs = [
            f"{self.marks.of(f.name)}\nOutput field `{f.name}` should be of type: {notation.shown(f.annotation)}"
            for f in signature.output_fields.values()
        ]
        shown = "\n\n".join([*outputs, *notation.definitions(), self.end])
        return (
            f"A request has these sections, each under its marker:\n\n{inputs}\n\n"
            f"The answer is one JSON object with these keys:\n\n{shown}\n"
        )

    def format_user_message_content(
        self, signature: Signature, inputs: Mapping[str, Any], prefix: str = "", suffix: str = "", main_request: bool = False
    ) -> Any:
        """The inputs of a call, of a demo or of an earlier turn; pydantic models as JSON on several lines, under their aliases."""
        models = [name for name, value in inputs.items() if hasattr(type(value), "model_fields") and name in signature.input_fields]
        shown = {**inputs, **{name: _indented(inputs[name]) for name in models}} if models else inputs
        return super().format_user_message_content(signature, shown, prefix, suffix, main_request)


def _indented(model: Any) -> Any:
    from whet.core.types.content import holds_special  # noqa: PLC0415 - the types import pydantic when they are used

    return model if holds_special(model) else model.model_dump_json(indent=2, by_alias=True)


def compact_type(annotation: Any) -> str:
    """A type in compact notation; types that hold themselves are called by name, and stand below it.

    >>> print(compact_type(dict[str, list[int]] | None))
    dict[string, int[]] or null
    """
    notation = _Notation()
    return "\n\n".join([notation.shown(annotation), *notation.definitions()])


class _Notation:
    """Writes types; remembers those that hold themselves, which are written once, under their names."""

    def __init__(self) -> None:
        self._named: dict[Any, None] = {}

    def definitions(self) -> list[str]:
        """The types that hold themselves, of all those shown, each as `name = {...}`."""
        found: dict[Any, str] = {}
        while waiting := [cls for cls in self._named if cls not in found]:
            found |= {cls: f"{type_name(cls)} = {self._block(cls, 0)}" for cls in waiting}
        return list(found.values())

    def shown(self, annotation: Any, depth: int = 0) -> str:
        """One type, at a depth of indentation."""
        if annotation is None or (isinstance(annotation, typing.Hashable) and annotation in _NAMES):
            return _NAMES[annotation or type(None)]
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Literal:
            return " or ".join(json.dumps(member, default=str, ensure_ascii=False) for member in args)
        if origin is typing.Annotated:
            return self.shown(args[0], depth)
        if origin in (typing.Union, types.UnionType):
            return " or ".join(self.shown(part, depth) for part in sorted(args, key=lambda part: part is type(None)))
        return self._class(annotation, depth) if origin is None else self._generic(origin, args, depth)

    def _generic(self, origin: Any, args: tuple[Any, ...], depth: int) -> str:
        if origin in _ROWS or (origin is tuple and len(args) == 2 and args[1] is ...):
            if _fields(args[0]) and not _holds_itself(args[0]):
                pad = "  " * depth
                return f"[\n{pad}  {self.shown(args[0], depth + 1)}\n{pad}]"
            shown = self.shown(args[0], depth)
            return f"({shown})[]" if " or " in shown and "\n" not in shown else f"{shown}[]"
        if origin is dict:
            return f"dict[{self.shown(args[0], depth)}, {self.shown(args[1], depth)}]"
        if origin is tuple:
            return f"[{', '.join(self.shown(part, depth) for part in args)}]"
        return self._class(origin, depth)

    def _class(self, cls: Any, depth: int) -> str:
        if isinstance(cls, type) and issubclass(cls, enum.Enum):
            return " or ".join(json.dumps(member.value, default=str, ensure_ascii=False) for member in cls)
        if not _fields(cls):
            return type_name(cls)
        if _holds_itself(cls):
            self._named[cls] = None
            return type_name(cls)
        return self._block(cls, depth)

    def _block(self, cls: Any, depth: int) -> str:
        pad, lines = "  " * (depth + 1), []
        for name, (kind, remark) in _fields(cls).items():
            lines += [f"{pad}# {line}" for line in remark.splitlines()] + [f"{pad}{name}: {self.shown(kind, depth + 1)},"]
        doc = [f"{pad}# {line.strip()}" for line in (_own_doc(cls) or "").splitlines() if line.strip()]
        return "\n".join(["{", *doc, *lines, "  " * depth + "}"])


def _holds_itself(cls: Any) -> bool:
    seen: set[Any] = set()
    waiting = [kind for kind, _ in _fields(cls).values()]
    while waiting:
        kind = waiting.pop()
        if kind is cls:
            return True
        if isinstance(kind, typing.Hashable) and kind not in seen:
            seen.add(kind)
            waiting += [*get_args(kind), get_origin(kind), *(inner for inner, _ in _fields(kind).values())]
    return False


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
