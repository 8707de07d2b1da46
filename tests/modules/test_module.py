"""Programs as trees: what is found inside, how they are copied, and how many run at once."""

from __future__ import annotations

import asyncio
import copy
import io
import threading
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError, EvaluationError
from whet.testing import ScriptedLM


class Program(whet.Module):
    def __init__(self) -> None:  # no super().__init__() on purpose
        self.first = whet.Predict("a -> b")
        self.items = [whet.ChainOfThought("a -> b"), {"key": whet.Predict("a -> b")}]
        self.again = self.first
        self.lock = threading.Lock()
        self.note = {"words": ["x"]}

    def forward(self, a: str) -> Any:
        return self.first(a=a)


def test_predictors_are_found_in_nested_containers_each_once() -> None:
    assert [name for name, _ in Program().named_predictors()] == ["first", "items[0].predict", "items[1]['key']"]
    assert [name for name, _ in whet.Predict("a -> b").named_predictors()] == ["self"]
    names = [name for name, _ in Program().named_sub_modules()]
    assert names == ["self", "self.first", "self.items[0]", "self.items[0].predict", "self.items[1][key]"]


def test_compiled_parts_are_frozen() -> None:
    program = Program()
    program.items[0]._compiled = True
    assert [name for name, _ in program.named_predictors()] == ["first", "items[1]['key']"]


def test_a_copy_shares_models_and_what_cannot_be_copied() -> None:
    program = Program()
    lm = ScriptedLM([])
    program.set_lm(lm)
    program.first.demos.append(whet.Example(a="1", b="2"))
    for new in (program.deepcopy(), copy.deepcopy(program)):
        assert new.first is not program.first
        assert new.again is new.first
        assert new.first.demos == program.first.demos
        assert new.first.demos is not program.first.demos
        assert new.note["words"] is not program.note["words"]
        assert new.lock is program.lock
        assert new.get_lm() is lm
    assert program.reset_copy().first.demos == []
    assert program.reset_copy().get_lm() is None


def test_bind_makes_a_new_program_and_leaves_the_old_one() -> None:
    program = Program()
    params = program.params()
    changed = program.bind({"first": params["first"].evolve(instructions="New.", demos=(whet.Example(a="1", b="2"),))})
    assert changed.first.signature.instructions == "New."
    assert len(changed.first.demos) == 1
    assert program.params() == params
    with pytest.raises(ConfigurationError, match="no predictor `frist`"):
        program.bind({"frist": params["first"]})


def test_set_and_get_lm() -> None:
    program, one, two = Program(), ScriptedLM([]), ScriptedLM([])
    program.set_lm(one)
    assert program.get_lm() is one
    program.first.lm = two
    with pytest.raises(ValueError, match="different models"):
        program.get_lm()


def test_replacing_predictors() -> None:
    program = Program()
    program.map_named_predictors(lambda old: whet.Predict(old.signature.with_instructions("X")))
    assert {p.signature.instructions for p in program.predictors()} == {"X"}


def test_batch_keeps_the_order_and_the_errors_beside() -> None:
    def answer(request: Any) -> Any:
        return ValueError("five") if "[[ ## a ## ]]\n5" in request.messages[-1].text else {"b": request.messages[-1].text.split("\n")[1]}

    rows = [whet.Example(a=str(i)).with_inputs("a") for i in range(9)]
    with whet.context(lm=ScriptedLM(answer)):
        assert [r and r.b for r in Program().batch(rows, num_threads=4)] == ["0", "1", "2", "3", "4", None, "6", "7", "8"]
        results, failed, errors = Program().batch(rows, num_threads=4, return_failed_examples=True)
        assert (failed, str(errors[0])) == ([rows[5]], "five")
        assert [r and r.b for r in asyncio.run(Program().abatch(rows))] == [r and r.b for r in results]
        with pytest.raises(EvaluationError, match="Execution cancelled due to errors or interruption"):
            Program().batch([rows[5]] * 5, max_errors=2, num_threads=2)


def test_the_workers_of_a_batch_see_the_callers_settings() -> None:
    class Reads(whet.Module):
        def forward(self, a: str) -> int:
            return int(whet.settings.max_errors)

    with whet.context(max_errors=3):
        assert Reads().batch([{"a": "x"}] * 4, num_threads=4) == [3, 3, 3, 3]


def test_usage_is_tracked_by_program() -> None:
    with whet.context(lm=ScriptedLM(lambda _: {"b": "x"}), track_usage=True):
        prediction = Program()(a="x")
    assert prediction.get_lm_usage()["scripted"]["total_tokens"] > 0


def test_callbacks_are_told_of_every_start_and_end() -> None:
    class Log(whet.BaseCallback):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def on_module_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            self.seen.append(f"+{type(instance).__name__}")

        def on_module_end(self, call_id: str, outputs: Any, exception: Any) -> None:
            self.seen.append("-" if exception is None else f"!{type(exception).__name__}")

        def on_lm_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            self.seen.append("+lm")
            raise RuntimeError("a broken handler")

        def on_lm_end(self, call_id: str, outputs: Any, exception: Any) -> None:
            self.seen.append("-lm")

    log = Log()
    with whet.context(lm=ScriptedLM([{"reasoning": "r", "b": "x"}]), callbacks=[log]):
        whet.ChainOfThought("a -> b")(a="x")
    assert log.seen == ["+ChainOfThought", "+Predict", "+lm", "-lm", "-", "-"]


def test_inspecting_the_history_of_a_program() -> None:
    program = Program()
    with whet.context(lm=ScriptedLM([{"b": "the answer"}])):
        program(a="x")
    text = io.StringIO()
    program.inspect_history(file=text)
    assert "System message:" in text.getvalue()
    assert "the answer" in text.getvalue()
    assert "\x1b" not in text.getvalue()
