"""What tells a program or a metric from another, or from itself before it was edited: its learnt state and its code."""

from __future__ import annotations

import json
from functools import partial
from hashlib import blake2b
from inspect import unwrap
from types import CodeType, FunctionType
from typing import Any

from whet.evaluate.table import lasting_text
from whet.modules.module import Module

__all__ = ["hashed", "identity"]


def identity(thing: Any) -> str:
    """A short hash of a program or metric: names, the learnt state of a module, and the compiled code of functions and of users' classes.

    Comments and layout do not count, nor what a function calls in turn. It is the same in every process, or a run could not go on.

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
        return [_shown(thing.func), _lasting(thing.args), [[name, _lasting(value)] for name, value in sorted(thing.keywords.items())]]
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
    constants = [_code(one) if isinstance(one, CodeType) else _lasting(one) for one in code.co_consts]
    return [code.co_code.hex(), constants, list(code.co_names), list(code.co_varnames)]


def _lasting(value: Any) -> Any:
    """What stands for a value in every process: a set has no order of its own, and an object another address each time."""
    if isinstance(value, set | frozenset):
        return ["set", *sorted(map(repr, value))]
    if isinstance(value, list | tuple):
        return [_lasting(one) for one in value]
    return lasting_text(repr(value))
