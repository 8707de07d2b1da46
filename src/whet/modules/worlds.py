"""`asyncify` and `syncify`: programs of one world in the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Final, ParamSpec, TypeVar

from whet.core.context import current
from whet.core.flow import Flow, Invoke, Wait, adrive
from whet.errors import InputError
from whet.modules.module import Module

__all__ = ["Syncified", "asyncify", "syncify"]

P = ParamSpec("P")
R = TypeVar("R")


class _Places:
    """So many at a time, in the order in which they came; how many is asked anew each time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0
        self._waiting: deque[Future[None]] = deque()

    def take(self) -> Future[None]:
        place: Future[None] = Future()
        with self._lock:
            self._waiting.append(place)
            self._admit()
        return place

    def leave(self, place: Future[None]) -> None:
        with self._lock:
            if place in self._waiting:
                self._waiting.remove(place)
            elif place.done():
                self._taken -= 1
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._taken < max(1, current().async_max_workers):
            self._taken += 1
            self._waiting.popleft().set_result(None)


_PLACES: Final = _Places()


def asyncify(program: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """An async callable that runs the program in a thread, in the caller's context; `async_max_workers` of them run at a time.

    >>> import asyncio
    >>> asyncio.run(asyncify(lambda x: x + 1)(2))
    3
    """

    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await adrive(_in_turn(program, args, kwargs))

    return call


def _in_turn(program: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Any]:
    place = _PLACES.take()
    try:
        yield Wait(place)
        return (yield Invoke(program, args, kwargs))
    finally:
        _PLACES.leave(place)


class Syncified(Module):
    """A module around an async one that can be called from sync code too; made by `syncify(program, in_place=False)`."""

    def __init__(self, program: Module) -> None:
        super().__init__()
        self.program = program

    def flow(self, /, *args: Any, **kwargs: Any) -> Flow[Any]:
        """The program's call."""
        if _calls_by_itself(self.program):
            return (yield Invoke(self.program.acall, args, kwargs))
        return (yield from self.program.run_flow(args, kwargs))


def _calls_by_itself(program: Module) -> bool:
    return type(program).acall is not Module.acall


def syncify(program: Module, in_place: bool = True) -> Module:
    """The program, callable from sync code: modules with only an `aforward` are so already. `in_place=False` gives a wrapper.

    Raises `InputError` for what is no module, and in place for one that has an `acall` of its own.

    >>> class Echo(Module):
    ...     async def aforward(self, text):
    ...         return text
    >>> syncify(Echo())(text="Hello")
    'Hello'
    """
    if not isinstance(program, Module):
        raise InputError(f"`syncify` takes a module, not {program!r}. Put the async function into the `aforward` of one.")
    if not in_place:
        return Syncified(program)
    if _calls_by_itself(program):
        name = type(program).__name__
        raise InputError(f"`{name}` has an `acall` of its own; call it `aforward`, or take `syncify(program, in_place=False)`.")
    return program
