"""What each wire format sends: messages, media, tools, schemas, options, marks for the providers' own caches."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from whet.core.exchange import Request, ToolSpec
from whet.core.http import HttpResponse
from whet.core.messages import MediaPart, Message, RawPart, TextPart, ToolCallPart
from whet.errors import LMRateLimitError, LMUnsupportedFeatureError
from whet.lm.asking import messages_of, request_of
from whet.lm.facts import facts_of, provider_of
from whet.lm.wire.signed import sealed
from whet.lm.wire.table import wire_of

PNG = b"\x89PNG\r\n\x1a\nnot really"


class Picture:
    """A user's medium, as `whet.Image` is one."""

    class Content:
        mime = "image/png"
        data = base64.b64encode(PNG).decode()
        url = None

    def media(self) -> Any:
        return self.Content()

    def format(self) -> list[dict[str, Any]]:
        return [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{self.Content.data}"}}]


PICTURE = MediaPart(kind="image", source=Picture(), digest="sha256:0")
LINKED = RawPart({"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}})
PDF = RawPart({"type": "file", "file": {"file_data": "data:application/pdf;base64,cGRm", "filename": "a b.pdf"}})
TOOL = ToolSpec(name="look_up", description="Looks up.", parameters={"type": "object", "properties": {"q": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False, "title": "Out"}
BROKEN = ToolCallPart(id="c2", name="f", arguments="?")
CALLED = (
    Message("system", "Be brief."),
    Message("user", "Hi"),
    Message("assistant", "", (ToolCallPart(id="c1", name="look_up", arguments='{"q": "x"}'), BROKEN)),
    Message("tool", "found", tool_call_id="c1"),
    Message("tool", "failed", tool_call_id="c2"),
)
MODELS = {
    "chat": ("openai/gpt-4o", "chat"),
    "responses": ("openai/gpt-4o", "responses"),
    "anthropic": ("anthropic/claude-3-5-sonnet-latest", "chat"),
    "gemini": ("gemini/gemini-2.5-flash", "chat"),
    "ollama": ("ollama_chat/llama3.2", "chat"),
    "bedrock": ("bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0", "chat"),
}


def sent(form: str, *messages: Message, model: str | None = None, stream: bool = False, **fields: Any) -> dict[str, Any]:
    return encoded(form, *messages, model=model, stream=stream, **fields)[2]


def encoded(form: str, *messages: Message, model: str | None = None, stream: bool = False, **fields: Any) -> tuple[str, Any, Any]:
    name, kind = MODELS[form]
    facts = facts_of(model or name)
    wire = wire_of(provider_of(facts.provider), facts, kind)
    path, headers, body = wire.encode(Request(messages=messages or (Message("user", "Hi"),), **fields), facts, stream=stream)
    return path, headers, json.loads(body)


# -- nothing that was not asked for ----------------------------------------------------------------


@pytest.mark.parametrize("form", list(MODELS))
def test_no_temperature_and_no_limit_unless_asked(form: str) -> None:
    text = json.dumps(sent(form))
    assert "temperature" not in text.lower() and "top" not in text.lower()
    if form != "anthropic":  # that API insists on a limit
        assert "tokens" not in text.lower() and "num_predict" not in text
    else:
        assert sent(form)["max_tokens"] == 8192
    assert "None" not in text and "null" not in text


@pytest.mark.parametrize("form", list(MODELS))
def test_what_was_asked_has_its_place(form: str) -> None:
    options = {"temperature": 0.5, "max_tokens": 99, "stop": ["END"], "top_p": 0.9}
    body = sent(form, options=options)
    place = body.get({"gemini": "generationConfig", "ollama": "options", "bedrock": "inferenceConfig"}.get(form, ""), body)
    limits = {"responses": "max_output_tokens", "gemini": "maxOutputTokens", "ollama": "num_predict", "bedrock": "maxTokens"}
    limit = limits.get(form, "max_tokens")
    assert (place["temperature"], place[limit]) == (0.5, 99)
    if form == "responses":
        assert "stop" not in body
    else:
        assert ["END"] in place.values()


@pytest.mark.parametrize("form", list(MODELS))
def test_own_fields_reach_the_body(form: str) -> None:
    assert sent(form, options={"extra_body": {"my_field": 7}})["my_field"] == 7


# -- messages ----------------------------------------------------------------


def test_system_messages_stand_where_they_belong() -> None:
    turns = (Message("system", "Be brief."), Message("user", "Hi"))
    assert sent("chat", *turns)["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent("responses", *turns)["input"][0] == {"role": "system", "content": [{"type": "input_text", "text": "Be brief."}]}
    assert sent("anthropic", *turns)["system"] == [{"type": "text", "text": "Be brief."}]
    assert sent("gemini", *turns)["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert sent("ollama", *turns)["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent("bedrock", *turns)["system"] == [{"text": "Be brief."}]
    for form in ("anthropic", "bedrock"):
        assert [t["role"] for t in sent(form, *turns)["messages"]] == ["user"]


def test_tool_calls_and_their_results() -> None:
    turns = sent("anthropic", *CALLED)["messages"]
    assert [t["role"] for t in turns] == ["user", "assistant", "user"]
    assert [b["input"] for b in turns[1]["content"]] == [{"q": "x"}, {"text": "?"}]
    assert [b["tool_use_id"] for b in turns[2]["content"]] == ["c1", "c2"]
    turns = sent("bedrock", *CALLED)["messages"]
    assert [t["role"] for t in turns] == ["user", "assistant", "user"]
    assert [b["toolResult"]["toolUseId"] for b in turns[2]["content"]] == ["c1", "c2"]
    turns = sent("gemini", *CALLED)["contents"]
    assert [t["role"] for t in turns] == ["user", "model", "user"]
    assert [p["functionResponse"]["name"] for p in turns[2]["parts"]] == ["look_up", "f"]
    turns = sent("ollama", *CALLED)["messages"]
    assert [t.get("tool_name") for t in turns] == [None, None, None, "look_up", "f"]
    items = sent("responses", *CALLED)["input"]
    assert [i.get("type") for i in items[2:]] == ["function_call"] * 2 + ["function_call_output"] * 2
    assert [i["call_id"] for i in items[2:]] == ["c1", "c2", "c1", "c2"]
    turns = sent("chat", *CALLED)["messages"]
    assert turns[2]["content"] is None and turns[3] == {"role": "tool", "content": "found", "tool_call_id": "c1"}


def test_gemini_gets_the_signature_of_a_call_back() -> None:
    call = ToolCallPart(id="call_0", name="look_up", arguments="{}", signed=sealed("gemini", "c2ln"))
    parts = sent("gemini", Message("user", "Hi"), Message("assistant", "", (call,)))["contents"][1]["parts"]
    assert parts == [{"functionCall": {"name": "look_up", "args": {}}, "thoughtSignature": "c2ln"}]


@pytest.mark.parametrize("form", list(MODELS))
def test_a_picture_goes_as_its_api_wants_it(form: str) -> None:
    data = Picture.Content.data
    body = sent(form, Message("user", (TextPart("What is it?"), PICTURE)))
    block = {
        "chat": lambda: body["messages"][0]["content"][1]["image_url"]["url"],
        "responses": lambda: body["input"][0]["content"][1]["image_url"],
        "anthropic": lambda: body["messages"][0]["content"][1]["source"],
        "gemini": lambda: body["contents"][0]["parts"][1]["inlineData"],
        "ollama": lambda: body["messages"][0]["images"],
        "bedrock": lambda: body["messages"][0]["content"][1]["image"],
    }[form]()
    expected: Any = {
        "chat": f"data:image/png;base64,{data}",
        "responses": f"data:image/png;base64,{data}",
        "anthropic": {"type": "base64", "media_type": "image/png", "data": data},
        "gemini": {"mimeType": "image/png", "data": data},
        "ollama": [data],
        "bedrock": {"format": "png", "source": {"bytes": data}},
    }[form]
    assert block == expected


def test_pictures_by_url_and_files() -> None:
    linked = Message("user", (LINKED, PDF))
    anthropic = sent("anthropic", linked)["messages"][0]["content"]
    assert anthropic[0]["source"] == {"type": "url", "url": "https://example.com/cat.png"}
    assert anthropic[1] == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "cGRm"},
        "title": "a b.pdf",
    }
    responses = sent("responses", linked)["input"][0]["content"]
    assert responses[0] == {"type": "input_image", "image_url": "https://example.com/cat.png"}
    assert responses[1] == {"type": "input_file", "file_data": "data:application/pdf;base64,cGRm", "filename": "a b.pdf"}
    assert sent("gemini", linked)["contents"][0]["parts"][0] == {"fileData": {"fileUri": "https://example.com/cat.png"}}
    assert sent("bedrock", Message("user", (PDF,)))["messages"][0]["content"][0]["document"]["name"] == "a-b-pdf"
    for form in ("bedrock", "ollama"):
        with pytest.raises(LMUnsupportedFeatureError, match="image"):
            sent(form, Message("user", (LINKED,)))


def test_sounds() -> None:
    sound = Message("user", (RawPart({"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}}),))
    assert sent("gemini", sound)["contents"][0]["parts"][0] == {"inlineData": {"mimeType": "audio/mpeg", "data": "UklG"}}
    assert sent("responses", sound)["input"][0]["content"][0]["input_audio"] == {"data": "UklG", "format": "mp3"}


def test_content_that_is_in_the_form_of_responses_already_is_tolerated() -> None:
    turns = messages_of(
        [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_file", "file_id": "f1"}], "extra": 1},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Hello", "annotations": []}]},
        ]
    )
    items = sent("responses", *turns)["input"]
    assert items[0]["content"] == [{"type": "input_text", "text": "Hi"}, {"type": "input_file", "file_id": "f1"}]
    assert items[1] == {"role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}


# -- tools, schemas, reasoning ----------------------------------------------------------------


def test_tools_in_each_form() -> None:
    assert sent("responses", tools=(TOOL,))["tools"][0]["name"] == "look_up"
    assert sent("anthropic", tools=(TOOL,))["tools"][0] == {"name": "look_up", "description": "Looks up.", "input_schema": TOOL.parameters}
    declared = sent("gemini", tools=(TOOL,))["tools"][0]["functionDeclarations"][0]
    assert declared["parametersJsonSchema"] == TOOL.parameters
    assert sent("bedrock", tools=(TOOL,))["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"] == {"json": TOOL.parameters}
    assert sent("ollama", tools=(TOOL,))["tools"][0]["function"]["name"] == "look_up"


@pytest.mark.parametrize(
    ("form", "choice", "expected"),
    [
        ("anthropic", "required", {"type": "any"}),
        ("anthropic", "look_up", {"type": "tool", "name": "look_up"}),
        ("anthropic", {"type": "function", "function": {"name": "look_up"}}, {"type": "tool", "name": "look_up"}),
        ("responses", "look_up", {"type": "function", "name": "look_up"}),
        ("responses", {"type": "allowed_tools", "mode": "auto"}, {"type": "allowed_tools", "mode": "auto"}),
        ("gemini", "required", {"functionCallingConfig": {"mode": "ANY"}}),
        ("gemini", "look_up", {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look_up"]}}),
        ("bedrock", "required", {"any": {}}),
        ("bedrock", "look_up", {"tool": {"name": "look_up"}}),
    ],
)
def test_choosing_a_tool(form: str, choice: Any, expected: Any) -> None:
    body = sent(form, tools=(TOOL,), tool_choice=choice)
    place = {"gemini": "toolConfig"}.get(form, "tool_choice")
    assert (body["toolConfig"]["toolChoice"] if form == "bedrock" else body[place]) == expected


def test_hosted_tools_pass_unchanged() -> None:
    request = request_of("Hi", None, {"tools": [{"type": "web_search", "user_location": {"type": "approximate"}}]})
    assert request.tools == ()
    assert sent("responses", options=request.options)["tools"] == [{"type": "web_search", "user_location": {"type": "approximate"}}]
    for form in ("anthropic", "chat"):
        body = sent(form, tools=(TOOL,), options=request.options)
        assert body["tools"][1]["type"] == "web_search" and "hosted_tools" not in body


def test_schemas() -> None:
    assert sent("responses", response_schema=SCHEMA)["text"]["format"] == {
        "type": "json_schema", "name": "Out", "schema": SCHEMA, "strict": True,
    }  # fmt: skip
    assert sent("gemini", response_schema=SCHEMA)["generationConfig"] == {
        "responseMimeType": "application/json", "responseJsonSchema": SCHEMA,
    }  # fmt: skip
    assert sent("gemini", response_schema="json")["generationConfig"] == {"responseMimeType": "application/json"}
    assert sent("ollama", response_schema=SCHEMA)["format"] == SCHEMA
    body = sent("anthropic", response_schema=SCHEMA)
    assert body["tool_choice"] == {"type": "tool", "name": "give_answer"} and body["tools"][0]["input_schema"] == SCHEMA
    body = sent("bedrock", response_schema=SCHEMA)
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "give_answer"}}


def test_reasoning_effort() -> None:
    options = {"reasoning_effort": "low"}
    assert sent("responses", options=options)["reasoning"] == {"effort": "low", "summary": "auto"}
    assert sent("responses", options={**options, "reasoning": {"effort": "high"}})["reasoning"] == {"effort": "high"}
    body = sent("anthropic", options={**options, "temperature": 0.3})
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 1024} and "temperature" not in body
    assert sent("gemini", options=options)["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingBudget": 1024}
    new = sent("gemini", model="gemini/gemini-3-pro-preview", options=options)
    assert new["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingLevel": "low"}
    assert sent("ollama", options=options)["think"] is True


def test_samples_and_logprobs() -> None:
    assert sent("chat", n=3)["n"] == 3
    assert sent("gemini", n=3)["generationConfig"]["candidateCount"] == 3
    config = sent("gemini", options={"logprobs": True, "top_logprobs": 2})["generationConfig"]
    assert config == {"responseLogprobs": True, "logprobs": 2}
    assert sent("responses", options={"logprobs": True})["include"] == ["message.output_text.logprobs"]


# -- the providers' own caches -------------------------------------------------------------------------------------------------------------


def demos(question: str) -> tuple[Message, ...]:
    turns = [Message("system", "You answer. " * 40)]
    for i in range(4):
        turns += [Message("user", f"Question {i}? " * 20), Message("assistant", f"Answer {i}. " * 20)]
    return (*turns, Message("user", question))


def test_breakpoints_are_marked_where_a_provider_needs_marks() -> None:
    body = sent("anthropic", *demos("What?"), prompt_cache=True, tools=(TOOL,))
    assert "cache_control" in body["system"][-1] and "cache_control" in body["tools"][-1]
    assert "cache_control" in body["messages"][-2]["content"][-1]
    assert "cache_control" not in json.dumps(body["messages"][-1])
    body = sent("bedrock", *demos("What?"), prompt_cache=True)
    assert body["system"][-1] == body["messages"][-2]["content"][-1] == {"cachePoint": {"type": "default"}}
    assert "cachePoint" not in json.dumps(sent("bedrock", *demos("What?"))) and "cache_control" not in json.dumps(sent("anthropic"))


def test_a_gateway_to_a_model_that_needs_marks_gets_them() -> None:
    def messages(model: str, **options: Any) -> Any:
        facts = facts_of(model)
        wire = wire_of(provider_of(facts.provider), facts, "chat")
        return json.loads(wire.encode(Request(messages=demos("What?"), **options), facts)[2])["messages"]

    found = messages("openrouter/anthropic/claude-sonnet-4.5", prompt_cache=True)
    assert [place for place, message in enumerate(found) if "cache_control" in json.dumps(message)] == [0, len(found) - 2]
    assert found[0]["content"][0]["text"] == demos("")[0].content
    for model, options in (
        ("openrouter/anthropic/claude-sonnet-4.5", {}),
        ("openrouter/openai/gpt-4o", {"prompt_cache": True}),
        ("openai/gpt-4o", {"prompt_cache": True}),
    ):
        assert "cache_control" not in json.dumps(messages(model, **options))


@pytest.mark.parametrize("form", list(MODELS))
def test_two_prompts_share_their_prefix(form: str) -> None:
    name, kind = MODELS[form]
    facts = facts_of(name)
    wire = wire_of(provider_of(facts.provider), facts, kind)
    one, other = (wire.encode(Request(messages=demos(q)), facts)[2] for q in ("What is it?", "Something else entirely?"))
    shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    assert shared >= 0.9 * sum(len(m.text) for m in demos(""))


def test_the_system_text_comes_first_in_every_body() -> None:
    for form in ("gemini", "bedrock"):
        body = sent(form, *demos("What?"))
        assert next(iter(body)) in ("system", "systemInstruction")


def test_paths_and_stream_flags() -> None:
    assert encoded("gemini", stream=True)[0] == "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert encoded("bedrock", stream=True)[0].endswith("v2%3A0/converse-stream")
    assert encoded("ollama", stream=True)[2]["stream"] is True and encoded("ollama")[2]["stream"] is False
    assert encoded("anthropic", stream=True)[1]["anthropic-version"] == "2023-06-01"
    path, _, body = encoded("anthropic", model="vertex_ai/claude-sonnet-4-5@20250929")
    assert (path, body["anthropic_version"]) == ("/models/claude-sonnet-4-5@20250929:rawPredict", "vertex-2023-10-16")
    assert "model" not in body


def test_an_error_with_status_200_is_that_error_for_text_completions_too() -> None:
    facts = facts_of("openai/m")
    wire = wire_of(provider_of("openai"), facts, "text")
    body = b'{"error": {"code": 429, "message": "slow down"}}'
    with pytest.raises(LMRateLimitError, match="slow down"):
        wire.decode(HttpResponse(200, {}, body), facts)
