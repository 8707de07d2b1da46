"""What tells a program or a metric from another, or from itself before it was edited: its learnt state and its code."""

from __future__ import annotations

import json
from functools import partial
from hashlib import blake2b
from inspect import unwrap
from types import CodeType, FunctionType
from typing import Any

from whet.modules.module import Module

__all__ = ["hashed", "identity"]


def identity(thing: Any) -> str:
    """A short hash of a program or metric: names, the learnt state of a module, and the compiled code of functions and of users' classes.

    Comments and layout do not count, nor what a function calls in turn.

    >>> identity(lambda x: x + 1) == identity(lambda x: x + 2)
    False
    """
    return hashed(_shown(thing))


def hashed(value: Any) -> str:
    """A short hash of plain data."""
    return blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def _shown(thing: Any) -> Any:
    if isinstance(thing, Module):
        state = {name: predictor.dump_state() for name, predictor in thing.named_predictors()}
        kinds = {type(module) for _, module in thing.named_sub_modules()}
        return [type(thing).__qualname__, state, sorted(_class_code(kind) for kind in kinds)]
    if isinstance(thing, partial):
        return [_shown(thing.func), repr(thing.args), repr(sorted(thing.keywords.items()))]
    function = unwrap(thing) if callable(thing) else thing
    function = getattr(function, "__func__", function)
    if isinstance(function, FunctionType):
        return [function.__qualname__, _code(function.__code__)]
    return [type(thing).__qualname__, _class_code(type(thing))]


def _class_code(kind: type) -> str:
    """The code of a class and of its parents; whet's own are known by name, and change with its version only."""
    parts = []
    for cls in kind.__mro__[:-1]:
        if cls.__module__.partition(".")[0] == "whet":
            parts.append(cls.__qualname__)
            break
        plain = {name: unwrap(getattr(member, "__func__", member)) for name, member in vars(cls).items() if callable(member)}
        parts.append(hashed({name: _code(f.__code__) for name, f in plain.items() if isinstance(f, FunctionType)}))
    return " ".join(parts)


def _code(code: CodeType) -> list[Any]:
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return [code.co_code.hex(), constants, list(code.co_names), list(code.co_varnames)]
