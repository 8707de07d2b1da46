"""The JSON format: one object, with the model's own schema enforcement where it has one."""

from __future__ import annotations

import json
from typing import Any, Literal

import pydantic
import pytest

import whet
from whet.adapters.base import Adapter
from whet.adapters.json import JSONAdapter
from whet.core.exchange import Capabilities, Choice
from whet.errors import AdapterParseError


class Person(pydantic.BaseModel):
    name: str
    age: int | None = None


SIGNATURE = whet.Signature({
    "text": whet.InputField(),
    "who": (list[Person], whet.OutputField()),
    "kind": (Literal["a", "b"], whet.OutputField()),
})  # fmt: skip


def test_the_format_is_chosen_from_what_the_model_can_do() -> None:
    adapter = JSONAdapter()
    schema = adapter.request(SIGNATURE, {"text": "x"}, capabilities=Capabilities(json_schema=True)).response_schema
    assert isinstance(schema, dict)
    assert schema["required"] == ["who", "kind"]
    assert schema["additionalProperties"] is False
    assert set(schema["$defs"]["Person"]["required"]) == {"name", "age"}
    assert adapter.request(SIGNATURE, {"text": "x"}, capabilities=Capabilities(json_mode=True)).response_schema == "json"
    assert adapter.request(SIGNATURE, {"text": "x"}, capabilities=Capabilities()).response_schema is None
    open_mapping = whet.Signature({"q": whet.InputField(), "a": (dict[str, Any], whet.OutputField())})
    assert adapter.request(open_mapping, {"q": "x"}, capabilities=Capabilities(json_schema=True)).response_schema == "json"


@pytest.mark.parametrize(
    "text",
    [
        '{"who": [{"name": "Ann", "age": 3}], "kind": "a"}',
        'Here you are:\n```json\n{"who": [{"name": "Ann", "age": 3}], "kind": "a"}\n```\nBye {x}',
        "{'who': [{'name': 'Ann', 'age': 3,}], 'kind': 'a', 'other': 1}",
        '{"who": [{"name": "Ann", "age": "3"}], "kind": "A"}',
    ],
)
def test_one_object_is_read_whatever_stands_around_it(text: str) -> None:
    assert JSONAdapter().parse(SIGNATURE, text) == {"who": [Person(name="Ann", age=3)], "kind": "a"}


@pytest.mark.parametrize("text", ["no object here", "[1, 2]", '"just text"', ""])
def test_no_object_is_an_error_with_the_text(text: str) -> None:
    with pytest.raises(AdapterParseError) as caught:
        JSONAdapter().parse(SIGNATURE, text)
    assert caught.value.lm_response == text


def test_demos_are_answered_with_objects() -> None:
    demo = whet.Example(text="x", who=[Person(name="Zoë")], kind="b")
    shown = JSONAdapter().format(SIGNATURE, [demo], {"text": "y"})[2]["content"]
    assert json.loads(shown) == {"who": [{"name": "Zoë", "age": None}], "kind": "b"}
    assert "Zoë" in shown
    assert JSONAdapter().parse(SIGNATURE, shown) == {"who": [Person(name="Zoë")], "kind": "b"}


LISTED = whet.Signature({"q": whet.InputField(), "words": (list[str], whet.OutputField()), "size": (int, whet.OutputField())})


@pytest.mark.parametrize(
    ("adapter", "answer"),
    [
        (whet.ChatAdapter(), "[[ ## words ## ]]\n- a\n- b\n\n[[ ## size ## ]]\n[5]"),
        (whet.XMLAdapter(), "<words>- a\n- b</words><size>[5]</size>"),
        (whet.JSONAdapter(), '{"words": "```json\\n[\\"a\\", \\"b\\"]\\n```", "size": [5]}'),
        (whet.JSONAdapter(), '{"words": "- a\\n- b", "size": [5]}'),
    ],
    ids=["chat", "xml", "json", "json in text"],
)
def test_lists_and_single_values_stand_in_for_each_other_and_it_is_recorded(adapter: Adapter, answer: str) -> None:
    reading = adapter.read(LISTED, Choice(text=answer))
    assert reading.values == {"words": ["a", "b"], "size": 5}
    assert len(reading.repairs) == 2
    with pytest.raises(AdapterParseError, match="size"):
        adapter.read(LISTED, Choice(text=answer.replace("[5]", "[5, 6]")))
