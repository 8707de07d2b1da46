"""What DSPy's own test-suite and others like it stand on: resets of settings, old helpers, positional calls, streams of servers."""

from __future__ import annotations

import asyncio
import copy
import io
from typing import Annotated, Any, Optional, Union
from unittest import mock

import pydantic
import pytest

import whet as dspy
from whet.compat.dummies import DummyLM


def test_settings_are_reset_by_their_defaults() -> None:
    from whet.dsp.utils.settings import DEFAULT_CONFIG, Settings, settings

    dspy.configure(lm=DummyLM([]), max_errors=3, callbacks=[dspy.BaseCallback()])
    dspy.configure(**copy.deepcopy(DEFAULT_CONFIG), inherit_config=False)
    assert (settings.lm, settings.max_errors, settings.callbacks) == (None, 10, [])
    assert isinstance(settings, Settings) and DEFAULT_CONFIG.num_threads == 8
    before = dspy.cache
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    dspy.cache = before
    dspy.configure_cache()


def test_the_limit_of_asyncify_is_the_one_in_force() -> None:
    from whet.utils.asyncify import get_async_max_workers, get_limiter
    from whet.utils.syncify import run_async

    limiter = get_limiter()
    with dspy.context(async_max_workers=16):
        assert get_limiter() == limiter and (limiter.total_tokens, get_async_max_workers()) == (16, 16)

    async def three() -> int:
        return 3

    assert run_async(three()) == 3


def test_attributes_by_path() -> None:
    from whet.utils import magicattr

    class Shelf:
        rows: Any = None

    shelf = Shelf()
    shelf.rows = [{"books": ["a", "b"]}, shelf]
    assert magicattr.get(shelf, "rows[0]['books'][-1]") == "b" and magicattr.get(shelf, "rows[1].rows[1]") is shelf
    magicattr.set(shelf, 'rows[0]["books"][0]', "c")
    magicattr.delete(shelf, "rows[0]['books'][1]")
    assert shelf.rows[0] == {"books": ["c"]} and magicattr.get(shelf, "missing", default=7) == 7
    magicattr.set(shelf, "name", "n")
    magicattr.delete(shelf, "name")
    for path, error in (("name", AttributeError), ("rows[9]", IndexError), ("rows.append(1)", ValueError), ("a = 1", ValueError)):
        with pytest.raises(error):
            magicattr.get(shelf, path)
    for path, error in (("", ValueError), ("rows[0+1]", NotImplementedError), ("rows..", SyntaxError), (3, TypeError)):
        with pytest.raises(error):
            magicattr.get(shelf, path)


def test_helpers_for_media() -> None:
    from whet.adapters.types.audio import encode_audio, is_audio
    from whet.adapters.types.file import encode_file_to_dict
    from whet.adapters.types.image import encode_image, is_image, is_url

    assert encode_image(dspy.Image("https://e.com/a.png")) == "https://e.com/a.png"
    assert is_url("https://e.com") and not is_url("a.png") and is_image("data:image/png;base64,AAAA") and not is_image("a.png")
    assert encode_audio(b"x", format="mp3") == {"data": "eA==", "audio_format": "mp3"} and is_audio("data:audio/wav;base64,AA==")
    assert encode_file_to_dict(b"x") == {"file_data": "data:application/octet-stream;base64,eA=="}
    for encode in (encode_image, encode_audio, encode_file_to_dict):
        with pytest.raises(ValueError):
            encode("/etc/hostname")


def test_fields_with_values_as_adapters_write_them() -> None:
    from whet.adapters.chat_adapter import FieldInfoWithName

    fields = dspy.Signature("question -> answers: list[int]").output_fields
    given = {FieldInfoWithName(name="answers", info=fields["answers"]): [1, 2]}
    assert dspy.ChatAdapter().format_field_with_value(given) == "[[ ## answers ## ]]\n[1, 2]"
    assert dspy.JSONAdapter().format_field_with_value(given, role="assistant") == '{\n  "answers": [\n    1,\n    2\n  ]\n}'
    assert dspy.JSONAdapter().format_field_with_value(given) == "[[ ## answers ## ]]\n[1, 2]"
    assert dspy.XMLAdapter().format_field_with_value({FieldInfoWithName("answers", fields["answers"]): [3]}).startswith("<answers>")


