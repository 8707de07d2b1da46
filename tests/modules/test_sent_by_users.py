"""Signatures, fields and modules in a user's own copies and processes: nothing of whet's unpickles, but user code may."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from typing import Any

import whet
from whet.core.field import MISSING


class Rating(whet.Signature):
    """Rate the text from outside."""

    text: str = whet.InputField(desc="what was said", trusted=False)
    scale: int = whet.InputField(default=5, ge=1)
    marks: list[int] = whet.OutputField(desc="one a sentence")


class Rater(whet.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rate = whet.Predict(Rating)
        self.explain = whet.ChainOfThought("marks: list[int] -> why")

    def forward(self, text: str) -> Any:
        return self.rate(text=text)


def sent(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def test_a_signature_comes_back_with_types_defaults_constraints_and_instructions() -> None:
    back = sent(Rating)
    assert back == Rating
    assert (back.name, back.instructions) == ("Rating", "Rate the text from outside.")
    assert [f.annotation for f in back.fields.values()] == [str, int, list[int]]
    assert back.input_fields["text"].default is MISSING
    assert not back.input_fields["text"].trusted
    assert (back.input_fields["scale"].default, dict(back.input_fields["scale"].constraints)) == (5, {"ge": 1})
    assert hash(back) == hash(Rating)


def test_a_field_can_be_copied_deeply_and_sent() -> None:
    field = whet.InputField(desc="a", ge=1, title="t")
    assert copy.deepcopy(field) == field
    assert sent(field) == field
    assert sent(field).required


def test_a_module_comes_back_without_history_and_callbacks() -> None:
    rater = Rater()
    rater.callbacks = ["somebody"]
    rater.history.append({"prompt": "earlier"})
    rater.rate.demos = [whet.Example(text="Good.", scale=5, marks=[5])]
    back = sent(rater)
    assert (list(back.callbacks), list(back.history)) == ([], [])
    assert back.rate.demos == rater.rate.demos
    assert back.dump_state() == rater.dump_state()
    assert [name for name, _ in back.named_predictors()] == ["rate", "explain.predict"]


def shown_by(rater: Rater) -> str:
    return whet.ChatAdapter().format(rater.rate.signature, rater.rate.demos, {"text": "Fine.", "scale": 3})[0]["content"]


def test_another_process_renders_the_same_prompt() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(shown_by, (Rater(),)) == shown_by(Rater())


def test_a_forward_that_is_sent_by_value_takes_along_only_what_can_be_sent() -> None:
    # What cloudpickle does with a class of `__main__` or of a function: its methods go by value, with the globals they name.
    wrapper = vars(Rater)["forward"]
    named = {name: wrapper.__globals__[name] for name in wrapper.__code__.co_names if name in wrapper.__globals__}
    assert named
    assert sent(named) == named
