"""Conversations with calls of tools, formatted for an adapter that has models call them natively."""

from __future__ import annotations

from typing import Any

import pytest

import whet as dspy

CALLS = dspy.ToolCalls.from_dict_list([{"name": "search", "args": {"query": "cats"}, "id": "c1"}])
RESULTS = dspy.ToolCallResults.from_tool_calls_and_values(CALLS, ["meow"])
TURN = {"question": "find", "answer": "searching", "tool_calls": CALLS.model_copy(update={"tool_call_results": RESULTS})}


@pytest.mark.parametrize("annotation", [dspy.ToolCalls, dspy.ToolCalls | None])
def test_calls_are_shown_in_the_form_that_the_adapter_asks_for_them(annotation: Any) -> None:
    signature = dspy.Signature("question, history: dspy.History, tools: list[dspy.Tool] -> answer").append(
        "tool_calls", dspy.OutputField(), annotation
    )
    inputs = {"history": dspy.History(messages=[TURN]), "question": "next"}
    native = dspy.ChatAdapter(use_native_function_calling=True).format_conversation_history(signature, "history", inputs)
    assert [message["role"] for message in native] == ["user", "assistant", "tool"]
    assert native[1]["tool_calls"][0]["function"]["name"] == "search" and "tool_calls" not in native[1]["content"]
    assert (native[2]["content"], native[2]["tool_call_id"]) == ("meow", "c1")
    written = dspy.ChatAdapter(use_native_function_calling=False).format_conversation_history(signature, "history", inputs)
    assert [message["role"] for message in written] == ["user", "assistant", "user"] and '"search"' in written[1]["content"]
