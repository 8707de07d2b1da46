"""Can the program be called with the examples: asked before the first of them is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from whet.core.records import Example
from whet.errors import ConfigurationError
from whet.modules.module import Module

__all__ = ["check_call", "inputs_of"]

_LOOKED_AT = 3


def inputs_of(example: Any) -> dict[str, Any]:
    """What a program is called with: the inputs of an example, or all of a mapping."""
    return example.input_values() if isinstance(example, Example) else dict(example)


def check_call(program: Any, devset: Sequence[Any]) -> None:
    """Raises `ConfigurationError` for a program that takes none of the first examples: it would fail in each, and be called wrong.

    >>> check_call(lambda question: question, [{"question": "2+2?"}])
    """
    own = isinstance(program, Module) and type(program).__call__ is Module.__call__
    try:
        bind = inspect.signature(getattr(program, "forward", program) if own else program).bind
    except (TypeError, ValueError):  # of what has no signature nobody knows
        return
    first = [inputs_of(example) for example in islice(devset, _LOOKED_AT)]
    misfits = [_misfit(bind, inputs) for inputs in first]
    if all(misfits):
        raise ConfigurationError(
            f"The program cannot be called with the inputs of the first examples ({', '.join(first[0])}): {misfits[0]}. "
            "Give it arguments of these names, or name other fields in `with_inputs`."
        )


def _misfit(bind: Callable[..., Any], inputs: Mapping[str, Any]) -> str:
    try:
        bind(**inputs)
    except TypeError as error:
        return str(error)
    return ""
