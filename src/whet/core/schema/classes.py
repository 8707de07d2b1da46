"""Schemas of classes: dataclasses, typed dicts, named tuples, pydantic models, and what else pydantic understands."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from whet.core.schema.base import Schema
from whet.core.schema.reading import MISSING
from whet.core.schema.record import Field, Form, Record
from whet.core.schema.scalar import Raw
from whet.errors import SignatureError

if TYPE_CHECKING:
    from whet.core.schema.build import Builder

__all__ = ["adapter_of", "class_schema"]

_WRAPPERS: Final = frozenset({"Required", "NotRequired", "ReadOnly"})


def class_schema(builder: Builder, annotation: Any, origin: Any) -> Schema:
    """The schema of a class, or of a generic class with arguments.

    Raises:
        SignatureError: whet and pydantic both do not know how to write and read its values.
    """
    cls: Any = origin if isinstance(origin, type) else annotation
    if not isinstance(cls, type):
        return _alias(builder, annotation)
    known = dir(cls)
    if "__pydantic_validator__" in known and not _own_core_schema(cls):
        return _model(builder, cls)
    if "__get_pydantic_core_schema__" not in known:
        form, fields = _plain_form(cls)
        if form is not None:
            return _plain_record(builder, annotation, form, fields)
    return _opaque(annotation)


def _plain_form(cls: Any) -> tuple[Form | None, dict[str, tuple[bool, Any]]]:
    """How values of a dataclass, typed dict or named tuple are made, and its fields: whether required, and the default."""
    if "__dataclass_fields__" in dir(cls):
        return Form(cls=cls, make=lambda fields: cls(**fields), take=_attributes(cls), test=_is(cls)), _dataclass_fields(cls)
    fields: tuple[str, ...] = getattr(cls, "_fields", ())
    if issubclass(cls, dict) and hasattr(cls, "__required_keys__"):
        form = Form(cls=dict, make=dict, take=dict, test=lambda value: False)
        return form, {name: (_required(cls, name, hint), MISSING) for name, hint in _resolved(cls).items()}
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        defaults: Mapping[str, Any] = getattr(cls, "_field_defaults", {})
        form = Form(cls=cls, make=lambda fields: cls(**fields), take=lambda value: value._asdict(), test=_is(cls), rows=True)
        return form, {name: (name not in defaults, defaults.get(name, MISSING)) for name in fields}
    return None, {}


def adapter_of(annotation: Any) -> Any:
    """pydantic's adapter for a type.

    Raises:
        SignatureError: pydantic does not know the type.
    """
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to import, and wanted only for types that need it
    from pydantic.errors import PydanticUserError  # noqa: PLC0415 - as above

    from whet.core.schema.build import unsupported  # noqa: PLC0415 - the builder imports this module

    try:
        return TypeAdapter(annotation)
    except PydanticUserError as error:
        raise unsupported(annotation) from error
    except (NameError, TypeError) as error:
        raise unsupported(annotation, f"({error})") from error


def _opaque(annotation: Any) -> Schema:
    from whet.core.schema.model import Opaque  # noqa: PLC0415 - imports pydantic

    return Opaque(annotation, adapter_of(annotation))


def _alias(builder: Builder, annotation: Any) -> Schema:
    """A `type X = ...` statement; one that names itself is left to pydantic."""
    if type(annotation).__name__ != "TypeAliasType" or annotation.__type_params__:
        return _opaque(annotation)
    placeholder = Record(annotation, Form(cls=dict, make=dict, take=dict, test=lambda value: False))
    builder.open[annotation] = placeholder
    try:
        schema = builder.schema(annotation.__value__)
    except SignatureError:
        return _opaque(annotation)
    finally:
        del builder.open[annotation]
    return _opaque(annotation) if any(part is placeholder for part in schema.family()) else schema


def _own_core_schema(cls: type[Any]) -> bool:
    """Whether a model or pydantic dataclass brings a validator of its own that its fields do not tell."""
    owner = next((base for base in cls.__mro__ if "__get_pydantic_core_schema__" in vars(base)), None)
    return owner is not None and not owner.__module__.startswith("pydantic.")


def _is(cls: type[Any]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, cls)


def _attributes(cls: Any) -> Callable[[Any], Mapping[str, Any]]:
    names = [field.name for field in dataclasses.fields(cls) if field.init]
    return lambda value: {name: getattr(value, name) for name in names}


def _dataclass_fields(cls: Any) -> dict[str, tuple[bool, Any]]:
    fields = {}
    for field in dataclasses.fields(cls):
        if field.init:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            fields[field.name] = (required, MISSING if field.default is dataclasses.MISSING else field.default)
    return fields


def _plain_record(builder: Builder, annotation: Any, form: Form, fields: dict[str, tuple[bool, Any]]) -> Record:
    schema = Record(annotation, form)
    builder.open[annotation] = schema
    types = _hints(get_origin(annotation) or annotation, annotation)
    schema.fill(
        [
            Field(name=name, schema=builder.schema(types.get(name, Any)), required=required, default=default)
            for name, (required, default) in fields.items()
        ]
    )
    return schema


def _required(cls: Any, name: str, hint: Any) -> bool:
    """Whether a typed dict must have a key; a class cannot know it itself where its annotations are text."""
    wrapper = _wrapper(hint)
    return wrapper == "Required" or (wrapper != "NotRequired" and name in cls.__required_keys__)


def _wrapper(hint: Any) -> str:
    return str(get_origin(hint)).rpartition(".")[2]


def _resolved(cls: Any) -> dict[str, Any]:
    """The types of a class's fields, with names looked up where they are text."""
    try:
        return typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except NameError as error:
        raise SignatureError(
            f"The fields of `{cls.__name__}` name a type that is not known: {error}. Define it at the top of its module, "
            "or do without `from __future__ import annotations` there."
        ) from error


