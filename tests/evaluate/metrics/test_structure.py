"""JSON leaf by leaf, and citations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest
from pydantic import BaseModel

from whet.core.wording import counted
from whet.errors import ConfigurationError, InputError
from whet.evaluate.metrics.structure import citation_score, cited_ids, json_diff_score, supports
from whet.retrieve import BM25


class Person(BaseModel):
    name: str
    born: int


def test_each_leaf_counts() -> None:
    score = json_diff_score({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 3, 4]}, "d": None})
    assert score.value == pytest.approx(2 * 2 / (3 + 5))
    assert score.parts == {"precision": 2 / 5, "recall": 2 / 3}
    assert score.feedback == "b.c[1]: expected 2, found 3; b.c[2]: not expected, found 4; d: not expected, found None"


def test_what_is_equal_enough_counts_as_equal() -> None:
    assert json_diff_score({"x": "The Cat", "y": 0.1 + 0.2, "z": 1}, {"x": "cat.", "y": 0.3, "z": 1.0}).value == 1.0
    assert json_diff_score({"x": "Cat"}, {"x": "cat"}, normalize=False).value == 0.0
    assert json_diff_score({"x": True}, {"x": 1}).value == 0.0
    assert json_diff_score({"x": None}, {"x": None}).value == 1.0
    assert json_diff_score({"x": "!"}, {"x": "?"}).value == 0.0
    assert json_diff_score([], []).value == json_diff_score({}, {}).value == 1.0
    assert json_diff_score([], {}).value == 0.0


def test_text_models_and_missing_parts() -> None:
    gold = Person(name="Ada", born=1815)
    assert json_diff_score(gold, '{"name": "Ada", "born": 1815}').value == 1.0
    assert json_diff_score(gold, {"name": "Ada"}).feedback == "born: missing, expected 1815"
    broken = json_diff_score(gold, "{broken")
    assert broken.value == 0.0
    assert broken.feedback.startswith("This is no JSON")
    assert json_diff_score("plain", "plain").value == 1.0


def test_the_list_of_differences_is_short_and_depth_is_no_danger() -> None:
    assert json_diff_score(dict.fromkeys("abcdefgh", 1), {"a": 1}).feedback.endswith("and 2 more")
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert json_diff_score(deep, deep).value == 1.0
    with pytest.raises(InputError, match=r"At `a` stands a set"):
        json_diff_score({"a": {1}}, {})


def test_citations_are_read() -> None:
    assert cited_ids("One [1][2]. Two [3, 1; 5]. Not [x] or [].") == [1, 2, 3, 5]


def test_citation_precision_and_recall() -> None:
    passages = ["Paris is the capital of France.", "The Rhine flows through Basel."]
    text = "Paris is the capital of France [1]. The Rhine flows through Basel [2][1]. Nobody knows why. Rome is old. [7]"
    score = citation_score(text, passages)
    assert score.parts == {"precision": 2 / 4, "recall": 2 / 4}
    assert "2 of 4 sentences" in score.feedback
    assert "There is no passage 7." in score.feedback


def test_citations_against_known_evidence() -> None:
    assert citation_score("A fact [1]. Another [2].", {1: "x", 2: "y"}, gold={2}).parts["precision"] == 0.5


def test_a_text_without_citations_or_words_scores_zero() -> None:
    assert citation_score("No source given.", ["x"]).value == 0.0
    assert citation_score("", ["x"]).value == 0.0
    assert not supports("anything", "the")


def test_json_of_any_size_is_right_or_wrong_and_never_an_error() -> None:
    for text in ("[" * 100_000 + "]" * 100_000, '{"a": ' + "9" * 5000 + "}", '{"a": 1'):
        assert json_diff_score({"a": 1}, text).feedback.startswith("This is no JSON")
    assert json_diff_score({"a": 10**400}, {"a": 10**400}).value == 1.0
    assert json_diff_score({"a": 10**400}, {"a": 1.5}).value == json_diff_score({"a": 10**400}, '{"a": 1e400}').value == 0.0
    assert json_diff_score({"a": float("nan")}, '{"a": NaN}').value == 1.0


@dataclass
class Born:
    name: str
    day: date


def test_typed_values_and_fenced_json_are_compared_by_what_they_say() -> None:
    expected = {"name": "Ada", "day": "1815-12-10"}
    assert json_diff_score(expected, Born("ada", date(1815, 12, 10))).value == 1.0
    assert json_diff_score([expected], [Born("Ada", date(1816, 12, 10))]).feedback == "[0].day: expected '1815-12-10', found '1816-12-10'"
    assert json_diff_score(expected, '```json\n{"name": "Ada", "day": "1815-12-10"}\n```').value == 1.0


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith of the U.S. Navy met J. Doe [1]. They talked [1].", 2),
        ("\u3053\u308c\u306f\u4e8b\u5b9f\u3067\u3059[1]\u3002\u305d\u308c\u3082[1]\u3002", 2),
        ("No. It is wet [1].", 2),
        ("It ends with Dr.", 1),
    ],
)
def test_where_a_sentence_ends(text: str, sentences: int) -> None:
    assert f" of {counted(sentences, 'sentence')} " in citation_score(text, ["x"]).feedback


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("-5", "5", False),
        ("1.5", "15", False),
        ("-1.5 C", "1.5 C", False),
        ("1,000", "1000", True),
        ("555-1234", "5551234", True),
        ("Room 5.", "room 5", True),
        ("The Nile", "nile", True),
    ],
)
def test_the_sign_and_the_point_of_a_number_in_a_text_count(wanted: str, found: str, same: bool) -> None:
    assert (json_diff_score({"a": wanted}, {"a": found}).value == 1.0) == same


def test_a_fence_that_closes_on_the_last_line_is_looked_through() -> None:
    assert json_diff_score({"a": 1}, '```json\n{"a": 1}```').value == 1.0


def test_ranges_of_citations_are_read() -> None:
    assert cited_ids("One [1-3]. Two [1,3]. Three [5\u20137; 9].") == [1, 2, 3, 5, 6, 7, 9]
    assert cited_ids("One [1]\u2013[3]. Two [5]-[6][9].") == [1, 2, 3, 5, 6, 9]
    assert cited_ids("[7-5] [3 - 4]") == [7, 5, 3, 4] and cited_ids("[1-999999999]") == [1, 999999999]
    assert cited_ids(f"[{'9' * 5000}] [-1] [1-] [a-3]") == []
    passages = ["Paris is old.", "The capital of France.", "Paris has a river."]
    for mark in ("[1-3]", "[1]\u2013[3]", "[1,3]", "[1], [3]"):
        score = citation_score(f"Paris is old and has a river. {mark}", passages)
        assert score.parts["recall"] == 1.0 and "There is no" not in score.feedback


def test_passages_may_be_what_a_retriever_found_or_json_wrote() -> None:
    text = "A red fox [1]. A grey wolf [2]."
    for passages in (BM25(["a red fox", "a grey wolf"])("fox wolf red grey", k=2), {"1": "a red fox", "2": "a grey wolf"}):
        assert citation_score(text, passages, gold={"1", 2}).value == 1.0
    with pytest.raises(InputError, match="this is 'a red fox', a str"):
        citation_score(text, "a red fox")
    with pytest.raises(ConfigurationError, match="`threshold` is 50; it is a share"):
        citation_score(text, ["a"], threshold=50)
