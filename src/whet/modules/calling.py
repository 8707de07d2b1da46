"""A call of whatever stands where a module is expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whet.core.flow import Flow, Invoke
from whet.modules.module import Module

__all__ = ["called"]


def called(program: Any, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> Flow[Any]:
    """The call of a module as a flow; a module with a `__call__` of its own, or a plain function, is called as it is."""
    if isinstance(program, Module) and type(program).__call__ is Module.__call__:
        return program.run_flow(args, inputs)
    return _invoked(program, args, inputs)


def _invoked(program: Any, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> Flow[Any]:
    return (yield Invoke(program, args, inputs, twin=getattr(program, "acall", None)))
