"""Signatures and limits that a module cannot work with are refused when it is made, with the name that is to blame."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, InputError
from whet.modules.tool_dialogue import ToolDialogue
from whet.testing.scripted import ScriptedLM


def look(at: str) -> str:
    """Look at something."""
    return at


def make(kind: str, signature: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if kind in ("ProgramOfThought", "RLM"):
            return getattr(whet, kind)(signature, **options)
        return (ToolDialogue if kind == "ToolDialogue" else getattr(whet, kind))(signature, [look], **options)


@pytest.mark.parametrize(
    ("kind", "signature", "name"),
    [
        ("ReAct", "trajectory, question -> answer", "trajectory"),
        ("ReAct", "next_tool_args -> answer", "next_tool_args"),
        ("ReAct", "question -> answer, stop_reason", "stop_reason"),
        ("ToolDialogue", "history: str, question -> answer", "history"),
        ("ToolDialogue", "question -> answer, termination_reason", "termination_reason"),
        ("CodeAct", "trajectory -> answer", "trajectory"),
        ("ProgramOfThought", "error -> answer", "error"),
        ("ProgramOfThought", "question -> code_output", "code_output"),
        ("RLM", "question -> answer, stop_reason", "stop_reason"),
    ],
)
def test_a_field_that_the_module_has_itself(kind: str, signature: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"of `{kind}` cannot be called `{name}`"):
        make(kind, signature)


@pytest.mark.parametrize("kind", ["ReAct", "ToolDialogue", "CodeAct", "ProgramOfThought", "RLM"])
@pytest.mark.parametrize("value", [-1, "3", 2.5])
def test_a_limit_that_is_none(kind: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="`max_iters` is .* whole number"):
        make(kind, "question -> answer", max_iters=value)


@pytest.mark.parametrize("tools", [look, {"look": look}, "look", None, 3])
def test_tools_are_a_list(tools: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"`tools` is a list"):
        whet.ReAct("question -> answer", tools=tools)


def test_the_inputs_of_an_agent_are_those_of_its_signature() -> None:
    lm = ScriptedLM([])
    with whet.context(lm=lm):
        for given, said in (
            ({"qestion": "q"}, "Did you mean `question`\\? Inputs that fit: `question`, `times`\\."),
            ({}, "`question` needs a value"),
            ({"question": "q", "trajectory": {}}, "`trajectory` is not in signature of `question, times -> answer`"),
        ):
            with pytest.raises(InputError, match=said):
                whet.ReAct("question, times: int -> answer", [look])(**{"times": 3, **given})
        with pytest.raises(ConfigurationError, match="`max_iters` is 'x'"):
            whet.ReAct("question -> answer", [look])(question="q", max_iters="x")
    assert lm.calls == 0


def test_a_field_for_the_conversation_so_far_is_what_a_dialogue_goes_on_with() -> None:
    class Chat(whet.Signature):
        history: whet.History = whet.InputField()
        question: str = whet.InputField()
        answer: str = whet.OutputField()

    calls = [{"name": "submit", "args": {"answer": "a"}}]
    lm = ScriptedLM(lambda request: {"next_thought": "t", "tool_calls": calls})
    with whet.context(lm=lm):
        chat = ToolDialogue(Chat, [look])
        first = chat(question="the first")
        chat(question="the second", history=first.history)
    assert "the first" in str(lm.requests[1].messages) and "the second" in lm.requests[1].messages[-1].text
