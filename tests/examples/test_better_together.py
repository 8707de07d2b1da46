"""BetterTogether: p -> w -> p beats p and w alone; a failed training returns the best stage before it; the result can be saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from research.better_together import TwoHops, answer_exact_match, better_together, retriever
from scripted.better_together import TEST, TRAIN, VAL, Learner, Training

import whet


def compiled(strategy: str, trainer: Any = None) -> Any:
    with whet.context(rm=retriever(), lm=Learner()):
        return better_together(TwoHops(), TRAIN, VAL, strategy, trainer or Training())


def score(program: Any) -> float:
    with whet.context(rm=retriever(), lm=Learner()):
        return whet.Evaluate(devset=TEST, metric=answer_exact_match)(program).score


def test_together_is_better_than_either_alone(tmp_path: Path) -> None:
    training = Training()
    both = compiled("p -> w -> p", training)
    alone = {strategy: compiled(strategy) for strategy in ("p", "w")}
    scores = {strategy: score(program) for strategy, program in alone.items()}
    assert score(both) > max(scores.values()) + 10, (score(both), scores)

    assert {entry["strategy"] for entry in both.candidate_programs} == {"", "p", "p -> w", "p -> w -> p"}
    assert all(row.messages[0]["role"] == "system" and len(row.messages) == 3 for row in training.seen[0].rows)  # no demos in the rows
    lm = both.get_lm()
    assert lm.model.startswith("learner-") and len(both.write.predict.demos) > 0

    both.save(tmp_path / "both.json")
    again = TwoHops()
    again.load(tmp_path / "both.json")
    again.set_lm(lm)
    assert score(again) == score(both)


def test_a_failed_training_returns_the_best_stage_before_it() -> None:
    kept = compiled("p -> w -> p", Training(fails=True))
    assert kept.flag_compilation_error_occurred
    assert [entry["strategy"] for entry in kept.candidate_programs][0] == "p"
    assert any("on fire" in decision.reason for decision in kept.run.decisions)
