"""`KNN` (behaviour 15.7) and `Passage`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from whet.core.hashing import hash_embed
from whet.core.records import Example
from whet.errors import ConfigurationError, InputError
from whet.retrieve import KNN, Passage

ROWS = [
    Example(question=q, hint="h", answer=a).with_inputs("question", "hint")
    for q, a in [("red roses", 1), ("blue whales", 2), ("grey whale", 3)]
]


def test_the_nearest_come_first_and_inputs_alone_are_compared() -> None:
    asked: list[list[str]] = []

    def vectorizer(texts: Sequence[str]) -> list[list[float]]:
        asked.append(list(texts))
        return hash_embed(texts)

    knn = KNN(2, ROWS, vectorizer)
    assert [row.answer for row in knn(question="grey whales", hint="h")] == [3, 2]
    assert asked == [[f"question: {row.question} | hint: h" for row in ROWS], ["question: grey whales | hint: h"]]
    assert knn(question="red roses", hint="h")[0] is ROWS[0]
    assert len(KNN(9, ROWS, vectorizer)(question="x", hint="h")) == 3


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigurationError, match="`k` is 0"):
        KNN(0, ROWS, hash_embed)
    with pytest.raises(InputError, match="training set is empty"):
        KNN(1, [], hash_embed)
    with pytest.raises(InputError, match="1 vector for 3 texts"):
        KNN(1, ROWS, lambda texts: [[1.0]])


def test_a_passage_is_a_dict_with_attributes() -> None:
    passage = Passage({"text": "a", "score": 1.0}, pid=3)
    assert (passage["text"], passage.text, passage.long_text, passage.pid, str(passage)) == ("a", "a", "a", 3, "a")
    assert json.loads(json.dumps(passage)) == {"text": "a", "score": 1.0, "pid": 3, "long_text": "a"}
    assert passage.scored(2.0).score == 2.0
    assert passage.score == 1.0
    with pytest.raises(AttributeError, match="no `rank`; it has: text, score, pid, long_text"):
        _ = passage.rank
    assert Passage(long_text="b").text == "b"


@pytest.mark.parametrize(
    ("k", "trainset", "vectorizer", "says"),
    [
        (2.5, ROWS, hash_embed, "`k` is 2.5"),
        (1, ROWS, None, "`vectorizer` is None"),
        (1, [{"q": "x"}], hash_embed, "A row of the training set is an example"),
        (1, ROWS, lambda texts: [[1.0] * (n + 1) for n in range(len(texts))], "each text has 1"),
        (1, ROWS, lambda texts: [[float("nan")]] * len(texts), "all finite"),
        (1, ROWS, lambda texts: ["x"] * len(texts), "no rows of numbers"),
    ],
)
def test_what_cannot_be_compared_is_named(k: Any, trainset: Any, vectorizer: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        KNN(k, trainset, vectorizer)


def test_a_training_set_from_a_generator_an_async_vectorizer_and_inputs_of_another_name() -> None:
    async def vectorizer(texts: list[str]) -> Any:
        return hash_embed(texts)

    knn = KNN(1, (row for row in ROWS), vectorizer)
    wanted = ROWS[1].inputs()
    assert knn(**wanted) == asyncio.run(knn.acall(**wanted)) == [ROWS[1]]
    for wrong in ({}, {"other": "x"}):
        with pytest.raises(InputError, match="nothing can be compared"):
            knn(**wrong)
