"""LeReT: pairs only where rewards differ, prompts without demos, and held-out recall that rises with each iteration of IPO."""

from __future__ import annotations

import subprocess
import sys

from research import leret as leret_program
from research.leret import Retrieval, diverse, leret, preferences, recall, retriever

import whet
from whet.datasets import load_bundled

TRAIN, TEST = load_bundled("atlas", "train"), load_bundled("atlas", "test")


def test_pairs_differ_in_reward_and_hold_no_demos() -> None:
    program = Retrieval()
    program.set_lm(whet.LM("embedded"))
    with whet.context(rm=retriever()):
        found = preferences(program, TRAIN)
        teachers = diverse(program, TRAIN)
    assert len({str(teacher.write.demos) for teacher in teachers}) == 5
    assert len(found.pairs) > 20
    assert all(pair.chosen_reward > pair.rejected_reward and pair.chosen != pair.rejected for pair in found.pairs)
    assert all([message["role"] for message in pair.prompt] == ["system", "user"] for pair in found.pairs)
    asked = {row.question for row in TRAIN}
    assert all(sum(question in str(pair.prompt) for question in asked) == 1 for pair in found.pairs)
    assert not program.write.demos


def test_recall_rises_with_each_iteration() -> None:
    with whet.context(rm=retriever()):
        stages = leret(Retrieval(), TRAIN, whet.LM("embedded"))
        scores = [whet.Evaluate(devset=TEST, metric=recall)(stage).score for stage in stages]
    assert scores[0] < scores[1] < scores[2] and scores[2] > scores[0] + 20, scores
    assert [stage.write.demos for stage in stages] == [[], [], []]
    assert len({stage.write.lm.model for stage in stages}) == 3


def test_it_runs_by_itself() -> None:
    done = subprocess.run([sys.executable, leret_program.__file__], capture_output=True, text=True, check=True)
    recalls = [float(line.split(": ")[1].split(" ")[0]) for line in done.stdout.splitlines()]
    assert len(recalls) == 3 and recalls == sorted(recalls) and recalls[2] > recalls[0] + 20
