"""What DSPy's own test-suite and others like it stand on: resets of settings, old helpers, positional calls, streams of servers."""

from __future__ import annotations

import asyncio
import copy
import io
from typing import Any

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
