"""The arguments of a callable as a tool's schema: JSON schema and Python type of each, read from its signature."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from whet.core.schema import schema_of
from whet.errors import SignatureError
from whet.tools.docstring import argument_texts

__all__ = ["Parameters", "argument_descriptions", "arguments_of_schema", "read_parameters", "schema_of_type", "without_references"]

_TYPES: Final[Mapping[Any, Any]] = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a tool takes: by name the JSON schema and the type; `open` says that any further name is taken, too."""

    args: dict[str, dict[str, Any]]
    types: dict[str, Any]
    open: bool = False


def read_parameters(function: Callable[..., Any]) -> Parameters:
    """The parameters of a function, of a class, or of an object's `__call__`.

    Descriptions come from the docstring. Parameters without an annotation, or with a type that no JSON can stand for, may be anything.
    """
    if isinstance(function, type) and hasattr(function, "model_fields"):
        return _of_model(function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return Parameters(args={}, types={}, open=True)
    hints = _hints(function)
    texts = argument_texts(inspect.getdoc(_target(function)))
    args: dict[str, dict[str, Any]] = {}
    types: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        types[parameter.name] = hints.get(parameter.name, Any)
        default = {} if parameter.default is parameter.empty else {"default": parameter.default}
        args[parameter.name] = _described(schema_of_type(types[parameter.name]) | default, texts.get(parameter.name))
    is_open = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    return Parameters(args=args, types=types, open=is_open)


def _of_model(model: Any) -> Parameters:
    schema = without_references(schema_of(model).json_schema())
    properties: Mapping[str, Any] = schema.get("properties") or {}
    hints = {name: field.annotation for name, field in model.model_fields.items()}
    args = {name: {k: v for k, v in properties.get(name, {}).items() if k != "title"} for name in hints}
    for name, field in model.model_fields.items():
        if not field.is_required():
            args[name].setdefault("default", None if field.default_factory is not None else field.default)
    return Parameters(args=args, types=hints)


def _described(schema: dict[str, Any], text: str | None) -> dict[str, Any]:
    return {**schema, "description": text} if text and "description" not in schema else schema


def _target(function: Any) -> Any:
    """What carries the annotations: the function itself, the class, or the `__call__` of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    return type(function).__call__


def _hints(function: Any) -> dict[str, Any]:
    target = _target(function)
    if isinstance(target, type):
        target = target.__init__  # type: ignore[misc]
    target = inspect.unwrap(target)
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {name: Any if isinstance(hint, str) else hint for name, hint in _as_written(target).items()}


def _as_written(target: Any) -> dict[str, Any]:
    try:
        return dict(target.__annotations__)
    except (NameError, AttributeError):  # since Python 3.14 names are looked up here
        return {}


def schema_of_type(annotation: Any) -> dict[str, Any]:
    """The JSON schema of a type, references expanded in place; empty (anything) for a type that no JSON can stand for.

    >>> schema_of_type(list[int])
    {'type': 'array', 'items': {'type': 'integer'}}
    """
    try:
        return without_references(schema_of(annotation).json_schema())
    except SignatureError:
        return {}


def arguments_of_schema(schema: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The arguments that a JSON schema describes: the schema, the type and the description of each.

    >>> arguments_of_schema({"properties": {"k": {"type": "integer"}}, "required": ["k"]})
    ({'k': {'type': 'integer'}}, {'k': <class 'int'>}, {'k': 'No description provided. (Required)'})
    """
    whole = without_references(schema)
    args = {name: dict(part) for name, part in (whole.get("properties") or {}).items()}
    kinds = {name: part.get("type") for name, part in args.items()}
    types = {name: _TYPES.get(kind, Any) if isinstance(kind, str) else Any for name, kind in kinds.items()}
    return args, types, argument_descriptions(args, whole.get("required") or ())


def argument_descriptions(args: Mapping[str, Mapping[str, Any]], required: Collection[str]) -> dict[str, str]:
    """What each argument is for, and whether it must be given, as people are told."""
    said = {name: str(part.get("description") or "No description provided.") for name, part in args.items()}
    return {name: f"{text} (Required)" if name in required else text for name, text in said.items()}


def without_references(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every `$ref` replaced by what it names; where a type contains itself, the inner one is any object."""
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    return _expanded({k: v for k, v in schema.items() if k not in ("$defs", "definitions")}, definitions, ())  # type: ignore[no-any-return]


def _expanded(part: Any, definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if isinstance(part, list):
        return [_expanded(item, definitions, inside) for item in part]
    if not isinstance(part, Mapping):
        return part
    reference = part.get("$ref")
    if isinstance(reference, str):
        name = reference.rpartition("/")[2]
        if name in inside or name not in definitions:
            return {"type": "object"}
        rest = {k: v for k, v in part.items() if k != "$ref"}
        return {**_expanded(definitions[name], definitions, (*inside, name)), **_expanded(rest, definitions, inside)}
    return {key: _expanded(value, definitions, inside) for key, value in part.items()}
