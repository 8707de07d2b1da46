"""Programs on disk: versioned JSON by field name, drift reported, nothing secret, DSPy's files too."""

from __future__ import annotations

import datetime
import json
import logging
import os
from pathlib import Path
from typing import Any, Literal

import pydantic
import pytest

import whet
from whet.errors import ConfigurationError, StateError


class Person(pydantic.BaseModel):
    name: str
    born: datetime.date


class Program(whet.Module):
    def __init__(self, kind: Any = Literal["a", "b"], extra: bool = False) -> None:
        signature = whet.Signature({"text": whet.InputField(), "who": (Person, whet.OutputField()), "kind": (kind, whet.OutputField())})
        self.steps = [whet.ChainOfThought(signature), whet.Predict("a -> b, c" if extra else "a -> b")]

    def forward(self, text: str) -> Any:
        return self.steps[0](text=text)


def optimized() -> Program:
    program = Program()
    first, second = program.predictors()
    first.signature = first.signature.with_instructions("Be exact.").with_updated_fields("who", desc="the person")
    first.demos = [whet.Example(text="x", reasoning="r", who=Person(name="Zoë", born=datetime.date(2000, 1, 2)), kind="a", augmented=True)]
    second.lm = whet.LM(
        "openai/gpt-4o-mini", api_key="sk-canary", api_base="http://secret.example/v1", temperature=0.2, headers={"x": "canary"}
    )
    return program


def test_a_saved_program_loads_as_it_was(tmp_path: Path) -> None:
    optimized().save(tmp_path / "deep" / "program.json")
    loaded = Program()
    loaded.load(tmp_path / "deep" / "program.json")
    first, second = loaded.predictors()
    assert first.signature == optimized().predictors()[0].signature
    assert first.demos == optimized().predictors()[0].demos
    assert isinstance(first.demos[0].who, Person)
    assert (second.lm.model, second.lm.kwargs["temperature"]) == ("openai/gpt-4o-mini", 0.2)


def test_a_file_holds_nothing_secret_and_no_endpoint(tmp_path: Path) -> None:
    optimized().save(tmp_path / "program.json")
    text = (tmp_path / "program.json").read_text(encoding="utf-8")
    for hidden in ("canary", "secret.example", "api_base", "headers"):
        assert hidden not in text


def test_a_loaded_file_cannot_choose_where_requests_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = optimized()
    program.save(tmp_path / "program.json")
    state = json.loads((tmp_path / "program.json").read_text(encoding="utf-8"))
    state["steps[1]"]["lm"].update(api_base="http://evil.example", base_url="http://evil.example", model_list=[], api_key="x")
    (tmp_path / "program.json").write_text(json.dumps(state), encoding="utf-8")
    with caplog.at_level(logging.WARNING, logger="whet"):
        program.load(tmp_path / "program.json")
    lm = program.predictors()[1].lm
    assert lm.identity() == whet.LM("openai/gpt-4o-mini").identity()
    assert "evil" not in repr(vars(lm))
    assert caplog.text.count("left out") == 1


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (lambda: Program(kind=int), "field `kind` had the type Literal['a', 'b'] and has int now"),
        (lambda: Program(extra=True), "field `c` was added since"),
        (lambda: whet.Predict("a -> b"), "is in the file and not in the program"),
    ],
)
def test_drift_is_named_field_by_field_and_refused(tmp_path: Path, other: Any, says: str) -> None:
    optimized().save(tmp_path / "program.json")
    changed = other()
    before = changed.dump_state()
    with pytest.raises(StateError) as caught:
        changed.load(tmp_path / "program.json")
    assert says in str(caught.value)
    assert caught.value.drift
    assert changed.dump_state() == before


def test_drift_can_be_forced(tmp_path: Path) -> None:
    optimized().save(tmp_path / "program.json")
    changed = Program(extra=True)
    changed.load(tmp_path / "program.json", force=True)
    assert changed.predictors()[0].signature.instructions == "Be exact."


