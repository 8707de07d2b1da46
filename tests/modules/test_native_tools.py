"""An agent's prompt for a model with tools: what goes when it would not fit, in the same way as for a prompt in text."""

from __future__ import annotations

import json
from typing import Any

import pytest

import whet
from whet.core.exchange import Capabilities, Choice
from whet.core.messages import ToolCallPart
from whet.testing.scripted import ScriptedLM


def look(n: int) -> str:
    """Look at a page."""
    return f"page {n}: " + "word " * 150


def call(name: str, **args: Any) -> Choice:
    return Choice(text="t", tool_calls=(ToolCallPart(id="c", name=name, arguments=json.dumps(args)),), finish_reason="tool_calls")


def agent(turns: int, window: int, overflow: str, **options: Any) -> tuple[Any, ScriptedLM]:
    """An agent that looks so many times, with four long demos, and its model."""
    answers = [call("look", n=n) for n in range(turns)] + [call("finish", answer="seen")]
    lm = ScriptedLM(answers, capabilities=Capabilities(tools=True, context_window=window))
    program = whet.ReAct("question -> answer", [look], **options)
    program.react.demos = [
        {"question": f"earlier {i} " + "word " * 60, "next_thought": "t", "next_tool_name": "look", "next_tool_args": {"n": i}}
        for i in range(4)
    ]
    program.react.adapter = whet.ChatAdapter(overflow=overflow)
    return program, lm


def demos_in(request: Any) -> int:
    return sum("earlier" in m.text for m in request.messages if m.role == "user")


def pages_in(request: Any) -> list[str]:
    return [m.text[:6] for m in request.messages if m.role == "tool" and m.text.startswith("page")]


def test_demos_go_before_what_was_found() -> None:
    program, lm = agent(3, 2_100, "trim")
    with whet.context(lm=lm):
        result = program(question="q")
    assert result.stop_reason == "finish" and result.answer == "seen"
    assert [demos_in(r) for r in lm.requests] == sorted((demos_in(r) for r in lm.requests), reverse=True)
    assert demos_in(lm.requests[0]) == 4 and demos_in(lm.requests[-1]) < 4
    assert pages_in(lm.requests[-1]) == ["page 0", "page 1", "page 2"]


@pytest.mark.parametrize("overflow", ["trim", "error"])
def test_then_the_policy_for_the_trajectory_decides_and_nothing_too_long_is_sent(overflow: str) -> None:
    program, lm = agent(6, 2_100 if overflow == "trim" else 2_600, overflow)
    with whet.context(lm=lm):
        result = program(question="q")
    assert result.answer == "seen" and lm.calls == 7
    assert pages_in(lm.requests[-1])[-1] == "page 5" and len(pages_in(lm.requests[-1])) < 6


def test_without_a_policy_the_error_names_the_parts_before_the_call() -> None:
    program, lm = agent(6, 1_500, "error", context_policy="error")
    with (
        whet.context(lm=lm),
        pytest.raises(whet.ContextWindowExceededError, match=r"system \d+, demos \d+, history 0, request \d+, tools \d+"),
    ):
        program(question="q")
    assert lm.calls == 0


def test_the_parts_of_the_prompt_are_those_that_are_sent() -> None:
    program, lm = agent(1, 100_000, "trim")
    with whet.context(lm=lm):
        shown = program.render(question="q")
        program(question="q")
    assert [(m["role"], m["content"]) for m in shown] == [(m.role, m.content) for m in lm.requests[0].messages]
