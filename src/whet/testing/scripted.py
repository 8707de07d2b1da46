"""A model that answers as it is told, for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from whet.adapters.base import Adapter
from whet.adapters.chat import ChatAdapter
from whet.adapters.two_step import TwoStepAdapter
from whet.core.context import current
from whet.core.exchange import Capabilities, Choice, Request, Response, Usage
from whet.core.field import OutputField
from whet.core.signature import Signature
from whet.errors import LMUnexpectedError
from whet.lm.base import BaseLM

__all__ = ["ScriptedLM"]


class ScriptedLM(BaseLM):
    """Answers from a script, and keeps every request in `requests`.

    `script` is a list of answers given in turn, a function of the request, or a mapping whose first key found in the last message
    decides. An answer is a string, a dict of output fields (written in the adapter's format), a `Response`, a `Choice`, or an exception,
    which is raised.

    >>> ScriptedLM([{"answer": "Paris"}])("Capital of France?")
    ['[[ ## answer ## ]]\\nParis\\n\\n[[ ## completed ## ]]\\n']
    """

    def __init__(
        self,
        script: Iterable[Any] | Callable[[Request], Any] | Mapping[str, Any],
        *,
        adapter: Adapter | None = None,
        model: str = "scripted",
        cache: bool | str = False,
        num_retries: int = 0,
        capabilities: Capabilities | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, cache=cache, num_retries=num_retries, capabilities=capabilities, **kwargs)
        self.requests: list[Request] = []
        self.adapter = adapter
        self._lock = threading.Lock()
        self._next_answer = self._reader(script)

    @property
    def calls(self) -> int:
        """How many requests came."""
        return len(self.requests)

    def _reader(self, script: Any) -> Callable[[Request], Any]:
        if callable(script):
            return script  # type: ignore[no-any-return]
        if isinstance(script, Mapping):
            return lambda request: next((v for k, v in script.items() if k in request.messages[-1].text), None)
        rest = iter(script)
        return lambda request: next(rest, None)

    def complete(self, request: Request) -> Response:
        """The script's next answer."""
        with self._lock:
            self.requests.append(request)
            answers = [self._next_answer(request) for _ in range(request.n)]
        choices = tuple(self._choice(answer) if not isinstance(answer, Response) else answer.choices[0] for answer in answers)
        if isinstance(answers[0], Response):
            return answers[0]
        sent = sum(len(m.text) for m in request.messages)
        usage = Usage(input_tokens=sent // 4 + 1, output_tokens=sum(len(c.text or "") for c in choices) // 4 + 1)
        return Response(choices=choices, usage=usage, model=self.model, cost=0.0)

    def _choice(self, answer: Any) -> Choice:
        if answer is None:
            raise LMUnexpectedError("The scripted model has no answer left for this request. Add one to its script.")
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Choice):
            return answer
        return Choice(text=self._written(answer) if isinstance(answer, Mapping) else str(answer))

    def _written(self, fields: Mapping[str, Any]) -> str:
        chosen = self.adapter or current().adapter
        chosen = chosen[0] if isinstance(chosen, list | tuple) and chosen else chosen
        if not isinstance(chosen, Adapter) or (self.adapter is None and isinstance(chosen, TwoStepAdapter)):
            chosen = ChatAdapter()  # a two-step adapter has its second model answer in this form
        signature = Signature({name: (type(value), OutputField()) for name, value in fields.items()})
        return chosen.format_assistant_message_content(signature, fields)