def test_answers_of_dummies_are_the_fields_and_nothing_else() -> None:
    lm = DummyLM([{"answer": "red"}])
    assert lm("Which?") == ["[[ ## answer ## ]]\nred"] and (lm.kwargs["temperature"], lm.kwargs["max_tokens"]) == (0.0, 1000)
    assert lm.get_convo(-1)[1] == ["[[ ## answer ## ]]\nred"]
    assert DummyLM([{"n": 1}], adapter=dspy.JSONAdapter())("q") == ['{\n  "n": 1\n}']


class ByCall(dspy.Module):
    def __init__(self) -> None:
        self.ask = dspy.Tool(lambda x: f"What colour is the {x}?", name="ask")
        self.predict = dspy.Predict("question -> answer")

    def __call__(self, x: str) -> Any:
        return self.predict(question=self.ask(x=x))


class ByAcall(ByCall):
    __call__ = dspy.Module.__call__

    async def acall(self, x: str) -> Any:
        return await self.predict.acall(question=await self.ask.acall(x=x))


def told(items: list[Any]) -> list[Any]:
    return [getattr(item, "message", type(item).__name__) for item in items]


@pytest.mark.parametrize(("program", "is_async"), [(ByCall, False), (ByAcall, True)])
def test_programs_that_override_their_call_are_streamed_with_positional_inputs(program: Any, is_async: bool) -> None:
    async def collected() -> list[Any]:
        return [item async for item in dspy.streamify(program(), is_async_program=is_async)("sky")]

    wanted = ["Calling tool ask...", "Tool calling finished! Querying the LLM with tool calling results...", "Prediction"]
    with dspy.context(lm=DummyLM([{"answer": "blue"}] * 2)):
        assert told(asyncio.run(collected())) == wanted
        if not is_async:
            assert told(list(dspy.streamify(program(), async_streaming=False)("sky"))) == wanted


def test_server_events_are_compact() -> None:
    async def collected() -> list[str]:
        stream = dspy.streamify(dspy.Predict("question -> answer"))
        return [line async for line in dspy.streaming.streaming_response(stream(question="q"))]

    with dspy.context(lm=DummyLM([{"answer": "Hello!"}])):
        assert asyncio.run(collected()) == ['data: {"prediction":{"answer":"Hello!"}}\n\n', "data: [DONE]\n\n"]


def test_histories_with_calls_of_tools_are_printed() -> None:
    from whet.utils.inspect_history import pretty_print_history

    calls = [dspy.ToolCalls.ToolCall(name="lookup", args={"key": "val"}), {"name": "find", "arguments": '{"k": 1}'}]
    entry = {"timestamp": "now", "messages": [{"role": "user", "content": "hi"}], "outputs": [{"text": "", "tool_calls": calls}]}
    written = io.StringIO()
    pretty_print_history([entry], n=1, file=written)
    assert "lookup" in written.getvalue() and "val" in written.getvalue() and 'find: {"k": 1}' in written.getvalue()


def test_descriptions_of_arguments_stand_beside_them() -> None:
    from whet.adapters.types.tool import convert_input_schema_to_tool_args

    schema = {"properties": {"bar": {"type": "string", "description": "The bar."}, "baz": {"type": "integer"}}, "required": ["baz"]}
    args, types, texts = convert_input_schema_to_tool_args(schema=schema)
    assert (args["baz"], types) == ({"type": "integer"}, {"bar": str, "baz": int})
    assert texts == {"bar": "The bar.", "baz": "No description provided. (Required)"}

    def add(x: int) -> int:
        return x

    assert dspy.Tool(add) == dspy.Tool(add) and len({dspy.Tool(add), dspy.Tool(add)}) == 1
    assert dspy.Tool(add, arg_desc={"x": "a number"}).arg_desc == {"x": "a number"} and dspy.Tool(add).arg_desc is None


# -- models that are none, and answers with more than text in them -----------------------------------------------------------------


