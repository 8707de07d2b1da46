"""Signatures, examples and settings as programs written for DSPy see them (behaviour specification, sections 1 to 3)."""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, Optional, Union

import pytest
from pydantic import BaseModel

import whet
import whet as dspy
from whet.errors import ConfigurationError


class Answer(BaseModel):
    text: str


class QA(dspy.Signature):
    """Answer the
    question."""

    question = dspy.InputField()
    context: list[str] = dspy.InputField(desc="facts")
    answer: float = dspy.OutputField(ge=0, le=1)


# -- 1 signatures ----------------------------------------------------------------------------------------------------------


def test_class_signatures() -> None:
    assert QA.instructions == "Answer the\nquestion."
    assert list(QA.fields) == ["question", "context", "answer"]
    assert QA.fields["question"].annotation is str
    assert QA.output_fields["answer"].annotation is float
    assert QA.signature == "question, context -> answer"
    extra = QA.fields["context"].json_schema_extra
    assert (extra["prefix"], extra["desc"], extra["__dspy_field_type"]) == ("Context:", "facts", "input")
    assert QA.fields["question"].json_schema_extra["desc"] == "${question}"
    assert QA.fields["answer"].json_schema_extra["constraints"] == "greater than or equal to: 0, less than or equal to: 1"


def test_a_bare_annotation_is_refused() -> None:
    with pytest.raises((TypeError, ValueError), match="x"):

        class Bad(dspy.Signature):
            x: str
            y: str = dspy.OutputField()


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("someAttributeName42IsCool", "Some Attribute Name 42 Is Cool"),
        ("isHTTPSecure", "Is HTTP Secure"),
        ("URLAddress", "URL Address"),
        ("version2Update", "Version 2 Update"),
        ("isHTTPSSecure123", "Is HTTPS Secure 123"),
    ],
)
def test_prefixes(name: str, prefix: str) -> None:
    assert dspy.infer_prefix(name) == prefix


def test_default_instructions_and_inheritance() -> None:
    assert dspy.Signature("a, b -> c").instructions == "Given the fields `a`, `b`, produce the fields `c`."

    class Child(QA):
        reasoning: str = dspy.OutputField()

    assert Child.instructions == QA.instructions
    assert list(Child.output_fields) == ["answer", "reasoning"]


def test_string_signatures() -> None:
    sig = dspy.Signature("a, b: int -> c: list[str]", "Do it.")
    assert sig.__name__ == "StringSignature"
    assert sig.instructions == "Do it."
    assert sig.fields["c"].annotation == list[str]
    assert dspy.Signature("a -> b", instructions="x").instructions == "x"
    for bad in ("", "a", "a -> b -> c"):
        with pytest.raises(ValueError):
            dspy.Signature(bad)
    with pytest.raises(ValueError, match="distinct names"):
        dspy.Signature("a -> a")


def test_dict_signatures() -> None:
    sig = dspy.Signature({"a": dspy.InputField(), "b": (int, dspy.OutputField())})
    assert [f.annotation for f in sig.fields.values()] == [str, int]
    for bad in ({"a": 1}, {1: dspy.InputField()}, {"a": ("int", dspy.OutputField())}):
        with pytest.raises(ValueError):
            dspy.Signature(bad)


class Outer:
    class Inner(BaseModel):
        n: int


@pytest.mark.parametrize(
    ("text", "annotation"),
    [
        ("int", int),
        ("dict[str, list[int]]", dict[str, list[int]]),
        ("tuple[str, int]", tuple[str, int]),
        ("Literal['a', 1]", Literal["a", 1]),
        ("typing.Optional[int]", Optional[int]),  # noqa: UP045 - what older programs write
        ("Optional[int]", Optional[int]),  # noqa: UP045 - what older programs write
        ("Union[int, str]", Union[int, str]),  # noqa: UP007 - what older programs write
        ("int | str | None", Union[int, str, None]),  # noqa: UP007 - what older programs write
        ("Answer", Answer),
        ("Outer.Inner", Outer.Inner),
        ("dspy.Image", whet.Image),
        ("list[dspy.History]", list[whet.History]),
    ],
)
def test_types_in_strings(text: str, annotation: Any) -> None:
    assert dspy.Signature(f"x -> y: {text}").fields["y"].annotation == annotation


def test_custom_types_and_unknown_names() -> None:
    sig = dspy.Signature("x -> y: Mine", custom_types={"Mine": Answer})
    assert sig.fields["y"].annotation is Answer
    with pytest.raises(ValueError, match="Unknown name: Nowhere"):
        dspy.Signature("x -> y: Nowhere")


