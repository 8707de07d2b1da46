"""Shows what a program would send, by running it up to its first call of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whet.adapters.budget import Sections, Tokens
from whet.core.context import context
from whet.core.exchange import Request
from whet.core.trace import message_dicts
from whet.errors import ConfigurationError

__all__ = ["Rendered", "rendered"]


class Rendered(list[dict[str, Any]]):
    """Messages as dicts; `request` is the whole request, `predictor` who would send it, `tokens` about how long each part is.

    `tokens` is a dict with a `total`, and with `left_out`, the number of demos that did not fit into the budget.
    """

    def __init__(self, predictor: Any, request: Request, sections: Any = None) -> None:
        super().__init__(message_dicts(request.messages))
        self.predictor = predictor
        self.request = request
        self.sections = sections

    @property
    def tokens(self) -> Tokens:
        """About how many tokens the prompt is: system, demos, history, request, schema, tools."""
        sections = self.sections or Sections((), (), (), self.request.messages)
        return sections.tokens(self.request.response_schema, self.request.tools)

    def __str__(self) -> str:
        return "\n\n".join(f"{m['role']}:\n{m['content']}" for m in self)


class _Reached(BaseException):
    # No `Exception`, so that a program's own error handling does not swallow it.
    def __init__(self, rendered: Rendered) -> None:
        self.rendered = rendered


def _stop(predictor: Any, request: Request, sections: Any = None) -> None:
    raise _Reached(Rendered(predictor, request, sections))


def rendered(program: Any, inputs: Mapping[str, Any]) -> Rendered:
    """The messages of the first model call that the program makes with these inputs."""
    try:
        with context(rendering=_stop, trace=None, disable_history=True):
            program(**inputs)
    except _Reached as reached:
        return reached.rendered
    raise ConfigurationError("With these inputs the program ends without calling a model, so there is no prompt to show.")
