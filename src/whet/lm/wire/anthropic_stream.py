"""The streamed form of Anthropic's messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from whet.core.exchange import Citation, FinishReason, StreamEvent, Usage
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import Splitter, StreamDecoder
from whet.lm.wire.json_tool import ANSWER_TOOL
from whet.lm.wire.signed import sealed

__all__ = ["MAKER", "MessagesStream", "signed_blocks"]

MAKER = "anthropic"

STATUS: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def signed_blocks(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The blocks of thinking that the API takes back: those it signed or hid, unchanged.

    >>> signed_blocks([{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "redacted_thinking", "data": "x"}])
    [{'type': 'redacted_thinking', 'data': 'x'}]
    """
    return [dict(block) for block in blocks if block.get("signature") or block.get("data")]


class MessagesStream(StreamDecoder):
    """Reads one streamed message."""

    def __init__(
        self,
        facts: ModelFacts,
        splitter: Splitter,
        finish: Mapping[str, FinishReason],
        usage_of: Callable[[Any], Usage],
        citation_of: Callable[[Any], Citation],
    ) -> None:
        super().__init__(facts, splitter)
        self._finish = finish
        self._usage_of = usage_of
        self._citation_of = citation_of
        self._counts: dict[str, Any] = {}
        # Places of blocks whose arguments are the answer itself.
        self._answers: set[int] = set()
        # Blocks of thinking since the last call.
        self._thoughts: dict[int, dict[str, Any]] = {}

    def read(self, name: str, data: Any, out: list[StreamEvent]) -> None:
        kind = data.get("type") or name
        if kind == "content_block_delta":
            self._delta(data.get("index") or 0, data["delta"], out)
        elif kind == "content_block_start":
            self._start(data.get("index") or 0, data["content_block"], out)
        elif kind == "message_start":
            message = data["message"]
            self.model, self.request_id = message.get("model") or "", message.get("id")
            self._count(message.get("usage"))
            self.draft()
        elif kind == "message_delta":
            reason = data["delta"].get("stop_reason")
            finish = self._finish.get(reason, "stop") if reason else None
            self.draft().finish = "stop" if finish == "tool_calls" and self._answers else finish
            self._count(data.get("usage"))
        elif kind == "message_stop":
            self.end(out)
        elif kind == "error":
            error = data.get("error") or {}
            raise self.failure(STATUS.get(str(error.get("type")), 500), data)

    def _count(self, usage: Any) -> None:
        self._counts.update({k: v for k, v in (usage or {}).items() if v is not None})
        self.usage = self._usage_of(self._counts)

    def _start(self, place: int, block: Mapping[str, Any], out: list[StreamEvent]) -> None:
        if block.get("type") == "tool_use":
            if block.get("name") == ANSWER_TOOL:
                self._answers.add(place)
            else:
                out.append(self.draft().call(place, "", block.get("name") or "", block.get("id")))
                self.draft().sign(place, sealed(MAKER, signed_blocks(self._thoughts.values())))
                self._thoughts = {}
        elif block.get("type") in ("thinking", "redacted_thinking"):
            self._thoughts[place] = dict(block)
        elif text := block.get("text"):
            out.append(self.draft().say(text))

    def _more_thought(self, place: int, part: str, text: str) -> None:
        block = self._thoughts.setdefault(place, {"type": "thinking"})
        block[part] = block.get(part, "") + text

    def _delta(self, place: int, delta: Mapping[str, Any], out: list[StreamEvent]) -> None:
        kind, draft = delta.get("type"), self.draft()
        if kind == "text_delta":
            out.append(draft.say(delta["text"]))
        elif kind == "thinking_delta":
            out.append(draft.think(delta["thinking"]))
            self._more_thought(place, "thinking", delta["thinking"])
        elif kind == "signature_delta":
            self._more_thought(place, "signature", delta["signature"])
        elif kind == "input_json_delta":
            piece = delta.get("partial_json") or ""
            if place in self._answers:
                if piece:
                    out.append(draft.say(piece))
            elif piece:
                out.append(draft.call(place, piece))
        elif kind == "citations_delta":
            out.append(draft.cite(self._citation_of(delta["citation"])))
