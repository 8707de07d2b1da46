"""LabeledFewShot, BootstrapFewShot and BootstrapRS: names, defaults and meaning as people know them; side by side is as in turn."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

import whet
from optimize.doubling import exact, model, rows
from whet.core.records import Example
from whet.errors import ConfigurationError, InputError


def demo_keys(program: Any) -> list[tuple[Any, ...]]:
    return [tuple(sorted(d.items())) for p in program.predictors() for d in p.demos]


def test_labeled_demos_are_drawn_with_a_fixed_seed_and_the_student_stays() -> None:
    student, train = whet.Predict("question -> answer"), rows(30)
    compiled = whet.LabeledFewShot(k=5).compile(student, trainset=train)
    assert [d.question for d in compiled.demos] == [d.question for d in random.Random(0).sample(train, 5)]
    assert student.demos == [] and type(compiled) is whet.Predict and not compiled._compiled
    first = whet.LabeledFewShot(k=5).compile(student, trainset=train, sample=False)
    assert [d.answer for d in first.demos] == ["0", "2", "4", "6", "8"]
    assert whet.LabeledFewShot().compile(student, trainset=[]).demos == []
    assert len(whet.LabeledFewShot().compile(student, trainset=train[:3]).demos) == 3


def test_bootstrap_keeps_right_answers_and_fills_with_labels() -> None:
    lm, train = model(), rows(30)
    with whet.context(lm=lm):
        compiled = whet.BootstrapFewShot(metric=exact, max_bootstrapped_demos=3, max_labeled_demos=7).compile(
            whet.Predict("question -> answer"), trainset=train
        )
    augmented = [d for d in compiled.demos if d.get("augmented")]
    assert len(augmented) == 3 and len(compiled.demos) == 7
    assert all(d.answer == str(2 * int(d.question.split()[-1])) for d in augmented)
    used = {d.question for d in augmented}
    assert not used & {d.question for d in compiled.demos if not d.get("augmented")}


@pytest.mark.parametrize("threads", [1, 4, 16])
def test_side_by_side_gives_what_in_turn_gives(threads: int) -> None:
    train = rows(40, start=3)

    def compiled(**options: Any) -> Any:
        with whet.context(lm=model(0.001)):
            recipe = whet.BootstrapFewShot(metric=exact, max_bootstrapped_demos=6, max_labeled_demos=2, **options)
            return recipe.compile(whet.Predict("question -> answer"), trainset=train), recipe.run

    (one, run_one), (many, run_many) = compiled(strict=True, num_threads=1), compiled(num_threads=threads)
    assert demo_keys(one) == demo_keys(many)
    assert run_many.spend.calls <= run_one.spend.calls + 2 * 6


def test_the_row_is_not_among_the_teachers_demos() -> None:
    lm, train = model(), rows(12)
    with whet.context(lm=lm):
        whet.BootstrapFewShot(metric=exact).compile(whet.Predict("question -> answer"), trainset=train)
    for request in lm.requests:
        asked = request.messages[-1].text.split("number ")[1].split()[0]
        shown = [m.text.split("number ")[1].split()[0] for m in request.messages[1:-1] if m.role == "user"]
        assert shown and asked not in shown


def test_later_rounds_ask_at_temperature_one_with_another_rollout() -> None:
    calls: Counter[Any] = Counter()

    def stubborn(request: Any) -> dict[str, str]:
        calls[request.rollout_id, request.options.get("temperature")] += 1
        return {"answer": "no" if request.rollout_id != 2 else str(2 * int(request.messages[-1].text.split("number ")[1].split()[0]))}

    with whet.context(lm=whet.testing.ScriptedLM(stubborn)):
        recipe = whet.BootstrapFewShot(metric=exact, max_rounds=3, max_bootstrapped_demos=2, max_labeled_demos=0, strict=True)
        compiled = recipe.compile(whet.Predict("question -> answer"), trainset=rows(5))
    assert calls == {(None, None): 2, (1, 1.0): 2, (2, 1.0): 2}
    assert len(compiled.demos) == 2


def test_threshold_and_no_metric() -> None:
    with whet.context(lm=model()):
        student = whet.Predict("question -> answer")
        everything = whet.BootstrapFewShot(max_labeled_demos=0).compile(student, trainset=rows(9))
        assert [d.question for d in everything.demos] == [r.question for r in rows(4)]
        half = whet.BootstrapFewShot(metric=lambda e, p, trace=None: 0.5, metric_threshold=0.6, max_labeled_demos=0)
        assert half.compile(student, trainset=rows(9)).demos == []


def test_the_metric_sees_the_trace_only_while_bootstrapping() -> None:
    seen: list[Any] = []

    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        seen.append(None if trace is None else [type(step[0]).__name__ for step in trace])
        return exact(example, prediction)

    with whet.context(lm=model()):
        whet.BootstrapFewShot(metric=metric).compile(whet.Predict("question -> answer"), trainset=rows(9))
    assert seen[0] is None  # tried on the first row's labels
    assert seen[1:] and all(trace == ["Predict"] for trace in seen[1:])


def test_hints_reach_the_teacher_and_no_demo() -> None:
    shown: list[bool] = []

    def answer(request: Any) -> dict[str, str]:
        shown.append("the hint says" in request.messages[-1].text)
        return {"reasoning": "r", "answer": "4"}

    row = Example(question="2+2?", hint="the hint says 4", answer="4").with_inputs("question", "hint")
    with whet.context(lm=whet.testing.ScriptedLM(answer)):
        program = whet.ChainOfThoughtWithHint("question -> answer")
        compiled = whet.BootstrapFewShot(metric=exact, max_labeled_demos=0).compile(program, trainset=[row])
        (demo,) = compiled.predictors()[0].demos
        assert shown == [True] and "hint" not in demo and demo.reasoning == "r" and demo.augmented
        compiled(question="2+2?")
    assert shown == [True, False]


def test_every_predictor_of_a_larger_program_gets_its_own_steps() -> None:
    class Two(whet.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = whet.Predict("question -> thought")
            self.second = whet.Predict("thought -> answer")

        def forward(self, question: str) -> Any:
            for _ in range(2):
                thought = self.first(question=question).thought
            return self.second(thought=thought)

    def answer(request: Any) -> dict[str, str]:
        text = request.messages[-1].text
        number = text.split("number ")[1].split()[0]
        return {"thought": f"number {number}"} if "question" in text else {"answer": str(2 * int(number))}

    with whet.context(lm=whet.testing.ScriptedLM(answer)):
        compiled = whet.BootstrapFewShot(metric=exact, max_bootstrapped_demos=2, max_labeled_demos=0).compile(Two(), trainset=rows(5))
    assert [set(d.keys()) for d in compiled.first.demos] == [{"augmented", "question", "thought"}] * 2
    assert [set(d.keys()) for d in compiled.second.demos] == [{"augmented", "thought", "answer"}] * 2


def test_labelled_rows_fill_each_predictor_for_itself() -> None:
    class Three(whet.Module):
        def __init__(self) -> None:
            self.asked, self.never, self.nor = (whet.Predict("question -> answer") for _ in range(3))

        def forward(self, question: str) -> Any:
            return self.asked(question=question)

    with whet.context(lm=model()):
        compiled = whet.BootstrapFewShot(metric=exact, max_bootstrapped_demos=2, max_labeled_demos=3).compile(Three(), trainset=rows(6))
    assert [[bool(d.get("augmented")) for d in p.demos] for p in compiled.predictors()] == [[True, True, False], [False] * 3, [False] * 3]


def test_teachers_must_fit_and_students_must_be_fresh() -> None:
    student, recipe = whet.Predict("question -> answer"), whet.BootstrapFewShot(metric=exact)
    for teacher in (student, whet.Predict("question -> reply"), whet.ChainOfThought("question -> answer")):
        with pytest.raises(AssertionError):
            recipe.compile(student, teacher=teacher, trainset=rows(3))
    with pytest.raises(AssertionError, match="uncompiled"):
        recipe.compile(whet.BootstrapFewShot(max_bootstrapped_demos=0).compile(student, trainset=rows(3)), trainset=rows(3))


def test_errors_of_the_program_are_counted_and_raised_at_the_limit() -> None:
    class Broken(whet.Module):
        def __init__(self) -> None:
            super().__init__()
            self.answer = whet.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            if int(question.split()[-1]) % 2:
                raise ZeroDivisionError("odd")
            return self.answer(question=question)

    with whet.context(lm=model()):
        compiled = whet.BootstrapFewShot(metric=exact, max_bootstrapped_demos=2).compile(Broken(), trainset=rows(20))
        assert sum(bool(d.get("augmented")) for d in compiled.answer.demos) == 2
        with pytest.raises(ZeroDivisionError):
            whet.BootstrapFewShot(metric=exact, max_errors=2, max_bootstrapped_demos=9).compile(Broken(), trainset=rows(20))


# -- random search ---------------------------------------------------------------------------------------------------------------------


def search(lm: Any = None, **options: Any) -> tuple[Any, Any]:
    compile_options = {k: options.pop(k) for k in ("restrict",) if k in options}
    recipe = whet.BootstrapFewShotWithRandomSearch(metric=exact, **{"num_threads": 8, "num_candidate_programs": 4, **options})
    with whet.context(lm=lm or model()):
        return recipe.compile(whet.Predict("question -> answer"), trainset=rows(30), valset=rows(40, start=100), **compile_options), recipe


def test_candidates_are_named_by_seed_and_the_best_is_first() -> None:
    program, recipe = search()
    entries = program.candidate_programs
    assert sorted(e["seed"] for e in entries) == [-3, -2, -1, 0, 1, 2, 3]
    assert set(entries[0]) == {"score", "subscores", "seed", "program"}
    assert demo_keys(entries[0]["program"]) == demo_keys(program)
    assert len(entries[0]["subscores"]) == 40 and entries[0]["score"] == 100 * sum(entries[0]["subscores"]) / 40
    worst = next(e for e in entries if e["seed"] == -3)
    assert worst["score"] < entries[0]["score"] and worst["program"].demos == []
    assert whet.BootstrapRS is whet.BootstrapFewShotWithRandomSearch and recipe.run is program.run


def test_the_fast_way_finds_what_the_published_way_finds_with_fewer_calls() -> None:
    fast, slow = model(), model()
    quick, _ = search(fast, num_candidate_programs=16)
    thorough, _ = search(slow, num_candidate_programs=16, strict=True)
    best = {e["seed"]: e["score"] for e in thorough.candidate_programs}
    assert best[quick.candidate_programs[0]["seed"]] == max(best.values())
    assert fast.calls < 0.45 * slow.calls
    assert all(len(e["subscores"]) == 40 for e in thorough.candidate_programs)


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_the_result_does_not_depend_on_threads_or_driver(threads: int) -> None:
    expected, _ = search(num_threads=5)
    program, recipe = search(model(0.0005), num_threads=threads)
    assert demo_keys(program) == demo_keys(expected)
    assert [(e["seed"], e["subscores"]) for e in program.candidate_programs] == [
        (e["seed"], e["subscores"]) for e in expected.candidate_programs
    ]

    async def go() -> Any:
        with whet.context(lm=model()):
            return await recipe.acompile(whet.Predict("question -> answer"), trainset=rows(30), valset=rows(40, start=100))

    assert demo_keys(asyncio.run(go())) == demo_keys(expected)


def test_restrict_and_stop_at_score() -> None:
    program, _ = search(restrict=iter([-3, 2]))
    assert {e["seed"] for e in program.candidate_programs} == {-3, 2}
    with pytest.raises(ValueError, match="restrict"):
        search(restrict=[99])
    program, recipe = search(stop_at_score=1.0)
    assert recipe.run.stop_reason == "stop_at_score" and {e["seed"] for e in program.candidate_programs} == {-3}


def test_nothing_wrong_reaches_the_model() -> None:
    lm, student = model(), whet.Predict("question -> answer")
    rs: Any = whet.BootstrapRS
    good = rows(3)
    wrong: list[tuple[Any, dict[str, Any]]] = [
        (lambda: rs(metric=exact), {"trainset": []}),
        (lambda: rs(metric=exact), {"trainset": None}),
        (lambda: rs(metric=exact), {"trainset": [Example(question="q", answer="a")]}),
        (lambda: rs(metric=exact), {"trainset": [{"question": "q"}]}),
        (lambda: rs(metric=exact), {"trainset": good, "valset": []}),
        (lambda: rs(metric=exact), {"trainset": [Example(text="q", answer="a").with_inputs("text")]}),
        (lambda: rs(metric=exact), {"trainset": good, "valsett": good}),
        (lambda: rs(metric=None), {"trainset": good}),
        (lambda: rs(metric=lambda e: True), {"trainset": good}),
        (lambda: rs(metric=lambda e, p: e.lable == p.answer), {"trainset": good}),
        (lambda: rs(metric=lambda e, p: None), {"trainset": good}),
        (lambda: rs(metric=lambda e, p: float("nan")), {"trainset": good}),
        (lambda: rs(metric=lambda e, p: exakt(e, p)), {"trainset": good}),  # type: ignore[name-defined]  # noqa: F821
        (lambda: rs(metric=exact, num_threads=0), {"trainset": good}),
        (lambda: rs(metric=exact, num_candidate_programs=-1), {"trainset": good}),
        (lambda: rs(metric=exact, max_calls=0), {"trainset": good}),
        (lambda: rs(metric=exact, seed="x"), {"trainset": good}),
        (lambda: rs(metric=exact, num_candidates=3), {"trainset": good}),
    ]
    with whet.context(lm=lm):
        for make, arguments in wrong:
            with pytest.raises((ConfigurationError, InputError)):
                make().compile(student, **arguments)
        with pytest.raises(ConfigurationError, match="nothing to learn"):

            class Empty(whet.Module):
                def forward(self, question: str) -> str:
                    return question

            rs(metric=exact).compile(Empty(), trainset=good)
        with pytest.raises(ConfigurationError, match="no `whet.Module`"):
            rs(metric=exact).compile(whet.Predict, trainset=good)
    assert lm.calls == 0
    with pytest.raises(ConfigurationError, match="max_cals.*Did you mean `max_calls`"):
        whet.BootstrapFewShot(metric=exact, max_cals=3)


def test_compile_handlers_fire_once_also_for_overrides() -> None:
    heard: list[str] = []

    class Handler(whet.BaseCallback):
        def on_compile_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            heard.append(f"start {type(instance).__name__} {sorted(inputs)}")

        def on_compile_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            heard.append(f"end {type(outputs).__name__}")

    class Mine(whet.LabeledFewShot):
        def compile(self, student: Any, *, trainset: Any, **kwargs: Any) -> Any:
            return super().compile(student, trainset=trainset, **kwargs)

    with whet.context(callbacks=[Handler()]):
        Mine().compile(whet.Predict("question -> answer"), trainset=rows(3))
    assert heard == ["start Mine ['student', 'trainset']", "end Predict"]


def test_a_misspelt_argument_of_the_recipe_itself_is_named() -> None:
    with pytest.raises(ValueError, match="Did you mean `max_labeled_demos`"):
        whet.BootstrapRS(metric=lambda row, prediction: True, max_labelled_demos=3)


class Branching(whet.Module):
    """Its second predictor is asked about large numbers only."""

    def __init__(self) -> None:
        self.ask = whet.Predict("question -> answer")
        self.check = whet.Predict("number -> answer")

    def forward(self, question: str) -> Any:
        found = self.ask(question=question)
        number = question.split()[-1]
        return self.check(number=f"double the number {number}") if int(number) >= 4 else found


def test_a_predictor_that_the_first_rows_do_not_reach_gets_its_demos_from_later_ones() -> None:
    with whet.context(lm=model()):
        options = {"max_bootstrapped_demos": 2, "max_labeled_demos": 0}
        compiled = whet.BootstrapFewShot(metric=lambda *_: True, **options).compile(Branching(), trainset=rows(12))
        in_turn = whet.BootstrapFewShot(metric=lambda *_: True, strict=True, **options).compile(Branching(), trainset=rows(12))
    assert [d.question[-1] for d in compiled.ask.demos] == [d.question[-1] for d in in_turn.ask.demos] == ["0", "1"]
    assert [d.number[-1] for d in compiled.check.demos] == ["4", "5"] and in_turn.check.demos == []


def test_a_student_keeps_its_model_and_the_one_asked_for_teaches() -> None:
    own, teacher = model(), model()
    student = whet.Predict("question -> answer", lm=own)
    better = whet.BootstrapFewShot(metric=lambda *_: True, teacher_settings={"lm": teacher}).compile(student, trainset=rows(8))
    assert better.lm is own and student.lm is own
    assert own.calls == 0 < teacher.calls
    assert whet.LabeledFewShot(k=1).compile(student, trainset=rows(8)).lm is own


def test_candidates_have_one_to_all_of_the_bootstrapped_demos() -> None:
    with whet.context(lm=model()):
        optimizer = whet.BootstrapRS(metric=lambda *_: True, max_bootstrapped_demos=4, max_labeled_demos=0, num_candidate_programs=8)
        compiled = optimizer.compile(whet.Predict("question -> answer"), trainset=rows(30))
    found = {entry["seed"]: len(entry["program"].demos) for entry in compiled.candidate_programs}
    assert {seed: n for seed, n in found.items() if seed >= 0} == {s: random.Random(s).randint(1, 4) for s in found if s >= 0}
    assert len(set(found.values())) > 2 and sum(seed >= 0 for seed in found) > 3


def test_handlers_are_told_of_the_winner_on_all_rows() -> None:
    class Log(whet.BaseCallback):
        sizes: list[int] = []

        def on_evaluate_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            self.sizes.append(len(outputs.results))

    with whet.context(lm=model(), callbacks=[Log()]):
        whet.BootstrapRS(metric=exact, num_candidate_programs=2).compile(whet.Predict("question -> answer"), trainset=rows(30))
    assert 30 in Log.sizes


def test_a_method_of_the_program_is_not_replaced_by_what_is_said_of_it() -> None:
    class Own(whet.Module):
        def __init__(self) -> None:
            self.ask = whet.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            return self.ask(question=question)

        def run(self) -> str:
            return "mine"

    optimizer = whet.LabeledFewShot(k=1)
    compiled = optimizer.compile(Own(), trainset=rows(3))
    assert compiled.run() == "mine" and optimizer.run.stop_reason == "finished" and compiled.candidate_programs == []
