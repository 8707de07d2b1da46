"""Optimizers, streams and agents as a program written for DSPy calls them (behaviour specification, sections 19 to 26)."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any

import pytest

import whet as dspy
from whet.compat.dummies import DummyLM, DummyVectorizer

ROWS = [dspy.Example(question=f"q{i}", answer="blue" if i % 2 else "red").with_inputs("question") for i in range(12)]


class Blue(dspy.BaseLM):
    """A model in the older form: "blue" for every answer, something for every other field."""

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        last = str(messages[-1]["content"]) if messages else prompt
        wanted = [name for name in re.findall(r"`\[\[ ## (\w+) ## \]\]`", last) if name != "completed"]
        text = "\n\n".join(f"[[ ## {name} ## ]]\n{'blue' if name == 'answer' else 'Say it.'}" for name in wanted)
        choice = SimpleNamespace(message=SimpleNamespace(content=text + "\n\n[[ ## completed ## ]]"), finish_reason="stop")
        return SimpleNamespace(choices=[choice] * (kwargs.get("n") or 1), usage={"prompt_tokens": 1}, model="blue")


@pytest.fixture(autouse=True)
def model() -> Any:
    with dspy.context(lm=Blue("blue")):
        yield


def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer)


def judged(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
    return dspy.Prediction(score=float(gold.answer == pred.answer), feedback=f"It was {gold.answer}.")


def student() -> Any:
    return dspy.Predict("question -> answer")


# -- 24 few-shot -----------------------------------------------------------------------------------------------------------


def test_labeled_demos() -> None:
    assert len(dspy.LabeledFewShot(k=3).compile(student(), trainset=ROWS).demos) == 3
    first = dspy.LabeledFewShot(k=2).compile(student(), trainset=ROWS, sample=False)
    assert [demo.question for demo in first.demos] == ["q0", "q1"]
    assert dspy.LabeledFewShot().compile(student(), trainset=[]).demos == []


def test_bootstrapped_demos_come_first_and_are_marked() -> None:
    optimizer = dspy.BootstrapFewShot(lambda e, p, trace=None: 0.7, metric_threshold=0.5, max_bootstrapped_demos=2, max_labeled_demos=3)
    given = student()
    compiled = optimizer.compile(given, trainset=ROWS)
    assert (len(compiled.demos), sum(bool(d.get("augmented")) for d in compiled.demos), given.demos) == (3, 2, [])
    assert compiled._compiled
    assert optimizer.get_params()["max_labeled_demos"] == 3
    for wrong in ({"student": compiled}, {"student": given, "teacher": given}, {"student": given, "teacher": dspy.Predict("q -> answer")}):
        with pytest.raises(AssertionError):
            optimizer.compile(**wrong, trainset=ROWS)


def test_random_search_keeps_its_candidates() -> None:
    search = dspy.BootstrapFewShotWithRandomSearch(metric, num_candidate_programs=2, max_bootstrapped_demos=1, num_threads=1)
    best = search.compile(student(), trainset=ROWS[:4], restrict=[-3, -2])
    assert {candidate["seed"] for candidate in best.candidate_programs} <= {-3, -2}
    assert set(best.candidate_programs[0]) >= {"score", "subscores", "seed", "program"}
    with pytest.raises(ValueError, match="restrict"):
        search.compile(student(), trainset=ROWS[:4], restrict=[99])


def test_neighbours_and_ensembles() -> None:
    near = dspy.KNNFewShot(k=2, trainset=ROWS, vectorizer=dspy.Embedder(DummyVectorizer()), metric=metric).compile(student())
    assert near(question="q3").answer == "blue"
    both = dspy.Ensemble(reduce_fn=lambda outputs: [o.answer for o in outputs], size=2).compile([student() for _ in range(3)])
    assert both(question="x") == ["blue", "blue"]
    with pytest.raises(AssertionError):
        dspy.Ensemble(deterministic=True)


def test_traces_of_a_program_over_rows() -> None:
    from whet.teleprompt.bootstrap_trace import FailedPrediction

    answers = [{"answer": "blue"}, {"other": "?"}, {"answer": "red"}]
    with dspy.context(lm=DummyLM(answers), adapter=dspy.ChatAdapter(use_json_adapter_fallback=False)):
        data = dspy.bootstrap_trace_data(student(), ROWS[:3], metric=metric, num_threads=1, capture_failed_parses=True)
    assert [set(row) for row in data] == [{"example_ind", "example", "prediction", "trace", "score"}] * 3
    assert isinstance(data[1]["prediction"], FailedPrediction)
    assert data[1]["score"] == -1
    assert isinstance(data[1]["trace"][-1][2], FailedPrediction)
    assert data[1]["prediction"].completion_text


# -- 25 instructions -------------------------------------------------------------------------------------------------------


def test_copro() -> None:
    with pytest.raises(ValueError):
        dspy.COPRO(metric=metric, breadth=1)
    options = {"num_threads": 1, "display_progress": False}
    best = dspy.COPRO(metric=metric, breadth=2, depth=1).compile(student(), trainset=ROWS[:4], eval_kwargs=options)
    assert best.candidate_programs
    assert best.total_calls > 0


def test_mipro() -> None:
    with pytest.raises(ValueError):
        dspy.MIPROv2(metric=metric, auto="huge")
    for wrong in ({"auto": "light", "num_candidates": 2}, {"auto": None}):
        with pytest.raises(ValueError):
            dspy.MIPROv2(metric=metric, **wrong).compile(student(), trainset=ROWS)
    small = {"auto": None, "num_candidates": 2, "num_threads": 1, "max_bootstrapped_demos": 1, "max_labeled_demos": 1}
    best = dspy.MIPROv2(metric=metric, **small).compile(student(), trainset=ROWS[:8], valset=ROWS[8:], num_trials=2, minibatch=False)
    assert best.trial_logs
    assert best.candidate_programs
    assert best.score is not None


def test_simba() -> None:
    with pytest.raises(AssertionError):
        dspy.SIMBA(metric=metric, bsize=40).compile(student(), trainset=ROWS)
    best = dspy.SIMBA(metric=metric, bsize=4, num_candidates=2, max_steps=1, max_demos=1, num_threads=1).compile(student(), trainset=ROWS)
    assert best.candidate_programs
    assert best.trial_logs


def test_gepa() -> None:
    options = {"max_metric_calls": 20, "num_threads": 1, "reflection_minibatch_size": 2, "track_stats": True}
    best = dspy.GEPA(metric=judged, reflection_lm=Blue("writer"), **options).compile(student(), trainset=ROWS[:6], valset=ROWS[6:])
    found = best.detailed_results
    assert len(found.candidates) == len(found.val_aggregate_scores)
    assert found.to_dict()
    asked: list[Any] = []

    def propose(candidate: Any, reflective_dataset: Any, components_to_update: Any) -> dict[str, str]:
        asked.append((candidate, reflective_dataset))
        return {name: "New: " + candidate[name] for name in components_to_update}

    dspy.GEPA(metric=judged, instruction_proposer=propose, **options).compile(student(), trainset=ROWS[:6], valset=ROWS[6:])
    assert asked
    with pytest.raises(AssertionError):
        dspy.GEPA(metric=judged, reflection_lm=Blue("writer"), auto="light", max_metric_calls=3)


# -- 26 weights ------------------------------------------------------------------------------------------------------------


def test_better_together_runs_the_steps_in_order() -> None:
    class Shot(dspy.teleprompt.Teleprompter):
        def compile(self, student: Any, *, trainset: Any, **_: Any) -> Any:
            better = student.deepcopy()
            better.demos = [*student.demos, trainset[0]]
            return better

    program = student()
    program.lm = dspy.settings.lm
    both = dspy.BetterTogether(metric=metric, p=Shot(), w=Shot())
    best = both.compile(program, trainset=ROWS[:8], valset=ROWS[8:], strategy="p -> w")
    assert {c["strategy"] for c in best.candidate_programs} == {"", "p", "p -> w"}
    assert best.flag_compilation_error_occurred is False
    for wrong in ({"strategy": "x -> p"}, {"strategy": "p", "trainset": []}, {"valset_ratio": 1.5}):
        with pytest.raises(ValueError):
            both.compile(program, **{"trainset": ROWS, **wrong})
    with pytest.raises(TypeError):
        dspy.BetterTogether(metric=metric, p=3)


def test_a_provider_of_ones_own_trains() -> None:
    seen: list[Any] = []

    class Own(dspy.Provider):
        finetunable = True

        @staticmethod
        def finetune(job: Any, model: str, train_data: Any, train_data_format: Any, train_kwargs: Any = None) -> str:
            seen.extend(train_data)
            return "openai/tuned"

    class Here(dspy.LM):
        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            return Blue("b").forward(prompt, messages, **kwargs)

    program = student()
    with dspy.context(lm=None), pytest.raises(ValueError, match="does not have an LM assigned"):
        dspy.BootstrapFinetune(metric=metric).compile(program, trainset=ROWS[:4])
    program.set_lm(Here("openai/base", provider=Own()))
    tuned = dspy.BootstrapFinetune(metric=metric, num_threads=1).compile(program, trainset=ROWS[:4])
    assert tuned.lm.model == "openai/tuned"
    assert [row["messages"][-1]["role"] for row in seen] == ["assistant"] * 2


# -- 19 streams, 20 to 22 agents ---------------------------------------------------------------------------------------------


def test_status_messages_and_the_prediction_at_the_end() -> None:
    def look(x: str) -> str:
        return x

    class Program(dspy.Module):
        def __init__(self) -> None:
            self.tool, self.step = dspy.Tool(look, name="my_tool"), student()

        def forward(self, question: str) -> Any:
            self.tool(x="1")
            return self.step(question=question)

    async def collected() -> list[Any]:
        return [item async for item in dspy.streamify(Program())(question="q")]

    for items in (asyncio.run(collected()), list(dspy.streamify(Program(), async_streaming=False)(question="q"))):
        said = [item.message for item in items if isinstance(item, dspy.streaming.StatusMessage)]
        assert said == ["Calling tool my_tool...", "Tool calling finished! Querying the LLM with tool calling results..."]
        assert items[-1].answer == "blue"


def test_agents() -> None:
    def weather(city: str) -> str:
        return f"sunny in {city}"

    steps = [
        {"next_thought": "t", "next_tool_name": "weather", "next_tool_args": {"city": "Tokyo"}},
        {"next_thought": "t", "next_tool_name": "finish", "next_tool_args": {}},
        {"reasoning": "r", "answer": "sunny"},
    ]
    with dspy.context(lm=DummyLM(steps)):
        said = dspy.ReAct("question -> answer", tools=[weather])(question="?")
    assert (said.answer, said.trajectory["observation_0"], said.trajectory["observation_1"]) == ("sunny", "sunny in Tokyo", "Completed.")
    with dspy.context(lm=DummyLM([{"reasoning": "r", "code": "SUBMIT(answer=str(6 * 7))"}])):
        said = dspy.RLM("question -> answer")(question="?")
    assert (said.answer, said.final_reasoning) == ("42", "r")
    assert said.trajectory[0]["output"].startswith("FINAL: ")


def test_samples_of_a_module() -> None:
    with dspy.context(lm=DummyLM([{"answer": "a b"}, {"answer": "a"}, {"answer": "c"}])):
        best = dspy.BestOfN(student(), N=3, reward_fn=lambda inputs, p: float(" " not in p.answer), threshold=1.0)
        assert best(question="q").answer == "a"
    tries = [dspy.Prediction(rationale=f"r{i}", answer=str(i)) for i in range(3)]
    compare = dspy.MultiChainComparison("question -> answer", M=3)
    with dspy.context(lm=DummyLM([{"rationale": "r", "answer": "1"}])):
        assert compare(tries, question="q").answer == "1"
    with pytest.raises(AssertionError):
        compare(tries[:2], question="q")
