"""Fields named like a method, such as an output called `items`: read by attribute, they say how they are read, or are what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["Shadowed", "shadow"]


def shadow(cls: type, *names: str, field_wins: bool = False) -> None:
    """Make methods of a kind of row give way to fields of their name, or (where Python or whet call them) tell of such a field."""
    for name in names:
        setattr(cls, name, _Method(name, getattr(cls, name), field_wins))


class Shadowed:
    """A method that stands before a field of its name: it can be called, and anything else says where the field is.

    Raises `TypeError` when it is compared, iterated, measured or indexed, as the field would be.
    """

    __slots__ = ("method", "name")

    def __init__(self, name: str, method: Callable[..., Any]) -> None:
        self.name, self.method = name, method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the method gives."""
        return self.method(*args, **kwargs)

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError(f"`.{self.name}` is a method of every row and prediction; the field `{self.name}` is read as `[{self.name!r}]`.")

    __eq__ = __iter__ = __len__ = __getitem__ = __contains__ = __bool__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<the method {self.name}; the field is read as [{self.name!r}]>"


class _Method:
    """A method; where there is a field of its name, that comes first, or is told of."""

    def __init__(self, name: str, method: Callable[..., Any], field_wins: bool) -> None:
        self.name, self.method, self.field_wins = name, method, field_wins
        self.__doc__ = method.__doc__

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        if obj is None:
            return self.method
        bound = self.method.__get__(obj, owner)
        if self.name not in obj._store:
            return bound
        return obj._store[self.name] if self.field_wins else Shadowed(self.name, bound)
