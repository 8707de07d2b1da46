"""Values that a program registers with `whet.Param`: found, bound, saved, and searched by every optimizer that judges."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import whet
from optimize.instructed import exact, rows
from whet.errors import ConfigurationError, StateError
from whet.testing.scripted import ScriptedLM

SMALL = ScriptedLM(lambda request: {"answer": "0"}, model="small")


def answer(request: Any) -> dict[str, Any]:
    """Odd numbers right, even ones too where the prompt says that it is to be exact; new texts say so."""
    if "new_text" in request.messages[0].text:
        return {"new_text": "Be exact."}
    number = int(re.findall(r"number (\d+)", request.messages[-1].text)[-1])
    told = "exact" in request.messages[-1].text + request.messages[0].text
    return {"answer": str(2 * number) if told or number % 2 else "1"}


class Asking(whet.Module):
    def __init__(self, big: Any) -> None:
        self.ask = whet.Predict("question, hint -> answer")
        self.model = whet.Param(SMALL, choices={"small": SMALL, "big": big})
        self.hint = whet.Param("Think.", desc="a hint for the model")
        self.parts = {"k": whet.Param(1, choices=[1, 2])}

    def forward(self, question: str) -> Any:
        return self.ask(question=question, hint=self.hint.value, lm=self.model.value)


RECIPES: dict[str, Callable[..., Any]] = {
    "BootstrapRS": lambda **o: whet.BootstrapRS(metric=exact, num_candidate_programs=2, **o),
    "COPRO": lambda **o: whet.COPRO(metric=exact, breadth=2, depth=1, **o),
    "Auto": lambda **o: whet.Auto(metric=exact, max_runs=60, **o),
}


@pytest.mark.parametrize("name", RECIPES)
def test_optimizers_choose_models_and_texts_and_leave_what_makes_no_difference(name: str) -> None:
    big = ScriptedLM(answer, model="big")
    student = Asking(big)
    with whet.context(lm=big):
        best = RECIPES[name]().compile(student, trainset=rows(40))
    assert {path: param.label for path, param in best.registered().items()} == {"model": "big", "hint": "Be exact.", "parts['k']": "1"}
    assert best.model.value is big and student.model.value is SMALL
    assert "model: small -> big" in best.run.diff() and "hint: Think. -> Be exact." in best.run.diff()


def test_values_are_in_the_plan_the_journal_and_the_saved_program(tmp_path: Any) -> None:
    big = ScriptedLM(answer, model="big")
    recipe = RECIPES["BootstrapRS"](run_dir=tmp_path / "run")
    without = whet.BootstrapRS(metric=exact, num_candidate_programs=2).plan(whet.Predict("question -> answer"), trainset=rows(40))
    with whet.context(lm=big):
        assert recipe.plan(Asking(big), trainset=rows(40)).runs[1] > without.runs[1]
        best = recipe.compile(Asking(big), trainset=rows(40))
        calls = big.calls + SMALL.calls
        again = recipe.compile(Asking(big), trainset=rows(40))
    assert big.calls + SMALL.calls == calls and again.dump_state() == best.dump_state()
    assert whet.load_best(tmp_path / "run", Asking(big)).hint.value == "Be exact."
    best.save(tmp_path / "best.json")
    loaded = Asking(big)
    loaded.load(tmp_path / "best.json")
    assert loaded.model.label == "big" and loaded.dump_state() == best.dump_state()
    loaded.model = whet.Param("a", choices={"a": 1, "b": 2})
    with pytest.raises(StateError, match="`model` was 'big', which is no longer one of its choices: a, b"):
        loaded.load(tmp_path / "best.json")


def test_descriptions_of_fields_are_searched_on_request() -> None:
    fields = {"question": whet.InputField(desc="a question"), "answer": whet.OutputField(desc="the answer")}
    student = whet.Predict(whet.Signature(fields))
    for wanted, shown in ((False, "a question"), (True, "Be exact.")):
        with whet.context(lm=ScriptedLM(answer)):
            recipe = whet.BootstrapFewShot(metric=exact, max_labeled_demos=0, max_bootstrapped_demos=0, descriptions=wanted)
            best = recipe.compile(student, trainset=rows(40))
        assert best.signature.fields["question"].desc == shown


def test_a_value_in_two_places_is_one() -> None:
    class Twice(whet.Module):
        def __init__(self) -> None:
            self.k = whet.Param(3, choices=[3, 5])
            self.inner = Asking(SMALL)
            self.inner.k = self.k

    program = Twice()
    bound = program.bind({}, {"k": "5"})
    assert bound.k.value == bound.inner.k.value == 5 and program.k.value == 3
    with pytest.raises(ConfigurationError, match="registers no `Param` at `n`; it has: k, inner.model, inner.hint"):
        program.bind({}, {"n": "5"})
    with pytest.raises(ConfigurationError, match="no choice '4'; there are: '3', '5'"):
        program.bind({}, {"k": "4"})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: whet.Param(3), "needs `choices`"),
        (lambda: whet.Param(" "), "needs `choices`"),
        (lambda: whet.Param(4, choices=[1, 2]), "none of its choices: '1', '2'"),
        (lambda: whet.Param(1, choices=[1]), "two at least"),
        (lambda: whet.Param(1, choices=[1, "1"]), "a name of its own"),
        (lambda: whet.Param(SMALL, choices=[SMALL, SMALL]), "a dict from a name"),
        (lambda: whet.Param("a", choices="ab"), "a dict from a name"),
    ],
)
def test_what_can_be_no_parameter_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_a_value_never_changes() -> None:
    k = whet.Param(True, choices=[True, 1])
    assert k.value is True and k.at("1").value == 1
    with pytest.raises(AttributeError, match="never changes"):
        k.label = "1"
