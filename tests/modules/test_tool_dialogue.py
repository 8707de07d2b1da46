"""`ToolDialogue`: the conversation is kept, goes on, and ends in outputs if there is any way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import whet
from whet.core.exchange import Capabilities, Choice
from whet.core.messages import ToolCallPart
from whet.errors import ContextWindowExceededError
from whet.modules.tool_dialogue import ReActV2, ToolDialogue
from whet.testing.scripted import ScriptedLM
from whet.tools.tool import Tool

NATIVE = Capabilities(tools=True)
WORLDS = pytest.mark.parametrize("world", ["sync", "async"])


def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


def calls(*made: tuple[str, Any], text: str = "t", ids: bool = True) -> Choice:
    parts = [ToolCallPart(id=f"id{i}" if ids else None, name=n, arguments=json.dumps(a)) for i, (n, a) in enumerate(made)]
    return Choice(text=text, tool_calls=tuple(parts), finish_reason="tool_calls")


def run(program: Any, lm: Any, world: str = "sync", **inputs: Any) -> Any:
    with whet.context(lm=lm, adapter=whet.ChatAdapter(use_native_function_calling=True)):
        return program(**inputs) if world == "sync" else asyncio.run(program.acall(**inputs))


@WORLDS
def test_native_turns_replay_ids_and_inputs_once(world: str) -> None:
    script = [
        calls(("add", {"x": 1, "y": 2}), ("add", {"x": 3, "y": 4})),
        calls(("nope", {}), ids=False),
        calls(("submit", {"answer": 10})),
    ]
    lm = ScriptedLM(script, capabilities=NATIVE)
    result = run(ReActV2("question -> answer: int", [add]), lm, world, question="all?")
    assert (result.answer, result.termination_reason, lm.calls) == (10, "submit", 3)
    last = lm.requests[2].messages
    assert sum("all?" in m.text for m in last) == 1
    assert [(m.role, m.tool_call_id) for m in last if m.role == "tool"] == [("tool", "id0"), ("tool", "id1"), ("tool", "call_1_0")]
    assert "Unknown tool: nope" in last[-1].text
    assert len(result.history.messages) == 3 and result.history.messages[0]["question"] == "all?"


@WORLDS
def test_in_text(world: str) -> None:
    script = [
        {"next_thought": "t", "tool_calls": [{"name": "add", "args": {"x": 1, "y": 2}}]},
        {"next_thought": "t", "tool_calls": [{"name": "submit", "args": {"answer": "x"}}]},
        {"next_thought": "t", "tool_calls": [{"name": "submit", "args": {"answer": 3}}]},
    ]
    lm = ScriptedLM(script)
    result = run(ReActV2("question -> answer: int", [add]), lm, world, question="q")
    assert result.answer == 3 and result.termination_reason == "submit"
    assert '"value": 3' in lm.requests[1].messages[-2].text and "not complete" in lm.requests[2].messages[-2].text


@WORLDS
def test_a_conversation_goes_on(world: str) -> None:
    program = ToolDialogue("question -> answer: int", [add])
    first = run(program, ScriptedLM([calls(("submit", {"answer": 1}))], capabilities=NATIVE), world, question="one?")
    for history in (first.history, first.history.to_dict()):
        lm = ScriptedLM([calls(("submit", {"answer": 2}))], capabilities=NATIVE)
        again = run(program, lm, world, question="and two?", history=history)
        text = [m.text for m in lm.requests[0].messages]
        assert again.answer == 2 and any("one?" in t for t in text) and "and two?" in text[-1] and len(again.history.messages) == 2
    assert run(program, ScriptedLM([calls(("submit", {"answer": 2}))], capabilities=NATIVE), world, history=first.history).answer == 2
    with pytest.raises(ValueError, match="Missing"):
        run(program, ScriptedLM([]), world)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ([calls(("add", {"x": 1, "y": 1}))] * 2, "max_iters"),
        ([Choice(text="hm")], "empty_tool_calls"),
        ([Choice(text="")], "parse_error"),
        ([ContextWindowExceededError("m")], "context_window_exceeded"),
    ],
)
def test_the_last_call_is_forced(script: list[Any], reason: str) -> None:
    program = ToolDialogue("question -> answer: int", [add], max_iters=2)
    lm = ScriptedLM([*script, calls(("submit", {"answer": 5}))], capabilities=NATIVE)
    result = run(program, lm, question="q")
    assert result.answer == 5 and result.termination_reason == "forced_submit"
    assert lm.requests[-1].tool_choice == {"type": "function", "function": {"name": "submit"}}
    result = run(program, ScriptedLM([*script, Choice(text="no")], capabilities=NATIVE), question="q")
    assert result.termination_reason == reason and "answer" not in result and "history" in result


def test_the_name_submit_is_reserved() -> None:
    with pytest.raises(ValueError, match="reserved"):
        ReActV2("q -> a", [Tool(add, name="submit")])


@pytest.mark.parametrize("explicit", [None, False])
def test_a_model_with_tools_is_asked_in_its_own_way_unless_the_format_says_otherwise(explicit: bool | None) -> None:
    adapter = whet.ChatAdapter() if explicit is None else whet.ChatAdapter(use_native_function_calling=explicit)
    script = [calls(("add", {"x": 1, "y": 2}), text="I add."), calls(("submit", {"answer": 3}))]
    lm = ScriptedLM(script, capabilities=NATIVE)
    with whet.context(lm=lm, adapter=adapter):
        result = ReActV2("question -> answer: int", [add])(question="1 + 2?")
    assert result.answer == 3 and result.history.messages[0]["next_thought"] == "I add."
    own = [[tool.name for tool in request.tools] for request in lm.requests]
    assert own == ([["add", "submit"]] * 2 if explicit is None else [[], []])
    assert ("<desc>Add two numbers" in str(lm.requests[0].messages)) is (explicit is False)
    assert "use_native_function_calling" not in vars(whet.ChatAdapter())
