"""Rows and predictions whose fields are named like their methods."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import whet
from whet.core.records import Example, Prediction
from whet.errors import InputError


def test_an_output_named_like_a_method_of_rows_is_read_as_any_other() -> None:
    prediction = Prediction(labels=["a"], inputs="x", with_inputs=1)
    assert (prediction.labels, prediction.inputs, prediction.with_inputs) == (["a"], "x", 1)
    assert callable(Prediction(answer="x").labels), "without such a field it is the method"


LOOKS = {"list": list, "len": len, "==": lambda m: m == [1], "[]": lambda m: m[0], "in": lambda m: 1 in m, "bool": bool}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_field_named_like_a_method_that_python_calls_says_how_it_is_read(look: Any) -> None:
    row = Prediction(items=[1, 2], keys="k")
    assert dict(row) == {**row} == {"items": [1, 2], "keys": "k"} == dict(row.items())
    assert row["items"] == [1, 2]
    assert repr(row.items) == "<the method items; the field is read as ['items']>"
    with pytest.raises(TypeError, match=r"the field `items` is read as `\['items'\]`"):
        look(row.items)


def test_rows_keep_their_methods_whatever_their_fields_are_called() -> None:
    row = Example(labels=[1], inputs=2, copy=3).with_inputs("inputs")
    assert dict(row.labels()) == {"labels": [1], "copy": 3}
    assert dict(row.inputs()) == {"inputs": 2}
    assert row.copy(copy=4)["copy"] == 4


def test_a_field_may_be_called_self() -> None:
    row = Example(self="me", cls="it").with_inputs("self")
    assert row.input_values() == {"self": "me"}
    assert row.copy(self="you").self == "you"
    assert Prediction(self="me").self == "me"
    assert whet.Signature("self -> answer")(self="me", answer="you").self == "me"


def test_a_list_of_names_is_no_name_of_an_input() -> None:
    with pytest.raises(InputError, match=r"`with_inputs` takes names, .*; this is \['question'\]"):
        Example(question="x").with_inputs(["question"])  # type: ignore[arg-type]


def test_an_output_called_meta_is_the_output() -> None:
    prediction = Prediction(meta={"year": 1999}, answer="x")
    prediction.note_suggestions(["Shorter."])
    assert (prediction.meta, prediction.get_meta().suggestions) == ({"year": 1999}, ("Shorter.",))
    assert Prediction(answer="x").meta.raw == Prediction(answer="x").get_meta().raw


def test_of_several_completions_the_first_is_the_answer_and_all_are_kept() -> None:
    prediction = whet.Prediction.from_completions([{"answer": "Paris", "sure": 1}, {"answer": "Lyon", "sure": 0}])
    assert prediction.answer == "Paris" and prediction.sure == 1
    assert prediction.completions.answer == ["Paris", "Lyon"] and prediction.completions[1].answer == "Lyon"
    with pytest.raises(AttributeError, match="no field `city`; they have: answer, sure"):
        prediction.completions.city
    assert copy.copy(prediction.completions).answer == ["Paris", "Lyon"]