WEATHER = [{"function": {"arguments": '{"city": "Paris",}', "name": "weather"}, "id": "c1", "type": "function"}]
FLAT = [{"type": "function_call", "call_id": "c1", "name": "weather", "arguments": {"city": "Paris"}}]


def weather(city: str) -> str:
    return f"sunny in {city}"


class Asking(dspy.BaseLM):
    """A model whose `__call__` is its own, and gives what it was made with."""

    def __init__(self, outputs: Any) -> None:
        super().__init__("openai/gpt-4o-mini", cache=False)
        self.outputs = outputs

    supports_function_calling = True

    def __call__(self, messages: Any = None, **parameters: Any) -> Any:
        return self.outputs


def with_tools(adapter: Any, output: Any, outputs: str = "answer, tool_calls: dspy.ToolCalls") -> Any:
    signature = dspy.Signature(f"question, tools: list[dspy.Tool] -> {outputs}")
    return adapter(Asking([output]), {}, signature, [], {"question": "q", "tools": [dspy.Tool(weather)]})[0]


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(use_native_function_calling=True), dspy.JSONAdapter()])
def test_answers_of_a_model_with_a_call_of_its_own_carry_calls_of_tools(adapter: Any) -> None:
    called = dspy.ToolCalls(tool_calls=[dspy.ToolCalls.ToolCall(name="weather", args={"city": "Paris"}, id="c1")])
    for output in ({"text": None, "tool_calls": WEATHER}, {"tool_calls": FLAT}):
        assert with_tools(adapter, output) == {"answer": None, "tool_calls": called}
    thought = with_tools(adapter, {"text": "Let me see.", "tool_calls": WEATHER, "reasoning_content": "I need it."}, (
        "thought: dspy.Reasoning, tool_calls: dspy.ToolCalls"
    ))  # fmt: skip
    assert thought == {"thought": "I need it.", "tool_calls": called}


def test_an_answer_of_nothing_cannot_be_read() -> None:
    for nothing in (None, ""):
        with dspy.context(lm=Asking([nothing])), pytest.raises(dspy.AdapterParseError, match="empty"):
            dspy.ChainOfThought("question -> answer")(question="q")


class NoModel:
    """What some test-suites pass to an adapter: it can be called, and says what it can do."""

    supports_function_calling = True
    supports_reasoning = supports_response_schema = False
    supported_params = frozenset({"temperature"})

    def __call__(self, messages: Any, **parameters: Any) -> Any:
        self.seen = parameters
        return ["[[ ## answer ## ]]\nok"]


def test_what_can_be_called_is_asked_by_an_adapter() -> None:
    lm = NoModel()
    assert dspy.ChatAdapter()(lm, {"temperature": 0.5}, dspy.Signature("question -> answer"), [], {"question": "q"}) == [{"answer": "ok"}]
    assert lm.seen == {"temperature": 0.5}
    answered = asyncio.run(dspy.ChatAdapter().acall(lm, {}, dspy.Signature("question -> answer"), [], {"question": "q"}))
    assert answered == [{"answer": "ok"}]
    adapter = dspy.ChatAdapter(use_native_function_calling=True, parallel_tool_calls=True)
    signature = dspy.Signature("question, tools: list[dspy.Tool] -> answer, tool_calls: dspy.ToolCalls")
    adapter(lm, {}, signature, [], {"question": "q", "tools": [dspy.Tool(weather)]})
    assert (lm.seen["tool_choice"], lm.seen["parallel_tool_calls"], len(lm.seen["tools"])) == ("auto", True, 1)


def mocked(answer: str) -> Any:
    lm = mock.MagicMock(spec=dspy.LM)
    lm.return_value, lm.kwargs, lm.model = [answer], {"temperature": 1.0}, "openai/gpt-4o"
    return lm


