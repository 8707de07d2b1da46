"""Signed reasoning goes back to its provider with the calls it led to, on every way a conversation with tools can take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.core.exchange import Capabilities, Choice, Request, Response
from whet.core.flow import drive
from whet.core.messages import Message, ToolCallPart
from whet.core.types.history import History
from whet.lm.codec import decode_response, encode_response
from whet.lm.store import CacheStore
from whet.testing import StubServer

CALL = Choice(
    text=None,
    reasoning="It wants the weather",
    tool_calls=(ToolCallPart(id="call_1", name="weather", arguments='{"city": "Oslo"}'),),
    finish_reason="tool_calls",
)
# What each provider signed, as it must stand in the body of the next request.
SIGNED: dict[str, Any] = {
    "anthropic": {"type": "thinking", "thinking": "It wants the weather", "signature": "c2ln"},
    "bedrock": {"reasoningContent": {"reasoningText": {"text": "It wants the weather", "signature": "c2ln"}}},
    "responses": {"type": "reasoning", "id": "rs_1", "encrypted_content": "c2ln"},
    "gemini": {"thoughtSignature": "c2ln"},
}


def serving(format: str, *answers: str | Response) -> StubServer:
    """A server that gives these answers in turn."""
    waiting = iter(answers)
    return StubServer(format, lambda _: next(waiting))


def holds(tree: Any, wanted: dict[str, Any]) -> bool:
    """Whether some object in the tree has these items."""
    if isinstance(tree, dict):
        return all(tree.get(name) == value for name, value in wanted.items()) or any(holds(value, wanted) for value in tree.values())
    return isinstance(tree, list) and any(holds(item, wanted) for item in tree)


def answered(call: ToolCallPart) -> tuple[Message, ...]:
    return Message("user", "Weather?"), Message("assistant", "", tool_calls=(call,)), Message("tool", "rain", tool_call_id=call.id)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("format", list(SIGNED))
def test_the_signature_goes_back_with_the_call(format: str, streamed: bool) -> None:
    with serving(format, Response(choices=(CALL,)), "Wet.") as stub:
        lm = stub.lm()
        if streamed:
            stream = lm.stream(messages=[{"role": "user", "content": "Weather?"}])
            list(stream)
            response = stream.response
        else:
            response = drive(lm.flow(Request(messages=(Message("user", "Weather?"),))))
        assert response is not None
        (call,) = response.choices[0].tool_calls
        drive(lm.flow(Request(messages=answered(call))))
        assert holds(stub.received[-1].body, SIGNED[format])
        assert not holds(stub.received[0].body, SIGNED[format])


def test_signed_thinking_comes_before_everything_else_of_its_turn() -> None:
    first = ToolCallPart(id="1", name="f", arguments="{}", signed='{"anthropic":[{"type":"thinking","thinking":"a","signature":"s"}]}')
    second = replace(first, id="2", signed='{"anthropic":[{"type":"redacted_thinking","data":"x"}]}')
    with serving("anthropic", "ok") as stub:
        drive(stub.lm().flow(Request(messages=(Message("user", "Hi"), Message("assistant", "So:", tool_calls=(first, second))))))
        kinds = [block["type"] for block in stub.received[0].body["messages"][1]["content"]]
    assert kinds == ["thinking", "text", "tool_use", "redacted_thinking", "tool_use"]


def test_one_provider_never_gets_what_another_signed() -> None:
    call = replace(CALL.tool_calls[0], signed='{"anthropic":[{"type":"thinking","thinking":"a","signature":"sss"}]}')
    for format in ("openai", "responses", "gemini", "ollama", "bedrock"):
        with serving(format, "ok") as stub:
            drive(stub.lm().flow(Request(messages=answered(call))))
            assert "sss" not in json.dumps(stub.received[0].body), format


def test_plain_dicts_carry_it() -> None:
    with serving("anthropic", Response(choices=(CALL,)), "Wet.") as stub:
        lm = stub.lm()
        (said,) = lm("Weather?")
        turn = {"role": "assistant", "content": said["text"] or "", "tool_calls": said["tool_calls"]}
        lm(messages=[{"role": "user", "content": "Weather?"}, turn, {"role": "tool", "content": "rain", "tool_call_id": "call_1"}])
        assert holds(stub.received[-1].body, SIGNED["anthropic"])


def weather(city: str) -> str:
    """The weather."""
    return f"rain in {city}"


def submit(**outputs: Any) -> Choice:
    call = ToolCallPart(id="call_2", name="submit", arguments=json.dumps(outputs))
    return Choice(text=None, tool_calls=(call,), finish_reason="tool_calls")


@pytest.mark.parametrize("format", list(SIGNED))
def test_an_agent_in_dialogue_keeps_it_through_a_saved_history(format: str) -> None:
    agent = whet.ReActV2("question -> answer", tools=[weather])
    turns = (Response(choices=(CALL,)), Response(choices=(submit(answer="Wet."),)))
    with serving(format, *turns, *turns) as stub:
        with whet.context(lm=stub.lm(capabilities=Capabilities(tools=True)), adapter=whet.ChatAdapter(use_native_function_calling=True)):
            first = agent(question="Weather?")
            assert holds(stub.received[1].body, SIGNED[format])
            again = History.of(json.loads(json.dumps(first.history.to_dict())))
            agent(question="And now?", history=again)
        assert holds(stub.received[2].body, SIGNED[format])


def test_a_native_agent_keeps_it() -> None:
    finish = Choice(text=None, tool_calls=(ToolCallPart(id="call_2", name="finish", arguments="{}"),), finish_reason="tool_calls")
    agent = whet.ReAct("question -> answer", tools=[weather])
    done = "[[ ## reasoning ## ]]\nIt rains.\n\n[[ ## answer ## ]]\nWet.\n\n[[ ## completed ## ]]"
    with serving("anthropic", Response(choices=(CALL,)), Response(choices=(finish,)), done) as stub:
        with whet.context(lm=stub.lm(capabilities=Capabilities(tools=True)), adapter=whet.ChatAdapter(use_native_function_calling=True)):
            assert agent(question="Weather?").answer == "Wet."
        assert holds(stub.received[1].body, SIGNED["anthropic"])


def test_a_cached_call_is_as_good_as_a_fresh_one(tmp_path: Path) -> None:
    with serving("anthropic", Response(choices=(CALL,)), "Wet.") as stub, whet.context(cache=CacheStore(tmp_path)):
        lm = stub.lm(cache=True)
        asked = Request(messages=(Message("user", "Weather?"),))
        fresh, cached = drive(lm.flow(asked)), drive(lm.flow(asked))
        assert cached.cache_hit and cached.choices[0].tool_calls == fresh.choices[0].tool_calls
    text = encode_response(fresh)
    decoded = decode_response(text)
    assert decoded is not None and decoded.choices == fresh.choices
