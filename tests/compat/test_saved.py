"""Files that DSPy wrote, the cache as an object, and traces as data (behaviour specification, sections 4, 13 and 24)."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.compat.cache import Cache, request_cache
from whet.compat.dummies import DummyLM
from whet.compat.report import load_saved
from whet.compat.trace_data import FailedPrediction, bootstrap_trace_data
from whet.errors import LMServerError, StateError

# The form of a program that DSPy 2.6 saves.
FIELDS = [
    {"prefix": "Question:", "description": "what is asked"},
    {"prefix": "Reasoning: Let's think step by step in order to", "description": "${reasoning}"},
    {"prefix": "Answer:", "description": "often a few words"},
]
SAVED = {
    "answer.predict": {
        "traces": [],
        "train": [],
        "demos": [{"augmented": True, "question": "2+2?", "reasoning": "count", "answer": "4"}],
        "signature": {"instructions": "Answer briefly.", "fields": FIELDS},
        "lm": {"model": "openai/gpt-4o-mini", "temperature": 0.0, "max_tokens": 1000, "api_base": "http://evil.example"},
    },
    "metadata": {"dependency_versions": {"python": "3.10", "dspy": "2.6.0", "cloudpickle": "3.1"}},
}


class Program(whet.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = whet.ChainOfThought("question -> answer")

    def forward(self, question: str) -> Any:
        return self.answer(question=question)


def written(tmp_path: Path, state: Any) -> Path:
    path = tmp_path / "program.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    return path


def test_a_program_that_dspy_saved_loads(tmp_path: Path) -> None:
    program = Program()
    program.load(written(tmp_path, SAVED))
    predict = program.answer.predict
    assert predict.signature.instructions == "Answer briefly."
    assert predict.signature.fields["question"].desc == "what is asked"
    assert predict.demos[0].answer == "4"
    assert predict.lm.model == "openai/gpt-4o-mini"
    with whet.context(lm=DummyLM([{"reasoning": "r", "answer": "5"}])):
        predict.lm = None
        assert program(question="2+3?").answer == "5"


def test_the_report_names_everything_that_found_no_place(tmp_path: Path) -> None:
    program = Program()
    state = {**SAVED, "gone": {"demos": [], "signature": {"instructions": "x", "fields": []}}}
    report = load_saved(program, written(tmp_path, state))
    assert report.loaded == ("answer.predict",)
    assert not report.complete
    text = str(report)
    assert "`gone` is in the file" in text
    assert "`api_base` was left out" in text
    assert "prefix \"Reasoning: Let's think" in text
    assert program.answer.predict.signature.instructions == "Answer briefly."
    assert program.answer.predict.lm.model == "openai/gpt-4o-mini"


def test_paths_of_older_versions_are_found(tmp_path: Path) -> None:
    state = {"answer": {**SAVED["answer.predict"], "lm": None, "extra": 1, "demos": [{"question": "q", "hint": "h"}]}}
    program = Program()
    report = load_saved(program, written(tmp_path, state))
    assert report.loaded == ("answer.predict",)
    assert "`extra` means nothing here" in str(report)
    assert "a value `hint`" in str(report)
    single = whet.Predict("question -> reasoning, answer")
    assert load_saved(single, written(tmp_path, SAVED["answer.predict"])).loaded == ("self",)
    (tmp_path / "bad.json").write_text("no", encoding="utf-8")
    with pytest.raises(StateError, match="no JSON"):
        load_saved(single, tmp_path / "bad.json")


def test_a_program_survives_its_own_file(tmp_path: Path) -> None:
    program = Program()
    program.answer.predict.demos = [whet.Example(question="q", reasoning="r", answer="a")]
    program.save(tmp_path / "p.json")
    report = load_saved(other := Program(), tmp_path / "p.json")
    assert report.complete
    assert other.answer.predict.demos == program.answer.predict.demos


# -- 13 the cache as an object -----------------------------------------------------------------------------------------------


def test_the_cache_keeps_values_by_request(tmp_path: Path) -> None:
    whet.configure_cache(disk_cache_dir=tmp_path)
    request = {"b": [1, {"c": 2}], "a": "x"}
    assert whet.cache.get(request) is None
    whet.cache.put(request, {"answer": [1]})
    found = whet.cache.get({"a": "x", "b": [1, {"c": 2}]})
    assert found == {"answer": [1]}
    found["answer"].append(2)
    assert whet.cache.get(request) == {"answer": [1]}
    assert request in whet.cache
    assert len(whet.cache.memory_cache) == 1
    whet.cache.reset_memory_cache()
    assert not whet.cache.memory_cache
    assert whet.cache.get(request) == {"answer": [1]}, "the disk has it"
    assert whet.cache.get({**request, "api_key": "k"}, ["api_key"]) == {"answer": [1]}
    whet.cache.put({"x": object()}, 1)
    assert whet.cache.get({"x": object()}) is None
    whet.cache.put({"y": 1}, object())
    assert {"y": 1} not in whet.cache
    for refused in (whet.cache.save_memory_cache, whet.cache.load_memory_cache):
        with pytest.raises(ValueError):
            refused(tmp_path / "m.pkl")


def test_limits_of_the_cache() -> None:
    for bad in (None, 0, -1):
        with pytest.raises(ValueError):
            whet.configure_cache(memory_max_entries=bad)  # type: ignore[arg-type]
    whet.configure_cache(enable_disk_cache=False, memory_max_entries=math.inf)
    assert not whet.cache.disk_cache
    own = Cache(enable_disk_cache=False, memory_max_entries=1)
    own.put({"a": 1}, 1)
    own.put({"a": 2}, 2)
    assert (own.get({"a": 1}), own.get({"a": 2})) == (None, 2)


def test_functions_are_cached_by_name_and_arguments() -> None:
    whet.configure_cache(enable_disk_cache=False)
    calls: list[str] = []

    @request_cache(ignored_args_for_cache_key=["key"])
    def ask(words: list[str], key: str = "") -> str:
        calls.append(" ".join(words))
        words.append("changed")
        return calls[-1]

    assert [ask(["a"]), ask(["a"], key="other"), ask(["b"])] == ["a", "a", "b"]
    assert calls == ["a", "b"]

    @request_cache(cache_arg_name="request")
    async def later(request: dict[str, Any]) -> int:
        calls.append("later")
        return 1

    assert [asyncio.run(later({"n": 1})), asyncio.run(later({"n": 1}))] == [1, 1]
    assert calls.count("later") == 1


def test_equal_calls_are_asked_once_and_rollouts_apart() -> None:
    whet.configure_cache(enable_disk_cache=False)
    lm = DummyLM([{"answer": str(i)} for i in range(9)], cache=True)
    predict = whet.Predict("question -> answer")
    with whet.context(lm=lm), whet.track_usage() as usage:
        first = predict(question="q")
        assert predict(question="q").answer == first.answer
        assert lm.calls == 1
        assert len(usage.usage_data["dummy"]) == 1
        assert predict(question="q", config={"rollout_id": 1, "temperature": 1.0}).answer != first.answer
        assert predict(question="q", config={"cache": False}).answer != first.answer


# -- 24 optimizers -------------------------------------------------------------------------------------------------------------

ROWS = [whet.Example(question=f"q{i}", answer=f"a{i}").with_inputs("question") for i in range(6)]


def right(example: Any, pred: Any, trace: Any = None) -> bool:
    return bool(example.answer == pred.answer)


def echo(request: Any) -> dict[str, Any]:
    number = request.messages[-1].text.split("[[ ## question ## ]]\nq")[1][0]
    return {"reasoning": "r", "answer": f"a{number}" if int(number) % 2 == 0 else "wrong"}


def test_labeled_few_shot() -> None:
    student = Program()
    compiled = whet.LabeledFewShot(k=3).compile(student, trainset=ROWS, sample=False)
    assert compiled.answer.predict.demos == ROWS[:3]
    assert student.answer.predict.demos == []
    assert len(whet.LabeledFewShot().compile(student, trainset=ROWS).answer.predict.demos) == 6
    assert whet.LabeledFewShot().compile(student, trainset=[]).answer.predict.demos == []
    from whet.teleprompt import Teleprompter

    assert issubclass(whet.BootstrapFewShot, Teleprompter)


def test_bootstrap_few_shot_keeps_the_runs_that_the_metric_accepts() -> None:
    from whet.testing import ScriptedLM

    with whet.context(lm=ScriptedLM(echo)):
        compiled = whet.BootstrapFewShot(metric=right, max_bootstrapped_demos=2, max_labeled_demos=4).compile(Program(), trainset=ROWS)
        demos = compiled.answer.predict.demos
        assert [d.answer for d in demos if d.get("augmented")] == ["a0", "a2"]
        assert len(demos) == 4
        assert compiled._compiled
        with pytest.raises(AssertionError):
            whet.BootstrapFewShot(metric=right).compile(compiled, trainset=ROWS)


def test_traces_as_data() -> None:
    from whet.testing import ScriptedLM

    def answer(request: Any) -> Any:
        return "no sections at all" if "q3" in request.messages[-1].text else echo(request)

    program = Program()
    with whet.context(lm=ScriptedLM(answer)):
        data = bootstrap_trace_data(program, ROWS, right, num_threads=2, capture_failed_parses=True)
        with pytest.raises(Exception, match="A row failed"):
            bootstrap_trace_data(program, ROWS, right)
        assert len(bootstrap_trace_data(program, ROWS, right, raise_on_error=False)) == 5
    assert [d["example_ind"] for d in data] == list(range(6))
    assert [d["score"] for d in data] == [True, False, True, -1, True, False]
    ((predictor, inputs, prediction),) = data[0]["trace"]
    assert (predictor is program.answer.predict, inputs["question"], prediction.answer) == (True, "q0", "a0")
    failed = data[3]["prediction"]
    assert isinstance(failed, FailedPrediction)
    assert failed.completion_text == "no sections at all"
    assert data[3]["trace"][-1][2] is failed
    with whet.context(lm=ScriptedLM(lambda _: LMServerError("down"))), pytest.raises(LMServerError):
        bootstrap_trace_data(program, ROWS, right, raise_on_error=False)


def test_a_program_of_dspy_2_4_loads(tmp_path: Path) -> None:
    state = {"lm": None, "traces": [], "train": [], "demos": SAVED["answer.predict"]["demos"]}
    state |= {"extended_signature_instructions": "Answer briefly.", "extended_signature_prefix": "Answer:"}
    program = Program()
    program.load(written(tmp_path, {"answer.predict": state}))
    assert program.answer.predict.signature.instructions == "Answer briefly."
    assert program.answer.predict.demos[0].answer == "4"


def test_what_dspy_2_4_and_2_5_saved_of_a_chain_of_thought_is_loaded_and_reported_truly(tmp_path: Path) -> None:
    demo = {"augmented": True, "question": "2+2?", "rationale": "count", "answer": "4"}
    lists = {"lm": None, "traces": [], "train": [], "demos": [demo]}
    short = {"instructions": "Plain.", "fields": [FIELDS[0], FIELDS[2]]}
    versions = {
        "2.4": {"signature_instructions": "Plain.", "extended_signature_instructions": "Learnt."},
        "2.5": {"signature": short, "extended_signature": {"instructions": "Learnt.", "fields": FIELDS}},
    }
    for state in versions.values():
        program = Program()
        report = load_saved(program, written(tmp_path, {"answer": {**lists, **state}}))
        assert report.loaded == ("answer.predict",)
        assert not [text for text in report.unmapped if "prefix" not in text], report.unmapped
        predict = program.answer.predict
        assert (predict.signature.instructions, predict.demos[0].reasoning) == ("Learnt.", "count")


@pytest.mark.parametrize("state", [{"answer.predict": "x"}, {"answer": {"demos": "x"}}, {"answer": {"demos": [1]}}])
def test_a_file_that_was_spoilt_by_hand_is_named_by_its_part(tmp_path: Path, state: Any) -> None:
    with pytest.raises(StateError, match="`answer.*must be"):
        load_saved(Program(), written(tmp_path, state))


def test_a_file_nested_without_end_is_no_saved_program(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(StateError, match="no JSON file"):
        load_saved(Program(), tmp_path / "deep.json")