def test_mocks_with_the_spec_of_a_model() -> None:
    lm = mocked("[[ ## answer ## ]]\nok")
    with dspy.context(lm=lm):
        assert dspy.Predict("question -> answer")(question="q").answer == "ok"
    assert [m["role"] for m in lm.call_args.kwargs["messages"]] == ["system", "user"]
    first, second = mocked("so it is 12"), mocked('{"solution": "sum", "answer": "12"}')
    with dspy.context(lm=first, adapter=dspy.TwoStepAdapter(extraction_model=second)):
        assert dspy.Predict("question -> solution, answer: float")(question="5 + 7?").answer == 12
    assert "so it is 12" in second.call_args.kwargs["messages"][1]["content"] and second.call_count == 1
    with pytest.raises(dspy.AdapterParseError, match="Failed to parse response"):
        dspy.TwoStepAdapter(mocked("{no json}")).parse(dspy.Signature("question -> answer"), "said")


def test_parse_and_format_of_an_adapter_can_be_patched() -> None:
    lm = DummyLM([{"answer": "own"}] * 3)
    predict = dspy.Predict("question -> answer")
    with dspy.context(lm=lm):
        with mock.patch.object(dspy.ChatAdapter, "parse", side_effect=RuntimeError("bug")), pytest.raises(RuntimeError, match="bug"):
            predict(question="q")
        with mock.patch.object(dspy.ChatAdapter, "parse", return_value={"answer": "patched"}):
            assert predict(question="q").answer == "patched"
        with mock.patch.object(dspy.ChatAdapter, "format", return_value=[{"role": "user", "content": "mine"}]):
            predict(question="q")
    assert lm.history[-1]["messages"] == [{"role": "user", "content": "mine"}]


def test_a_whole_json_object_is_read_by_the_chat_format() -> None:
    signature = dspy.Signature("question -> answer, rows: list[int]")
    chat = dspy.ChatAdapter()
    for text in ("{'answer': 'Paris', 'rows': [1, 2]}", '```json\n{"answer": "Paris", "rows": ["1", 2]}\n```'):
        assert chat.parse(signature, text) == {"answer": "Paris", "rows": [1, 2]}
    for text in ('{"answer": "Paris"}', 'Such as {"answer": "Paris", "rows": []}', "{no json}", "``` nothing"):
        with pytest.raises(dspy.AdapterParseError):
            chat.parse(signature, text)
    assert chat.parse(signature, '[[ ## answer ## ]]\n{"rows": 1}\n\n[[ ## rows ## ]]\n[3]')["answer"] == '{"rows": 1}'


# -- types and signatures ----------------------------------------------------------------------------------------------------------


def test_field_types_answer_as_pydantic_models_do() -> None:
    image, sound = dspy.Image("https://e.com/a.png"), dspy.Audio(b"abc")
    for value in (image, sound, dspy.File.from_bytes(b"x"), dspy.Tool(weather), dspy.Code(code="x"), dspy.Reasoning(content="r")):
        assert isinstance(value, dspy.Type) and issubclass(type(value), dspy.Type)
    assert not isinstance("text", dspy.Type) and not issubclass(dspy.History, dspy.Type)
    assert repr(image) == "Image(url='https://e.com/a.png')" and image.model_dump() == {"url": "https://e.com/a.png"}
    for value in (image, sound, dspy.Code(code="x"), dspy.History(messages=[{"a": 1}])):
        assert type(value).model_validate(value.model_dump()) == value == value.model_copy()
    assert dspy.Image.model_validate_json(image.model_dump_json()) == image
    assert dspy.Example(image=image).toDict() == {"image": {"url": "https://e.com/a.png"}}
    calls = dspy.ToolCalls.from_dict_list([{"name": "a", "args": {}, "id": "1"}])
    results = dspy.ToolCallResults.from_dict_list([{"call_id": "1", "name": "a", "value": 3}])
    assert calls.model_copy(update={"tool_call_results": results}).tool_call_results.tool_call_results[0].value == 3
    one = dspy.ToolCallResults.ToolCallResult(call_id="1", name="a", value=3)
    assert (
        dspy.ToolCallResults(tool_call_results=[one])
        == results
        == dspy.ToolCallResults.model_validate({"name": "a", "value": 3, "call_id": "1"})
    )


