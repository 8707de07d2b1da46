"""The bench of adapters: it counts what is read, and tells why the rest is not."""

from __future__ import annotations

from typing import Any

import whet
from whet.testing import ScriptedLM
from whet.testing.adapter_shapes import shapes
from whet.testing.adapter_suite import adapter_suite


def test_there_are_at_least_sixty_shapes_and_every_clean_answer_is_read_right() -> None:
    known = list(shapes())
    assert len(known) >= 60
    assert len({shape.name for shape in known}) == len(known)
    report = adapter_suite(noises={"clean": lambda text: text})
    for score in report.scores:
        assert score.rate == 1.0, score.failures
        assert score.right == score.tried, score.adapter


def test_disturbed_answers_are_read() -> None:
    report = adapter_suite()
    for score in report.scores:
        assert score.rate > 0.99, score.failures
        assert score.right / score.tried > 0.95
    assert "ChatAdapter" in str(report)


def test_a_model_is_asked_once_for_each_shape_and_format() -> None:
    few = list(shapes())[:3]
    lm = ScriptedLM(lambda request: {"answer": "Paris"} if "Paris" in request.messages[-1].text else "nonsense")
    report = adapter_suite(lm, adapters=[whet.ChatAdapter()], of=few)
    score: Any = report["ChatAdapter"]
    assert lm.calls == score.tried == 3
    assert (score.read, score.right) == (1, 1)
    assert "missing" in score.failures[0][1]
    assert "33.3%" in str(report)
