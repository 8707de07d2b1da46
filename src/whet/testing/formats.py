"""How servers of each wire format write an answer, whole and streamed, from the providers' public references. For stub servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from whet.core.exchange import Choice, Response, Usage

__all__ = [
    "AnthropicFormat",
    "Format",
    "GeminiFormat",
    "OllamaFormat",
    "OpenAIChatFormat",
    "OpenAIResponsesFormat",
    "OpenAITextFormat",
    "words_of",
]

Json = dict[str, Any]


class Format(Protocol):
    """One wire format, as a server speaks it."""

    base: str
    media: str

    def whole(self, response: Response) -> Json:
        """The body of an answer in one piece."""

    def pieces(self, response: Response) -> Iterator[bytes]:
        """The body of a streamed answer, a piece at a time."""

    def error(self, status: int, message: str) -> Json:
        """The body of an error."""


def words_of(text: str | None) -> list[str]:
    """A text cut the way tokens come: each with the space before it."""
    parts = (text or "").split(" ")
    return [p if i == 0 else f" {p}" for i, p in enumerate(parts) if p or i]


def _sse(data: Json, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class OpenAIChatFormat:
    """POST /v1/chat/completions."""

    base = "/v1"
    media = "text/event-stream"

    def whole(self, response: Response) -> Json:
        """The body of an answer in one piece."""
        rows = [self._row(i, choice) for i, choice in enumerate(response.choices)]
        return {"id": "chatcmpl-1", "object": "chat.completion", "model": "served", "choices": rows, "usage": self._usage(response.usage)}

    def _row(self, index: int, choice: Choice) -> Json:
        message: Json = {"role": "assistant", "content": choice.text}
        if choice.reasoning:
            message["reasoning_content"] = choice.reasoning
        if choice.tool_calls:
            message["tool_calls"] = [call.plain for call in choice.tool_calls]
        return {"index": index, "message": message, "finish_reason": choice.finish_reason, "logprobs": choice.logprobs}

    def _usage(self, usage: Usage) -> Json:
        return {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }

    def pieces(self, response: Response) -> Iterator[bytes]:
        """Chunks, the usage in the last, then `[DONE]`."""
        for index, choice in enumerate(response.choices):
            for delta in self._deltas(choice):
                yield _sse(self._chunk([{"index": index, "delta": delta, "finish_reason": None}]))
            yield _sse(self._chunk([{"index": index, "delta": {}, "finish_reason": choice.finish_reason}]))
        yield _sse({**self._chunk([]), "usage": self._usage(response.usage)})
        yield b"data: [DONE]\n\n"

    def _chunk(self, rows: list[Json]) -> Json:
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "served", "choices": rows}

    def _deltas(self, choice: Choice) -> Iterator[Json]:
        yield {"role": "assistant", "content": ""}
        for word in words_of(choice.reasoning):
            yield {"reasoning_content": word}
        for word in words_of(choice.text):
            yield {"content": word}
        for place, call in enumerate(choice.tool_calls):
            yield {"tool_calls": [{"index": place, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}]}
            for piece in (call.arguments[:3], call.arguments[3:]):
                yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}

    def error(self, status: int, message: str) -> Json:
        """OpenAI's error body."""
        return {"error": {"message": message, "type": "server_error", "code": None, "param": None}}


class OpenAITextFormat(OpenAIChatFormat):
    """POST /v1/completions."""

    def whole(self, response: Response) -> Json:
        """The body of an answer in one piece."""
        rows = [{"index": i, "text": c.text, "finish_reason": c.finish_reason} for i, c in enumerate(response.choices)]
        return {"id": "cmpl-1", "object": "text_completion", "model": "served", "choices": rows, "usage": self._usage(response.usage)}

    def pieces(self, response: Response) -> Iterator[bytes]:
        """Chunks of text."""
        for index, choice in enumerate(response.choices):
            for word in words_of(choice.text):
                yield _sse(self._chunk([{"index": index, "text": word, "finish_reason": None}]))
            yield _sse(self._chunk([{"index": index, "text": "", "finish_reason": choice.finish_reason}]))
        yield _sse({**self._chunk([]), "usage": self._usage(response.usage)})
        yield b"data: [DONE]\n\n"