def test_what_is_given_twice_or_is_none_of_the_type_is_refused() -> None:
    with pytest.raises(TypeError, match="twice"):
        dspy.File(b"x", file_data="data:text/plain;base64,aGk=")
    with pytest.raises(ValueError, match=r"Audio\.from_path"):
        dspy.Audio("clip.wav", audio_format="wav")
    with pytest.raises(ValueError, match="text"):
        dspy.experimental.Document(data=123)


def test_optional_and_annotated_conversations_and_tools() -> None:
    class Turn(dspy.Signature):
        question: str = dspy.InputField()
        history: Annotated[dspy.History, "chat"] | None = dspy.InputField()
        tools: list[dspy.Tool] | None = dspy.InputField()
        tool_calls: dspy.ToolCalls | None = dspy.OutputField()

    history = dspy.History(messages=[{"question": "before", "tool_calls": None}])
    messages = dspy.ChatAdapter().format(Turn, [], {"question": "now", "history": history, "tools": [dspy.Tool(weather)]})
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"] and "before" in messages[1]["content"]
    lm = NoModel()
    lm.__class__.__call__ = lambda self, messages, **parameters: [{"text": None, "tool_calls": WEATHER}] if "tools" in parameters else []
    adapter = dspy.ChatAdapter(use_native_function_calling=True)
    [answer] = adapter(lm, {}, Turn, [], {"question": "now", "history": None, "tools": [dspy.Tool(weather)]})
    assert answer["tool_calls"].tool_calls[0].name == "weather"


def test_pictures_inside_models_reach_a_baml_prompt() -> None:
    class Page(pydantic.BaseModel):
        pictures: list[dspy.Image]
        tag: str

    signature = dspy.Signature("page: Page -> text", custom_types={"Page": Page})
    page = Page(pictures=[dspy.Image("https://e.com/1.png")], tag="t")
    content = dspy.BAMLAdapter().format(signature, [], {"page": page})[1]["content"]
    assert {"type": "image_url", "image_url": {"url": "https://e.com/1.png"}} in content


def test_signatures_that_say_the_same_in_other_words() -> None:
    class One(dspy.Signature):
        """Say."""

        question: str | None = dspy.InputField()
        answer: int | str = dspy.OutputField()

    class Two(dspy.Signature):
        """Say."""

        question: Optional[str] = dspy.InputField()  # noqa: UP045 - the two spellings are what is tested
        answer: Union[int, str] = dspy.OutputField()  # noqa: UP007 - as above

    class More(One):
        score: float = dspy.OutputField()

    assert One.equals(Two) and hash(One) == hash(Two) and One.fields["answer"] in {Two.fields["answer"]}
    assert issubclass(More, One) and not issubclass(One, More) and not issubclass(int, One)
    assert (One.__doc__, More.__doc__) == ("Say.", "Say.") and "takes and gives" in str(dspy.Signature.__doc__)


def test_an_interpreter_may_be_a_setting() -> None:
    made: list[Any] = []

    def factory() -> Any:
        made.append(dspy.PythonInterpreter())
        return made[-1]

    with pytest.warns(DeprecationWarning):
        program = dspy.ProgramOfThought("question -> answer")
    lm = DummyLM([{"reasoning": "r", "generated_code": "```python\nSUBMIT(42)\n```"}, {"reasoning": "r", "answer": "42"}])
    with dspy.context(lm=lm, interpreter_factory=factory):
        assert program(question="q").answer == "42"
    assert len(made) == 1


def test_inputs_of_callbacks_are_read_by_name_and_as_they_were_given() -> None:
    seen: list[Any] = []

    class Watching(dspy.BaseCallback):
        def on_module_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            seen.append(inputs)

        on_tool_start = on_module_start

    class Program(dspy.Module):
        def forward(self, first: str, city: str) -> str:
            return str(dspy.Tool(weather)(city=city))

    with dspy.context(callbacks=[Watching()]):
        Program()("one", city="Paris")
    program, tool = seen
    assert (program["city"], program["args"], program["kwargs"]) == ("Paris", ("one",), {"city": "Paris"})
    assert dict(tool) == {"city": "Paris"} == tool["kwargs"] and tool.get("args") == () and tool.get("other", 1) == 1
    with pytest.raises(KeyError):
        tool["other"]
