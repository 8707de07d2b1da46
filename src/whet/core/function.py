"""The fourth front door: a typed function as a signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from whet.core.docstring import docstring_text
from whet.core.field import InputField, OutputField
from whet.core.signature import Signature, named_field
from whet.errors import SignatureError

__all__ = ["signature_of_function"]


def signature_of_function(function: Callable[..., Any]) -> Signature:
    """The signature of a typed function: parameters are inputs, the return type is the output, the docstring the instructions.

    A dataclass, TypedDict, NamedTuple or pydantic model as return type gives one output per field; anything else one output named `result`.

    >>> def capital(country: str) -> str:
    ...     '''Name the capital.'''
    >>> signature_of_function(capital).signature
    'country -> result'
    """
    hints = get_type_hints(function, include_extras=True)
    if "return" not in hints:
        raise SignatureError(f"The function `{function.__name__}` needs a return type: it says what the step gives.")
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SignatureError(f"`{parameter}` of `{function.__name__}` is no input: each one needs a name, such as `texts: list[str]`.")
        if not fields and parameter.name in ("self", "cls") and parameter.name not in hints:
            raise SignatureError(
                f"`{function.__name__}` is a method, and `{parameter.name}` is no input. Put it on a function outside of the class, and "
                "keep the program in an attribute."
            )
        default = {} if parameter.default is inspect.Parameter.empty else {"default": parameter.default}
        fields.append(named_field(parameter.name, hints.get(parameter.name, str), InputField(**default)))
    outputs = _result_fields(hints["return"])
    doc = docstring_text(function.__doc__) or None
    return Signature._make([*fields, *(named_field(n, t, OutputField()) for n, t in outputs.items())], doc, function.__name__)


def _result_fields(result: Any) -> dict[str, Any]:
    is_record = isinstance(result, type) and (
        hasattr(result, "__dataclass_fields__")
        or hasattr(result, "model_fields")
        or hasattr(result, "__required_keys__")
        or (issubclass(result, tuple) and hasattr(result, "_fields"))
    )
    return get_type_hints(result, include_extras=True) if is_record else {"result": result}
