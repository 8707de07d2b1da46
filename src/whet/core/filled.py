"""What a signature is beside a value: a form that is filled in by a call, something with a docstring, and a home for functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FunctionType, MappingProxyType
from typing import Any, Final

from whet.errors import SignatureError

__all__ = ["NO_METHODS", "Doc", "Filled", "method_of", "methods_in"]

NO_METHODS: Final[Mapping[str, Any]] = MappingProxyType({})
_KINDS: Final = (FunctionType, staticmethod, classmethod, property)


def methods_in(body: Mapping[str, Any], parents: Sequence[Any]) -> Mapping[str, Any]:
    """The functions of a class statement over `Signature`, and those it inherits."""
    inherited = {name: method for parent in reversed(parents) for name, method in parent.methods.items()}
    own = {name: value for name, value in body.items() if isinstance(value, _KINDS) and not name.startswith("__")}
    return MappingProxyType({**inherited, **own}) if inherited or own else NO_METHODS


def method_of(signature: Any, name: str) -> Any:
    """A function of the class statement, as a class would give it. Raises `AttributeError` where there is none."""
    method = None if name in ("methods", "name") else signature.methods.get(name)
    if method is None:
        raise AttributeError(f"{type(signature).__name__!r} object has no attribute {name!r}", name=name, obj=signature)
    return method.__get__(None, signature)


class Doc:
    """The docstring of a class of values, and as that of one value what the value says of itself."""

    def __init__(self, of_the_class: str) -> None:
        self.of_the_class = of_the_class

    def __get__(self, value: Any, owner: Any) -> str:
        return self.of_the_class if value is None else str(value.instructions)


class Filled:
    """Field values of one signature, by name."""

    def __init__(self, signature: Any, values: dict[str, Any]) -> None:
        if unknown := [name for name in values if name not in signature.fields]:
            raise SignatureError(f"`{signature.signature}` has no field `{unknown[0]}`.")
        self._signature = signature
        self.__dict__.update({name: signature.fields[name].schema.coerce(value) for name, value in values.items()})

    def __getattr__(self, name: str) -> Any:
        method = None if name == "_signature" else self._signature.methods.get(name)
        if method is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        return method.__get__(self, self._signature)

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.__dict__.items() if k != "_signature")
        return f"{self._signature.name}({shown})"
