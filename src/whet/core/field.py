"""One field of a signature: `InputField(...)` and `OutputField(...)` make its description, `Field` is the finished value."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from whet.core.schema import Schema, describe_constraints, schema_of
from whet.errors import SchemaError, SignatureError

__all__ = ["MISSING", "Field", "InputField", "OutputField", "infer_prefix"]

CONSTRAINTS: Final = ("gt", "ge", "lt", "le", "min_length", "max_length", "multiple_of", "pattern", "allow_inf_nan")
_UNUSED = ("prefix", "format", "parser")
_PYDANTIC = frozenset(
    "default_factory alias alias_priority validation_alias serialization_alias title examples exclude discriminator deprecated "
    "json_schema_extra frozen validate_default repr init init_var kw_only strict coerce_numbers_to_str max_digits decimal_places "
    "union_mode fail_fast".split()
)


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"  # the one there is, also for who copies or sends it


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input or output of a signature. A value; `evolve` makes a changed one.

    >>> InputField(desc="a city").evolve(name="place").desc
    'a city'
    """

    name: str = ""
    kind: Literal["input", "output"]
    annotation: Any = None
    desc: str = ""
    default: Any = MISSING
    default_factory: Callable[[], Any] | None = None
    constraints: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = True
    train_only: bool = False
    typed: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)
    _schema: Schema | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def schema(self) -> Schema:
        """The type engine's view of the field: how values are rendered, parsed and checked."""
        if self._schema is None:
            object.__setattr__(self, "_schema", schema_of(self.annotation, self.constraints or None))
        return self._schema  # type: ignore[return-value]

    @property
    def prefix(self) -> str:
        """A title made from the name, such as `Search Query:`."""
        return str(self.extra.get("prefix") or infer_prefix(self.name) + ":")

    @property
    def description(self) -> str:
        """The description; `${name}` where none was given."""
        return self.desc or f"${{{self.name}}}"

    @property
    def json_schema_extra(self) -> dict[str, Any]:
        """The field's data in the form that programs written for DSPy read."""
        shown: dict[str, Any] = {**self.extra, "prefix": self.prefix, "desc": self.description, "__dspy_field_type": self.kind}
        if self.constraints:
            shown["constraints"] = describe_constraints(self.constraints)
        return shown

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return isinstance(self.default, _Missing) and self.default_factory is None

    def is_required(self) -> bool:
        """The same as `required`, as pydantic spells it."""
        return self.required

    def default_value(self) -> Any:
        """The default, made anew where there is a factory."""
        return self.default_factory() if self.default_factory is not None else self.default

    def checked(self) -> Field:
        """This field. Raises `SignatureError` for a type that cannot be one, constraints that no value can meet, a default against them."""
        try:
            schema = self.schema
            if self.constraints and not (isinstance(self.default, _Missing) or self.default is None):
                schema.coerce(self.default)
        except SchemaError as error:
            raise SignatureError(f"The default of the field `{self.name}` is against its constraints: {error}") from error
        except SignatureError as error:
            raise SignatureError(f"{error} (The field is `{self.name}`.)") from error
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return _field_of, ({**given, "constraints": dict(self.constraints), "extra": dict(self.extra)},)

    def evolve(self, **changes: Any) -> Field:
        """A changed copy."""
        return replace(self, **changes)

    def identity(self) -> tuple[Any, ...]:
        """What makes two fields the same."""
        extra = tuple(sorted((k, repr(v)) for k, v in self.extra.items()))
        constraints = tuple(sorted(self.constraints.items(), key=lambda item: item[0]))
        return (
            self.name,
            self.kind,
            _type_key(self.annotation),
            self.desc,
            repr(self.default),
            constraints,
            self.trusted,
            self.train_only,
            extra,
        )

    def __hash__(self) -> int:
        return hash(self.identity())


def _type_key(annotation: Any) -> str:
    # `int | str` and `Union[int, str]` are equal to Python, and written differently.
    if get_origin(annotation) in (Union, UnionType):
        return f"Union[{', '.join(map(_type_key, get_args(annotation)))}]"
    return repr(annotation)


def _field_of(given: dict[str, Any]) -> Field:
    return Field(**{**given, "constraints": MappingProxyType(given["constraints"])})


def InputField(default: Any = MISSING, **options: Any) -> Any:
    """Describe an input: `desc`, a `default`, constraints (`ge`, `le`, `min_length`, ...), and any argument of pydantic's `Field`.

    `trusted=False` marks text from outside: it is framed as data in the prompt. `train_only=True` inputs (hints) are shown when demos and
    training
    data are made, and never in the finished program's prompt. Raises `SignatureError` for an unknown option.

    >>> InputField(desc="a question").desc
    'a question'
    """
    return _describe("input", default, options)


def OutputField(default: Any = MISSING, *, init: Literal[False] = False, **options: Any) -> Any:
    """Describe an output: `desc`, a `default`, constraints (`ge`, `le`, `min_length`, ...), and any argument of pydantic's `Field`.

    `init` says to type checkers that an output is not given in a call; leave it.

    >>> dict(OutputField(ge=0, le=1).constraints)
    {'ge': 0, 'le': 1}
    """
    return _describe("output", default, options)


def _describe(kind: Literal["input", "output"], default: Any, options: dict[str, Any]) -> Field:
    given = dict(options)
    for name in _UNUSED:
        if name in given:
            warnings.warn(f"The field option `{name}` has no effect on prompts any more.", DeprecationWarning, stacklevel=3)
    desc = given.pop("desc", None) or given.pop("description", None) or ""
    given.pop("description", None)
    constraints = {name: given.pop(name) for name in list(given) if name in CONSTRAINTS}
    known = {name: given.pop(name) for name in ("default_factory", "trusted", "train_only") if name in given}
    annotation = given.pop("annotation", None)
    if unknown := [name for name in given if name not in _UNUSED and name not in _PYDANTIC]:
        fits = ", ".join((*CONSTRAINTS, "desc", "default", "default_factory", "trusted", "train_only"))
        raise SignatureError(f"A field has no option `{unknown[0]}`. Options that fit: {fits}, and those of pydantic's `Field`.")
    default = MISSING if default is ... else default
    return Field(
        kind=kind, annotation=annotation, desc=desc, default=default, constraints=MappingProxyType(constraints), extra=given, **known
    )


def infer_prefix(name: str) -> str:
    """A title for a field name.

    >>> infer_prefix("someAttributeName42IsCool"), infer_prefix("isHTTPSecure")
    ('Some Attribute Name 42 Is Cool', 'Is HTTP Secure')
    """
    spaced = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", spaced)
    spaced = re.sub(r"([a-zA-Z])(\d)", r"\1_\2", spaced)
    spaced = re.sub(r"(\d)([a-zA-Z])", r"\1_\2", spaced)
    return " ".join(word if word.isupper() else word.capitalize() for word in spaced.split("_") if word)
