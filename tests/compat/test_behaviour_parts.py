"""Adapters, types, tools, models, cache, embeddings and callbacks as a program written for DSPy meets them (sections 6 to 16)."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

import whet as dspy
from whet.compat.dummies import DummyLM, DummyVectorizer

QA = dspy.Signature("question -> answer")


def openai_style(text: str) -> Any:
    message = SimpleNamespace(content=text, tool_calls=None)
    return SimpleNamespace(choices=[SimpleNamespace(message=message, finish_reason="stop")], usage={"prompt_tokens": 1}, model="m")


# -- 6 to 8 adapters ---------------------------------------------------------------------------------------------------------


def test_adapters_by_themselves() -> None:
    chat = dspy.ChatAdapter()
    assert [m["role"] for m in chat.format(QA, [{"question": "a", "answer": "b"}], {"question": "x"})] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert chat.parse(QA, "so:\n[[ ## answer ## ]]\nhi\n[[ ## completed ## ]]") == {"answer": "hi"}
    assert chat(DummyLM([{"answer": "k"}]), {}, QA, [], {"question": "x"}) == [{"answer": "k"}]
    with pytest.raises(dspy.AdapterParseError, match="Expected to find output fields in the LM response: \\[answer\\]") as caught:
        chat.parse(QA, "nothing")
    assert (caught.value.adapter_name, caught.value.lm_response) == ("ChatAdapter", "nothing")
    assert dspy.JSONAdapter().parse(QA, "Here: {'answer': 'x', }") == {"answer": "x"}
    assert dspy.XMLAdapter().parse(QA, "<answer>x</answer>") == {"answer": "x"}
    with pytest.raises(NotImplementedError):
        dspy.JSONAdapter().format_finetune_data(QA, [], {"question": "q"}, {"answer": "a"})
    row = dspy.XMLAdapter().format_finetune_data(QA, [], {"question": "q"}, {"answer": "a"})
    assert row["messages"][-1] == {"role": "assistant", "content": "<answer>\na\n</answer>"}


# -- 9 and 10 types and tools ---------------------------------------------------------------------------------------------


def test_types_for_fields() -> None:
    image = dspy.Image(url="https://e.com/a.png")
    assert image == dspy.Image("https://e.com/a.png")
    assert image.format() == [{"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}]
    with pytest.raises(ValueError):
        dspy.Image("nonsense")
    with pytest.raises(TypeError):
        dspy.Image("https://e.com/a.png", url="https://e.com/a.png")
    assert (dspy.Code["java"].__name__, dspy.Code["java"](code="x").language) == ("Code_java", "java")
    thought = dspy.Reasoning(content="abc")
    assert (thought == "abc", "b" in thought, thought + "d", thought.upper()) == (True, True, "abcd", "ABC")
    with pytest.raises(TypeError):
        dspy.History(messages=[], more=1)


def test_a_type_of_ones_own_is_described_and_laid_out() -> None:
    class Event(dspy.Type):
        name: str

        def format(self) -> Any:
            return [{"type": "image_url", "image_url": {"url": f"https://e.com/{self.name}"}}]

        @classmethod
        def description(cls) -> str:
            return "A thing that happened."

    assert dspy.Type.extract_custom_type_from_annotation(list[dict[str, Event]]) == [Event]
    lm = DummyLM([{"answer": "x"}])
    dspy.Predict("event: Event -> answer")(event=Event(name="n"), lm=lm)
    system, user = lm.history[-1]["messages"]
    assert "A thing that happened." in system["content"]
    assert {"type": "image_url", "image_url": {"url": "https://e.com/n"}} in user["content"]


def test_tools() -> None:
    def f(x: int, y: str = "hello") -> str:
        """Join."""
        return f"{x}{y}"

    tool = dspy.Tool(f)
    assert (tool.name, tool.desc, tool.arg_types) == ("f", "Join.", {"x": int, "y": str})
    assert tool.args == {"x": {"type": "integer"}, "y": {"type": "string", "default": "hello"}}
    assert tool.format_as_litellm_function_call()["function"]["parameters"]["required"] == ["x"]
    assert str(tool).startswith("f, whose description is <desc>Join.</desc>. It takes arguments {")
    with pytest.raises(ValueError, match="Arg z is not in the tool's args"):
        tool(x=1, z=2)
    with pytest.raises(ValueError, match="Arg x is invalid"):
        tool(x="no")
    calls = dspy.ToolCalls.from_dict_list([{"name": "f", "args": {"x": 1}}])
    assert calls.tool_calls[0].execute(functions=[tool]) == "1hello"


# -- 11 models -------------------------------------------------------------------------------------------------------------


def test_a_model_is_replaced_as_test_suites_do_it() -> None:
    lm = dspy.LM("openai/gpt-4o-mini", cache=False)
    with mock.patch.object(lm, "forward", return_value=openai_style("x")) as forward:
        assert lm("hi", temperature=0.3) == ["x"]
    assert forward.call_args.kwargs["messages"] == [{"role": "user", "content": "hi"}]
    assert forward.call_args.kwargs["temperature"] == 0.3
    with mock.patch("whet.clients.lm.LM.forward", return_value=openai_style("y")):
        assert dspy.LM("openai/gpt-4o-mini", cache=False)("hi") == ["y"]
    other = dspy.LM("openai/gpt-4o-mini", cache=False)
    with mock.patch.object(other, "aforward", mock.AsyncMock(return_value=openai_style("z"))):
        assert asyncio.run(other.acall("hi")) == ["z"]


def test_the_history_has_an_entry_as_programs_read_it() -> None:
    lm = DummyLM([{"answer": "x"}])
    dspy.Predict(QA, temperature=0.9)(question="q", lm=lm)
    entry = lm.history[-1]
    assert set(entry.keys()) >= set(
        "prompt messages kwargs response outputs usage cost timestamp uuid model response_model model_type".split()
    )
    assert entry["kwargs"]["temperature"] == 0.9
    assert entry["response"].choices[0].message.content == entry["outputs"][0]
    assert entry["response"].usage.prompt_tokens == entry["response"].usage.input_tokens


# -- 13 cache ----------------------------------------------------------------------------------------------------------------


def test_the_cache_as_an_object(tmp_path: Path) -> None:
    cache = dspy.clients.Cache(enable_disk_cache=True, enable_memory_cache=True, disk_cache_dir=tmp_path)
    request = {"model": "m", "prompt": "p"}
    assert cache.get(request) is None
    cache.put(request, {"said": [1]})
    cache.get(request)["said"].append(2)
    assert cache.get(request) == {"said": [1]}
    assert request in cache
    assert cache.cache_key({"a": 1, "b": 2}) == cache.cache_key({"b": 2, "a": 1})
    cache.reset_memory_cache()
    assert (len(cache.memory_cache), cache.get(request)) == (0, {"said": [1]})
    assert dspy.clients.Cache(enable_disk_cache=False).disk_cache == {}
    cache.put({"f": object()}, 1)
    assert cache.get({"f": object()}) is None


# -- 15 embeddings -----------------------------------------------------------------------------------------------------------


def test_embedders_and_what_searches_with_them(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    asked: list[list[str]] = []

    def embed(texts: list[str], **_: Any) -> Any:
        asked.append(list(texts))
        return [[float("cat" in t), float("dog" in t), 0.1] for t in texts]

    embedder = dspy.Embedder(embed, batch_size=2, caching=False)
    assert (embedder("cat").dtype, embedder("cat").shape, embedder(["a", "b", "cat"]).shape) == (np.float32, (3,), (3, 3))
    assert [len(texts) for texts in asked] == [1, 1, 2, 1]
    with pytest.raises(ValueError):
        embedder([1])
    with pytest.raises(ValueError):
        dspy.Embedder(3)(["a"])
    index = dspy.Embeddings(["a cat sat", "a dog ran", "a bird flew"], embed, k=1)
    with ThreadPoolExecutor(6) as pool:
        assert [r.passages[0] for r in pool.map(index, ["dog", "cat"] * 3)] == ["a dog ran", "a cat sat"] * 3
    index.save(tmp_path / "index")
    asked.clear()
    assert dspy.Embeddings.from_saved(tmp_path / "index", embed)("dog").indices == [1]
    assert asked == [["dog"]]
    with pytest.raises(FileNotFoundError):
        dspy.Embeddings.from_saved(tmp_path / "nowhere", embed)
    rows = [dspy.Example(question=q, answer=a).with_inputs("question") for q, a in [("the largest ocean", "P"), ("two plus two", "4")]]
    assert dspy.KNN(k=1, trainset=rows, vectorizer=dspy.Embedder(DummyVectorizer()))(question="two plus three")[0].answer == "4"
    with pytest.raises(AssertionError):
        dspy.Retrieve(k=3)("x")


# -- 16 callbacks ------------------------------------------------------------------------------------------------------------


class Recorder(dspy.BaseCallback):
    def __init__(self) -> None:
        self.calls: list[str] = []


for _kind in "module lm adapter_format adapter_parse tool evaluate compile".split():
    for _end in ("start", "end"):
        setattr(Recorder, f"on_{_kind}_{_end}", lambda self, _name=f"{_kind}_{_end}", **_: self.calls.append(_name))


@pytest.mark.parametrize("world", ["sync", "async"])
def test_the_order_of_handlers(world: str) -> None:
    seen = Recorder()
    with dspy.context(lm=DummyLM({"": {"reasoning": "r", "answer": "x"}}), callbacks=[seen]):
        program = dspy.ChainOfThought(QA)
        program(question="q") if world == "sync" else asyncio.run(program.acall(question="q"))
    inner = "module_start adapter_format_start adapter_format_end lm_start lm_end adapter_parse_start adapter_parse_end module_end"
    assert seen.calls == ["module_start", *inner.split(), "module_end"]


def test_evaluations_and_compilations_are_told_of_once() -> None:
    seen = Recorder()
    inputs: dict[str, Any] = {}
    seen.on_evaluate_start = lambda call_id, instance, inputs, _kept=inputs: _kept.update(inputs)  # type: ignore[method-assign]

    class Mine(dspy.BootstrapFewShot):
        def compile(self, student: Any, *, teacher: Any = None, trainset: Any) -> Any:
            return super().compile(student, teacher=teacher, trainset=trainset)

    rows = [dspy.Example(question=str(i), answer="x").with_inputs("question") for i in range(2)]
    with dspy.context(lm=DummyLM({"": {"answer": "x"}}), callbacks=[seen]):
        dspy.Evaluate(devset=rows, metric=lambda e, p: True, num_threads=1)(dspy.Predict(QA), callback_metadata={"k": "v"})
        Mine(metric=lambda e, p, trace=None: True).compile(dspy.Predict(QA), trainset=rows)
    assert inputs["callback_metadata"] == {"k": "v"}
    assert set(inputs) >= {"program", "metric", "devset", "num_threads", "display_progress", "display_table"}
    assert [name for name in seen.calls if name.startswith("compile")] == ["compile_start", "compile_end"]


def test_states_are_plain_data() -> None:
    lm = dspy.LM("openai/gpt-4o-mini", temperature=0.4, api_key="sk-canary")
    assert "sk-canary" not in json.dumps(lm.dump_state())
    assert dspy.LM.load_state(lm.dump_state()).kwargs["temperature"] == 0.4


def test_arguments_are_called_as_programs_call_them() -> None:
    pytest.importorskip("numpy")
    index = dspy.Embeddings(["a cat", "a dog"], lambda texts: [[float("cat" in t), 1.0] for t in texts], 1, None, False, 100)
    assert index("cat").indices == [0] and index.brute_force_threshold == 100
    assert dspy.Embeddings(["a"], lambda texts: [[1.0]] * len(texts), callbacks=[], cache=False)("a").passages == ["a"]
    with pytest.raises(dspy.errors.ConfigurationError, match=r"keeps no answers.*whet\.Embedder"):
        dspy.Embeddings(["a"], lambda texts: pytest.fail("embedded"), cache=True)
    samples = dspy.Prediction.from_completions(list_or_dict={"answer": ["a", "b", "b"]})
    assert dspy.majority(prediction_or_completions=samples).answer == "b"
    retrieve = dspy.Retrieve(k=2)
    retrieve.reset()
    assert retrieve.k == 2
