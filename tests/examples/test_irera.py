"""IReRa: each stage raises RP@5; the frozen stage stays as it was; every step keeps its model; saving keeps demos and what is frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from research.irera import InferRetrieve, IReRa, compile_left_to_right, rp_at_5

import whet
from examples.actor import Actor, Asked

VERBS = {
    "repair": "fix", "operate": "run", "inspect": "look over", "install": "put in", "clean": "wash", "paint": "colour", "sell": "trade",
    "design": "draw up", "test": "try out", "price": "value", "ship": "send off", "store": "keep", "weigh": "put on the scales",
    "cut": "slice", "join": "put together", "label": "tag", "count": "tally", "polish": "shine", "load": "fill", "measure": "gauge",
    "calibrate": "tune", "dismantle": "take apart", "document": "write up", "lubricate": "grease", "purchase": "buy",
}  # fmt: skip
NOUNS = (
    "pumps looms ovens cranes lathes boilers turbines valves trams ferries "
    "organs clocks kilns presses scales lenses drones motors sails anvils"
).split()
LABELS = [f"{verb} {noun}" for verb in VERBS for noun in NOUNS]


def job(place: int) -> whet.Example:
    gold = [LABELS[(place * 37 + 11) % 500], LABELS[(place * 101 + 250) % 500]]
    said = " and ".join(f"{VERBS[label.split()[0]]} some {label.split()[1]}" for label in gold)
    return whet.Example(text=f"We want somebody who can {said}.", skills=gold).with_inputs("text")


ROWS = [job(place) for place in range(32)]
TRAIN, TEST = ROWS[:12], ROWS[12:]
GOLD = {row.text: row.skills for row in ROWS}


def infer(asked: Asked, strong: bool) -> list[str]:
    """The strong model knows the catalogue's words; the cheap one repeats the text until demos show them."""
    return GOLD[asked.inputs["text"]] if strong or any(demo["queries"].count(",") == 1 for demo in asked.demos) else [asked.inputs["text"]]


def rank(asked: Asked) -> list[str]:
    """Without demos it does not see that the order matters; with them it puts what fits best first. It never sees more than its options."""
    options = asked.items("options")
    return sorted(options, key=lambda label: label not in GOLD[asked.inputs["text"]]) if asked.demos or asked.lucky(0.5) else options[::-1]


def models() -> tuple[Actor, Actor]:
    cheap = Actor({"queries": lambda a: infer(a, strong=False)}, model="cheap")
    strong = Actor({"queries": lambda a: infer(a, strong=True), "best": rank}, model="strong")
    return cheap, strong


def with_roles(program: IReRa, cheap: Any, strong: Any) -> IReRa:
    program.infer_retrieve.infer.predict.lm, program.rank.predict.lm = cheap, strong
    return program


def test_stages_are_compiled_left_to_right_and_survive_saving(tmp_path: Path) -> None:
    cheap, strong = models()
    plain = with_roles(IReRa(InferRetrieve(LABELS)), cheap, strong)
    evaluate = whet.Evaluate(devset=TEST, metric=rp_at_5)
    better = compile_left_to_right(plain, TRAIN, teacher=strong)
    half = with_roles(IReRa(better.infer_retrieve), cheap, strong)
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
    assert evaluate(with_roles(again, cheap, strong)).score == scores[2]


def test_the_prior_moves_common_skillsup() -> None:
    with whet.context(lm=Actor({"queries": lambda a: ["pumps"]})):
        plain = InferRetrieve(LABELS)(text="pumps").skills[:10]
        rare, common = plain[0], plain[9]
        prior = dict.fromkeys(LABELS, 0.0001) | {common: 0.5}
        adjusted = InferRetrieve(LABELS, prior=prior)
        assert adjusted(text="pumps").skills[0] == common != rare
    assert adjusted.adjustment(common) == pytest.approx(2.7, abs=0.01)
