"""What tells a program or a metric from another, or from itself before it was edited: learnt state, code, and what it was made with."""

from __future__ import annotations

import dis
import enum
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from functools import partial
from hashlib import blake2b
from inspect import unwrap
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

from whet.evaluate.table import lasting_text
from whet.modules.module import Module

__all__ = ["hashed", "identity"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None), re.Pattern, enum.Enum)
_CALLED = (FunctionType, MethodType, BuiltinFunctionType, partial, Module, type)
# What a module notes as it runs, and what `dump_state` tells of a predictor.
_NOTED = frozenset("callbacks history _compiled traces train signature demos lm".split())
_MAKING = frozenset({"__init__", "__new__", "__post_init__", "__setattr__", "__setstate__"})
Seen = frozenset[int]


def identity(thing: Any) -> str:
    """A short hash of a program or metric: names, the learnt state of a module, the compiled code of functions and of users' classes, and
    what they were made with: defaults, and the numbers, texts, tuples and functions in closures and attributes.

    Comments and layout do not count, nor what a function calls in turn, nor what changes by being used: lists, dicts, and what the code
    itself sets again, such as a counter. It is the same in every process, or a run could not go on.

    >>> identity(lambda x: x + 1) == identity(lambda x: x + 2), identity(partial(max, 1)) == identity(partial(max, 2))
    (False, False)
    """
    return hashed(_shown(thing, frozenset()))


def hashed(value: Any) -> str:
    """A short hash of plain data."""
    return blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def _shown(thing: Any, seen: Seen) -> Any:
    if id(thing) in seen:
        return "itself"
    seen |= {id(thing)}
    if isinstance(thing, Module):
        state = {name: predictor.dump_state() for name, predictor in thing.named_predictors()}
        parts = [[name, _class_code(type(module)), _attributes(module, seen)] for name, module in thing.named_sub_modules()]
        return [type(thing).__qualname__, state, parts]
    if isinstance(thing, partial):
        return [_shown(thing.func, seen), _setting(thing.args, seen), _mapping(thing.keywords, seen)]
    if isinstance(thing, MethodType):
        return [_shown(thing.__func__, seen), _shown(thing.__self__, seen)]
    function = thing if isinstance(thing, FunctionType | type) or not callable(thing) else unwrap(thing)
    if isinstance(function, FunctionType):
        return [function.__qualname__, _code(function.__code__), _made_with(function, seen)]
    kind = thing if isinstance(thing, type) else type(thing)
    return [getattr(thing, "__qualname__", kind.__qualname__), _class_code(kind), [] if kind is thing else _attributes(thing, seen)]


def _made_with(function: FunctionType, seen: Seen) -> list[Any]:
    """The defaults of a function and what it closes over, but for names that it sets itself."""
    set_again = {i.argval for code in _codes(function.__code__) for i in dis.get_instructions(code) if i.opname == "STORE_DEREF"}
    closed = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    held = [[name, _held(cell, seen)] for name, cell in closed if name not in set_again]
    return [_setting(function.__defaults__, seen), _mapping(function.__kwdefaults__ or {}, seen), held]


def _held(cell: Any, seen: Seen) -> Any:
    try:
        return _setting(cell.cell_contents, seen)
    except ValueError:  # nothing was put there yet
        return "empty"


def _attributes(thing: Any, seen: Seen) -> list[Any]:
    """The attributes that say how an object works; of whet's own, also those in dicts, and none of the notes under `_names`."""
    own = _is_ours(type(thing))
    left_out = _NOTED if own else _NOTED | _set_again(type(thing))
    return [
        [name, _setting(value, seen, own)]
        for name, value in sorted(getattr(thing, "__dict__", {}).items())
        if name not in left_out and not (own and name.startswith("_")) and not (isinstance(thing, Module) and isinstance(value, Module))
    ]


def _setting(value: Any, seen: Seen, whole: bool = False) -> Any:
    """A value that something was made with; of what may change by being used, unless it is to be shown as a `whole`, only the kind."""
    shown: Any = type(value).__qualname__
    if isinstance(value, _PLAIN):
        shown = lasting_text(repr(value))
    elif isinstance(value, tuple) or (whole and isinstance(value, list)):
        shown = [_setting(one, seen, whole) for one in value]
    elif isinstance(value, frozenset):
        shown = ["set", *sorted(json.dumps(_setting(one, seen)) for one in value)]
    elif whole and isinstance(value, Mapping):
        shown = _mapping(value, seen)
    elif isinstance(value, _CALLED):
        shown = _shown(value, seen)
    elif is_dataclass(value) and not _is_ours(type(value)):
        shown = [shown, _attributes(value, seen)]
    return shown


def _mapping(values: Mapping[Any, Any], seen: Seen) -> list[Any]:
    shown = [(lasting_text(repr(name)), _setting(value, seen, True)) for name, value in values.items()]
    return sorted(shown, key=lambda item: item[0])


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "whet"


def _set_again(kind: type) -> frozenset[str]:
    """The attributes that methods of users' classes set after the object was made."""
    methods = (function for cls in _users(kind) for name, function in _functions(cls) if name not in _MAKING)
    codes = (code for function in methods for code in _codes(function.__code__))
    return frozenset(i.argval for code in codes for i in dis.get_instructions(code) if i.opname == "STORE_ATTR")


def _class_code(kind: type) -> str:
    """The code of a class and of its parents; whet's own are known by name, and change with its version only."""
    parts = [hashed({name: _code(function.__code__) for name, function in _functions(cls)}) for cls in _users(kind)]
    return " ".join([*parts, *(cls.__qualname__ for cls in kind.__mro__ if _is_ours(cls))][: len(parts) + 1])


def _users(kind: type) -> Iterator[type]:
    """A class and its parents, up to the first of whet's own."""
    for cls in kind.__mro__[:-1]:
        if _is_ours(cls):
            return
        yield cls


def _functions(cls: type) -> Iterator[tuple[str, FunctionType]]:
    for name, member in vars(cls).items():
        if callable(member):
            function = unwrap(getattr(member, "__func__", member))
            if isinstance(function, FunctionType):
                yield name, function


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)


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
