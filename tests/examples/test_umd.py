"""The UMD case study: accuracy and F1 choose different programs, F1 is exact, and an edit by hand is judged without repeating a call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from research.umd import Entrapment, by_accuracy, by_f1, edited, evaluation
from scripted.actor import Actor
from scripted.umd import TRAIN, VAL, judge

import whet


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
