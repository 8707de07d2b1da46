"""LeReT: pairs only where rewards differ, prompts without demos, and held-out recall that rises with each iteration of IPO."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from research import dsp, leret as leret_program, storm
from research.leret import Retrieval, diverse, leret, preferences, recall, retriever

import whet
from whet.datasets import load_bundled
from whet.testing import ScriptedLM

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


@pytest.mark.parametrize("name", ["dsp", "storm"])
def test_the_others_that_run_by_themselves_ask_for_a_model(name: str) -> None:
    program = Path(leret_program.__file__).with_name(f"{name}.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("Which model?")


def test_dsp_and_storm_run_with_a_model_of_ones_own(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "query": "Merrowby", "answer": "Merrowby", "reasoning": "r", "perspectives": ["history"], "question": "q", "queries": ["Merrowby"],
        "outline": ["Past"], "headings": ["Past"], "section": "It is a town [9].", "lead": "A town.",
    }  # fmt: skip
    lm = ScriptedLM(lambda request: {name: value for name, value in answers.items() if f"[[ ## {name} ## ]]" in request.messages[0].text})
    monkeypatch.setattr(whet, "LM", lambda model: lm)
    storm.main("openai/any")
    assert "1 sentences cite what does not support them" in capsys.readouterr().out
    dsp.main("openai/any")
    assert "with demonstrations: 0.0 %" in capsys.readouterr().out
