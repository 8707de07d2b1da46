"""A large program teaches a small model: step by step, or by its final answers; its demos and its models are not needed afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

import whet
from optimize.test_grpo import ROWS, SIGNATURE, WORDS, right, score
from whet.errors import ConfigurationError
from whet.optimize.distill import Distill
from whet.testing.scripted import ScriptedLM

COLOUR = {word: colour for colour, words in WORDS.items() for word in words}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


def large() -> ScriptedLM:
    """Knows all colours, and says so to whoever asks for a colour or for a note."""

    def answer(request: Any) -> dict[str, str]:
        colour = COLOUR[request.messages[-1].text.split("thing ## ]]")[1].split()[0]]
        return {"colour": colour, "note": f"I see {colour}.", "reasoning": "I know."}

    return ScriptedLM(answer, model="large")


UNLABELLED = [whet.Example(thing=row.thing).with_inputs("thing") for row in ROWS]


def test_the_same_program_on_a_small_model_without_labels_and_demos() -> None:
    teacher, small = whet.Predict(SIGNATURE), whet.LM("embedded")
    teacher.lm, teacher.demos = large(), [whet.Example(thing="a coal", colour="red")]
    program = Distill(lm=small, num_threads=2).compile(teacher, trainset=UNLABELLED)
    assert score(program) > 0.9 and program.lm.model.startswith("embedded:predict-")
    assert program.demos == [] and teacher.lm.model == "large" and len(teacher.demos) == 1
    assert [c.note for c in program.run.candidates][0] == "as given" and teacher.lm.calls == len(ROWS)


class TwoSteps(whet.Module):
    """Looks, then says."""

    def __init__(self) -> None:
        self.look = whet.Predict("thing -> note")
        self.say = whet.ChainOfThought(whet.Signature("thing, note -> colour"))

    def forward(self, thing: str) -> Any:
        return self.say(thing=thing, note=self.look(thing=thing).note)


def test_a_program_of_any_shape_teaches_one_predictor_and_the_run_has_all_three_scores(tmp_path: Path) -> None:
    teacher, student = TwoSteps(), whet.Predict(SIGNATURE)
    student.lm = whet.LM("embedded")

    def compiled(lm: Any) -> Any:
        teacher.set_lm(lm)
        recipe = Distill(right, num_threads=2, run_dir=tmp_path / "run")
        return recipe.compile(student, teacher=teacher, trainset=ROWS[:12], valset=ROWS[12:])

    lm, again = large(), large()
    program = compiled(lm)
    before, after = sorted(trial.score for trial in program.run.trials)
    assert before < 0.7 < 0.9 < after
    assert [d.facts["score"] for d in program.run.decisions if d.kind == "teacher"] == [1.0]
    assert lm.calls == 2 * len(ROWS)
    assert compiled(again).lm.model == program.lm.model and again.calls == 0, "a resumed run asks the teacher nothing"


def test_what_cannot_be_taught_is_said_before_it_is_paid_for() -> None:
    teacher = TwoSteps()
    teacher.set_lm(lm := large())
    with pytest.raises(ConfigurationError, match="needs the small model"):
        Distill(right).compile(teacher, trainset=ROWS)

    class Three(TwoSteps):
        def __init__(self) -> None:
            super().__init__()
            self.more = whet.Predict(SIGNATURE)

    with pytest.raises(ConfigurationError, match="`look`, `say.predict` and the student's `look`, `say.predict`, `more`"):
        Distill(right, lm=whet.LM("embedded")).compile(Three(), teacher=teacher, trainset=ROWS)
    assert lm.calls == 0
    signature = whet.Signature("thing -> colour, size").with_updated_fields("size", type_=Literal["big", "small"])
    with pytest.raises(ConfigurationError, match="lacks the output `size`"):
        Distill(right, lm=whet.LM("embedded")).compile(whet.Predict(signature), teacher=teacher, trainset=ROWS)
    assert lm.calls == 2, "one row was tried"
