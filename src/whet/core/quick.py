"""`quick`: frozen dataclasses that are made as fast as plain ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import field, fields, make_dataclass
from functools import wraps
from typing import Any, TypeVar

__all__ = ["maker", "quick"]

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """Make a frozen dataclass with slots quick to make; for the values that every call of a model makes several of.

    A frozen dataclass fills each field through `object.__setattr__`, which is most of what it costs. Here the new object is first one of a
    twin class that is not frozen, is filled by the twin's own `__init__`, and then becomes what it is; nobody sees it before
    (docs/decisions/011). Without a GIL, where changing an object's class stops all threads, the class stays as it was.

    >>> from dataclasses import dataclass
    >>> @quick
    ... @dataclass(frozen=True, slots=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1)
    Point(x=1, y=0)
    """
    if not _classes_change_cheaply():
        return cls
    twin = _twin(cls)
    become, fill, whole = vars(object)["__class__"].__set__, twin.__init__, cls.__init__

    @wraps(whole)
    def __init__(self: Any, *args: Any, **values: Any) -> None:
        if type(self) is not cls:  # a subclass, which may have slots of its own
            whole(self, *args, **values)
            return
        become(self, twin)
        fill(self, *args, **values)
        self.__class__ = cls

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


def maker(cls: type[T]) -> Callable[..., T]:
    """A function that makes values of a `quick` class from the values of its fields by position: a third of what keywords cost.

    >>> from dataclasses import dataclass
    >>> @quick
    ... @dataclass(frozen=True, slots=True, kw_only=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> maker(Point)(1)
    Point(x=1, y=0)
    """
    if not _classes_change_cheaply():
        names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        return lambda *values: cls(**dict(zip(names, values, strict=False)))
    twin = _twin(cls, kw_only=False)

    def make(*values: Any) -> T:
        made = twin(*values)
        made.__class__ = cls
        return made  # type: ignore[no-any-return]

    return make


def _classes_change_cheaply() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def _twin(cls: type[Any], kw_only: bool | None = None) -> Any:
    parts: Any = [
        (f.name, f.type, field(default=f.default, default_factory=f.default_factory, kw_only=f.kw_only if kw_only is None else kw_only))
        for f in fields(cls)
    ]
    return make_dataclass(cls.__name__, parts, slots=True)
