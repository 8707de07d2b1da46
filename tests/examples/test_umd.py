"""The UMD case study: accuracy and F1 choose different programs, F1 is exact, and an edit by hand is judged without repeating a call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from research.umd import Entrapment, by_accuracy, by_f1, edited, evaluation

import whet
from examples.actor import Actor, Asked


def post(place: int) -> whet.Example:
    trapped = place % 8 == 0
    text = f"Post {place}: " + ("every door is shut to me" if trapped else "a bad week, but it will pass")
    return whet.Example(post=text, trapped="yes" if trapped else "no").with_inputs("post")


ROWS = [post(place) for place in range(96)]
TRAIN, VAL = ROWS[:32], ROWS[32:]
GOLD = {row.post: row.trapped for row in ROWS}


def judge(asked: Asked) -> str:
    """Without a positive demo it says no to all. With one it finds the positives and is too eager, with two still more so; an instruction
    that says when to say no cures that."""
    shown = sum(demo["trapped"] == "yes" for demo in asked.demos)
    gold = next(label for text, label in GOLD.items() if text in asked.post)
    eager = 0.0 if "Only if" in asked.text else 0.15 * shown
    if gold == "yes":
        return "yes" if shown else "no"
    return "yes" if asked.lucky(eager) else "no"


def test_f1_is_optimized_exactly_and_hand_edits_join_the_journal(tmp_path: Path) -> None:
    lm = Actor({"trapped": judge}, model="judge", cache=False)
    with whet.context(lm=lm):
        evaluate = evaluation(VAL)
        accurate = by_accuracy().compile(whet.Predict(Entrapment), trainset=TRAIN, valset=VAL)
        found = by_f1(VAL, by_accuracy(), tmp_path / "run").compile(whet.Predict(Entrapment), trainset=TRAIN, valset=VAL)
        by_one, by_other = evaluate(accurate), evaluate(found)
        assert by_one.score > by_other.score and float(by_one.corpus["f1"]) < float(by_other.corpus["f1"])
        best = max(entry["score"] for entry in found.candidate_programs)
        assert best == found.candidate_programs[0]["score"] == pytest.approx(float(by_other.corpus["f1"]))
        assert by_other.corpus["f1"].f1.low < best < by_other.corpus["f1"].f1.high

        found.save(tmp_path / "program.json")
        changed = edited(tmp_path / "program.json", "Does the writer feel trapped? Only if there is no way out at all.")
        assert changed.demos == found.demos
        lm.requests.clear()
        final = by_f1(VAL, [found, changed], tmp_path / "run").compile(whet.Predict(Entrapment), trainset=TRAIN, valset=VAL)
    assert lm.calls == len(VAL)  # only the edit is new to the journal
    assert final.signature.instructions == changed.signature.instructions and final.candidate_programs[0]["score"] == 1.0
    lines = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert len({line["candidate"] for line in lines if "candidate" in line}) > 5
    assert sum("header" in line for line in lines) == 1
