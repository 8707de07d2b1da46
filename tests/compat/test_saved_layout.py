"""What saved programs and model states look like to programs, files and tests written for DSPy (sections 4 and 11)."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.compat.dummies import DummyLM


class Deployed(whet.BaseLM):
    def __init__(self, model: str, deployment: str = "", **options: Any) -> None:
        super().__init__(model, **options)
        self.deployment = deployment

    def complete(self, request: Any) -> str:
        return "deployed"

    def dump_state(self) -> dict[str, Any]:
        return {**super().dump_state(), "deployment": self.deployment}

    @classmethod
    def load_state(cls, state: Any, **options: Any) -> Any:
        return cls(state["model"], deployment=state["deployment"])


class Two(whet.Module):
    def __init__(self) -> None:
        self.first, self.second = whet.Predict("a -> b"), whet.ChainOfThought("b -> c")


def test_a_file_is_the_state_and_metadata(tmp_path: Path) -> None:
    program = Two()
    program.save(tmp_path / "two.json")
    written = json.loads((tmp_path / "two.json").read_text(encoding="utf-8"))
    assert {k: v for k, v in written.items() if k != "metadata"} == program.dump_state()
    # DSPy looks every one of these names up among its own: one that it does not have would keep it from reading our files.
    assert set(written["metadata"]["dependency_versions"]) == {"python"} and written["metadata"]["whet"] == whet.__version__


def test_a_predictor_by_itself_is_saved_as_its_own_state(tmp_path: Path) -> None:
    predict = whet.Predict("question -> answer")
    predict.demos = [whet.Example(question="q", answer="a")]
    predict.lm = whet.LM("openai/gpt-4o-mini", temperature=0.5, api_key="sk-canary", api_base="http://canary.example")
    predict.save(tmp_path / "one.json")
    text = (tmp_path / "one.json").read_text(encoding="utf-8")
    assert "canary" not in text
    written = json.loads(text)
    assert (written["lm"]["model"], written["lm"]["temperature"]) == ("openai/gpt-4o-mini", 0.5)
    assert written["demos"] == [{"question": "q", "answer": "a"}]
    loaded = whet.Predict("question -> answer")
    loaded.load(tmp_path / "one.json")
    assert loaded.dump_state() == predict.dump_state()


def test_files_of_version_1_load(tmp_path: Path) -> None:
    predict = whet.Predict("question -> answer")
    predict.signature = predict.signature.with_instructions("Kept.")
    old = {
        "format": "whet-program",
        "version": 1,
        "metadata": {"dependency_versions": {}},
        "compiled": True,
        "frozen": [],
        "predictors": {"self": predict.dump_state()},
        "values": {},
    }
    (tmp_path / "old.json").write_text(json.dumps(old), encoding="utf-8")
    loaded = whet.Predict("question -> answer")
    loaded.load(tmp_path / "old.json")
    assert loaded.signature.instructions == "Kept."
    assert loaded._compiled


def test_a_model_of_ones_own_comes_back_where_the_file_is_trusted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    predict = whet.Predict("a -> b")
    predict.lm = Deployed("m", deployment="prod")
    predict.save(tmp_path / "p.json")
    written = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert written["lm"]["deployment"] == "prod"
    loaded = whet.Predict("a -> b")
    with caplog.at_level(logging.WARNING, logger="whet"):
        loaded.load(tmp_path / "p.json")
    assert loaded.lm is None
    assert "Deployed" in caplog.text
    loaded.load(tmp_path / "p.json", allow_unsafe_lm_state=True)
    assert isinstance(loaded.lm, Deployed)
    assert (loaded.lm.model, loaded.lm.deployment) == ("m", "prod")


def test_the_state_of_a_model_has_dspys_names() -> None:
    lm = whet.LM("openai/gpt-4o-mini", temperature=1, max_tokens=100, num_retries=10, train_kwargs={"epochs": 2}, api_key="sk")
    assert lm.dump_state() == {
        "_dspy_lm_class": "dspy.clients.lm.LM",
        "model": "openai/gpt-4o-mini",
        "model_type": "chat",
        "cache": True,
        "num_retries": 10,
        "temperature": 1,
        "max_tokens": 100,
        "finetuning_model": None,
        "launch_kwargs": {},
        "train_kwargs": {"epochs": 2},
    }


def test_an_example_equals_the_dict_of_its_fields() -> None:
    example = whet.Example(question="q", answer="a").with_inputs("question")
    assert example == {"question": "q", "answer": "a"}
    assert example.__eq__({"question": "q"}) is False
    assert example in [{"question": "q", "answer": "a"}]
    assert example != {"question": "q"}
    assert example != ""


def test_a_call_can_be_left_out_of_the_trace() -> None:
    predict = whet.Predict("q -> a")
    with whet.context(lm=DummyLM([{"a": "1"}] * 2), trace=[]):
        predict(q="x")
        predict(q="y", _trace=False)
        assert [step[1] for step in whet.settings.trace] == [{"q": "x"}]


def test_an_adapter_with_a_call_of_its_own_is_given_names() -> None:
    class Noting(whet.ChatAdapter):
        def __call__(self, lm: Any, **given: Any) -> Any:
            seen.append(given)
            return super().__call__(lm, **given)

    seen: list[Any] = []
    with whet.context(lm=DummyLM([{"a": "1"}]), adapter=Noting()):
        assert whet.Predict("q -> a", temperature=0.3)(q="x").a == "1"
    assert seen[0]["inputs"] == {"q": "x"}
    assert set(seen[0]) == {"lm_kwargs", "signature", "demos", "inputs"}
    assert seen[0]["lm_kwargs"] == {"temperature": 0.3}


def test_what_is_not_there_is_missed_as_people_expect_it(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="no setting `nope`"):
        whet.settings["nope"]
    with pytest.raises(KeyError):
        whet.settings["nope"]
    saved = tmp_path / "one.json"
    whet.ChainOfThought("q -> a").save(saved)
    data = json.loads(saved.read_text())
    saved.write_text(json.dumps({"metadata": data["metadata"]}))
    with pytest.raises(KeyError, match="is in the program and not in the file"):
        whet.ChainOfThought("q -> a").load(saved)


def test_examples_inside_of_demos_are_saved_as_dicts(tmp_path: Path) -> None:
    program = whet.Predict("q -> a")
    program.demos = [whet.Example(q=[whet.Example(q="1"), whet.Example(q="2")], a="x")]
    program.save(tmp_path / "p.json")
    again = whet.Predict("q -> a")
    again.load(tmp_path / "p.json")
    assert json.loads((tmp_path / "p.json").read_text())["demos"][0]["q"] == [{"q": "1"}, {"q": "2"}]
    assert again.demos[0]["q"] == [{"q": "1"}, {"q": "2"}]