def test_transformations_leave_the_original_alone() -> None:
    sig = dspy.Signature("a -> b")
    assert sig.with_instructions("one").append_instructions("two").instructions == "one\n\ntwo"
    changed = sig.with_updated_fields("b", type_=int, desc="a number")
    assert changed.fields["b"].annotation is int
    assert changed.fields["b"].json_schema_extra["desc"] == "a number"
    assert sig.fields["b"].annotation is str
    assert list(sig.prepend("z", dspy.InputField()).append("y", dspy.OutputField(), bool).fields) == ["z", "a", "b", "y"]
    assert list(sig.insert(-1, "m", dspy.OutputField()).output_fields) == ["b", "m"]
    assert list(sig.insert(0, "m", dspy.OutputField()).output_fields) == ["m", "b"]
    with pytest.raises(ValueError):
        sig.insert(5, "m", dspy.OutputField())
    assert list(sig.append("c", dspy.OutputField()).delete("b").fields) == ["a", "c"]
    assert sig.delete("nothing").equals(sig)


def test_equality_and_state() -> None:
    sig = dspy.Signature("a -> b", "Do it.")
    assert sig.equals(dspy.Signature("a -> b", "Do it."))
    assert not sig.equals(dspy.Signature("a -> b"))
    assert not sig.equals("a -> b")
    state = sig.dump_state()
    assert state["instructions"] == "Do it."
    assert [(f["prefix"], f["description"]) for f in state["fields"]] == [("A:", "${a}"), ("B:", "${b}")]
    state["instructions"] = "Do it better."
    assert sig.load_state(state).instructions == "Do it better."
    assert sig.instructions == "Do it."


def test_options_without_effect_warn() -> None:
    with pytest.warns(DeprecationWarning):
        dspy.InputField(prefix="Q:")
    assert dspy.InputField(description="same").desc == "same"


def test_functions_for_signatures() -> None:
    made = dspy.make_signature("a -> b", "Do it.")
    assert made.instructions == "Do it."
    assert dspy.ensure_signature(None) is None
    assert dspy.ensure_signature(made) is made
    assert dspy.ensure_signature("a -> b").signature == "a -> b"
    with pytest.raises(ValueError):
        dspy.ensure_signature(made, "other")


# -- 2 examples, predictions, completions ------------------------------------------------------------------------------------


def test_examples() -> None:
    ex = dspy.Example({"a": 1, "b": 2}, b=3, dspy_uuid="u")
    assert (ex.a, ex["b"], len(ex), ex.keys(), ex.get("z", 9)) == (1, 3, 2, ["a", "b"], 9)
    assert ex.keys(include_dspy=True) == ["a", "b", "dspy_uuid"]
    with pytest.raises(AttributeError):
        ex.z
    with pytest.raises(KeyError):
        ex["z"]
    ex.c = 4
    del ex["c"]
    assert "c" not in ex
    assert str(dspy.Example(a=1).with_inputs("a")) == "Example({'a': 1}) (input_keys={'a'})"
    assert str(dspy.Example(a=1)) == "Example({'a': 1}) (input_keys=None)"
    assert dspy.Example(a=1) == dspy.Prediction(a=1)
    assert hash(dspy.Example(a=1)) == hash(dspy.Example(a=1))


def test_inputs_and_labels() -> None:
    ex = dspy.Example(q=1, a=2).with_inputs("q")
    assert (dict(ex.inputs()), dict(ex.labels())) == ({"q": 1}, {"a": 2})
    assert dict(ex.inputs().inputs()) == {"q": 1}
    with pytest.raises(ValueError, match=r"^Inputs have not been set"):
        dspy.Example(q=1).inputs()
    assert dict(ex.copy(a=3)) == {"q": 1, "a": 3}
    assert dict(ex.without("a")) == {"q": 1}
    nested = dspy.Example(x=dspy.Example(y=[Answer(text="t")]))
    assert nested.toDict() == {"x": {"y": [{"text": "t"}]}}


def test_predictions_and_completions() -> None:
    pred = dspy.Prediction.from_completions([{"a": 1}, {"a": 2}])
    assert (pred.a, pred.completions.a, len(pred.completions), pred.completions[1].a) == (1, [1, 2], 2, 2)
    assert repr(dspy.Prediction(a="x", b=1)) == "Prediction(\n    a='x',\n    b=1\n)"
    assert repr(pred).endswith("(1 completions omitted)")
    for bad in (-1, 2):
        with pytest.raises(IndexError):
            pred.completions[bad]
    scored = [dspy.Prediction(score=0.5), dspy.Prediction(score=1)]
    assert sum(scored) / 2 == 0.75
    assert scored[0] < scored[1] <= 1
    with pytest.raises(TypeError):
        scored[0] + "x"
    with pytest.raises(ValueError):
        float(dspy.Prediction(a=1))
    pred.set_lm_usage({"m": {}})
    assert pred.get_lm_usage() == {"m": {}}


