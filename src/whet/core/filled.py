"""What a signature is beside a value: a form that is filled in by a call, and something with a docstring."""

from __future__ import annotations

from typing import Any

from whet.errors import SignatureError

__all__ = ["Doc", "Filled"]


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

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.__dict__.items() if k != "_signature")
        return f"{self._signature.name}({shown})"
