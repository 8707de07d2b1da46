"""Interpreters for modules that run code of a model: where they come from, how code is taken out of an answer, what a run gave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from whet.core.context import current
from whet.core.flow import Flow, Invoke
from whet.core.schema import one_line, plain
from whet.core.signature import Signature
from whet.errors import InputError
from whet.sandbox import CodeInterpreter, FinalOutput, PythonInterpreter

__all__ = [
    "checked_factory",
    "code_in",
    "executed",
    "factory_in_force",
    "interpreter_for",
    "output_text",
    "own_interpreter",
    "taken_interpreter",
]

_FENCE: Final = re.compile(r"```[ \t]*(?P<language>[\w+#.-]*)[ \t]*\r?\n(?P<code>.*?)(?:\n?```|\Z)", re.DOTALL)
_PYTHON: Final = frozenset({"", "python", "py", "python3", "repl"})


def checked_factory(factory: Any) -> Callable[[], Any]:
    """A factory of interpreters. Raises `InputError` (a `TypeError`) for an interpreter itself, and for what cannot be called."""
    if not isinstance(factory, type) and isinstance(factory, CodeInterpreter):
        raise InputError(
            "`interpreter_factory` takes a callable that makes a fresh interpreter for each call, such as `PythonInterpreter`, and this is "
            "an interpreter. Pass one of your own as the first argument of the call."
        )
    if not callable(factory):
        raise InputError(f"`interpreter_factory` must be a callable that returns an interpreter, not {factory!r}.")
    return factory


def taken_interpreter(name: str, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The caller's own interpreter, if there is one: the first positional argument of the call."""
    if "interpreter" in kwargs and "interpreter" not in signature.input_fields:
        raise InputError(f"Pass an interpreter to `{name}` as the first positional argument, not as `interpreter=`.")
    if len(args) > 1 or (args and not isinstance(args[0], CodeInterpreter)):
        raise InputError(f"`{name}` takes one positional argument, an interpreter; name the inputs: {', '.join(signature.input_fields)}.")
    return args[0] if args else None


def own_interpreter(name: str, given: Any) -> Any:
    """An interpreter, or None. Raises `InputError` (a `TypeError`) for anything else."""
    if given is None or (isinstance(given, CodeInterpreter) and not isinstance(given, type)):
        return given
    raise InputError(f"`interpreter` of `{name}` is an interpreter (with tools, start, execute and shutdown), not {given!r}.")


def factory_in_force(factory: Callable[[], Any]) -> Callable[[], Any]:
    """The factory of a module; where it was given none of its own, that of the setting `interpreter_factory`, if there is one."""
    configured = current().extra.get("interpreter_factory") if factory is PythonInterpreter else None
    return factory if configured is None else checked_factory(configured)


@contextmanager
def interpreter_for(own: Any, factory: Callable[[], Any]) -> Iterator[Any]:
    """The caller's interpreter, which stays open, or a fresh one, which is shut down whatever happens."""
    if own is not None:
        yield own
        return
    made = factory_in_force(factory)()
    if not isinstance(made, CodeInterpreter):
        raise InputError(f"`interpreter_factory` returned {made!r}, which is no interpreter: it needs tools, start, execute and shutdown.")
    try:
        yield made
    finally:
        made.shutdown()


def executed(interpreter: Any, code: str, variables: dict[str, Any] | None = None) -> Flow[Any]:
    """Run code; from async code in a thread, which the interpreter is handed over to."""
    hand_over = getattr(interpreter, "hand_over", None)
    if hand_over is not None:
        hand_over()
    return (yield Invoke(interpreter.execute, (code, variables) if variables else (code,)))


def code_in(text: str) -> str:
    """The code in an answer: what stands in its first fence, else all of it. Raises `SyntaxError` where the fence is of another language.

    >>> code_in("Like this:\\n```python\\nx = 1\\n```")
    'x = 1'
    """
    found = _FENCE.search(text)
    if found is None:
        return text.strip("\n").rstrip()
    if found["language"].lower() not in _PYTHON:
        raise SyntaxError(f"The code must be Python, but its fence says `{found['language']}`.")
    return found["code"].rstrip()


def output_text(result: Any) -> str:
    """What a run gave, as JSON text."""
    value = result.output if isinstance(result, FinalOutput) else result
    if isinstance(result, FinalOutput) and isinstance(value, dict) and list(value) == ["output"]:
        value = value["output"]
    return one_line(plain(value))
