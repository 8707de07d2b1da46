"""Short answers: normalisation, exact match and F1 as programs written for DSPy expect them (behaviours 17.8, 17.9)."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from whet.core.records import Example, Prediction
from whet.core.text import contains_words, normalize_text, words
from whet.errors import ConfigurationError
from whet.evaluate.metrics.answers import EM, F1, HotPotF1, answer_exact_match, answer_passage_match, field_metric


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The Cat", "cat"),
        ("  a  dog,\tan\n owl ", "dog owl"),
        ("U.S.A.", "usa"),
        ("theatre", "theatre"),
        ("A", ""),
        ("Caf\u00e9", "cafe\u0301"),
        ("a-b", "ab"),
        ("", ""),
    ],
)
def test_text_is_normalised(text: str, normal: str) -> None:
    assert normalize_text(text) == normal


@given(st.text())
def test_normalising_twice_is_normalising_once_but_for_articles_made_by_it(text: str) -> None:
    once = normalize_text(text)
    assert "  " not in once
    assert once == once.strip()
    assert not {"a", "an", "the"} & set(once.split())


def test_composed_and_decomposed_letters_are_equal() -> None:
    assert EM("Beyonc\u00e9", ["Beyonce\u0301"])
    assert words("\ufb01sh don\u2019t") == ["fish", "don't"]


def test_exact_match_takes_the_best_reference() -> None:
    assert EM("The Eiffel Tower.", ["Louvre", "eiffel tower"])
    assert not EM("Eiffel", ["eiffel tower"])
    assert EM(42, ["42"])
    assert not EM("x", [])


def test_f1_counts_words_and_takes_the_best_reference() -> None:
    assert F1("Barack Obama", ["Barack Hussein Obama"]) == pytest.approx(0.8)
    assert F1("a b b", ["b c", "b b"]) == 1.0
    assert F1("x", ["y"]) == 0.0
    assert F1("the", ["an"]) == 1.0
    assert F1("x", []) == 0.0


def test_hotpot_f1_takes_yes_and_no_as_a_whole() -> None:
    assert HotPotF1("yes", ["yes"]) == 1.0
    assert HotPotF1("yes it is", ["yes"]) == 0.0
    assert HotPotF1("no", ["no way"]) == 0.0
    assert HotPotF1("big red dog", ["red dog"]) == pytest.approx(0.8)


@pytest.mark.parametrize("function", [EM, F1, HotPotF1])
def test_references_must_be_a_list(function: object) -> None:
    with pytest.raises(ValueError, match="give a list of texts"):
        function("x", "x")  # type: ignore[operator]


def test_the_metric_compares_answers() -> None:
    gold = Example(question="?", answer="Paris").with_inputs("question")
    assert answer_exact_match(gold, Prediction(answer="paris!"))
    assert not answer_exact_match(gold, Prediction(answer="in Paris"))
    assert answer_exact_match(gold, Prediction(answer="in Paris"), frac=0.6)
    assert not answer_exact_match(gold, Prediction(answer="in Paris"), None, 0.7)
    assert answer_exact_match(Example(answer=["Rome", "Paris"]), Prediction(answer="Paris"), trace=[])
    assert answer_exact_match(Example(answer=4), Prediction(answer="4"))


def test_a_passage_matches_whole_words() -> None:
    gold = Example(answer=["Kinnairdy Castle"])
    assert answer_passage_match(gold, Prediction(context=["no", "He got the Kinnairdy castle, in 1664"]))
    assert answer_passage_match(gold, Prediction(context=[{"text": "Kinnairdy Castle", "score": 1}]))
    assert answer_passage_match(gold, Prediction(context=[{"long_text": "Kinnairdy Castle"}]))
    assert not answer_passage_match(gold, Prediction(context=[{"title": "Kinnairdy Castle"}]))
    assert answer_passage_match(gold, Prediction(context="Kinnairdy Castle"))
    assert not answer_passage_match(Example(answer="art"), Prediction(context=["a party"]))
    assert not answer_passage_match(gold, Prediction(context=[]))
    assert not contains_words("anything", "the")


def test_a_missing_label_is_named() -> None:
    with pytest.raises(ConfigurationError, match="needs the label `answer`, but the example has: question, reply"):
        answer_exact_match(Example(question="?", reply="x"), Prediction(answer="x"))


def test_a_metric_for_another_field() -> None:
    metric = field_metric(F1, "title", gold="name")
    assert metric(Example(name="red dog"), Prediction(title="dog")) == pytest.approx(2 / 3)
    assert metric.__name__ == "F1"


def test_a_prediction_that_found_nothing_holds_no_answer() -> None:
    for context in (None, [], ""):
        assert answer_passage_match(Example(answer="cat"), Prediction(context=context)) is False
