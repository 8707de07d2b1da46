"""What the model answers: well-formed, by the evidence in the prompt, and the same for the same request."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from effort import within
from lm.embedded.rendered import as_json, as_xml, asking, chat
from whet.core.exchange import Request
from whet.core.messages import Message
from whet.lm.embedded import EmbeddedModel
from whet.lm.embedded.prompt import sections

ITEM = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "price": {"type": "number"}, "kind": {"enum": ["new", "old"]}, "tags": {"type": "array"}},
}
NODE = {
    "$ref": "#/$defs/Node",
    "$defs": {"Node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}},
}
KINDS: dict[str, tuple[str, str, type | tuple[type, ...]]] = {
    "text": ("str", "", str),
    "whole": ("int", "a whole number", int),
    "number": ("float", "", (int, float)),
    "yes": ("bool", "", bool),
    "label": ("Literal['lost_card', 'top_up']", "", str),
    "words": ("list[str]", "", list),
    "several": ("list[Literal['lost_card', 'top_up']]", "", list),
    "map": ("dict[str, str]", "", dict),
    "item": ("Item", f"must fit {json.dumps(ITEM)}", dict),
    "day": ("date", "", str),
    "pair": ("tuple[int, str]", "", list),
    "node": ("Node", f"must fit {json.dumps(NODE)}", dict),
    "maybe": ("Union[str, NoneType]", "", (str, type(None))),
    "reasoning": ("str", "", str),
}
INPUTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)
MODEL = EmbeddedModel()


def fields(answer: str) -> dict[str, str]:
    return {name: text for name, text in sections(answer).items() if name != "completed"}


def answer(messages: tuple[Message, ...], **options: Any) -> dict[str, str]:
    return fields(MODEL.respond(asking(messages, **options)).text)


@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6, unique=True), text=INPUTS, more=INPUTS)
def test_every_layout_is_well_formed_for_every_kind(names, text, more):
    outputs = [(name, KINDS[name][0], KINDS[name][1]) for name in names]
    values = {"query_text": text, "more": more}
    marked = MODEL.respond(asking(chat(outputs, values))).text
    assert list(sections(marked)) == [*names, "completed"]
    found = json.loads(MODEL.respond(asking(as_json(outputs, values), response_schema="json")).text)
    assert list(found) == names
    for name in names:
        assert isinstance(found[name], KINDS[name][2]), (name, found[name])
    tree = ElementTree.fromstring(f"<all>{MODEL.respond(asking(as_xml(outputs, values))).text}</all>")
    assert [child.tag for child in tree] == names


def test_values_are_copied_from_the_inputs():
    outputs = [(name, KINDS[name][0], KINDS[name][1]) for name in ("item", "day", "maybe")]
    text = "Name: Boat\nPrice: 1,200.50\nKind: old\nSigned on 2 May 2024."
    found = answer(chat([*outputs, ("price", "float", "")], {"text": text}))
    assert json.loads(found["item"]) == {"name": "Boat", "price": 1200.5, "kind": "old", "tags": []}
    assert (found["day"], found["price"], found["maybe"]) == ("2024-05-02", "1200.5", "None")


def test_a_question_is_answered_from_the_context():
    context = "[1] «Ada Lovelace was born in London in 1815. She wrote the first program.»\n[2] «Paris is large.»"
    wanted = [("reasoning", "str", ""), ("answer", "str", "")]
    found = answer(chat(wanted, {"context": context, "question": "When was Ada Lovelace born?"}))
    assert found["answer"] == "1815"
    assert "Ada Lovelace was born" in found["reasoning"], "the reasoning names the evidence"
    assert answer(chat(wanted, {"context": context, "question": "Who wrote the first program?"}))["answer"] == "Ada Lovelace"


def test_spans_are_copied_as_the_demos_copy_them():
    demos = [({"text": "Please call Mr. Bob Doe now"}, {"who": "Bob Doe"}), ({"text": "Ask Mr. Al Gore about it"}, {"who": "Al Gore"})]
    assert answer(chat([("who", "str", "")], {"text": "Tell Mr. Jim Beam at noon"}, demos=demos))["who"] == "Jim Beam"


def test_it_says_what_it_cannot_do():
    assert "not a neural language model" in answer(chat([("poem", "str", "")], {"topic": "the sea"}))["poem"]
    assert "not a neural language model" in MODEL.respond(Request(messages=(Message("user", "Write a poem."),))).text


LABELS = [("label", "Literal['alpha', 'beta', 'gamma']", "")]


def test_demos_move_the_answer():
    demos = [({"text": "a dog barks loudly"}, {"label": "gamma"}), ({"text": "rain falls all day"}, {"label": "beta"})]
    assert answer(chat(LABELS, {"text": "the dog barks"}, demos=demos))["label"] == "gamma"
    assert answer(chat(LABELS, {"text": "much rain today"}, demos=demos))["label"] == "beta"


@pytest.mark.parametrize(
    "instruction",
    ["- `beta`: rain, snow\n- `gamma`: dog, cat", "Say beta for rain. Say gamma if there is a dog.", "gamma: the dog\nbeta: the rain"],
)
def test_words_that_the_instruction_ties_to_an_option_move_the_answer(instruction):
    assert answer(chat(LABELS, {"text": "the dog barks"}, instruction))["label"] == "gamma"


def test_names_of_options_move_the_answer():
    outputs = [("label", "Literal['TopUp', 'lostOrStolenCard', 'pin_blocked']", "")]
    assert answer(chat(outputs, {"text": "somebody stole my card"}))["label"] == "lostOrStolenCard"


def test_labels_of_a_free_text_field_are_learnt_from_demos():
    shown = {"lost my card": "lost", "card gone": "lost", "add money": "fund"}
    demos = [({"text": text}, {"label": label}) for text, label in shown.items()]
    found = answer(chat([("reasoning", "str", ""), ("label", "str", "")], {"text": "money, please"}, demos=demos))
    assert found["label"] == "fund"
    assert "`money`" in found["reasoning"]
    assert "add money" in found["reasoning"]


def test_the_same_request_has_the_same_answer_whatever_came_before():
    demos = [({"text": "a dog"}, {"label": "gamma"}), ({"text": "rain"}, {"label": "beta"})]
    requests = [
        asking(chat(LABELS, {"text": text}, demos=demos[:count]), temperature=2.0, seed=seed, n=3)
        for text in ("dog and rain", "cat")
        for count in (0, 1, 2)
        for seed in (0, 1)
    ]
    alone = [EmbeddedModel().respond(request) for request in requests]
    together = EmbeddedModel()
    assert [together.respond(request) for request in reversed(requests)] == alone[::-1]


def test_samples_differ_by_number_seed_and_rollout_only_above_temperature_zero():
    messages = chat(LABELS, {"text": "something else"})

    def labels(**options: Any) -> list[str]:
        return [choice.text or "" for choice in MODEL.respond(asking(messages, n=12, **options)).choices]

    assert len(set(labels())) == 1
    assert len(set(labels(temperature=1.0))) > 1
    assert labels(temperature=1.0, seed=1) != labels(temperature=1.0, seed=2)
    assert labels(temperature=1.0, rollout_id=1) != labels(temperature=1.0, rollout_id=2)
    assert labels(temperature=1.0, seed=1) == labels(temperature=1.0, seed=1)


def test_logprobs_are_the_probabilities_it_draws_from():
    messages = chat(LABELS, {"text": "the beta thing"})
    shown = MODEL.respond(asking(messages, logprobs=True, top_logprobs=3)).choices[0]
    content = shown.logprobs["content"]
    assert "".join(token["token"] for token in content) == shown.text
    chosen = next(token for token in content if token["token"] == "beta")
    chances = {token["token"]: math.exp(token["logprob"]) for token in chosen["top_logprobs"]}
    assert sum(chances.values()) == pytest.approx(1.0)
    assert chosen["logprob"] == max(token["logprob"] for token in chosen["top_logprobs"])
    drawn = [fields(choice.text or "")["label"] for choice in MODEL.respond(asking(messages, n=400, temperature=4.0)).choices]
    flat = {label: chance**0.25 for label, chance in chances.items()}
    assert drawn.count("alpha") / 400 == pytest.approx(flat["alpha"] / sum(flat.values()), abs=0.08)


def test_the_token_limit_cuts_and_says_so():
    messages = chat([("label", "Literal['alpha']", "")], {"text": "x"})
    short = MODEL.respond(asking(messages, max_tokens=5)).choices[0]
    assert (len(short.text or ""), short.finish_reason) == (20, "length")
    assert MODEL.respond(asking(messages, max_tokens=500)).choices[0].finish_reason == "stop"


def test_usage_is_a_quarter_of_the_characters():
    response = MODEL.respond(Request(messages=(Message("user", "x" * 41),), n=2))
    assert response.usage.input_tokens == 11
    assert response.usage.output_tokens == -(-sum(len(choice.text or "") for choice in response.choices) // 4)
    assert (response.cost, response.model) == (0.0, "embedded")


@pytest.mark.parametrize("piece", ["(", "*", "1", "1,", "{", "[[ ## ", "a: b\n", "Aa. ", "'k': 'v', ", "`x`"])
def test_odd_texts_take_no_time(piece):
    outputs = [(name, KINDS[name][0], KINDS[name][1]) for name in KINDS] + [("new_instruction", "str", ""), ("summary", "str", "")]
    asked = chat(outputs, {"context": (piece * 10_000)[:10_000], "question": "Who is it?"})
    assert within(900, lambda: answer(asked, tools=()))


def test_agreement_of_two_texts_is_scored():
    values = {"gold": "red apples are nice", "said": "apples are red"}
    found = answer(chat([("precision", "float", ""), ("recall", "float", ""), ("is_correct", "bool", "")], values))
    assert (float(found["precision"]), float(found["recall"]), found["is_correct"]) == (1.0, 0.6667, "True")