class OpenAIResponsesFormat(OpenAIChatFormat):
    """POST /v1/responses."""

    def whole(self, response: Response) -> Json:
        """The body of an answer in one piece."""
        choice = response.choices[0]
        items: list[Json] = []
        if choice.reasoning:
            summary = [{"type": "summary_text", "text": choice.reasoning}]
            items.append({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "c2ln"})
        if choice.text is not None:
            part = {"type": "output_text", "text": choice.text, "annotations": []}
            items.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]})
        for call in choice.tool_calls:
            named = {"id": f"fc_{call.id}", "call_id": call.id, "name": call.name}
            items.append({"type": "function_call", **named, "arguments": call.arguments})
        usage = response.usage
        cut = choice.finish_reason == "length"
        return {
            "id": "resp_1",
            "object": "response",
            "model": "served",
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "error": None,
            "output": items,
            "usage": {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "input_tokens_details": {"cached_tokens": usage.cached_input_tokens},
                "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            },
        }

    def pieces(self, response: Response) -> Iterator[bytes]:
        """Events by name; the last holds the whole answer."""
        choice, whole = response.choices[0], self.whole(response)
        yield self._event("response.created", response={"id": "resp_1", "status": "in_progress"})
        for word in words_of(choice.reasoning):
            yield self._event("response.reasoning_summary_text.delta", output_index=0, delta=word)
        for word in words_of(choice.text):
            yield self._event("response.output_text.delta", output_index=1, delta=word)
        for place, call in enumerate(choice.tool_calls):
            item = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": ""}
            yield self._event("response.output_item.added", output_index=place, item=item)
            yield self._event("response.function_call_arguments.delta", output_index=place, delta=call.arguments)
        yield self._event(f"response.{whole['status']}", response=whole)

    def _event(self, name: str, **data: Any) -> bytes:
        return _sse({"type": name, **data}, name)


class AnthropicFormat:
    """POST /v1/messages."""

    base = "/v1"
    media = "text/event-stream"
    reasons = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}

    def whole(self, response: Response) -> Json:
        """The body of an answer in one piece."""
        choice = response.choices[0]
        reason = self.reasons[choice.finish_reason or "stop"]
        return {**self._message(), "content": self._blocks(choice), "stop_reason": reason, "usage": self._usage(response.usage)}

    def _message(self) -> Json:
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": "served"}

    def _blocks(self, choice: Choice) -> list[Json]:
        blocks: list[Json] = []
        if choice.reasoning:
            blocks.append({"type": "thinking", "thinking": choice.reasoning, "signature": "c2ln"})
        if choice.text is not None:
            blocks.append({"type": "text", "text": choice.text})
        return blocks + [
            {"type": "tool_use", "id": c.id, "name": c.name, "input": json.loads(c.arguments or "{}")} for c in choice.tool_calls
        ]

    def _usage(self, usage: Usage) -> Json:
        return {
            "input_tokens": usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens,
            "cache_read_input_tokens": usage.cached_input_tokens,
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "output_tokens": usage.output_tokens,
        }

    def pieces(self, response: Response) -> Iterator[bytes]:
        """message_start, the blocks with their deltas, message_delta, message_stop."""
        choice, usage = response.choices[0], self._usage(response.usage)
        yield self._event("message_start", message={**self._message(), "content": [], "usage": {**usage, "output_tokens": 1}})
        yield self._event("ping")
        for place, block in enumerate(self._blocks(choice)):
            yield from self._streamed_block(place, block)
        reason = self.reasons[choice.finish_reason or "stop"]
        yield self._event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": usage["output_tokens"]})
        yield self._event("message_stop")

    def _streamed_block(self, place: int, block: Json) -> Iterator[bytes]:
        kind = block["type"]
        begun: dict[str, Json] = {"tool_use": {"input": {}}, "thinking": {"thinking": "", "signature": ""}}
        yield self._event("content_block_start", index=place, content_block={**block, **begun.get(kind, {kind: ""})})
        if kind == "tool_use":
            text = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:4], text[4:])]
        else:
            deltas = [{"type": f"{kind}_delta", kind: word} for word in words_of(block[kind])]
            deltas += [{"type": "signature_delta", "signature": block["signature"]}] if kind == "thinking" else []
        for delta in deltas:
            yield self._event("content_block_delta", index=place, delta=delta)
        yield self._event("content_block_stop", index=place)

    def _event(self, name: str, **data: Any) -> bytes:
        return _sse({"type": name, **data}, name)

    def error(self, status: int, message: str) -> Json:
        """Anthropic's error body."""
        return {"type": "error", "error": {"type": "api_error", "message": message}}


