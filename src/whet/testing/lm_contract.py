"""The contract that every language model keeps: subclass `LMContract` in your tests and pytest runs it against your model."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from whet.core.context import context
from whet.core.exchange import Request
from whet.core.flow import Gather, drive
from whet.core.messages import Message
from whet.lm.store import CacheStore

__all__ = ["LMContract"]

PROMPT = "Say something short."
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


class LMContract:
    """Give `make_lm`, which returns a model that answers anything; every test asks a fresh one.

    `secret` is a credential of the model that must never be seen, where it has one; `keeps_answers` says whether the cache has its answers
    (those of a model with the older `forward` it has not).

    >>> from whet.testing import ScriptedLM
    >>> class TestMine(LMContract):
    ...     def make_lm(self, **options):
    ...         return ScriptedLM(lambda request: "Hello", **options)
    >>> TestMine().test_a_prompt_gets_one_answer()  # pytest runs this one and all others
    """

    secret: str = ""
    keeps_answers: bool = True

    def make_lm(self, **options: Any) -> Any:
        """A model with these options (`cache`, `num_retries`, ...)."""
        raise NotImplementedError

    def test_a_prompt_gets_one_answer(self) -> None:
        """A list with one entry, which is text."""
        answers = self.make_lm(cache=False)(PROMPT)
        assert len(answers) == 1
        assert isinstance(_text(answers[0]), str) and _text(answers[0])

    def test_messages_do_as_well(self) -> None:
        """Dicts in OpenAI's form."""
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
        assert _text(self.make_lm(cache=False)(messages=messages)[0])

    def test_async_gives_the_same_kind_of_answer(self) -> None:
        """From a coroutine, and from many at once."""
        lm = self.make_lm(cache=False)

        async def ask() -> list[Any]:
            return await asyncio.gather(*(lm.acall(f"{PROMPT} {i}") for i in range(8)))

        answers = asyncio.run(ask())
        assert [len(a) for a in answers] == [1] * 8 and all(_text(a[0]) for a in answers)

    def test_threads_may_share_it(self) -> None:
        """Sixteen at once; every answer is there and recorded once."""
        lm = self.make_lm(cache=False)
        jobs = [lambda i=i: lm.flow(_request(f"{PROMPT} {i}")) for i in range(32)]
        outcomes = drive(_gathered(jobs))
        assert [o for o in outcomes if isinstance(o, Exception)] == []
        assert len(lm.history) == 32

    def test_as_many_samples_as_asked(self) -> None:
        """`n` choices."""
        assert len(self.make_lm(cache=False)(PROMPT, n=3, temperature=1.0)) == 3

    def test_the_events_of_a_stream_add_up_to_the_answer(self) -> None:
        """Text events joined are the text; the end of the choice comes last and once."""
        stream = self.make_lm(cache=False).stream(PROMPT)
        events = list(stream)
        assert "".join(e.text for e in events if e.kind == "text") == stream.response.text != ""
        assert [e.kind for e in events].count("done") == 1 and events[-1].kind == "done"

    def test_an_async_stream_is_the_same(self) -> None:
        """The same events with `async for`."""

        async def listen() -> tuple[str, Any]:
            stream = self.make_lm(cache=False).stream(PROMPT)
            return "".join([e.text async for e in stream if e.kind == "text"]), stream.response

        text, response = asyncio.run(listen())
        assert text == response.text != ""

    def test_a_stream_can_be_left_early(self) -> None:
        """And the model can be asked again."""
        lm = self.make_lm(cache=False)
        with lm.stream(PROMPT) as stream:
            next(iter(stream))
        assert _text(lm(PROMPT)[0])

    def test_a_cancelled_call_leaves_it_usable(self) -> None:
        """Cancelling a task in the middle harms no later call."""
        lm = self.make_lm(cache=False)

        async def ask() -> list[Any]:
            task = asyncio.get_running_loop().create_task(lm.acall(PROMPT))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            answers: list[Any] = await lm.acall(PROMPT)
            return answers

        assert _text(asyncio.run(ask())[0])

    def test_an_answer_is_kept_in_the_cache(self) -> None:
        """The second equal call costs nothing, is marked, and streams too."""
        lm = self.make_lm(cache=True)
        with context(cache=CacheStore(None)):
            first = drive(lm.flow(_request(PROMPT)))
            second = drive(lm.flow(_request(PROMPT)))
            streamed = list(lm.stream(PROMPT))
        assert (first.cache_hit, second.cache_hit) == (False, self.keeps_answers)
        assert not self.keeps_answers or (second.text == first.text and second.usage.total_tokens == 0)
        assert "".join(e.text for e in streamed if e.kind == "text") == first.text

    def test_the_history_tells_what_happened(self) -> None:
        """Messages, outputs, model."""
        lm = self.make_lm(cache=False)
        answers = lm(PROMPT)
        entry = lm.history[-1]
        assert entry["messages"][-1]["content"] == PROMPT
        assert entry["outputs"] == answers
        assert entry["model"] == lm.model

    def test_a_copy_goes_its_own_way(self) -> None:
        """Own history, own parameters."""
        lm = self.make_lm(cache=False)
        other = lm.copy(temperature=0.25)
        other(PROMPT)
        assert len(lm.history) == 0 and len(other.history) == 1
        assert other.kwargs["temperature"] == 0.25 != lm.kwargs.get("temperature")

    def test_its_state_is_plain_data(self) -> None:
        """JSON, with the model's name in it."""
        state = self.make_lm().dump_state()
        assert json.loads(json.dumps(state)) == state and state["model"]

    def test_nothing_shows_its_secret(self) -> None:
        """Neither repr, state, attributes nor history."""
        if not self.secret:
            return
        lm = self.make_lm(cache=False)
        lm(PROMPT)
        shown = [repr(lm), str(vars(lm)), json.dumps(lm.dump_state()), repr(lm.history), repr([dict(entry) for entry in lm.history])]
        assert not [text for text in shown if self.secret in text]

    def test_a_schema_is_kept_where_it_says_so(self) -> None:
        """A model with `capabilities.json_schema` answers in JSON of that form."""
        lm = self.make_lm(cache=False)
        if lm.capabilities.json_schema:
            answer = drive(lm.flow(Request(messages=(Message("user", PROMPT),), response_schema=SCHEMA)))
            assert isinstance(json.loads(answer.text).get("answer"), str)


def _request(prompt: str) -> Request:
    return Request(messages=(Message("user", prompt),))


def _gathered(jobs: list[Any]) -> Any:
    return (yield Gather(jobs, limit=16))


def _text(answer: Any) -> Any:
    return answer["text"] if isinstance(answer, dict) else answer
