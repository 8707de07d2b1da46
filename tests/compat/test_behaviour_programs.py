"""Modules, predictors, usage, parallel runs and evaluation as programs written for DSPy see them (sections 4, 5, 14, 17 and 18)."""

from __future__ import annotations

import asyncio
import datetime
import enum
import io
import json
import logging
from pathlib import Path
from typing import Any, Literal

import pytest

import whet as dspy
from whet.compat.dummies import DummyLM
from whet.compat.parallelizer import ParallelExecutor
from whet.compat.report import load_saved
from whet.errors import EvaluationError


class Inner(dspy.Module):
    def __init__(self) -> None:  # without `super().__init__()`, as many programs do
        self.step = dspy.ChainOfThought("question -> answer")

    def forward(self, question: str) -> Any:
        return self.step(question=question)


class Outer(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self.items = [dspy.Predict("a -> b")]
        self.table = {"key": dspy.Predict("c -> d")}

    def forward(self, question: str) -> Any:
        return self.inner(question=question)


def said(*answers: Any) -> Any:
    return dspy.context(lm=DummyLM(list(answers)))


# -- 4 modules ---------------------------------------------------------------------------------------------------------------


def test_traversal() -> None:
    program = Outer()
    assert [name for name, _ in program.named_predictors()] == ["inner.step.predict", "items[0]", "table['key']"]
    assert len(program.predictors()) == len(program.parameters()) == 3
    assert [name for name, _ in dspy.Predict("a -> b").named_parameters()] == ["self"]
    names = [name for name, _ in program.named_sub_modules()]
    assert names[0] == "self"
    assert "self.items[0]" in names
    assert next(n for n, m in program.named_sub_modules(dspy.ChainOfThought)) == "self.inner.step"
    program.inner._compiled = True
    assert [name for name, _ in program.named_predictors()] == ["items[0]", "table['key']"]


def test_models_of_a_program() -> None:
    program, one, two = Outer(), DummyLM([]), DummyLM([])
    assert program.get_lm() is None
    program.set_lm(one)
    assert program.get_lm() is one
    program.predictors()[0].lm = two
    with pytest.raises(ValueError):
        program.get_lm()


def test_replacing_predictors() -> None:
    program = Outer().map_named_predictors(lambda p: dspy.Predict("x -> y"))
    assert {p.signature.signature for p in program.predictors()} == {"x -> y"}
    dspy.Module.set_attribute_by_name(program, "table['key']", dspy.Predict("m -> n"))
    assert program.table["key"].signature.signature == "m -> n"


def test_copies() -> None:
    program = Outer()
    program.items[0].demos = [dspy.Example(a=1, b=2)]
    program.lock = __import__("threading").Lock()
    copy = program.deepcopy()
    assert copy.items[0] is not program.items[0]
    assert copy.items[0].demos == program.items[0].demos
    assert program.reset_copy().items[0].demos == []


def test_saving_and_loading(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = Outer()
    program.items[0].demos = [dspy.Example(a="x", b="y")]
    program.save(tmp_path / "p.json")
    state = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert set(state["metadata"]["dependency_versions"]) == {"python"}
    other = Outer()
    other.load(tmp_path / "p.json")
    assert other.items[0].demos == program.items[0].demos
    state["metadata"]["dependency_versions"]["python"] = "2.7"
    (tmp_path / "p.json").write_text(json.dumps(state), encoding="utf-8")
    other.load(tmp_path / "p.json")
    assert "There is a mismatch of python version" in caplog.text
    for path in ("p.pkl", "p.txt"):
        with pytest.raises(ValueError):
            program.save(tmp_path / path)
    with pytest.raises(ValueError):
        other.load(tmp_path / "p.pkl")
    with pytest.raises(ValueError):
        program.save(tmp_path / "folder", save_program=True)


def test_loading_whole_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dspy.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match="pickle"):
        dspy.load(tmp_path, allow_pickle=True)
    for load in (Outer().load, lambda folder: load_saved(Outer(), folder)):
        with pytest.raises(ValueError, match="is a pickled program"):
            load(tmp_path)
    program = Outer()
    program.save(tmp_path / "p.json")
    with pytest.raises(ValueError, match="holds no code"):
        dspy.load(tmp_path / "p.json")
    assert isinstance(dspy.load(tmp_path / "p.json", Outer()), Outer)


def test_loading_is_all_or_nothing() -> None:
    program = Outer()
    state = program.dump_state()
    state["items[0]"]["signature"]["instructions"] = "changed"
    del state["table['key']"]
    with pytest.raises(ValueError):
        program.load_state(state)
    assert program.items[0].signature.instructions != "changed"


def test_history_of_modules_and_of_the_process() -> None:
    program = Outer()
    with said({"reasoning": "r", "answer": "a"}), dspy.context(history=type(program.history)()):
        program(question="What?")
        assert len(program.history) == len(program.inner.history) == 1
        assert program.history[0]["outputs"]
        text = io.StringIO()
        dspy.inspect_history(5, file=text)
    assert "System message:" in text.getvalue()
    assert "What?" in text.getvalue()
    assert "\x1b[" not in text.getvalue()


def test_batch() -> None:
    rows = [dspy.Example(n=i).with_inputs("n") for i in range(5)]

    class Program(dspy.Module):
        def forward(self, n: int) -> int:
            if n == 3:
                raise ValueError("three")
            return n

    assert Program().batch(rows, num_threads=2) == [0, 1, 2, None, 4]
    results, failed, errors = Program().batch(rows, return_failed_examples=True)
    assert (results[4], failed, [str(e) for e in errors]) == (4, [rows[3]], ["three"])


# -- 5 predictors --------------------------------------------------------------------------------------------------------------


def test_predict_holds_config_and_state() -> None:
    predict = dspy.Predict("question -> answer", temperature=0.5)
    predict.update_config(max_tokens=5)
    assert predict.get_config() == {"temperature": 0.5, "max_tokens": 5}
    assert (predict.demos, predict.traces, predict.train, predict.lm) == ([], [], [], None)
    predict.demos = [dspy.Example(question="q", answer="a")]
    predict.reset()
    assert predict.demos == []


def test_positional_arguments_and_missing_models() -> None:
    predict = dspy.Predict("question -> answer")
    with pytest.raises(ValueError, match=r"^Positional arguments are not allowed when calling.*question"):
        predict("what")
    with pytest.raises(ValueError, match="No LM is loaded"):
        predict(question="q")
    with dspy.context(lm="openai/gpt-4o-mini"), pytest.raises(ValueError, match=r"LM must be an instance of `whet.BaseLM`.*whet.LM"):
        predict(question="q")


def test_reserved_keywords_and_lookup_of_the_model() -> None:
    ambient, own, given = (DummyLM([{"answer": who}] * 3) for who in ("ambient", "own", "given"))
    predict = dspy.Predict("question -> answer")
    with dspy.context(lm=ambient):
        assert predict(question="q").answer == "ambient"
        predict.lm = own
        assert predict(question="q").answer == "own"
        result = predict(question="q", lm=given, config={"temperature": 0.9}, demos=[dspy.Example(question="d", answer="e")])
        assert result.answer == "given"
    request = given.requests[0]
    assert request.options["temperature"] == 0.9
    assert "d" in request.messages[1].text


def test_several_completions() -> None:
    lm = DummyLM([{"answer": "1"}, {"answer": "2"}])
    with dspy.context(lm=lm):
        pred = dspy.Predict("question -> answer", n=2)(question="q")
    assert pred.completions.answer == ["1", "2"]
    assert pred.answer == "1"
    assert lm.requests[0].options["temperature"] == 0.7


def test_unknown_and_missing_inputs_are_errors_here() -> None:
    with said({"answer": "a"}):
        with pytest.raises(TypeError, match="not in signature"):
            dspy.Predict("question -> answer")(question="q", questoin="r")
        with pytest.raises(TypeError, match=r"Not all input fields were provided to module. Present: \['a'\]. Missing: \['b'\]"):
            dspy.Predict("a, b -> answer")(a=1)


def test_the_trace_keeps_steps() -> None:
    with said({"answer": "a"}), dspy.context(trace=[]):
        predict = dspy.Predict("question -> answer")
        predict(question="q")
        ((predictor, inputs, prediction),) = dspy.settings.trace
    assert (predictor is predict, inputs, prediction.answer) == (True, {"question": "q"}, "a")


def test_async_equals_sync() -> None:
    with said({"answer": "a"}, {"answer": "a"}):
        predict = dspy.Predict("question -> answer")
        assert asyncio.run(predict.acall(question="q")) == predict(question="q")


def test_states_of_predictors() -> None:
    class When(dspy.Signature):
        day: datetime.date = dspy.InputField()
        next_day: datetime.date = dspy.OutputField()

    predict = dspy.Predict(When)
    predict.demos = [dspy.Example(day=datetime.date(2024, 1, 1), next_day=datetime.date(2024, 1, 2))]
    state = predict.dump_state()
    assert {"traces", "train", "demos", "signature", "lm"} <= set(state)
    assert state["demos"] == [{"day": "2024-01-01", "next_day": "2024-01-02"}]
    assert json.loads(json.dumps(state)) == state
    other = dspy.Predict(When)
    other.load_state(state)
    assert other.demos == predict.demos


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@pytest.mark.parametrize(("said_text", "value"), [("b", Colour.BLUE), ("BLUE", Colour.BLUE), ("r", Colour.RED)])
def test_enums_by_value_then_by_name(said_text: str, value: Colour) -> None:
    with said({"colour": said_text}):
        assert dspy.Predict(dspy.Signature("x -> colour: Colour"))(x="x").colour is value


def test_type_mismatches_warn(caplog: pytest.LogCaptureFixture) -> None:
    with said({"b": "y"}, {"b": "y"}):
        dspy.Predict("a: int -> b")(a="one")
        assert "Type mismatch for field 'a': expected int based on given Signature" in caplog.text
        caplog.clear()
        dspy.Predict("a -> b")(a=1)
    assert caplog.text == ""


def test_chain_of_thought() -> None:
    cot = dspy.ChainOfThought("question -> answer")
    assert list(cot.predict.signature.output_fields) == ["reasoning", "answer"]
    with said({"reasoning": "r", "answer": "a"}):
        assert list(cot(question="q")) == ["reasoning", "answer"]
    own = dspy.ChainOfThought("question -> answer", rationale_field=dspy.OutputField(desc="why"), rationale_field_type=list[str])
    assert own.predict.signature.output_fields["reasoning"].annotation == list[str]


# -- 14 usage --------------------------------------------------------------------------------------------------------------------


def test_usage() -> None:
    lm = DummyLM([{"answer": "a"}] * 3)
    with dspy.context(lm=lm), dspy.track_usage() as tracker:
        dspy.Predict("question -> answer")(question="q")
        dspy.Predict("question -> answer")(question="q")
    assert len(tracker.usage_data["dummy"]) == 2
    assert tracker.get_total_tokens()["dummy"]["completion_tokens"] > 0
    with dspy.context(lm=lm, track_usage=True):
        assert dspy.Predict("question -> answer")(question="q").get_lm_usage()["dummy"]["total_tokens"] > 0


# -- 17 evaluation -----------------------------------------------------------------------------------------------------------------

ROWS = [dspy.Example(question=str(i), answer=str(i)).with_inputs("question") for i in range(3)]


def test_evaluate_gives_percent_and_triples() -> None:
    evaluate = dspy.Evaluate(devset=ROWS, metric=lambda e, p: int(e.answer) < 2, num_threads=1)
    result = evaluate(lambda question: dspy.Prediction(answer=question))
    assert result.score == 66.67
    assert [(e.answer, p.answer, s) for e, p, s in result.results] == [("0", "0", 1.0), ("1", "1", 1.0), ("2", "2", 0.0)]
    assert repr(result) == "EvaluationResult(score=66.67, results=<list of 3 results>)"
    with pytest.raises(ValueError, match="return_outputs"):
        dspy.Evaluate(devset=ROWS, metric=None, return_outputs=True)


def test_a_result_can_be_made_and_copied_by_hand() -> None:
    row = dspy.Example(question="q", answer="a")
    made = dspy.evaluate.EvaluationResult(score=67.3, results=[(row, dspy.Prediction(answer="a"), 1.0), (row, dspy.Prediction(), 0.0)])
    assert repr(made) == repr(made.copy()) == "EvaluationResult(score=67.3, results=<list of 2 results>)"
    assert float(made) == made["score"] == 67.3
    assert [found.score.value for found in made.rows] == [1.0, 0.0]
    assert made.copy(score=1.0).score == 1.0


def test_metrics_for_answers() -> None:
    from whet.evaluate import EM, F1, HotPotF1, answer_exact_match, answer_passage_match, normalize_text

    assert normalize_text("The  Café, of an End!") == normalize_text("cafe\u0301 of end")
    assert EM("the cat", ["Cat"])
    assert F1("x b", ["b c"]) == 0.5
    assert HotPotF1("yes no", ["yes"]) == 0.0
    for function in (EM, F1, HotPotF1):
        with pytest.raises(ValueError):
            function("a", "a")
    assert answer_exact_match(dspy.Example(answer="x y"), dspy.Prediction(answer="x z"), frac=0.5)
    assert answer_passage_match(dspy.Example(answer=["cat"]), dspy.Prediction(context=["a cat sat"]))


# -- 18 side by side ---------------------------------------------------------------------------------------------------------------


class Double(dspy.Module):
    def forward(self, n: int) -> int:
        if n < 0:
            raise ValueError("negative")
        return 2 * n


def test_parallel_takes_every_form_of_example() -> None:
    double = Double()
    pairs = [(double, dspy.Example(n=1).with_inputs("n")), (double, {"n": 2}), (double, (3,))]
    assert dspy.Parallel(num_threads=2, disable_progress_bar=True)(pairs) == [2, 4, 6]
    assert dspy.Parallel(num_threads=2)([(dspy.Parallel(num_threads=2), pairs)]) == [[2, 4, 6]]
    with pytest.raises(ValueError):
        dspy.Parallel()([(double, 3)])
    assert dspy.Parallel(access_examples=False)([(lambda e: e.n, dspy.Example(n=5))]) == [5]


def test_failures_in_parallel(caplog: pytest.LogCaptureFixture) -> None:
    pairs = [(Double(), {"n": n}) for n in (1, -1, 2)]
    results, failed, errors = dspy.Parallel(num_threads=1, return_failed_examples=True)(pairs)
    assert (results, failed, [str(e) for e in errors]) == ([2, None, 4], [{"n": -1}], ["negative"])
    assert "negative" in caplog.text
    with pytest.raises(EvaluationError, match="Execution cancelled due to errors or interruption"):
        dspy.Parallel(num_threads=1, max_errors=1)(pairs)


def test_the_executor_behind(caplog: pytest.LogCaptureFixture) -> None:
    executor = ParallelExecutor(num_threads=2, max_errors=5, disable_progress_bar=True, provide_traceback=False, compare_results=False)
    assert executor.execute(lambda n: 1 / n, [1, 0, 2]) == [1.0, None, 0.5]
    assert executor.failed_indices == [1]
    assert isinstance(executor.exceptions_map[1], ZeroDivisionError)
    with pytest.raises(EvaluationError, match="Execution cancelled"):
        ParallelExecutor(num_threads=1, max_errors=1).execute(lambda n: 1 / n, [0, 1])
    with caplog.at_level(logging.ERROR, logger="whet"), dspy.context(provide_traceback=True):
        ParallelExecutor(num_threads=1).execute(lambda n: 1 / n, [0])
    assert "Traceback" in caplog.text
    with dspy.context(num_threads=13):
        assert executor.execute(lambda _: dspy.settings.num_threads, [0, 1]) == [13, 13]
    assert executor.execute(lambda _: None, [0]) == [None]
    assert executor.failed_indices == []


SENTIMENT = Literal["positive", "negative"]


def test_literals_of_the_module_are_found() -> None:
    assert dspy.Signature("x -> y: SENTIMENT").fields["y"].annotation == SENTIMENT


def test_side_by_side_calls_are_children_of_the_module_that_made_them() -> None:
    from whet.utils.callback import ACTIVE_CALL_ID

    class Watcher(dspy.BaseCallback):
        def __init__(self) -> None:
            self.seen: list[tuple[str, str, str | None]] = []

        def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            self.seen.append((type(instance).__name__, call_id, ACTIVE_CALL_ID.get()))

    class Outer(dspy.Module):
        def __init__(self) -> None:
            self.step = dspy.Predict("question -> answer")

        def forward(self) -> Any:
            return dspy.Parallel(num_threads=3, disable_progress_bar=True)([(self.step, {"question": str(i)}) for i in range(3)])

    watcher = Watcher()
    with dspy.context(lm=DummyLM([{"answer": "1"}] * 3), callbacks=[watcher]):
        Outer()()
    (name, outer, parent), *inner = watcher.seen
    assert (name, parent) == ("Outer", None)
    assert [(name, parent) for name, _, parent in inner] == [("Predict", outer)] * 3
