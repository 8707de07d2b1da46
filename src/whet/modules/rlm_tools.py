"""What the code of an `RLM` may call: sub-queries under a budget, the user's tools."""

from __future__ import annotations

import keyword
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from whet.core.context import current
from whet.core.flow import Flow, Gather, Job, drive
from whet.core.trace import plain_outputs
from whet.core.wording import a_kind
from whet.errors import BudgetExceeded, CodeInterpreterError, ConfigurationError, InputError
from whet.lm.asking import request_of
from whet.tools.tool import Tool

__all__ = ["RESERVED", "Queries", "injected", "user_tools"]

T = TypeVar("T")
RESERVED: Final = ("llm_query", "llm_query_batched", "SUBMIT", "print")


def user_tools(tools: Sequence[Any] | None) -> dict[str, Tool]:
    """The user's tools by name. Raises `InputError` (a `TypeError`) for a dict and for what cannot be called, `ConfigurationError` (a
    `ValueError`) for a name that cannot be used in code."""
    if isinstance(tools, Mapping) or not isinstance(tools or (), list | tuple):
        raise InputError(f"tools must be a list, not {a_kind(tools)}: `tools=[search, Tool(find, name='look')]`.")
    for tool in tools or ():
        if not callable(tool):
            raise InputError(f"A tool must be callable; {tool!r} is not.")
    found = Tool.named(tools or ())
    for name in found:
        if not name.isidentifier() or keyword.iskeyword(name):
            said = "must be a valid Python identifier, not a keyword, for code to call it"
        elif name in RESERVED:
            said = "conflicts with built-in functions of the session"
        else:
            continue
        raise ConfigurationError(f"The tool name {name!r} {said}. Give the tool another one: `Tool(function, name=...)`.")
    return found


class Queries:
    """Calls of a model from inside the session, at most so many."""

    def __init__(self, lm: Any, most: int) -> None:
        self.lm, self.most = lm, most
        self.made = 0
        self._lock = threading.Lock()
        self._stopped: BudgetExceeded | None = None

    def functions(self) -> dict[str, Callable[..., Any]]:
        """What the code calls, by name."""

        def llm_query(prompt: str) -> str:
            """Ask a model."""
            self._take(1)
            return self._noted(lambda: drive(self._asked(prompt)))

        def llm_query_batched(prompts: list[str]) -> list[str]:
            """Ask a model several things at once."""
            self._take(len(prompts))
            return self._noted(lambda: drive(self._all(prompts)))

        return {"llm_query": llm_query, "llm_query_batched": llm_query_batched}

    def _take(self, count: int) -> None:
        with self._lock:
            if self.made + count > self.most:
                raise CodeInterpreterError(
                    f"There are {self.most} calls of llm_query in all; {self.made} are made, so {count} more cannot be. "
                    "Go on with what there is, and SUBMIT."
                )
            self.made += count

    def _noted(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except BudgetExceeded as error:
            # The code may catch what it sees; the run ends all the same.
            self._stopped = error
            raise

    def raise_if_stopped(self) -> None:
        """Raise the `BudgetExceeded` that a call met."""
        if self._stopped is not None:
            raise self._stopped

    def _asked(self, prompt: str) -> Flow[str]:
        lm = self.lm or current().lm
        if lm is None:
            raise ConfigurationError("There is no model for `llm_query`. Give `sub_lm=`, or configure one: `whet.configure(lm=...)`.")
        response = yield from lm.flow(request_of(str(prompt), None, {}))
        answer = plain_outputs(response)[0]
        return str(answer.get("text") or "") if isinstance(answer, dict) else str(answer or "")

    def _all(self, prompts: Sequence[str]) -> Flow[list[str]]:
        outcomes = yield Gather([self._job(prompt) for prompt in prompts], limit=current().num_threads)
        for outcome in outcomes:
            if isinstance(outcome, BudgetExceeded):
                raise outcome
        return [f"[ERROR] {outcome}" if isinstance(outcome, Exception) else outcome for outcome in outcomes]

    def _job(self, prompt: str) -> Job:
        return lambda: self._asked(prompt)


@contextmanager
def injected(interpreter: Any, functions: Mapping[str, Any], fields: list[dict[str, str]]) -> Iterator[None]:
    """Offer functions and outputs in an interpreter, which afterwards has its own again."""
    tools, before = dict(interpreter.tools), getattr(interpreter, "output_fields", None)
    interpreter.tools.update(functions)
    if hasattr(interpreter, "output_fields"):
        interpreter.output_fields = fields
    try:
        yield
    finally:
        interpreter.tools.clear()
        interpreter.tools.update(tools)
        if hasattr(interpreter, "output_fields"):
            interpreter.output_fields = before
