"""Writing instructions from the evidence in a prompt."""

from __future__ import annotations

import json
import random

import pytest

from lm.embedded.rendered import as_json, asking, chat
from whet.core.exchange import Request
from whet.core.messages import Message
from whet.lm.embedded import EmbeddedModel
from whet.lm.embedded.prompt import sections

MODEL = EmbeddedModel()
ROWS = [
    ("my card has not come in the mail", "card_arrival"),
    ("someone stole my wallet", "lost_card"),
    ("the mail brought no card yet", "card_arrival"),
    ("my wallet is gone, stolen I think", "lost_card"),
]
SHOWN = {
    "lines": "\n\n".join(f"text: {text}\nlabel: {label}" for text, label in ROWS),
    "markers": "\n\n".join(f"\\[[ ## text ## ]]\n{text}\n\n\\[[ ## label ## ]]\n{label}" for text, label in ROWS),
    "headings": "\n\n".join(f"# Example\n## Inputs\n### text\n{text}\n## Generated Outputs\n### label\n{label}" for text, label in ROWS),
    "json": json.dumps([{"text": text, "label": label} for text, label in ROWS]),
    "repr": str([{"text": text, "label": label} for text, label in ROWS]),
}


def written(shown: str, current: str = "Say what the customer wants.", **options: float) -> str:
    messages = chat([("new_instruction", "str", "")], {"current_instruction": current, "examples": shown})
    return sections(MODEL.respond(asking(messages, **options)).text)["new_instruction"]


@pytest.mark.parametrize("form", sorted(SHOWN))
def test_words_of_the_examples_go_to_their_labels(form):
    lines = dict(line[2:].split(": ", 1) for line in written(SHOWN[form]).split("\n") if line.startswith("- "))
    assert set(lines) == {"`card_arrival`", "`lost_card`"}
    assert "mail" in lines["`card_arrival`"]
    assert "wallet" in lines["`lost_card`"]
    assert "wallet" not in lines["`card_arrival`"]


def test_the_current_instruction_and_its_hints_are_kept():
    current = "Say what the customer wants.\nBe quick.\nChoose `label` by the words that mark it:\n- `lost_card`: missing, vanished"
    text = written(SHOWN["lines"], current)
    assert text.startswith("Say what the customer wants.\nBe quick.\n")
    assert text.count("Choose `label`") == 1
    assert "- `lost_card`: missing, vanished, " in text


def test_feedback_that_names_another_label_corrects_the_example():
    form = "# Row\n## Inputs\n### text\n{}\n## Generated Outputs\n### label\nlost_card\n## Feedback\n{}\n"
    shown = form.format("no parcel in my mailbox", "Wrong: expected `card_arrival`.") + form.format("my purse was stolen", "Correct.")
    lines = dict(line[2:].split(": ", 1) for line in written(shown).split("\n") if line.startswith("- "))
    assert "mailbox" in lines["`card_arrival`"]
    assert "mailbox" not in lines["`lost_card`"]


def test_without_evidence_nothing_is_made_up():
    assert written("nothing to see", "Answer the question.") == "Answer the question."


def test_notes_become_advice_where_there_are_no_labels():
    shown = "question: 2+2?\nanswer: four\nfeedback: Give the number in digits, not in words."
    assert "- Give the number in digits, not in words." in written(shown, "Answer.")


def test_above_temperature_zero_samples_differ_but_only_in_words_from_the_prompt():
    texts = {written(SHOWN["lines"], temperature=1.0, seed=seed) for seed in range(6)}
    assert len(texts) > 1
    allowed = set(" ".join(text for text, _ in ROWS).replace(",", "").split())
    for text in texts:
        for line in text.split("\n"):
            if line.startswith("- "):
                assert set(line.split(": ", 1)[1].split(", ")) <= allowed


def test_what_it_writes_helps_itself():
    chance = random.Random(3)
    themes = {"zeta": "parcel post letter stamp", "eta": "loan credit interest rate", "theta": "password login screen app"}

    def text(label: str) -> str:
        return f"I have a question about the {' and the '.join(chance.sample(themes[label].split(), 2))}"

    rows = [(text(label), label) for label in themes for _ in range(6)]
    test = [(text(label), label) for label in themes for _ in range(10)]
    outputs = [("label", f"Literal{list(themes)}", "")]

    def accuracy(instruction: str) -> float:
        asked = [MODEL.respond(asking(chat(outputs, {"text": shown}, instruction))) for shown, _ in test]
        return sum(sections(reply.text)["label"] == label for reply, (_, label) in zip(asked, test, strict=True)) / len(test)

    better = written("\n\n".join(f"text: {shown}\nlabel: {label}" for shown, label in rows))
    assert accuracy(better) > accuracy("Say what the customer wants.") + 0.3


def test_json_advice_per_module_and_plain_prompts():
    outputs = [("module_advice", "dict[str, str]", "")]
    values = {"module_names": '["classify", "answer"]', "trajectory": SHOWN["lines"]}
    found = json.loads(MODEL.respond(asking(as_json(outputs, values), response_schema="json")).text)
    assert list(found["module_advice"]) == ["classify", "answer"]
    assert "`lost_card`" in found["module_advice"]["classify"]
    plain = f"Write a new and improved instruction for the assistant within ``` marks.\n\n{SHOWN['lines']}"
    text = MODEL.respond(Request(messages=(Message("user", plain),))).text
    assert text.startswith("```\n")
    assert "wallet" in text
