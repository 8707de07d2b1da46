"""Interpreters under the names of DSPy 3.4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from whet.modules.code_running import checked_factory, factory_in_force
from whet.sandbox import PythonInterpreter

__all__ = ["LocalInterpreter", "resolve_interpreter_factory"]


def resolve_interpreter_factory(factory: Callable[[], Any] | None = None) -> Callable[[], Any]:
    """What makes the next interpreter: this factory, else that of the setting `interpreter_factory`, else `PythonInterpreter`.

    >>> resolve_interpreter_factory() is PythonInterpreter
    True
    """
    return factory_in_force(PythonInterpreter if factory is None else checked_factory(factory))


class LocalInterpreter(PythonInterpreter):
    """All of Python in a process of its own that keeps its state; the `bubblewrap` sandbox, so Linux only.

    DSPy's runs with the rights of the user who starts it. This one has no files, network or environment unless `PythonInterpreter` is
    asked for them by name.

    >>> LocalInterpreter({"double": lambda x: 2 * x}, execution_timeout=5).tools["double"](21)
    42
    """

    def __init__(
        self,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        output_fields: list[dict[str, Any]] | None = None,
        *,
        execution_timeout: float | None = None,
        callbacks: Iterable[Any] | None = None,
        **options: Any,
    ) -> None:
        limit: dict[str, Any] = {} if execution_timeout is None else {"timeout": execution_timeout}
        super().__init__(tools, output_fields, callbacks=callbacks, backend="bubblewrap", **limit, **options)
