"""What one search learnt of a program on a row, no later one pays for again."""

from __future__ import annotations

import gc
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import whet
from optimize import ruled
from optimize.doubling import answer, exact, model, rows
from optimize.test_resume import CountingServer, finish, server
from whet.core.trace import Step
from whet.errors import ConfigurationError
from whet.optimize import ObjectiveSearch
from whet.optimize.store import Result, plain_result, result_of
from whet.testing.scripted import ScriptedLM

__all__ = ["server"]  # a fixture

TRAIN, VAL = rows(20), rows(20, start=50)


def compiled(memory: Any, lm: Any = None, metric: Any = exact, program: Any = None, **options: Any) -> Any:
    recipe = whet.BootstrapRS(metric=metric, num_threads=4, num_candidate_programs=3, memory=memory, **options)
    with whet.context(lm=lm or model()):
        return recipe.compile(program or whet.Predict("question -> answer"), trainset=TRAIN, valset=VAL)


def test_the_same_run_is_free_the_second_time_without_any_cache(tmp_path: Path) -> None:
    first, second = model(), model()
    one, two = compiled(tmp_path, first), compiled(tmp_path, second)
    assert second.calls == 0 < first.calls and one.run.spend.reused == 0
    assert two.run.spend.reused == two.run.rollouts == one.run.rollouts
    assert two.run.spend.calls == two.run.spend.tokens == 0
    assert f"{two.run.rollouts} runs reused" in two.run.summary()
    assert one.dump_state() == two.dump_state()
    assert [e["subscores"] for e in one.candidate_programs] == [e["subscores"] for e in two.candidate_programs]
    means = [dict(run.trials[0].means) for run in (one.run, two.run)]
    assert means[0]["tokens"] == means[1]["tokens"] > 0  # what it took then


def test_other_optimizers_know_what_one_has_seen(tmp_path: Path) -> None:
    whet.configure(memory=tmp_path)
    try:
        lm, program = ruled.model(), whet.Predict("case -> verdict")
        train, val = ruled.rows(30), ruled.rows(24, start=100)
        with whet.context(lm=lm):
            for recipe in (
                whet.BootstrapRS(metric=ruled.metric),
                whet.GEPA(metric=ruled.metric, max_metric_calls=120, reflection_lm=lm),
                whet.Optimizer("auto", metric=ruled.metric, max_runs=120),
            ):
                recipe.compile(program, trainset=train, valset=val)
                assert recipe.run is not None and (recipe.run.spend.reused > 0) == (not isinstance(recipe, whet.BootstrapRS))
            off = whet.BootstrapRS(metric=ruled.metric, memory=False)
            off.compile(program, trainset=train, valset=val)
            assert off.run is not None and off.run.spend.reused == 0
    finally:
        whet.configure(memory=None)


class Asking(whet.Module):
    def __init__(self, suffix: str = "") -> None:
        super().__init__()
        self.ask, self.suffix = whet.Predict("question -> answer"), suffix

    def forward(self, question: str) -> Any:
        return self.ask(question=question + self.suffix)


class Otherwise(Asking):
    def forward(self, question: str) -> Any:
        return self.ask(question=question.strip() + self.suffix)


def strictly(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer and prediction.answer)


@pytest.mark.parametrize(
    "change",
    [
        {"metric": strictly},
        {"lm": model(temperature=0.5)},
        {"lm": model(model="other")},
        {"lm": ScriptedLM(lambda request: {**answer(request), "why": "so"})},
        {"program": Otherwise()},
        {"program": Asking(suffix=" ")},
        {"program": Asking().bind({"ask": Asking().ask.param.evolve(instructions="Double it.")})},
    ],
)
def test_what_has_changed_is_run_anew(tmp_path: Path, change: dict[str, Any]) -> None:
    compiled(tmp_path, program=Asking())
    assert compiled(tmp_path, program=Asking()).run.spend.reused > 0
    assert compiled(tmp_path, **{"program": Asking(), **change}).run.spend.reused == 0


def test_rows_samples_and_temperatures_are_told_apart(tmp_path: Path) -> None:
    class Sampling(whet.Optimizer):
        def __init__(self, samples: int, temperature: float, **common: Any) -> None:
            super().__init__(exact, **common)
            self.samples, self.temperature = samples, temperature

        def steps(self, search: Any) -> Any:
            for number in range(self.samples):
                yield [search.score(search.baseline, row, sample=number, temperature=self.temperature) for row in search.val]
            return search.baseline

    def reused(samples: int, temperature: float, val: Any) -> int:
        recipe = Sampling(samples, temperature, memory=tmp_path)
        with whet.context(lm=model()):
            recipe.compile(whet.Predict("question -> answer"), trainset=TRAIN, valset=val)
        assert recipe.run is not None
        return recipe.run.spend.reused

    assert reused(2, 1.0, VAL) == 0
    assert reused(3, 1.0, VAL) == 40
    assert reused(2, 0.5, VAL) == 20  # the first answer is asked for as the program is
    assert reused(1, 1.0, [*VAL[:5], *rows(5, start=500)]) == 5


