"""`Auto`: better programs within its budget, an honest certificate, the same result for any number of threads, and nothing lost."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

import whet
from optimize import waves
from optimize.ruled import blind, metric, model, rows
from whet.errors import ConfigurationError
from whet.testing.scripted import ScriptedLM


def compiled(lm: Any = None, n: int = 80, **options: Any) -> Any:
    extra = {k: options.pop(k) for k in ("pinned", "valset") if k in options}
    recipe = whet.Auto(metric=options.pop("metric", metric), **{"num_threads": 8, "max_runs": 300, **options})
    with whet.context(lm=lm or model()):
        return recipe.compile(whet.Predict("case -> verdict"), trainset=rows(n), **{"valset": rows(60, start=500), **extra})


def accuracy(program: Any, lm: Any = None) -> float:
    with whet.context(lm=lm or model()):
        return whet.Evaluate(devset=rows(60, start=1000), metric=metric)(program).score / 100


def told(program: Any) -> list[str]:
    return [str(d) for d in program.run.decisions]


def course(program: Any) -> tuple[list[str], list[Any]]:
    """What was tried and decided, without the last proposals: where the budget ends before they are in, they are on no record."""
    decided = [line for line in told(program) if line.split()[0] not in ("propose", "refuse")]
    return sorted(decided), sorted((t.candidate.hash, t.scores) for t in program.run.trials)


def test_it_learns_the_rules_and_says_so_honestly() -> None:
    student = whet.Predict("case -> verdict")
    program = compiled()
    certificate = program.run.certificate
    assert accuracy(program) > 0.8 > 0.3 > accuracy(student)
    assert certificate.reliable and certificate.kept and "Gain on rows the search never saw" in str(certificate)
    assert accuracy(program) - accuracy(student) in certificate.gain
    assert program.run.rollouts <= 300
    assert "RULE-" in program.run.diff() or "demo:" in program.run.diff()
    assert type(program) is whet.Predict and student.demos == []


def test_the_certificate_stands_on_rows_that_nothing_looked_at() -> None:
    lm = model()
    program = compiled(lm)
    shown, asked = set(), set()
    for request in lm.requests:
        *before, last = [m.text for m in request.messages]
        writing = "new_instruction" in last
        shown |= set(re.findall(r"case (\d+) of", "".join([*before, last] if writing else before)))
        asked |= set() if writing else set(re.findall(r"case (\d+) of", last))
    unseen = {n for n in asked - shown if int(n) < 80}
    assert len(unseen) >= program.run.certificate.n >= 20


def test_where_nothing_helps_nothing_is_claimed() -> None:
    program = compiled(blind())
    certificate = program.run.certificate
    assert not certificate.reliable
    assert "No reliable gain" in program.run.summary()
    if not certificate.kept:
        assert program.demos == [] and program.run.diff() == ""


def test_it_ends_early_where_there_is_no_headroom() -> None:
    def right(request: Any) -> dict[str, str]:
        return {"verdict": "v" + re.findall(r"of kind (\d)", request.messages[-1].text)[-1]}

    for lm, most in ((ScriptedLM(right), 330), (blind(), 480)):
        program = compiled(lm, max_runs=600)
        assert program.run.stop_reason == "no_headroom" and program.run.rollouts <= most
        assert program.run.diff() == "" and not program.run.certificate.reliable


@pytest.mark.parametrize("threads", [1, 4, 24])
def test_the_course_is_the_same_for_any_number_of_threads(threads: int) -> None:
    expected = compiled()
    program = compiled(model(0.001), num_threads=threads)
    assert program.dump_state() == expected.dump_state()
    assert course(program) == course(expected)


def test_the_course_is_the_same_from_async_code() -> None:
    async def go() -> Any:
        recipe = whet.Optimizer("auto", metric=metric, num_threads=5, max_runs=300)
        with whet.context(lm=model()):
            return await recipe.acompile(whet.Predict("case -> verdict"), trainset=rows(80), valset=rows(60, start=500))

    assert asyncio.run(go()).dump_state() == compiled().dump_state()


def test_another_seed_is_another_course_and_zero_is_a_seed() -> None:
    zero, one = compiled(seed=0), compiled(seed=1)
    assert sorted(told(zero)) == sorted(told(compiled(seed=0))) != sorted(told(one))


def test_budgets_in_runs_hold_and_small_ones_work() -> None:
    for most in (20, 40, 90, 200):
        lm = model()
        program = compiled(lm, max_runs=most, num_threads=4)
        assert program.run.rollouts <= most
        assert lm.calls <= most + 60


def test_calls_are_capped_and_the_best_so_far_comes_back() -> None:
    lm = model()
    program = compiled(lm, max_calls=150)
    assert program.run.stop_reason == "max_calls" and lm.calls <= 150
    assert accuracy(program) >= accuracy(whet.Predict("case -> verdict"))


def test_pinned_rows_may_not_get_worse() -> None:
    pinned = [r for r in rows(300, start=2000) if int(r.case.split()[1]) % 7 == 0][:6]

    def fussy(example: Any, prediction: Any, trace: Any = None) -> Any:
        score = metric(example, prediction)
        spoiled = example in pinned and prediction.verdict == example.verdict and len(whet.settings.lm.requests) > 100
        return 0.0 if spoiled else score

    program = compiled(metric=fussy, pinned=pinned)
    assert any("pinned row" in text for text in told(program))
    assert program.demos == [] and program.run.diff() == ""


def test_without_a_valset_the_trainset_is_split() -> None:
    program = compiled(valset=None, n=120)
    assert accuracy(program) > 0.7
    shown = {d.case for d in program.demos}
    judged = {len(t.scores) for t in program.run.trials}
    assert max(judged) <= 120 and len(shown) <= 16


def test_a_writer_that_returns_nonsense_is_refused_with_reasons() -> None:
    said = iter(["", "Given the fields `case`, produce the fields `verdict`.", "x" * 30_000] * 100)

    def nonsense(request: Any) -> Any:
        from optimize.ruled import answer

        if "new_instruction" in request.messages[-1].text:
            return {"new_instruction": next(said)}
        return answer(request)

    program = compiled(whet.testing.ScriptedLM(nonsense), num_threads=1)
    reasons = {d.reason for d in program.run.decisions if d.kind in ("refuse", "failed")}
    assert (
        any("empty" in r for r in reasons) and any("was to improve" in r for r in reasons) and any("30000 characters" in r for r in reasons)
    )
    assert program.demos


def test_an_instruction_that_copies_training_rows_is_refused() -> None:
    def copying(request: Any) -> Any:
        from optimize.ruled import answer

        text = request.messages[-1].text
        if "new_instruction" in text:
            row = text.split("Inputs: case = ")[1].split("\n")[0]
            return {"new_instruction": f"If you see {row} then say v1."}
        return answer(request)

    def wordy(n: int, start: int = 0) -> list[Any]:
        return [
            whet.Example(
                case=f"a long message number {i} with many words in it, case {i} of kind {i % 6}", verdict=f"v{i % 6}"
            ).with_inputs("case")
            for i in range(start, start + n)
        ]

    with whet.context(lm=whet.testing.ScriptedLM(copying)):
        program = whet.Auto(metric=metric, max_runs=150, num_threads=4).compile(
            whet.Predict("case -> verdict"), trainset=wordy(60), valset=wordy(40, start=500)
        )
    assert any("copies a training row" in d.reason for d in program.run.decisions)
    assert "number" not in program.signature.instructions


def test_proposals_aim_at_the_step_that_is_wrong() -> None:
    class Three(whet.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read = whet.Predict("case -> facts")
            self.weigh = whet.Predict("facts -> ruling")
            self.phrase = whet.Predict("ruling -> verdict")

        def forward(self, case: str) -> Any:
            return self.phrase(ruling=self.weigh(facts=self.read(case=case).facts).ruling)

    def answer(request: Any) -> Any:
        text, instruction = request.messages[-1].text, request.messages[0].text
        if "new_instruction" in text:
            from optimize.ruled import written

            return {"new_instruction": written(text, request.rollout_id or 0)}
        if "faulty_step" in text:
            assert "Step weigh was given" in text and "- weigh: facts -> ruling" in text
            return {"faulty_step": "weigh"}
        value = text.split("## ]]\n")[1].split("\n")[0]
        if "[[ ## case" in text:
            return {"facts": value}
        if "[[ ## facts" in text:
            kind = value.split()[-1]
            return {"ruling": f"v{kind}" if f"RULE-{kind}" in instruction else "v?"}
        return {"verdict": value}

    with whet.context(lm=whet.testing.ScriptedLM(answer)):
        program = whet.Auto(metric=metric, max_runs=200, num_threads=4, max_demos=0).compile(
            Three(), trainset=rows(60), valset=rows(40, start=500)
        )
    notes = [c.note for c in program.run.candidates if c.note.startswith("reflect")]
    assert len(notes) >= 5 and sum("weigh" in note for note in notes) >= 0.8 * len(notes)
    assert "RULE-" in program.weigh.signature.instructions


def test_wrong_arguments_cost_nothing() -> None:
    lm = model()
    for options in ({"max_runs": 5}, {"max_demos": -1}, {"prompt_model": "gpt"}, {"pinned": [1]}):
        with pytest.raises((ConfigurationError, TypeError)):
            compiled(lm, **options)
    with pytest.raises(ConfigurationError, match="There is no optimizer 'best'"):
        whet.Optimizer("best", metric=metric)
    assert lm.calls == 0


def test_the_journal_tells_the_whole_story(tmp_path: Path) -> None:
    program = compiled(run_dir=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0]["header"]["settings"]["max_runs"] == 300
    assert {line["decision"] for line in lines if "decision" in line} >= {"propose", "promote", "drop", "certify"}
    states = {line["candidate"] for line in lines if "candidate" in line}
    assert program.run.best is not None and program.run.best.hash in states
    again = model()
    assert compiled(again, run_dir=tmp_path).dump_state() == program.dump_state() and again.calls == 0


def test_more_contests_under_way_are_another_course_and_fewer_waves() -> None:
    def waves_with(contests: int) -> int:
        lm = model()
        recipe = whet.Optimizer("auto", metric=metric, max_runs=300, contests=contests, hedge=False)
        with whet.context(lm=lm):
            given = {"trainset": rows(80), "valset": rows(60, start=500)}
            _, found = waves.compiled(recipe, whet.Predict("case -> verdict"), lambda: lm.calls, 128, **given)
        return len(found)

    assert waves_with(3) < waves_with(1)
    with pytest.raises(ValueError, match="contests"):
        compiled(contests=0)
