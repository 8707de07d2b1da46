"""`forward` and `aforward` of module classes: completed where a class is defined, so that calls pay nothing for it."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from whet.core.context import active_modules
from whet.core.flow import adrive, drive

__all__ = ["complete", "undecorated"]

_logger = logging.getLogger(__name__)


def complete(cls: Any, base: Any) -> None:
    """Make one of `flow` and `forward` from the other in a class that was just defined over `base`.

    A class with a flow of its own gets `forward` and `aforward`, so that `super().forward(...)` works over any module. A class that
    overrides `forward` of a module with a flow is run by its `forward`. A `forward` called directly says that this is discouraged.
    `_made` tells later what was put in the place of those two since, as tests do with `mock.patch`.
    """
    body = vars(cls)
    if "flow" in body:
        _make_forward(cls, body["flow"])
        cls._made = (cls.forward, cls.aforward)
        return
    own = [name for name in ("forward", "aforward") if name in body]
    if own and cls.flow is not base.flow:
        cls.flow, cls._made = base.flow, None
        for name in ("forward", "aforward"):
            if name not in body and getattr(getattr(cls, name, None), "whet_made", False):
                setattr(cls, name, None)
    for name in own:
        if isinstance(body[name], FunctionType) and not inspect.iscoroutinefunction(body[name]):
            setattr(cls, name, _warning(body[name]))


def _make_forward(cls: Any, flow: Callable[..., Any]) -> None:
    def forward(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What a call does, without the bookkeeping around it."""
        return drive(flow(self, *args, **kwargs))

    async def aforward(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What an async call does, without the bookkeeping around it."""
        return await adrive(flow(self, *args, **kwargs))

    makes: dict[str, Any] = {"forward": forward, "aforward": aforward}
    for name, made in makes.items():
        if name not in vars(cls):
            made.__signature__ = inspect.signature(flow)
            made.whet_made = True
            setattr(cls, name, made)


def _warning(function: Callable[..., Any]) -> Any:
    @functools.wraps(function)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        _discourage(self)  # in a function of its own: who sends this wrapper by value must not meet a context variable
        return function(self, *args, **kwargs)

    forward.whet_plain = function  # type: ignore[attr-defined]
    return forward


def _discourage(module: Any) -> None:
    running = active_modules.get()
    if not running or running[-1] is not module:
        _logger.warning("Calling module.forward(...) on %s directly is discouraged: call the module itself.", type(module).__name__)


def undecorated(method: Any) -> Any:
    """A bound `forward` without the warning: what a call of the module itself runs."""
    plain = getattr(method, "whet_plain", None)
    return MethodType(plain, method.__self__) if isinstance(plain, FunctionType) else method