class GeminiFormat:
    """POST /v1beta/models/NAME:generateContent."""

    base = "/v1beta"
    media = "text/event-stream"
    reasons = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}

    def whole(self, response: Response) -> Json:
        """The body of an answer in one piece."""
        rows = [self._row(i, self._parts(c), self.reasons[c.finish_reason or "stop"]) for i, c in enumerate(response.choices)]
        return {"candidates": rows, "usageMetadata": self._usage(response.usage), "modelVersion": "served", "responseId": "r1"}

    def _row(self, index: int, parts: list[Json], reason: str | None) -> Json:
        row: Json = {"index": index, "content": {"role": "model", "parts": parts}}
        return {**row, "finishReason": reason} if reason else row

    def _parts(self, choice: Choice) -> list[Json]:
        parts: list[Json] = [{"text": choice.reasoning, "thought": True}] if choice.reasoning else []
        if choice.text is not None:
            parts.append({"text": choice.text})
        named = [{"id": c.id, "name": c.name, "args": json.loads(c.arguments or "{}")} for c in choice.tool_calls]
        calls: list[Json] = [{"functionCall": call} for call in named]
        if calls and choice.reasoning:
            calls[0]["thoughtSignature"] = "c2ln"
        return parts + calls

    def _usage(self, usage: Usage) -> Json:
        return {
            "promptTokenCount": usage.input_tokens,
            "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
            "thoughtsTokenCount": usage.reasoning_tokens,
            "cachedContentTokenCount": usage.cached_input_tokens,
        }

    def pieces(self, response: Response) -> Iterator[bytes]:
        """Answers that each hold a part."""
        for index, choice in enumerate(response.choices):
            for part in self._parts(choice):
                words = words_of(part["text"]) if "text" in part else []
                for piece in [{**part, "text": word} for word in words] or [part]:
                    yield _sse({"candidates": [self._row(index, [piece], None)], "modelVersion": "served"})
            last = self._row(index, [{"text": ""}], self.reasons[choice.finish_reason or "stop"])
            yield _sse({"candidates": [last], "usageMetadata": self._usage(response.usage), "responseId": "r1"})

    def error(self, status: int, message: str) -> Json:
        """Google's error body."""
        return {"error": {"code": status, "message": message, "status": "INTERNAL"}}


class OllamaFormat:
    """POST /api/chat."""

    base = ""
    media = "application/x-ndjson"

    def whole(self, response: Response) -> Json:
        """The body of an answer in one piece."""
        choice = response.choices[0]
        return self._line(self._message(choice), response)

    def _message(self, choice: Choice) -> Json:
        message: Json = {"role": "assistant", "content": choice.text or ""}
        if choice.reasoning:
            message["thinking"] = choice.reasoning
        if choice.tool_calls:
            message["tool_calls"] = [
                {"id": c.id, "function": {"name": c.name, "arguments": json.loads(c.arguments or "{}")}} for c in choice.tool_calls
            ]
        return message

    def _line(self, message: Json, last: Response | None = None) -> Json:
        line: Json = {"model": "served", "message": message, "done": last is not None}
        if last is not None:
            reason = "length" if last.choices[0].finish_reason == "length" else "stop"
            line |= {"done_reason": reason, "prompt_eval_count": last.usage.input_tokens, "eval_count": last.usage.output_tokens}
        return line

    def pieces(self, response: Response) -> Iterator[bytes]:
        """One JSON line per word."""
        choice = response.choices[0]
        lines = [self._line({"role": "assistant", "content": "", "thinking": word}) for word in words_of(choice.reasoning)]
        lines += [self._line({"role": "assistant", "content": word}) for word in words_of(choice.text)]
        if choice.tool_calls:
            lines.append(self._line({**self._message(choice), "content": "", "thinking": ""}))
        for line in [*lines, self._line({"role": "assistant", "content": ""}, response)]:
            yield json.dumps(line).encode() + b"\n"

    def error(self, status: int, message: str) -> Json:
        """Ollama's error body."""
        return {"error": message}