def test_majority() -> None:
    preds = dspy.Prediction.from_completions([{"a": "The Cat"}, {"a": "dog"}, {"a": "cat"}])
    assert dspy.majority(preds).a == "The Cat"
    assert dspy.majority([{"a": "1"}, {"a": "2"}, {"a": "2"}], normalize=None).a == "2"


# -- 3 settings ------------------------------------------------------------------------------------------------------------


def test_settings_are_read_and_written_in_every_form() -> None:
    dspy.configure(num_threads=3)
    assert (dspy.settings.num_threads, dspy.settings["num_threads"], dspy.settings.get("nothing", 5)) == (3, 3, 5)
    assert "lm" in dspy.settings
    dspy.settings.num_threads = 4
    assert dspy.settings.num_threads == 4
    dspy.settings.configure(mine=1)
    assert dspy.settings.mine == 1
    with pytest.raises(AttributeError):
        dspy.settings.nothing
    with dspy.settings.context(num_threads=5):
        assert dspy.settings.num_threads == 5
    assert dspy.settings.num_threads == 4


def test_defaults() -> None:
    defaults = {
        "lm": None, "adapter": None, "rm": None, "async_max_workers": 8, "send_stream": None, "disable_history": False,
        "track_usage": False, "usage_tracker": None, "provide_traceback": False, "num_threads": 8, "max_errors": 10,
        "allow_tool_async_sync_conversion": False, "max_history_size": 10_000, "max_trace_size": 10_000, "warn_on_type_mismatch": True,
    }  # fmt: skip
    assert {name: dspy.settings[name] for name in defaults} == defaults


def test_any_thread_and_any_task_may_configure() -> None:
    errors: list[BaseException] = []

    def change() -> None:
        try:
            dspy.configure(num_threads=11)
        except BaseException as error:  # noqa: BLE001 - carried to the test
            errors.append(error)

    thread = threading.Thread(target=change)
    thread.start()
    thread.join()
    assert not errors
    assert dspy.settings.num_threads == 11

    async def other() -> None:
        dspy.configure(num_threads=12)

    async def main() -> None:
        await asyncio.create_task(other())

    asyncio.run(main())
    assert dspy.settings.num_threads == 12


def test_contexts_nest_end_and_reach_tasks_but_not_threads() -> None:
    seen: list[int] = []
    with dspy.context(num_threads=20):
        with pytest.raises(KeyError), dspy.context(max_errors=1):
            assert (dspy.settings.num_threads, dspy.settings.max_errors) == (20, 1)
            raise KeyError
        assert dspy.settings.max_errors == 10
        thread = threading.Thread(target=lambda: seen.append(dspy.settings.num_threads))
        thread.start()
        thread.join()

        async def task() -> int:
            return int(dspy.settings.num_threads)

        async def main() -> int:
            return await asyncio.create_task(task())

        assert asyncio.run(main()) == 20
        with pytest.raises(ConfigurationError, match="inside a `context` block"):
            dspy.configure(num_threads=1)
    assert seen == [8]


def test_settings_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="never loaded"):
        dspy.load_settings(tmp_path / "settings.pkl")
    with pytest.raises(ValueError, match="never loaded"):
        dspy.load_settings(tmp_path / "settings.pkl", allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        dspy.settings.save(tmp_path / "settings.pkl")
    assert dspy.settings.copy()["num_threads"] == dspy.settings.config.num_threads == 8


def test_signatures_are_copied_as_what_they_are() -> None:
    sig = dspy.Signature("a -> b: dict[str, list[int]]", "Do it.")
    assert copy.copy(sig) is sig
    assert copy.deepcopy({"kept": sig})["kept"] is sig
    predict = copy.deepcopy(dspy.Predict(sig))
    assert predict.signature.equals(sig)


@pytest.mark.parametrize("place", [
    "Image.from_path:file_path", "Image.from_file:file_path", "Image.from_PIL:pil_image", "Audio.from_path:file_path",
    "Audio.from_file:file_path", "File.from_path:file_path", "File.from_bytes:file_bytes", "Module.map_named_predictors:func",
    "ToolCalls.from_dict_list:tool_calls_dicts", "Example.get:key", "Prediction.get:key", "utils.usage_tracker.UsageTracker.add_usage:lm",
])  # fmt: skip
def test_arguments_are_named_as_in_dspy(place: str) -> None:
    path, name = place.split(":")
    assert name in inspect.signature(attrgetter(path)(dspy)).parameters