def test_files_of_dspy_load(tmp_path: Path) -> None:
    state = {
        "predict": {
            "traces": [],
            "train": [],
            "demos": [{"augmented": True, "question": "q", "reasoning": "r", "answer": "a"}],
            "signature": {
                "instructions": "Better.",
                "fields": [
                    {"prefix": "Question:", "description": "${question}"},
                    {"prefix": "Reasoning: Let's think", "description": "${reasoning}"},
                    {"prefix": "Answer:", "description": "short"},
                ],
            },
            "lm": None,
        },
        "metadata": {"dependency_versions": {"python": "3.9", "dspy": "2.6", "cloudpickle": "3.0"}},
    }
    (tmp_path / "dspy.json").write_text(json.dumps(state), encoding="utf-8")
    program = whet.ChainOfThought("question -> answer")
    program.load(tmp_path / "dspy.json")
    assert program.predict.signature.instructions == "Better."
    assert program.predict.signature.fields["answer"].desc == "short"
    assert program.predict.demos[0].answer == "a"


def test_a_model_that_no_file_can_make_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = Program()
    program.set_lm(whet.testing.ScriptedLM([]))
    program.save(tmp_path / "p.json")
    with caplog.at_level(logging.WARNING, logger="whet"):
        program.load(tmp_path / "p.json")
    assert program.get_lm() is None
    assert "ScriptedLM" in caplog.text


def test_pickles_and_programs_with_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Nothing is ever pickled"):
        Program().save(tmp_path / "program.pkl")
    with pytest.raises(ConfigurationError, match="never loaded"):
        Program().load(tmp_path / "program.pkl")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "program.json"
    Program().save(target)
    before = target.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        optimized().save(target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


FROM_LATER = ('{"format": "whet-program", "version": 99, "predictors": {}}', '{"metadata": {"format": "whet-program", "version": 99}}')


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"metadata": 3}', *map(str.encode, FROM_LATER)])
def test_a_damaged_file_is_said(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "p.json").write_bytes(text)
    with pytest.raises(StateError, match="p.json"):
        Program().load(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("", None, "is null; it must be an object"),
        ("", [], "is a list; it must be an object"),
        ("demos", "none", "demos` is a text; it must be a list"),
        ("demos", ["one"], "demos[0]` is a text; it must be an object"),
        ("lm", "openai/gpt-4o", "lm` is a text; it must be an object or null"),
        ("signature", "q -> a", "signature` is a text; it must be an object"),
        ("signature.instructions", 5, "instructions` is a number; it must be a text"),
        ("signature.fields", {}, "fields` is an object; it must be a list"),
        ("signature.fields", [{"name": 1}], "fields[0].name` is a number; it must be a text"),
    ],
)
def test_what_was_edited_by_hand_into_no_program_is_named(tmp_path: Path, path: str, value: Any, says: str) -> None:
    file = tmp_path / "p.json"
    optimized().save(file)
    state = json.loads(file.read_text(encoding="utf-8"))
    name = next(name for name in state if name != "metadata")
    at, *parts = [part for part in [name, *path.split(".")] if part][::-1]
    holder = state
    for part in parts[::-1]:
        holder = holder[part]
    holder[at] = value
    file.write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(StateError) as caught:
        Program().load(file)
    assert "p.json" in str(caught.value) and says in str(caught.value) and "edited by hand" in str(caught.value)
    with pytest.raises(StateError, match="The state is no saved program"):
        Program().load_state({key: part for key, part in state.items() if key != "metadata"})


def test_a_compiled_part_stays_frozen_after_loading(tmp_path: Path) -> None:
    program = Program()
    program.steps[0]._compiled = True
    program.steps[0].predict.signature = program.steps[0].predict.signature.with_instructions("Frozen.")
    program.save(tmp_path / "p.json")
    loaded = Program()
    loaded.load(tmp_path / "p.json")
    assert loaded.steps[0].predict.signature.instructions == "Frozen."
    assert [name for name, _ in loaded.named_predictors()] == ["steps[1]"]


def test_a_saved_program_is_for_sharing_and_keeps_the_permissions_it_had(tmp_path: Path) -> None:
    path = tmp_path / "programs" / "qa.json"
    before = os.umask(0o022)
    try:
        whet.Predict("question -> answer").save(path)
        assert path.stat().st_mode & 0o777 == 0o644
        assert path.parent.stat().st_mode & 0o777 == 0o755
        path.chmod(0o640)
        whet.Predict("question -> answer").save(path)
        assert path.stat().st_mode & 0o777 == 0o640
        assert [p.name for p in path.parent.iterdir()] == ["qa.json"]
    finally:
        os.umask(before)
