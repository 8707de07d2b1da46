"""The same for Amazon's services, and the table of all formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from whet.core.exchange import Choice, Response, Usage
from whet.lm.wire.event_stream import frame
from whet.testing.formats import (
    AnthropicFormat,
    Format,
    GeminiFormat,
    OllamaFormat,
    OpenAIChatFormat,
    OpenAIResponsesFormat,
    OpenAITextFormat,
    words_of,
)

__all__ = ["FORMATS"]

Json = dict[str, Any]


class BedrockFormat:
    """POST /model/NAME/converse and /converse-stream."""

    base = ""
    media = "application/vnd.amazon.eventstream"
    reasons = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "content_filtered"}

    def whole(self, response: Response) -> Json:
        """The body of an answer in one piece."""
        choice = response.choices[0]
        message = {"role": "assistant", "content": self._blocks(choice)}
        return {
            "output": {"message": message},
            "stopReason": self.reasons[choice.finish_reason or "stop"],
            "usage": self._usage(response.usage),
        }

    def _blocks(self, choice: Choice) -> list[Json]:
        blocks: list[Json] = []
        if choice.reasoning:
            blocks.append({"reasoningContent": {"reasoningText": {"text": choice.reasoning, "signature": "c2ln"}}})
        if choice.text is not None:
            blocks.append({"text": choice.text})
        uses = [{"toolUseId": c.id, "name": c.name, "input": json.loads(c.arguments or "{}")} for c in choice.tool_calls]
        return blocks + [{"toolUse": use} for use in uses]

    def _usage(self, usage: Usage) -> Json:
        return {
            "inputTokens": usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens,
            "outputTokens": usage.output_tokens,
            "cacheReadInputTokens": usage.cached_input_tokens,
            "cacheWriteInputTokens": usage.cache_write_tokens,
        }

    def pieces(self, response: Response) -> Iterator[bytes]:
        """Frames of the binary event stream."""
        choice = response.choices[0]
        yield self._frame("messageStart", {"role": "assistant"})
        place = 0
        for word in words_of(choice.reasoning):
            yield self._frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": word}}})
        if choice.reasoning:
            yield self._frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}})
        place += bool(choice.reasoning)
        for word in words_of(choice.text):
            yield self._frame("contentBlockDelta", {"contentBlockIndex": place, "delta": {"text": word}})
        for call in choice.tool_calls:
            place += 1
            start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
            yield self._frame("contentBlockStart", {"contentBlockIndex": place, "start": start})
            for piece in (call.arguments[:3], call.arguments[3:]):
                yield self._frame("contentBlockDelta", {"contentBlockIndex": place, "delta": {"toolUse": {"input": piece}}})
        yield self._frame("messageStop", {"stopReason": self.reasons[choice.finish_reason or "stop"]})
        yield self._frame("metadata", {"usage": self._usage(response.usage)})

    def _frame(self, name: str, data: Json) -> bytes:
        return frame(name, json.dumps(data).encode())

    def error(self, status: int, message: str) -> Json:
        """Amazon's error body."""
        return {"message": message}


class SageMakerFormat(OpenAIChatFormat):
    """POST /endpoints/NAME/invocations and /invocations-response-stream, of a container that speaks chat completions."""

    base = ""
    media = "application/vnd.amazon.eventstream"

    def pieces(self, response: Response) -> Iterator[bytes]:
        """The container's stream, a part of it in each frame."""
        return (frame("PayloadPart", piece) for piece in super().pieces(response))

    def error(self, status: int, message: str) -> Json:
        """Amazon's error body."""
        return {"Message": message}


FORMATS: dict[str, Format] = {
    "openai": OpenAIChatFormat(),
    "text": OpenAITextFormat(),
    "responses": OpenAIResponsesFormat(),
    "anthropic": AnthropicFormat(),
    "gemini": GeminiFormat(),
    "ollama": OllamaFormat(),
    "bedrock": BedrockFormat(),
    "sagemaker": SageMakerFormat(),
}
