"""Stand-ins for models, embedders and retrievers, as test-suites written for DSPy use them. New tests have `whet.testing`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

from whet.core.exchange import Choice, Request, Response
from whet.core.trace import message_dicts
from whet.lm.asking import merged_request, request_of
from whet.lm.own import forwarded_options, response_of
from whet.retrieve.passage import Passage
from whet.testing.scripted import ScriptedLM

__all__ = ["DummyLM", "DummyVectorizer", "dummy_rm"]

_NO_MORE: Mapping[str, Any] = {"answer": "No more responses"}
_END: Final = "\n\n[[ ## completed ## ]]\n"
_BLOCK = re.compile(r"\[\[ ## \w+ ## \]\]\n(?:(?!\[\[ ## ).*\n?)*")


class DummyLM(ScriptedLM):
    """Answers from a list of dicts in turn (then `No more responses`), or from a dict whose first key found in the last message decides.

    Answers are written in the adapter's format. `reasoning=True` adds reasoning beside the text; `follow_examples=True` repeats the
    answer of a demo whose first input also stands in the last message.

    >>> DummyLM([{"answer": "blue"}])("What colour?")
    ['[[ ## answer ## ]]\\nblue']
    """

    def __init__(
        self,
        answers: Iterable[Any] | Mapping[str, Any],
        follow_examples: bool = False,
        reasoning: bool = False,
        adapter: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(self._script(answers), adapter=adapter, model="dummy", **{"temperature": 0.0, "max_tokens": 1000, **kwargs})
        self.answers, self.follow_examples, self.reasoning = answers, follow_examples, reasoning

    def _script(self, answers: Any) -> Callable[[Request], Any]:
        rest = None if isinstance(answers, Mapping) else iter(answers)

        def answer(request: Request) -> Any:
            if self.follow_examples and (followed := _demo_answer(request)) is not None:
                return followed
            if rest is not None:
                return next(rest, _NO_MORE)
            last = request.messages[-1].text
            return next((value for key, value in answers.items() if key in last), "No more responses")

        return answer

    def forward(self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> Any:
        """The next answer. A subclass may override it, and `aforward`, and ask for this one by `super()`."""
        return super().complete(merged_request(request_of(prompt, messages, kwargs), self.model, self.kwargs))

    async def aforward(self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> Any:
        """The same, from async code."""
        return self.forward(prompt, messages, **kwargs)

    def complete(self, request: Request) -> Response:
        """The next answer, by the `forward` of a subclass where it has one."""
        if type(self).forward is DummyLM.forward:
            return super().complete(request)
        answer = self.forward(messages=message_dicts(request.messages), **forwarded_options(request))
        return response_of(answer, self.model)

    async def acomplete(self, request: Request) -> Response:
        """The same from async code, by the `aforward` of a subclass where it has one."""
        if type(self).aforward is DummyLM.aforward:
            return self.complete(request)
        answer = await self.aforward(messages=message_dicts(request.messages), **forwarded_options(request))
        return response_of(answer, self.model)

    def _written(self, fields: Mapping[str, Any]) -> str:
        # Test-suites compare whole answers: the fields, and nothing that closes them.
        text = super()._written(fields)
        return text.removesuffix(_END).rstrip("\n") if text.endswith(_END) else text

    def get_convo(self, index: int) -> tuple[Any, Any]:
        """The messages of a call, and what came back."""
        return self.history[index]["messages"], self.history[index]["outputs"]

    def _choice(self, answer: Any) -> Choice:
        choice = super()._choice(answer)
        return Choice(text=choice.text, reasoning="Some reasoning") if self.reasoning else choice


def _demo_answer(request: Request) -> str | None:
    *earlier, last = request.messages
    for question, answer in zip(earlier, earlier[1:], strict=False):
        found = _BLOCK.search(question.text) if (question.role, answer.role) == ("user", "assistant") else None
        if found is not None and found[0].strip() in last.text:
            return answer.text
    return None


class DummyVectorizer:
    """Texts as normalised vectors of hashed character n-grams; the same text gives the same vector in every process.

    >>> [round(x, 2) for x in DummyVectorizer(max_length=4)(["abcd"])[0]]
    [0.58, 0.58, 0.58, 0.0]
    """

    def __init__(self, max_length: int = 100, n_gram: int = 2) -> None:
        self.max_length, self.n_gram = max_length, n_gram

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text."""
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        counts = [0.0] * self.max_length
        for start in range(len(text) - self.n_gram + 1):
            counts[crc32(text[start : start + self.n_gram].encode()) % self.max_length] += 1
        length = math.sqrt(sum(c * c for c in counts)) or 1.0
        return [c / length for c in counts]


def dummy_rm(passages: Sequence[str] = ()) -> Callable[..., Any]:
    """A retriever over these passages, by their hashed n-grams: `dummy_rm([...])(query, k=3)` gives the nearest.

    >>> dummy_rm(["red apples", "blue whales"])("a blue whale", k=1)[0].long_text
    'blue whales'
    """
    vectorize = DummyVectorizer()
    known = vectorize(list(passages))

    def search(query: str, *, k: int = 3, **options: Any) -> list[Passage]:
        wanted = vectorize([query])[0]
        nearest = sorted(range(len(known)), key=lambda i: -sum(a * b for a, b in zip(wanted, known[i], strict=True)))
        return [Passage(text=passages[i]) for i in nearest[:k]]

    return search
