"""The key, the modes, samples, and one request for equal calls, across threads, tasks and both drivers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import whet
from whet.core.exchange import Choice, Request, Response, ToolSpec, Usage
from whet.core.flow import Flow, Gather, Sleep, adrive, drive
from whet.core.messages import MediaPart, Message, RawPart, TextPart, ToolCallPart
from whet.errors import ConfigurationError, LMAuthError, LMServerError
from whet.lm.cache import Cached, explain_cache, mode_of, request_text, sample_keys
from whet.lm.store import CacheStore
from whet.testing import ScriptedLM

HELLO = Request(messages=(Message("system", "Be brief."), Message("user", "Hello \U0001f600 \ud800")))


class Source:
    """Counts what reaches it, and answers after a while with a number."""

    def __init__(self, seconds: float = 0.0, errors: list[BaseException] | None = None) -> None:
        self.seconds, self.errors, self.requests = seconds, errors or [], []
        self.lock = threading.Lock()
        self.now = self.most_at_once = 0

    def flow(self, request: Request) -> Flow[Response]:
        with self.lock:
            self.requests.append(request)
            number = len(self.requests)
            error = self.errors.pop(0) if self.errors else None
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
        yield Sleep(self.seconds)
        with self.lock:
            self.now -= 1
        if error is not None:
            raise error
        choices = tuple(Choice(text=f"{number}.{sample}") for sample in range(request.n))
        return Response(choices=choices, usage=Usage(input_tokens=7), model="m", cost=0.5)


def texts(response: Response) -> list[str | None]:
    return [choice.text for choice in response.choices]


def cached(source: Any, mode: Any = "on", store: CacheStore | None = None) -> Cached:
    return Cached(source, store or CacheStore(None), "test/m", mode)


def test_the_second_call_is_answered_from_the_cache() -> None:
    source = Source()
    lm = cached(source)
    first, second = drive(lm.flow(HELLO)), drive(lm.flow(HELLO))
    assert (first.cache_hit, first.usage.input_tokens, first.cost) == (False, 7, 0.5)
    assert (second.cache_hit, second.usage, second.cost, second.text) == (True, Usage(), 0.0, first.text)
    assert len(source.requests) == 1


def test_sync_and_async_and_the_next_process_share_entries(tmp_path: Path) -> None:
    source = Source()
    store = CacheStore(tmp_path)
    first = drive(cached(source, store=store).flow(HELLO))
    store.close()
    again = CacheStore(tmp_path)
    assert asyncio.run(adrive(cached(source, store=again).flow(HELLO))).text == first.text
    assert len(source.requests) == 1
    again.close()


def test_the_modes() -> None:
    source = Source()
    store = CacheStore(None)
    asked = [
        drive(cached(source, mode, store).flow(HELLO)).text for mode in ("read", "off", "on", "on", "read", "refresh", "on", "off", "read")
    ]
    assert asked == ["1.0", "2.0", "3.0", "3.0", "3.0", "4.0", "4.0", "5.0", "4.0"]
    now = iter(["off", "on"])
    asking = cached(source, lambda: next(now), store)
    assert [drive(asking.flow(HELLO)).text, drive(asking.flow(HELLO)).text] == ["6.0", "4.0"]


def test_the_names_of_modes() -> None:
    assert [mode_of(value) for value in (True, False, None, "on", "off", "read", "refresh")] == [
        "on", "off", "off", "on", "off", "read", "refresh",
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match="'often'.*off, read, refresh, on"):
        mode_of("often")


def test_each_sample_is_an_entry() -> None:
    source = Source()
    lm = cached(source)
    assert texts(drive(lm.flow(HELLO))) == ["1.0"]
    three = drive(lm.flow(replace(HELLO, n=3)))
    assert texts(three) == ["1.0", "2.0", "2.1"]
    assert [request.n for request in source.requests] == [1, 2]
    assert (three.cache_hit, three.cost) == (False, 0.5)
    again = drive(lm.flow(replace(HELLO, n=3)))
    assert (texts(again), again.cache_hit, again.usage, again.cost) == (["1.0", "2.0", "2.1"], True, Usage(), 0.0)
    assert texts(drive(lm.flow(replace(HELLO, n=2)))) == ["1.0", "2.0"]


class Shape(BaseModel):
    size: int


class OtherShape(BaseModel):
    size: float


def variants() -> Iterator[Request]:
    tool = ToolSpec(name="look", description="Looks.", parameters={"type": "object"})
    yield HELLO
    yield replace(HELLO, messages=HELLO.messages[1:])
    yield replace(HELLO, messages=(Message("user", "Be brief."), HELLO.messages[1]))
    yield replace(HELLO, messages=(*HELLO.messages, Message("assistant", "", tool_calls=(ToolCallPart(id="1", name="f", arguments="{}"),))))
    yield replace(HELLO, messages=(Message("user", (TextPart("a"), TextPart("b"))),))
    yield replace(HELLO, messages=(Message("user", (TextPart("ab"),)),))
    yield replace(HELLO, messages=(Message("user", "ab"),))
    yield replace(HELLO, messages=(Message("user", '["ab"]'),))
    yield replace(HELLO, messages=(Message("user", "ab", name="x"),))
    yield replace(HELLO, messages=(Message("user", (MediaPart(kind="image", source=None, digest="d1"),)),))
    yield replace(HELLO, messages=(Message("user", (MediaPart(kind="image", source=None, digest="d2"),)),))
    yield replace(HELLO, messages=(Message("user", (RawPart({"type": "image", "x": 1}),)),))
    yield replace(HELLO, options={"temperature": 0.7})
    yield replace(HELLO, options={"temperature": 0.8})
    yield replace(HELLO, options={"stop": "0.7"})
    yield replace(HELLO, options={"stop": ["0.7"]})
    yield replace(HELLO, options={"response_format": Shape})
    yield replace(HELLO, options={"response_format": OtherShape})
    yield replace(HELLO, tools=(tool,))
    yield replace(HELLO, tools=(tool,), tool_choice="required")
    yield replace(HELLO, response_schema="json")
    yield replace(HELLO, response_schema={"type": "object"})
    yield replace(HELLO, rollout_id=0)
    yield replace(HELLO, rollout_id=1)


def test_all_that_decides_the_answer_is_in_the_key() -> None:
    keys = [sample_keys(request, "test/m") for request in variants()]
    assert None not in keys
    assert len({key[0] for key in keys if key}) == len(keys)
    assert sample_keys(HELLO, "test/m") != sample_keys(HELLO, "test/m@localhost:8000/v1")


def test_what_does_not_decide_it_is_not() -> None:
    same = [
        replace(HELLO, options={"temperature": None}),
        replace(HELLO, model="spelt differently"),
        replace(HELLO, prompt_cache=True),
        replace(HELLO, tool_choice="auto"),
    ]
    assert {request_text(request, "m") for request in same} == {request_text(HELLO, "m")}
    one = replace(HELLO, options={"a": 1, "b": {"c": 2, "d": 3}})
    other = replace(HELLO, options={"b": {"d": 3, "c": 2}, "a": 1})
    assert sample_keys(one, "m") == sample_keys(other, "m")


def test_the_text_is_sorted_json_and_its_hash_is_the_key() -> None:
    for request in variants():
        text = request_text(request, "test/m")
        assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text
    told = explain_cache(replace(HELLO, n=2), "test/m")
    assert told["keys"] == [blake2b(f"{told['text']}#{sample}".encode(), digest_size=16).hexdigest() for sample in (0, 1)]


def test_a_request_without_a_json_form_is_not_kept() -> None:
    source = Source()
    lm = cached(source)
    odd = replace(HELLO, options={"callback": print})
    assert [drive(lm.flow(odd)).text, drive(lm.flow(odd)).text] == ["1.0", "2.0"]
    assert explain_cache(odd, "m")["keys"] == []


def test_a_damaged_entry_is_asked_for_anew() -> None:
    source, store = Source(), CacheStore(None)
    lm = cached(source, store=store)
    drive(lm.flow(HELLO))
    (key,) = sample_keys(HELLO, "test/m") or []
    store.put(key, '{"format":0}')
    assert drive(lm.flow(HELLO)).text == "2.0"
    assert drive(lm.flow(HELLO)).text == "2.0"


# -- one request for equal calls ---------------------------------------------------------------------------------------------------------


def test_a_hundred_equal_tasks_send_one_request() -> None:
    source = Source(0.05)
    lm = cached(source)

    async def main() -> list[Response]:
        return await asyncio.gather(*(adrive(lm.flow(HELLO)) for _ in range(100)))

    answers = asyncio.run(main())
    assert len(source.requests) == 1
    assert {answer.text for answer in answers} == {"1.0"}
    assert sum(answer.usage.input_tokens for answer in answers) == 7
    assert sum(answer.cache_hit for answer in answers) == 99
    assert not lm.store.flights


def test_a_hundred_equal_calls_in_threads_send_one_request() -> None:
    source = Source(0.05)
    lm = cached(source)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: drive(lm.flow(HELLO)), range(100)))
    assert len(source.requests) == 1
    assert sum(answer.cost or 0 for answer in answers) == 0.5


def test_threads_and_tasks_share_one_request() -> None:
    source = Source(0.1)
    lm = cached(source)

    async def main() -> list[Response]:
        threads = [asyncio.to_thread(lambda: drive(lm.flow(HELLO))) for _ in range(3)]
        return await asyncio.gather(*(adrive(lm.flow(HELLO)) for _ in range(3)), *threads)

    assert {answer.text for answer in asyncio.run(main())} == {"1.0"}
    assert len(source.requests) == 1


def test_other_requests_are_not_held_up() -> None:
    source = Source(0.05)
    lm = cached(source)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: drive(lm.flow(replace(HELLO, rollout_id=i % 4))), range(8)))
    assert len(source.requests) == 4


def test_when_the_first_is_cancelled_another_takes_its_place() -> None:
    source = Source(0.05)
    lm = cached(source)

    async def main() -> list[Response]:
        tasks = [asyncio.create_task(adrive(lm.flow(HELLO))) for _ in range(10)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        return await asyncio.gather(*tasks[1:])

    assert {answer.text for answer in asyncio.run(main())} == {"2.0"}
    assert len(source.requests) == 2


def test_a_follower_that_gives_up_disturbs_nobody() -> None:
    source = Source(0.05)
    lm = cached(source)

    async def main() -> list[Response]:
        tasks = [asyncio.create_task(adrive(lm.flow(HELLO))) for _ in range(5)]
        await asyncio.sleep(0.01)
        tasks[3].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        return [answer for answer in done if isinstance(answer, Response)]

    assert len(asyncio.run(main())) == 4
    assert len(source.requests) == 1


def test_an_error_for_good_is_shared() -> None:
    source = Source(3.0, [LMAuthError("bad key", status=401)])
    lm = cached(source)
    outcomes = drive(gathered(lm, 20))
    assert len(source.requests) == 1
    assert all(isinstance(error, LMAuthError) and error.status == 401 for error in outcomes)
    assert len({id(error) for error in outcomes}) >= 2  # the leader's own carries its cost
    assert sum(error.attempts for error in outcomes) == 1


def gathered(lm: Cached, calls: int) -> Flow[list[Any]]:
    return (yield Gather([lambda: lm.flow(HELLO)] * calls))


def test_after_a_passing_error_one_of_the_others_asks_again() -> None:
    source = Source(0.05, [LMServerError("down", status=503)])
    outcomes = drive(gathered(cached(source), 20))
    assert sum(isinstance(outcome, LMServerError) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Response) for outcome in outcomes) == 19
    assert len(source.requests) == 2


def test_a_server_that_stays_down_does_not_make_them_queue() -> None:
    source = Source(0.3, [LMServerError("down", status=503) for _ in range(100)])
    outcomes = drive(gathered(cached(source), 20))
    assert all(isinstance(outcome, LMServerError) for outcome in outcomes)
    assert source.most_at_once > 10  # three rounds, not twenty: those who still want an answer ask together


def test_a_sync_call_on_the_thread_of_the_leading_task_does_not_hang() -> None:
    source = Source(0.05)
    lm = cached(source)

    async def main() -> tuple[Response, Response]:
        task = asyncio.create_task(adrive(lm.flow(HELLO)))
        await asyncio.sleep(0.01)
        here = drive(lm.flow(HELLO))  # blocks the loop, which no one should do
        return here, await task

    here, there = asyncio.run(asyncio.wait_for(main(), 5))
    assert {here.text, there.text} == {"1.0", "2.0"}


def test_refresh_asks_each_time() -> None:
    source = Source(0.02)
    drive(gathered(cached(source, "refresh"), 5))
    assert len(source.requests) == 5


def test_a_model_explains_its_own_keys() -> None:
    lm = whet.LM("openai/gpt-4o-mini", temperature=0.5, api_key="sk-canary-0123456789", api_base="http://127.0.0.1:1/v1?key=sk-canary-9")
    told = whet.explain_cache("Hi", lm)
    assert told["text"] == (
        '{"endpoint":"openai/gpt-4o-mini#chat@127.0.0.1:1/v1","messages":[["user","Hi"]],"options":{"temperature":0.5}}'
    )
    assert len(told["keys"]) == 1 and "canary" not in str(told)


@pytest.mark.parametrize("given", [(3,), ("Hi", 3)])
def test_what_cannot_be_explained_says_what_would_fit(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="`explain_cache` takes a"):
        explain_cache(*given)


@pytest.mark.parametrize("off", [False, "off"])
def test_caching_is_switched_off_for_all_models_by_one_word(off: Any) -> None:
    lm, store = ScriptedLM([{"a": str(n)} for n in range(9)], cache=True), CacheStore(None)
    with whet.context(cache=store):
        assert lm("q") == lm("q")
        with whet.context(cache=off):
            assert whet.settings.cache is store and lm("q") != lm("q")
            with whet.context(cache=True):
                assert lm("q") == lm("q")
