"""`Fallback` and `Router` are ordinary models: cached, counted once, streamed, and say who answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import whet
from whet.core.exchange import Request
from whet.core.flow import drive
from whet.core.messages import Message
from whet.errors import BudgetExceeded, ConfigurationError, LMAuthError, LMServerError, LMTransportError
from whet.testing import LMContract, ScriptedLM, StubServer


def failing(name: str = "down") -> ScriptedLM:
    return ScriptedLM(lambda request: LMServerError("it is down", status=503), model=name)


def response_of(lm: Any) -> Any:
    return drive(lm.flow(Request(messages=(Message("user", "Hi"),))))


def test_the_next_one_answers() -> None:
    lm = whet.Fallback([failing(), ScriptedLM(["fine"], model="up")])
    answer = response_of(lm)
    assert (answer.text, answer.model) == ("fine", "up")
    assert asyncio.run(whet.Fallback([failing(), ScriptedLM(["fine"])]).acall("Hi")) == ["fine"]


def test_when_all_fail_the_last_error_tells_of_the_others() -> None:
    bad_key = ScriptedLM(lambda request: LMAuthError("bad key"), model="second")
    with pytest.raises(LMAuthError) as caught:
        whet.Fallback([failing("first"), bad_key])("Hi")
    assert "[first] it is down" in "".join(caught.value.__notes__)


def test_after_the_first_token_there_is_no_other() -> None:
    with StubServer("openai", "one two three four", faults=["drop"]) as stub:
        backup = ScriptedLM(["other"])
        with pytest.raises(LMTransportError):
            list(whet.Fallback([stub.lm(), backup]).stream("Hi"))
        assert backup.calls == 0


def test_a_call_is_counted_once() -> None:
    whet.configure(history=whet.core.trace.History())
    with whet.track_usage() as tracker, whet.budget(calls=1) as purse:
        lm = whet.Fallback([ScriptedLM(["fine"], model="only")])
        lm("Hi")
        assert purse.spent.calls == 1
        with pytest.raises(BudgetExceeded):
            lm("Hi again")
    assert list(tracker.usage_data) == ["only"] and len(tracker.usage_data["only"]) == 1
    assert len(lm.history) == 1
    assert [entry.model for entry in whet.settings.history] == ["only"]


def test_a_router_chooses_by_request() -> None:
    small, large = ScriptedLM(lambda r: "small", model="s"), ScriptedLM(lambda r: "large", model="l")
    lm = whet.Router(lambda request: "big" if len(request.messages[-1].text) > 10 else "little", {"little": small, "big": large})
    assert (lm("Hi"), lm("A much longer question")) == (["small"], ["large"])
    assert response_of(lm).model == "s"
    with pytest.raises(ConfigurationError, match="little"):
        whet.Router(lambda request: "none", {"little": small})("Hi")
    with pytest.raises(ConfigurationError, match="is none"):
        whet.Fallback(["openai/gpt-4o"])  # type: ignore[list-item]


def test_what_all_can_do() -> None:
    can = whet.Capabilities(json_schema=True, tools=True, context_window=1000)
    cannot = whet.Capabilities(tools=True, context_window=500)
    lm = whet.Fallback([ScriptedLM([], capabilities=can), ScriptedLM([], capabilities=cannot)])
    assert (lm.capabilities.json_schema, lm.capabilities.tools, lm.capabilities.context_window) == (False, True, 500)


class TestFallback(LMContract):
    def make_lm(self, **options: Any) -> Any:
        return whet.Fallback([failing(), ScriptedLM(lambda r: "Something short", **options)])


class TestRouter(LMContract):
    def make_lm(self, **options: Any) -> Any:
        lm = ScriptedLM(lambda r: "Something short", **options)
        return whet.Router(lambda request: lm, [lm])