def test_caps_are_not_used_up_by_what_is_known(tmp_path: Path) -> None:
    whole = compiled(tmp_path)
    again = compiled(tmp_path, max_calls=1)
    assert again.run.stop_reason == "finished" and again.dump_state() == whole.dump_state()


class Flaky(Asking):
    def forward(self, question: str) -> Any:
        if "number 5" in question:
            raise OSError("the disk is full")
        return self.ask(question=question)


def test_only_what_the_program_answers_for_is_kept(tmp_path: Path) -> None:
    with whet.context(lm=model()):
        for _ in range(2):
            recipe = whet.BootstrapRS(metric=exact, num_candidate_programs=1, memory=tmp_path, max_errors=1000)
            recipe.compile(Flaky(), trainset=TRAIN, valset=VAL)
    assert recipe.run is not None and 0 < recipe.run.spend.reused < recipe.run.rollouts
    for text in texts_in(tmp_path):
        assert '"ok"' in text


def texts_in(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "results.sqlite3") as connection:
        found = [text for (text,) in connection.execute("SELECT text FROM answers")]
    connection.close()
    return found


def test_a_program_or_metric_that_changes_by_being_used_shares_nothing_and_says_so(tmp_path: Path) -> None:
    dice = random.Random(1)

    def noisy(example: Any, prediction: Any, trace: Any = None) -> bool:
        return dice.random() < 2 and exact(example, prediction)

    compiled(tmp_path, metric=noisy)
    again = compiled(tmp_path, metric=noisy)
    assert again.run.spend.reused == 0
    [said] = [d.reason for d in again.run.decisions if d.kind == "memory"]
    assert said.startswith("results are not shared with other runs: `metric.dice` is a Random")


class Pair(BaseModel):
    left: int
    right: int


def test_typed_outputs_come_back_with_their_types(tmp_path: Path) -> None:
    kinds: Counter[type] = Counter()

    def typed(example: Any, prediction: Any, trace: Any = None) -> bool:
        return bool(prediction.pair.left)

    class Looking(whet.Optimizer):
        def steps(self, search: Any) -> Any:
            for result in (yield search.scores(search.baseline, search.val)):
                kinds[type(result.prediction.pair), type(result.steps[0].prediction.pair), result.reused] += 1  # type: ignore[index]
            return search.baseline

    with whet.context(lm=ScriptedLM(lambda request: {"pair": '{"left": 1, "right": 2}'})):
        for _ in range(2):
            Looking(typed, memory=tmp_path).compile(
                whet.Predict(whet.Signature("question -> pair: Pair", custom_types={"Pair": Pair})), trainset=TRAIN, valset=VAL
            )
    assert kinds == {(Pair, Pair, False): 20, (Pair, Pair, True): 20}  # type: ignore[comparison-overlap]


def test_media_of_rows_are_found_again_and_others_are_made_again(tmp_path: Path) -> None:
    def picture(number: int) -> Any:
        return whet.Image(b"\x89PNG\r\n\x1a\n%04d" % number)

    pictures = [whet.Example(picture=picture(i), label="cat").with_inputs("picture") for i in range(12)]

    def reused(program: Any) -> tuple[int, int]:
        gc.collect()
        recipe = whet.BootstrapFewShot(metric=lambda example, prediction: example.label == prediction.label, memory=tmp_path)
        with whet.context(lm=ScriptedLM(lambda request: {"label": "cat"})):
            better = recipe.compile(program, trainset=pictures)
            assert [demo for demo in better.predictors()[0].demos if demo.picture.blob.bytes]
        assert recipe.run is not None
        return recipe.run.spend.reused, recipe.run.rollouts

    asking = whet.Predict("picture: whet.Image -> label")
    assert reused(asking)[0] == 0
    found, runs = reused(asking)
    assert found == runs
    step = Step(asking, {"picture": picture(1)}, whet.Prediction(label="cat"), name="self")
    line = plain_result(Result(score=whet.Score(value=1.0), status="ok", prediction=step.prediction, steps=(step,)))
    assert result_of(line, {"self": asking}) is not None
    gone = json.loads(json.dumps(line).replace(picture(1).blob.digest, "sha256:" + 64 * "0"))
    assert result_of(gone, {"self": asking}) is None


def test_nothing_secret_lies_in_it_and_it_is_only_for_me(tmp_path: Path) -> None:
    lm = model()
    lm.kwargs["api_key"] = "sk-secret"
    folder = tmp_path / "memory"
    compiled(folder, lm)
    assert folder.stat().st_mode & 0o777 == 0o700
    files = list(folder.iterdir())
    assert [file.name for file in files if file.name != "results.sqlite3"] == []
    assert (folder / "results.sqlite3").stat().st_mode & 0o777 == 0o600
    assert b"sk-secret" not in (folder / "results.sqlite3").read_bytes()


