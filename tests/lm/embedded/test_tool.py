"""When tools are called, and with what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lm.embedded.rendered import asking, chat
from whet.core.exchange import Choice, ToolSpec
from whet.core.messages import Message
from whet.lm.embedded import EmbeddedModel
from whet.lm.embedded.prompt import sections
from whet.lm.embedded.tool import arithmetic

MODEL = EmbeddedModel()


def tool(name: str, description: str, **kinds: Any) -> ToolSpec:
    properties = {key: {"type": kind} if isinstance(kind, str) else kind for key, kind in kinds.items()}
    return ToolSpec(name=name, description=description, parameters={"type": "object", "properties": properties, "required": list(kinds)})


CALCULATOR = tool("calculator", "Computes an arithmetic expression.", expression="string")
SEARCH = tool("search", "Searches the encyclopedia.", query="string")
WEATHER = tool("weather", "The weather of a day.", city={"enum": ["Rome", "Oslo"]}, days="integer")
SUBMIT = tool("submit", "Hands in the answer.", answer="integer")
SUM = chat([("answer", "int", "")], {"question": "What is 12 * (3 + 4)?"})


def called(messages: tuple[Message, ...], *tools: ToolSpec, **options: Any) -> tuple[str, Any] | None:
    choice = MODEL.respond(asking(messages, tools=tools, **options)).choices[0]
    if not choice.tool_calls:
        return None
    assert choice.finish_reason == "tool_calls"
    return choice.tool_calls[0].name, json.loads(choice.tool_calls[0].arguments)


def after(messages: tuple[Message, ...], choice: Choice, result: str) -> tuple[Message, ...]:
    return *messages, Message("assistant", "", choice.tool_calls), Message("tool", result, tool_call_id=choice.tool_calls[0].id)


def test_the_tool_that_fits_is_called_with_what_the_question_says():
    assert called(SUM, SEARCH, CALCULATOR) == ("calculator", {"expression": "12 * (3 + 4)"})
    question = chat([("answer", "str", "")], {"question": "Where is Mount Etna?"})
    assert called(question, CALCULATOR, SEARCH) == ("search", {"query": "Where is Mount Etna?"})
    weather = chat([("answer", "str", "")], {"question": "Weather in Oslo in 3 days?"})
    assert called(weather, WEATHER) == ("weather", {"city": "Oslo", "days": 3})


def test_of_tools_that_take_the_same_the_one_that_speaks_of_the_question_is_called():
    news, towns = tool("news", "Reads what happened today.", query="string"), tool("places", "Finds towns on a map.", query="string")
    question = chat([("answer", "str", "")], {"question": "Which towns lie on the map of Crete?"})
    for tools in ((news, towns), (towns, news)):
        assert called(question, *tools) == ("places", {"query": "Which towns lie on the map of Crete?"})


def test_no_call_when_an_argument_cannot_be_filled_or_calls_are_off():
    assert called(chat([("answer", "str", "")], {"question": "Why?"}), CALCULATOR, WEATHER) is None
    assert called(SUM, CALCULATOR, tool_choice="none") is None


def test_a_forced_tool_is_called():
    assert called(SUM, SEARCH, CALCULATOR, tool_choice={"type": "function", "function": {"name": "search"}}) == (
        "search",
        {"query": "What is 12 * (3 + 4)?"},
    )


def test_the_result_is_used_once_it_is_there():
    first = MODEL.respond(asking(SUM, tools=(CALCULATOR,))).choices[0]
    second = MODEL.respond(asking(after(SUM, first, "84"), tools=(CALCULATOR,))).choices[0]
    assert second.tool_calls == ()
    assert sections(second.text or "")["answer"] == "84"
    assert called(after(SUM, first, "84"), CALCULATOR, SUBMIT) == ("submit", {"answer": 84})


def test_sums_are_never_done_without_a_tool():
    found = sections(MODEL.respond(asking(chat([("answer", "str", "")], {"question": "What is 12 * (3 + 4)?"}))).text)
    assert "84" not in found["answer"]


@pytest.mark.parametrize(
    ("text", "found"), [("2+2?", "2+2"), ("pay 3.5 * 2.", "3.5 * 2"), ("in 2024 or 7", ""), ("(1 - 2) / 3 is", "(1 - 2) / 3")]
)
def test_arithmetic_is_found(text, found):
    assert arithmetic(text) == found


LISTED = (
    "Use tools.\n(1) calculator, whose description is <desc>Computes.</desc>. It takes arguments {'expression': {'type': 'string'}}.\n"
    "(2) finish, whose description is <desc>Ends the work.</desc>. It takes arguments {}.\n"
)
STEP = [("next_thought", "str", ""), ("next_tool_name", "Literal['calculator', 'finish']", ""), ("next_tool_args", "dict[str, Any]", "")]


def test_tools_told_in_words_are_used_turn_by_turn():
    first = sections(MODEL.respond(asking(chat(STEP, {"question": "What is 5*5?", "trajectory": ""}, LISTED))).text)
    assert (first["next_tool_name"], json.loads(first["next_tool_args"])) == ("calculator", {"expression": "5*5"})
    past = "\\[[ ## tool_name_0 ## ]]\ncalculator\n\n\\[[ ## observation_0 ## ]]\n25"
    second = sections(MODEL.respond(asking(chat(STEP, {"question": "What is 5*5?", "trajectory": past}, LISTED))).text)
    assert (second["next_tool_name"], json.loads(second["next_tool_args"])) == ("finish", {})
    last = sections(MODEL.respond(asking(chat([("answer", "str", "")], {"question": "What is 5*5?", "trajectory": past}))).text)
    assert last["answer"] == "25"