def _hints(cls: Any, annotation: Any) -> dict[str, Any]:
    """The types of a class's fields; those of a generic class with its arguments put in."""
    bound = dict(zip(getattr(cls, "__parameters__", ()), get_args(annotation), strict=False))
    return {name: _bind(_unwrapped(hint), bound) for name, hint in _resolved(cls).items()}


def _unwrapped(hint: Any) -> Any:
    """A TypedDict's field type without `Required`, `NotRequired` and `ReadOnly` around it."""
    while _wrapper(hint) in _WRAPPERS:
        hint = get_args(hint)[0]
    return hint


def _bind(hint: Any, bound: Mapping[Any, Any]) -> Any:
    if hint in bound:
        return bound[hint]
    parameters = getattr(hint, "__parameters__", ())
    return hint[tuple(bound.get(part, part) for part in parameters)] if bound and parameters and not isinstance(hint, type) else hint


def _model(builder: Builder, cls: Any) -> Schema:
    from whet.core.schema.model import ModelRecord, RootRecord  # noqa: PLC0415 - imports pydantic

    _complete(cls)
    fields: Mapping[str, Any] = cls.__pydantic_fields__
    if getattr(cls, "__pydantic_root_model__", False):
        root = RootRecord(cls)
        builder.open[cls] = root
        root.wrap(builder.schema(fields["root"].annotation))
        return root
    decorators = cls.__pydantic_decorators__
    raw = any(part.info.mode != "after" for part in decorators.model_validators.values()) or bool(decorators.root_validators)
    first = _fields_with_early_validators(decorators)
    config: Mapping[str, Any] = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", {})
    written = bool(decorators.field_serializers or decorators.model_serializers or decorators.computed_fields)
    form = Form(cls=cls, make=dict, take=_model_values(fields), test=_is(cls))
    schema = ModelRecord(cls, form, raw=raw, extras=config.get("extra") or "ignore", written=written)
    builder.open[cls] = schema
    known = [(name, info) for name, info in fields.items() if info.init is not False]
    schema.fill([_model_field(builder, name, info, early=name in first or "*" in first) for name, info in known])
    return schema


def _complete(cls: Any) -> None:
    """Make sure that a model whose fields named later types knows them now."""
    if cls.__pydantic_complete__:
        return
    from pydantic.errors import PydanticUserError  # noqa: PLC0415 - slow to import; pydantic's models are here already

    try:
        rebuild = getattr(cls, "model_rebuild", None)
        if rebuild is not None:
            rebuild(_types_namespace=vars(sys.modules[cls.__module__]))
        else:
            adapter_of(cls)
    except (PydanticUserError, NameError) as error:
        raise SignatureError(f"The model `{cls.__name__}` names a type that is not known: {error}") from error


def _fields_with_early_validators(decorators: Any) -> frozenset[str]:
    early = [part.info for part in decorators.field_validators.values() if part.info.mode != "after"]
    early += [part.info for part in decorators.validators.values()]
    return frozenset(name for info in early for name in info.fields)


def _model_values(fields: Mapping[str, Any]) -> Callable[[Any], Mapping[str, Any]]:
    names = [name for name, info in fields.items() if not info.exclude]
    return lambda value: {name: getattr(value, name) for name in names} | (getattr(value, "__pydantic_extra__", None) or {})


def _model_field(builder: Builder, name: str, info: Any, *, early: bool) -> Field:
    from whet.core.schema.annotated import bounds_and_validators, looks_first  # noqa: PLC0415 - the builder's other half

    schema: Schema = Raw(Any)
    if not early and not any(map(looks_first, bounds_and_validators(info.metadata)[1])):
        try:
            schema = builder.schema(info.annotation)
        except SignatureError:
            schema = Raw(Any)
    return Field(name=name, schema=schema, required=info.is_required(), aliases=_aliases(info), about=info.description or "")


def _aliases(info: Any) -> tuple[str, ...]:
    found = [info.alias]
    choices = getattr(info.validation_alias, "choices", None)
    found += choices if choices is not None else [info.validation_alias]
    return tuple(dict.fromkeys(alias for alias in found if isinstance(alias, str)))