def test_a_folder_that_cannot_be_used_is_refused_before_the_first_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    lm = model()
    for wrong, words in ((tmp_path / "file" / "under", "`memory` .* cannot be used"), (3, "give the folder"), ("", "give the folder")):
        with pytest.raises(ConfigurationError, match=words):
            compiled(wrong, lm)
    assert lm.calls == 0
    with whet.context(memory=["a chat so far"]):  # a setting of the user's own
        assert compiled(None).run.spend.reused == 0


def test_damage_is_a_miss(tmp_path: Path) -> None:
    one = compiled(tmp_path)
    with sqlite3.connect(tmp_path / "results.sqlite3") as connection:
        connection.execute("UPDATE answers SET text = replace(text, '\"score\":1.0', '\"score\":0.5') WHERE id % 2")
    connection.close()
    half = compiled(tmp_path)
    assert 0 < half.run.spend.reused < half.run.rollouts and half.dump_state() == one.dump_state()
    (tmp_path / "results.sqlite3").write_bytes(b"no database at all" * 1000)
    with pytest.warns(RuntimeWarning, match=r"'results.sqlite3' was damaged.*put aside"):
        anew = compiled(tmp_path)
    assert anew.run.spend.reused == 0 and anew.dump_state() == one.dump_state()
    assert compiled(tmp_path).run.spend.calls == 0


def test_what_others_add_meanwhile_is_not_looked_at(tmp_path: Path) -> None:
    lm, inner = model(), []

    def nosy(example: Any, prediction: Any, trace: Any = None) -> bool:
        if not inner:
            inner.append("running")
            with whet.context(lm=model()):
                whet.BootstrapRS(metric=nosy, num_candidate_programs=3, memory=tmp_path).compile(
                    whet.Predict("question -> answer"), trainset=TRAIN, valset=VAL
                )
        return exact(example, prediction)

    inner.append("warm")
    nosy_free = compiled(tmp_path / "other", lm, metric=nosy)
    inner.clear()
    outer = compiled(tmp_path, model(), metric=nosy)
    assert outer.run.spend.reused == 0 and outer.dump_state() == nosy_free.dump_state()


def test_optimizers_inside_of_an_optimizer_use_its_memory(tmp_path: Path) -> None:
    def both() -> Any:
        inner = whet.BootstrapRS(metric=exact, num_candidate_programs=2)
        outer = ObjectiveSearch(lambda program: len(program.demos), candidates=inner, memory=tmp_path, noisy=False)
        with whet.context(lm=model()):
            outer.compile(whet.Predict("question -> answer"), trainset=TRAIN, valset=VAL)
        return inner.run

    assert both().spend.reused == 0 < both().spend.reused == both().rollouts


# -- real processes ---------------------------------------------------------------------------------------------------------------------


def start(server: CountingServer, run_dir: Path | str, name: str, memory: Path, home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("killed_run.py")), server.url, str(run_dir), name, str(memory)]
    environment = {"PYTHONPATH": str(Path(whet.__file__).parents[1]), "PATH": "", "HOME": str(home)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_two_processes_fill_one_memory_and_a_third_one_pays_nothing(server: CountingServer, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    both = [start(server, "", "BootstrapRS", memory, tmp_path) for _ in range(2)]
    states = [finish(process) for process in both]
    assert states[0]["state"] == states[1]["state"]
    paid = server.bodies.total()
    third = finish(start(server, "", "BootstrapRS", memory, tmp_path))
    assert third["state"] == states[0]["state"]
    assert (server.bodies.total() - paid, third["calls"], third["reused"]) == (0, 0, third["rollouts"])


def test_a_killed_search_with_a_memory_goes_on_as_if_nothing_had_happened(server: CountingServer, tmp_path: Path) -> None:
    memory, name = tmp_path / "memory", "AvatarOptimizer"
    finish(start(server, "", "COPRO", memory, tmp_path))  # leaves what the other can use
    warm = memory / "results.sqlite3"
    data = warm.read_bytes()
    whole = finish(start(server, tmp_path / "whole", name, memory, tmp_path))
    assert whole["reused"] > 0
    server.bodies.clear()
    warm.write_bytes(data)
    for kill in range(3):
        process = start(server, tmp_path / "killed", name, memory, tmp_path)
        target = server.bodies.total() + 20 + 30 * kill
        while process.poll() is None and server.bodies.total() < target:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    again = finish(start(server, tmp_path / "killed", name, memory, tmp_path))
    for part in ("state", "decisions", "reused", "rollouts"):
        assert again[part] == whole[part]
