"""The host's side of calls that come out of a sandbox: tools and `SUBMIT`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from whet.core.flow import run_coroutine
from whet.sandbox.protocol import FinalOutput, StopRun
from whet.sandbox.value import received, tool_result

__all__ = ["ToolBridge", "call_tool"]

MAX_CALLS = 10_000


class ToolBridge:
    """Answers the calls of one run.

    `tools` are called with plain values and their results become plain values, so no object of the host is ever within reach of the code.
    `final` holds what `SUBMIT` was given; `interrupt` what the host itself raised inside a tool (Ctrl-C, cancellation) and is to go on.
    A run may make 10 000 calls.
    """

    def __init__(self, tools: Mapping[str, Callable[..., Any]], output_fields: Sequence[str] | None, on_call: Callable[..., Any]) -> None:
        self._tools = tools
        self._fields = ["output"] if output_fields is None else list(output_fields)
        self._on_call = on_call
        self.calls = 0
        self.final: FinalOutput | None = None
        self.interrupt: BaseException | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What the code can call."""
        return (*self._tools, "SUBMIT")

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run one tool, or take the final values."""
        if self.final is not None or self.interrupt is not None:
            raise StopRun
        args, kwargs = received(args), received(kwargs)
        if name == "SUBMIT" and name not in self._tools:
            self.final = FinalOutput(self._submitted(args, kwargs))
            raise StopRun
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise RuntimeError(f"This run has made {MAX_CALLS} calls of tools, which is all that one run may make.")
        return self._tool(name, args, kwargs)

    def _tool(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if name not in self._tools:
            raise NameError(f"name {name!r} is not defined")
        try:
            return tool_result(self._on_call(name, self._tools[name], args, kwargs))
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is the code's to see
            raise RuntimeError(f"Error in tool `{name}`: {type(error).__name__}: {error}") from None
        except BaseException as error:  # noqa: BLE001 - the host is being stopped: end the run, then raise it there
            self.interrupt = error
            raise StopRun from None

    def _submitted(self, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        shape = f"SUBMIT({', '.join(self._fields)})"
        if len(args) > len(self._fields):
            raise TypeError(f"{shape} takes {len(self._fields)} value(s), but {len(args)} were given")
        given = dict(zip(self._fields, args, strict=False))
        for name, value in kwargs.items():
            if name not in self._fields:
                raise TypeError(f"{shape} has no field {name!r}")
            if name in given:
                raise TypeError(f"{shape} got {name!r} twice")
            given[name] = value
        if missing := [name for name in self._fields if name not in given]:
            raise TypeError(f"{shape} is missing {', '.join(map(repr, missing))}")
        return {name: given[name] for name in self._fields}


def call_tool(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Call a tool, sync or async, and return its own result; a `Tool` gets its arguments by name, as it wants them."""
    described = getattr(function, "args", None)
    if args and isinstance(described, Mapping) and hasattr(function, "func"):
        if len(args) > len(described):
            raise TypeError(f"it takes {len(described)} arguments, but {len(args)} were given")
        kwargs = dict(zip(described, args, strict=False)) | kwargs
        args = []
    if iscoroutinefunction(getattr(function, "func", None)):
        function = getattr(function, "acall", function)
    result = function(*args, **kwargs)
    return run_coroutine(result) if isawaitable(result) else result
