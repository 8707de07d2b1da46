"""Signatures: what a step takes and gives, as a value. Four front doors make the same kind of object.

>>> Signature("question, context: list[str] -> answer: float").signature
'question, context -> answer'
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, dataclass_transform, get_type_hints

from whet.core.docstring import docstring_text
from whet.core.field import Field, InputField as _input_field, OutputField as _output_field
from whet.core.filled import NO_METHODS, Doc, Filled, method_of, methods_in
from whet.core.signature_text import parse_signature
from whet.errors import SignatureError

__all__ = ["Signature", "SignatureMeta", "ensure_signature", "make_signature", "named_field"]


if TYPE_CHECKING:
    # To a checker a class statement over `Signature` is a class, so what can be asked of a signature can be asked of that class.
    of_the_value = classmethod
else:

    def of_the_value(method: Any) -> Any:
        """The method as it is: at run time a class statement gives a value."""
        return method


class SignatureMeta(type):
    """Reads a class statement and returns the signature it describes, which is a value."""

    def __new__(mcs, name: str, bases: tuple[Any, ...], body: dict[str, Any], **options: Any) -> Any:
        if not bases or bases == (_Parts,):
            return super().__new__(mcs, name, bases, body)
        return _from_class_body(name, body, parents=list(body.pop("__whet_parents__", ())))

    @classmethod
    def __prepare__(mcs, name: str, bases: tuple[Any, ...], /, **options: Any) -> dict[str, Any]:
        parents = [base.parent for base in bases if isinstance(base, _ParentMeta)]
        return {"__whet_parents__": parents} if parents else {}

    if not TYPE_CHECKING:  # to a checker, calling a class statement's class fills in the inputs

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return _build(*args, **kwargs)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return isinstance(subclass, cls) if not isinstance(subclass, type) else type.__subclasscheck__(cls, subclass)


class _ParentMeta(SignatureMeta):
    """The stand-in base class of a signature that is subclassed; only its metaclass is looked at."""

    parent: Any


@dataclass_transform(kw_only_default=True, field_specifiers=(_input_field, _output_field))
class _Parts(metaclass=SignatureMeta):
    """What a signature is made of, and what a checker finds on the result of a call (`Predict(Sig)(...)` is a `Sig` to it)."""

    if not TYPE_CHECKING:  # a checker would not let a class ask for what is in its slots
        __slots__ = ("_hash", "fields", "input_fields", "instructions", "methods", "name", "output_fields", "plans")

    name: str
    instructions: str
    fields: Mapping[str, Field]
    input_fields: Mapping[str, Field]
    output_fields: Mapping[str, Field]
    plans: dict[Any, Any]
    methods: Mapping[str, Any]
    _hash: int | None

    if TYPE_CHECKING:
        reasoning: Any
        trajectory: Any
        stop_reason: Any
        completions: Any
        meta: Any
        get_lm_usage: Any
        to_dict: Any
        toDict: Any


class Signature(_Parts):
    """What a step takes and gives: instructions and ordered, typed fields. Frozen and hashable; edits return a new one.

    Made from a string, a dict, a typed function or a class statement:

    >>> class Sentiment(Signature):
    ...     '''Say how the sentence feels.'''
    ...     sentence: str = _input_field()
    ...     positive: bool = _output_field()
    >>> Sentiment == Signature({"sentence": _input_field(), "positive": (bool, _output_field())}, "Say how the sentence feels.")
    True
    """

    __slots__ = ()

    if TYPE_CHECKING:
        # What a call takes beside the inputs: these count as optional inputs of every class statement.
        config: Any = _input_field(default=None)
        demos: Any = _input_field(default=None)
        lm: Any = _input_field(default=None)
        prediction: Any = _input_field(default=None)
        max_iters: Any = _input_field(default=None)

        def __init__(
            self, signature: Any = ..., instructions: str | None = ..., signature_name: str = ..., custom_types: Any = ...
        ) -> None: ...

    @classmethod
    def _make(cls, fields: Iterable[Field], instructions: str | None, name: str = "StringSignature", own: Any = NO_METHODS) -> Signature:
        fields = list(fields)
        inputs = {f.name: f for f in fields if f.kind == "input"}
        outputs = {f.name: f for f in fields if f.kind == "output"}
        if both := [n for n in inputs if n in outputs]:
            raise SignatureError(f"Inputs and outputs must have distinct names, but `{both[0]}` is used for both.")
        self = object.__new__(cls)
        put = object.__setattr__
        put(self, "name", name)
        put(self, "input_fields", MappingProxyType(inputs))
        put(self, "output_fields", MappingProxyType(outputs))
        put(self, "fields", MappingProxyType({**inputs, **outputs}))
        put(self, "instructions", _default_instructions(inputs, outputs) if instructions is None else instructions)
        put(self, "plans", {})
        put(self, "methods", own)
        put(self, "_hash", None)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        raise SignatureError(
            f"A signature cannot be changed in place (`{name}`). "
            "Make a new one: `with_instructions(...)`, `with_updated_fields(...)`, `append(...)`."
        )

    if not TYPE_CHECKING:  # a checker sees the methods of a class statement itself
        __getattr__ = method_of

    @property
    def signature(self) -> str:
        """Names only: `question, context -> answer`."""
        return f"{', '.join(self.input_fields)} -> {', '.join(self.output_fields)}"

    @property
    def __name__(self) -> str:
        return self.name

    def _identity(self) -> tuple[Any, ...]:
        return (self.instructions, *(f.identity() for f in self.fields.values()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Signature):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def __hash__(self) -> int:
        if self._hash is None:
            object.__setattr__(self, "_hash", hash(self._identity()))
        return self._hash  # type: ignore[return-value]

    @of_the_value
    def equals(self, other: object) -> bool:
        """Whether the other signature has the same instructions and the same fields."""
        return isinstance(other, Signature) and self == other

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        # `class B(A)` where A is a value: stand in with a class that remembers A.
        stand_in = type.__new__(_ParentMeta, self.name, (), {})
        stand_in.parent = self
        return (stand_in,)

    def __instancecheck__(self, instance: Any) -> bool:
        return getattr(instance, "_signature", None) is self

    def __subclasscheck__(self, other: Any) -> bool:
        # What a class statement over this signature made has all of its fields.
        return isinstance(other, Signature) and all(other.fields.get(name) == field for name, field in self.fields.items())

    def __call__(self, /, **values: Any) -> Any:
        """A filled-in form: an `Example` with these field values."""
        return Filled(self, values)

    def __copy__(self) -> Signature:
        return self

    def __deepcopy__(self, memo: Any) -> Signature:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Signature._make, (tuple(self.fields.values()), self.instructions, self.name)

    def __repr__(self) -> str:
        lines = [f"    {f.name} = Field({f.kind}, {f.schema.name}{f', desc={f.desc!r}' if f.desc else ''})" for f in self.fields.values()]
        return f"{self.name}({self.signature}\n    instructions={self.instructions!r}\n" + "\n".join(lines) + "\n)"

    @of_the_value
    def _with_fields(self, fields: Iterable[Field], instructions: str | None = None) -> Signature:
        return Signature._make(fields, self.instructions if instructions is None else instructions, self.name, self.methods)

    @of_the_value
    def with_instructions(self, instructions: str) -> Signature:
        """The same fields with other instructions."""
        return self._with_fields(self.fields.values(), instructions)

    @of_the_value
    def append_instructions(self, instructions: str) -> Signature:
        """The same with a further paragraph of instructions."""
        return self.with_instructions(f"{self.instructions}\n\n{instructions}")

    @of_the_value
    def with_updated_fields(self, name: str, type_: Any = None, **changes: Any) -> Signature:
        """The same with one field changed: its type, `desc`, or anything else a field can have."""
        if name not in self.fields:
            raise SignatureError(f"There is no field `{name}` in `{self.signature}`.")
        return self._with_fields(_changed(f, type_, changes) if f.name == name else f for f in self.fields.values())

    @of_the_value
    def prepend(self, name: str, field: Any, type_: Any = None) -> Signature:
        """The same with a new field first among the inputs or outputs, whichever kind it is."""
        return self.insert(0, name, field, type_)

    @of_the_value
    def append(self, name: str, field: Any, type_: Any = None) -> Signature:
        """The same with a new field last among the inputs or outputs, whichever kind it is."""
        return self.insert(-1, name, field, type_)

    @of_the_value
    def insert(self, index: int, name: str, field: Any, type_: Any = None) -> Signature:
        """The same with a new field at a place among the inputs or outputs; negative indices count from the end.

        Raises `SignatureError` (a `ValueError`) for a place outside of the group.
        """
        new = named_field(name, type_, field)
        inputs = [f for f in self.input_fields.values() if f.name != name]
        outputs = [f for f in self.output_fields.values() if f.name != name]
        group = inputs if new.kind == "input" else outputs
        place = index + len(group) + 1 if index < 0 else index
        if not 0 <= place <= len(group):
            raise SignatureError(f"A field cannot be put at place {index} among {len(group)} {new.kind} fields.")
        group.insert(place, new)
        return self._with_fields([*inputs, *outputs])

    @of_the_value
    def delete(self, name: str) -> Signature:
        """The same without this field; nothing changes if there is none of that name."""
        return self._with_fields(f for f in self.fields.values() if f.name != name)

    remove = delete

    @of_the_value
    def dump_state(self) -> dict[str, Any]:
        """What an optimizer may have changed: instructions, prefixes and descriptions."""
        fields = [{"prefix": f.prefix, "description": f.description} for f in self.fields.values()]
        return {"instructions": self.instructions, "fields": fields}

    @of_the_value
    def load_state(self, state: Mapping[str, Any]) -> Signature:
        """A signature like this one with the instructions and descriptions of `dump_state()`."""
        loaded = []
        for f, saved in zip(self.fields.values(), state["fields"], strict=True):
            desc = saved.get("description", "")
            loaded.append(
                f.evolve(desc="" if desc == f"${{{f.name}}}" else desc, extra={**f.extra, "prefix": saved.get("prefix", f.prefix)})
            )
        return self._with_fields(loaded, state["instructions"])


Signature.__doc__ = Doc(Signature.__doc__ or "")  # type: ignore[assignment]


def _changed(field: Field, type_: Any, changes: dict[str, Any]) -> Field:
    own = {name: changes.pop(name) for name in list(changes) if name in Field.__dataclass_fields__ and name != "extra"}
    if type_ is not None:
        own["annotation"], own["typed"] = type_, True
    return field.evolve(**own, extra={**field.extra, **changes})


def _default_instructions(inputs: Iterable[str], outputs: Iterable[str]) -> str:
    takes, gives = (", ".join(f"`{name}`" for name in names) for names in (inputs, outputs))
    return f"Given the fields {takes}, produce the fields {gives}."


def named_field(name: Any, annotation: Any, field: Any) -> Field:
    """A described field with its name and type, checked."""
    if not isinstance(name, str):
        raise SignatureError(f"Field names must be strings, not {name!r}.")
    if not name.isidentifier() or name.startswith("__"):
        raise SignatureError(f"{name!r} is no field name: it must be a Python identifier without two leading underscores.")
    if not isinstance(field, Field):
        raise SignatureError(f"The field `{name}` must be made with `InputField(...)` or `OutputField(...)`, not {field!r}.")
    if annotation is None:
        annotation = field.annotation
    desc = "" if field.desc == f"${{{name}}}" else field.desc
    return field.evolve(name=name, annotation=str if annotation is None else annotation, desc=desc).checked()


def _build(
    signature: Any = None, instructions: str | None = None, signature_name: str = "StringSignature", custom_types: Any = None, **kw: Any
) -> Any:
    signature = kw.pop("signature", signature)
    if isinstance(signature, str):
        caller = sys._getframe(2)
        names = custom_types if custom_types is not None else {**caller.f_globals, **caller.f_locals}
        return Signature._make(parse_signature(signature, names), instructions, signature_name)
    if isinstance(signature, Mapping):
        return Signature._make([named_field(n, *_type_and_field(n, v)) for n, v in signature.items()], instructions, signature_name)
    if isinstance(signature, Signature):
        return signature if instructions is None else signature.with_instructions(instructions)
    if inspect.isroutine(signature):
        from whet.core.function import signature_of_function  # noqa: PLC0415 - it makes signatures itself

        made = signature_of_function(signature)
        return made if instructions is None else made.with_instructions(instructions)
    raise SignatureError(
        f"A signature is made from a string such as 'question -> answer', a dict of fields or a typed function, not from {signature!r}."
    )


def _type_and_field(name: Any, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple):
        return None, value
    if len(value) != 2:
        raise SignatureError(f"The field `{name}` must be a field or a pair (type, field), not {value!r}.")
    if isinstance(value[0], str) or value[0] is None or isinstance(value[0], int | float):
        raise SignatureError(f"The type of the field `{name}` is {value[0]!r}, which is no type.")
    return value


def make_signature(
    signature: str | Mapping[str, Any], instructions: str | None = None, signature_name: str = "StringSignature", custom_types: Any = None
) -> Signature:
    """A signature from a string or a dict. Types named in the string come from `custom_types`, else from the caller's names.

    >>> make_signature("text -> label: bool").output_fields["label"].annotation
    <class 'bool'>
    """
    if isinstance(signature, str) and custom_types is None:
        caller = sys._getframe(1)
        custom_types = {**caller.f_globals, **caller.f_locals}
    return _build(signature, instructions, signature_name, custom_types)  # type: ignore[no-any-return]


def ensure_signature(signature: Any, instructions: str | None = None) -> Any:
    """A signature from a string; signatures pass through, `None` stays `None`.

    Raises `SignatureError` (a `ValueError`) when instructions are given together with a signature that has its own.

    >>> ensure_signature("question -> answer", "Be brief.").instructions
    'Be brief.'
    """
    if signature is None:
        return None
    if isinstance(signature, str | Mapping) or inspect.isroutine(signature):
        caller = sys._getframe(1)
        return _build(signature, instructions, custom_types={**caller.f_globals, **caller.f_locals})
    if not isinstance(signature, Signature):
        raise SignatureError(f"Expected a signature, a string such as 'question -> answer', or a dict of fields; got {signature!r}.")
    if instructions is not None:
        raise SignatureError("Instructions can be given with a string; this signature has its own: use `with_instructions(...)`.")
    return signature


def _from_class_body(name: str, body: dict[str, Any], parents: list[Signature]) -> Signature:
    inherited: dict[str, Field] = {}
    instructions: str | None = None
    for parent in reversed(parents):
        inherited.update(parent.fields)
        instructions = parent.instructions or instructions
    annotations = _annotations_of(name, body)
    # A body's names keep their order; annotations without a value are mistakes that get their own sentence.
    own = {n: v for n, v in body.items() if isinstance(v, Field)}
    for field_name in annotations:
        if field_name not in own:
            raise _not_a_field(name, field_name, body.get(field_name))
    fields = {**inherited, **{n: named_field(n, annotations.get(n), f) for n, f in own.items()}}
    return Signature._make(fields.values(), docstring_text(body.get("__doc__")) or instructions, name, methods_in(body, parents))


def _not_a_field(signature: str, name: str, value: Any) -> Exception:
    given = "has no value" if value is None else f"is {value!r}"
    return TypeError(
        f"The field `{name}` of `{signature}` {given}. Every field must be an InputField or OutputField: `{name}: str = whet.InputField()`."
    )


def _annotations_of(name: str, body: dict[str, Any]) -> dict[str, Any]:
    raw: Any = body.get("__annotations__")
    if raw is None and (annotate := body.get("__annotate_func__") or body.get("__annotate__")) is not None:
        raw = annotate(1)
    if not any(isinstance(a, str) for a in (raw or {}).values()):
        return dict(raw or {})
    caller = sys._getframe(3)
    names = {**caller.f_globals, **caller.f_locals}
    holder = type(name, (), {"__annotations__": dict(raw), "__module__": body.get("__module__", "")})
    return get_type_hints(holder, globalns=names, localns=names, include_extras=True)
