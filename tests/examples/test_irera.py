"""IReRa: each stage raises RP@5; the frozen stage stays as it was; every step keeps its model; saving keeps demos and what is frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
from research.irera import InferRetrieve, IReRa, compile_left_to_right, rp_at_5, with_models
from scripted.actor import Actor
from scripted.irera import LABELS, TEST, TRAIN, models

import whet


def test_stages_are_compiled_left_to_right_and_survive_saving(tmp_path: Path) -> None:
    cheap, strong = models()
    plain = with_models(IReRa(InferRetrieve(LABELS)), cheap, strong)
    evaluate = whet.Evaluate(devset=TEST, metric=rp_at_5)
    better = compile_left_to_right(plain, TRAIN, teacher=strong)
    half = with_models(IReRa(better.infer_retrieve), cheap, strong)
    scores = [evaluate(program).score for program in (plain, half, better)]
    assert scores == sorted(scores) and scores[1] > scores[0] + 5 and scores[2] > scores[1] + 5, scores

    assert [name for name, _ in better.named_predictors()] == ["rank.predict"]
    assert (better.infer_retrieve.infer.predict.lm, better.rank.predict.lm) == (cheap, strong)
    assert all("options" not in demo for demo in better.infer_retrieve.infer.predict.demos)

    better.save(tmp_path / "irera.json")
    again = IReRa(InferRetrieve(LABELS))
    again.load(tmp_path / "irera.json")
    assert [name for name, _ in again.named_predictors()] == ["rank.predict"]
    assert again.infer_retrieve.infer.predict.demos == better.infer_retrieve.infer.predict.demos != []
    assert again.rank.predict.demos == better.rank.predict.demos != []
    assert evaluate(with_models(again, cheap, strong)).score == scores[2]


def test_the_prior_moves_common_skillsup() -> None:
    with whet.context(lm=Actor({"queries": lambda a: ["pumps"]})):
        plain = InferRetrieve(LABELS)(text="pumps").skills[:10]
        rare, common = plain[0], plain[9]
        prior = dict.fromkeys(LABELS, 0.0001) | {common: 0.5}
        adjusted = InferRetrieve(LABELS, prior=prior)
        assert adjusted(text="pumps").skills[0] == common != rare
    assert adjusted.adjustment(common) == pytest.approx(2.7, abs=0.01)
