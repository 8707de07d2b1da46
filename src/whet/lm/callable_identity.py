"""What tells a user's function apart from another in a cache."""

from __future__ import annotations

import inspect
import itertools
import secrets
from collections.abc import Callable
from functools import cache, partial
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["code_of", "identity_of"]


class _Seen:
    """Numbers for objects that have no lasting name; good for this process only."""

    def __init__(self) -> None:
        self.numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self.count = itertools.count()
        self.process = secrets.token_hex(8)

    def number(self, thing: Any) -> str:
        try:
            return f"{self.process}.{self.numbers.setdefault(thing, next(self.count))}"
        except TypeError:  # nothing can refer to it weakly, so nothing tells it apart for sure
            return f"{self.process}.{next(self.count)}"


def code_of(function: Any) -> str:
    """The name and source of a function, whatever it closes over."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        source = repr((code.co_code, code.co_consts)) if code is not None else ""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__}.{name} {blake2b(source.encode(), digest_size=16).hexdigest()}"


@cache
def _seen() -> _Seen:
    return _Seen()


def identity_of(function: Callable[..., Any]) -> str:
    """The name and source of a plain function, which last; for closures, methods and callable objects a name for this process alone.

    >>> identity_of(identity_of).split()[0]
    'whet.lm.callable_identity.identity_of'
    """
    if isinstance(function, partial):
        return f"partial {identity_of(function.func)} {function.args!r} {sorted(function.keywords.items())!r}"
    if inspect.isfunction(function) and function.__closure__ is None:
        return code_of(function)
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{name} {_seen().number(function if owner is None else owner)}"
