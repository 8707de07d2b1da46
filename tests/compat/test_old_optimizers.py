"""Optimizers that users wrote for DSPy, and the helpers that they call (sections 24 to 26)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from whet.teleprompt import Teleprompter
from whet.teleprompt.gepa import InstructionProposer
from whet.teleprompt.gepa.gepa import GEPAFeedbackMetric
from whet.teleprompt.gepa.gepa_utils import ReflectiveExample
from whet.teleprompt.utils import create_minibatch, eval_candidate_program, get_signature, set_signature

import whet as dspy
from whet.compat.dummies import DummyLM
from whet.compat.trace_data import FailedPrediction, bootstrap_trace_data

ROWS = [dspy.Example(input=f"row {n}", output="blue").with_inputs("input") for n in range(4)]


class Noting(Teleprompter):
    """Never calls `super().__init__()`."""

    def __init__(self, marker: str) -> None:
        self.marker, self.given = marker, None

    def compile(self, student: Any, trainset: Any = None, valset: Any = None, teacher: Any = None, **rest: Any) -> Any:
        self.given = {"trainset": trainset, "valset": valset, "teacher": teacher, **rest}
        return student


class Plain(Teleprompter):
    def __init__(self, depth: int, name: str) -> None:
        super().__init__()
        self.depth, self.name = depth, name


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.output == prediction.output)


def student() -> Any:
    program = dspy.Predict("input -> output")
    program.lm = DummyLM([{"output": "blue"}] * 99)
    return program


def test_parameters_are_those_that_the_class_takes() -> None:
    assert Plain(2, "t").get_params() == {"depth": 2, "name": "t"}
    assert Noting("m").get_params() == {"marker": "m", "given": None}
    assert dspy.COPRO(metric=right, breadth=3, seed=7).get_params()["seed"] == 7


def test_an_optimizer_without_its_base_is_a_stage_like_any() -> None:
    stage = Noting("m")
    program = dspy.BetterTogether(metric=right, p=stage).compile(
        student(), trainset=ROWS, valset=ROWS[:1], strategy="p", optimizer_compile_args={"p": {"num_trials": 20}}
    )
    assert stage.given is not None, "the optimizer itself was asked, not a copy"
    assert stage.given["num_trials"] == 20
    assert stage.given["valset"] == ROWS[:1]
    assert program.flag_compilation_error_occurred is False
    assert [entry["strategy"] for entry in program.candidate_programs] == ["", "p"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"strategy": ""}, "cannot be empty"),
        ({"strategy": "p -> x"}, "invalid optimizer keys"),
        ({"strategy": "p", "valset_ratio": 1.0}, r"must be in range \[0, 1\)"),
        ({"strategy": "p", "optimizer_compile_args": {"z": {}}}, "invalid optimizer key"),
        ({"strategy": "p", "optimizer_compile_args": {"p": {"student": None}}}, "`student` is not allowed"),
    ],
)
def test_what_together_refuses_says_why(given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dspy.BetterTogether(metric=right, p=Noting("m")).compile(student(), trainset=ROWS, **given)
    with pytest.raises(TypeError, match="must be a Teleprompter"):
        dspy.BetterTogether(metric=right, p="no")


def test_a_crash_in_traces_says_what_it_was() -> None:
    class Broken(dspy.Module):
        def forward(self, input: str) -> Any:
            raise RuntimeError("out of order")

    found = bootstrap_trace_data(Broken(), ROWS[:1], num_threads=1, capture_crashes=True)
    assert found[0]["prediction"] == FailedPrediction("RuntimeError: out of order")


def test_helpers_of_optimizers() -> None:
    predictor = dspy.Predict("a -> b")
    set_signature(predictor, get_signature(predictor).with_instructions("Other."))
    assert predictor.signature.instructions == "Other."
    assert len(create_minibatch(ROWS, 2)) == 2
    evaluate = dspy.Evaluate(devset=ROWS, metric=right, num_threads=1)
    assert len(eval_candidate_program(9, ROWS, student(), evaluate).results) == 4
    assert len(eval_candidate_program(2, ROWS, student(), evaluate).results) == 2
    assert eval_candidate_program(2, ROWS, student(), None).score == 0.0


def test_a_file_of_dspy_keeps_how_many_passages_a_retriever_gives(tmp_path: Path) -> None:
    class Rag(dspy.Module):
        def __init__(self) -> None:
            self.retrieve = dspy.Retrieve(k=3)
            self.answer = dspy.Predict("context, question -> answer")

    saved = {"retrieve": {"k": 7}, **Rag().dump_state(), "metadata": {"dependency_versions": {}}}
    (tmp_path / "rag.json").write_text(json.dumps(saved), encoding="utf-8")
    program = Rag()
    program.load(tmp_path / "rag.json")
    assert program.retrieve.k == 7


def test_a_proposer_written_against_dspys_types_is_asked() -> None:
    class Shouting(InstructionProposer):
        def __call__(self, candidate: Any, reflective_dataset: Any, components_to_update: list[str]) -> dict[str, str]:
            seen.extend(reflective_dataset[components_to_update[0]])
            return {name: candidate[name].upper() for name in components_to_update}

    def metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
        return dspy.Prediction(score=float(gold.output == pred.output), feedback="Say blue.")

    seen: list[ReflectiveExample] = []
    assert isinstance(metric, GEPAFeedbackMetric)
    with dspy.context(lm=DummyLM([{"output": "red"}] * 99)):
        dspy.GEPA(metric=metric, instruction_proposer=Shouting(), max_metric_calls=12, num_threads=1).compile(
            dspy.Predict("input -> output"), trainset=ROWS, valset=ROWS
        )
    assert set(seen[0]) == {"Inputs", "Generated Outputs", "Feedback"}
    assert "Say blue." in seen[0]["Feedback"]


def test_a_program_goes_from_one_optimizer_into_the_next() -> None:
    rows = [dspy.Example(question=f"q{n}", answer=str(n % 2)).with_inputs("question") for n in range(8)]

    def right(example: Any, prediction: Any, trace: Any = None) -> bool:
        return bool(example.answer == prediction.answer)

    class Answer(dspy.Module):
        def __init__(self) -> None:
            self.step = dspy.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            return self.step(question=question)

    class Larger(dspy.Module):
        def __init__(self, inner: Any) -> None:
            self.inner = inner

    with dspy.context(lm=DummyLM({row.question: {"answer": row.answer} for row in rows})):
        labelled = dspy.LabeledFewShot(k=3).compile(Answer(), trainset=rows)
        assert [name for name, _ in Larger(labelled).named_predictors()] == ["inner.step"]
        bootstrap = dspy.BootstrapFewShot(metric=right, max_bootstrapped_demos=1, max_labeled_demos=2)
        compiled = bootstrap.compile(labelled, trainset=rows)
        assert len(compiled.step.demos) == 2 and len(labelled.step.demos) == 3
        assert Larger(compiled).named_predictors() == []
        with pytest.raises(AssertionError, match="uncompiled"):
            bootstrap.compile(compiled, trainset=rows)
        searched = dspy.SIMBA(metric=right, bsize=4, num_candidates=2, max_steps=1, max_demos=1).compile(Answer(), trainset=rows)
        assert bootstrap.compile(searched, trainset=rows)._compiled
