"""What goes to a model and what comes back: `Request` and `Response`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, Literal, TypeAlias

from whet.core.messages import Message, ToolCallPart
from whet.core.quick import maker, quick

__all__ = [
    "NO_USAGE",
    "Capabilities",
    "Choice",
    "Citation",
    "FinishReason",
    "Request",
    "Response",
    "ResponseChoice",
    "StreamEvent",
    "ToolSpec",
    "Usage",
    "make_choice",
    "make_event",
    "make_request",
    "make_response",
    "make_usage",
]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "error"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as a model sees it; `parameters` is a JSON schema of an object.

    >>> schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    >>> ToolSpec(name="people", description="How many live there.", parameters=schema).name
    'people'
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a model: all that decides the answer, and nothing else. It is what the cache key is made of.

    `options` are the request parameters that somebody asked for (`temperature`, `max_tokens`, `stop`, `seed`, ...), under their OpenAI
    names; nothing is sent that is not there. `n` is the number of samples. `rollout_id` tells apart repeated samples of the same request
    in the cache and is never sent. `response_schema` is the JSON schema the answer must have, or `"json"` for any JSON object.

    >>> import whet.testing
    >>> request = Request(messages=(whet.Message("user", "Hello"),), options={"temperature": 0.5})
    >>> whet.testing.ScriptedLM(["Hi"])(request)
    ['Hi']
    """

    messages: tuple[Message, ...]
    model: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    response_schema: Mapping[str, Any] | Literal["json"] | None = None
    n: int = 1
    rollout_id: int | None = None
    prompt_cache: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call. Cached input tokens are part of `input_tokens`, reasoning tokens part of `output_tokens`.

    >>> (Usage(input_tokens=3, output_tokens=1) + Usage(input_tokens=2)).total_tokens
    6
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    raw: Mapping[str, Any] | None = None

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    @property
    def prompt_tokens(self) -> int:
        """The older name of `input_tokens`."""
        return self.input_tokens

    @property
    def completion_tokens(self) -> int:
        """The older name of `output_tokens`."""
        return self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


NO_USAGE: Final = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A quoted passage and where it stands.

    >>> Citation(cited_text="Oslo is the capital.", document_index=0, start_char_index=12).document_index
    0
    """

    cited_text: str
    document_index: int
    document_title: str | None = None
    start_char_index: int | None = None
    end_char_index: int | None = None
    supported_text: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer of a model. `logprobs` are in the provider's form.

    >>> Choice(text="4").message.content
    '4'
    """

    text: str | None = None
    tool_calls: tuple[ToolCallPart, ...] = ()
    reasoning: str | None = None
    citations: tuple[Citation, ...] = ()
    logprobs: Any = None
    finish_reason: FinishReason = "stop"

    @property
    def message(self) -> Any:
        """The answer as OpenAI's clients have it: `content`, `role`, `tool_calls`, `reasoning_content`."""
        named = ((call.id, SimpleNamespace(name=call.name, arguments=call.arguments)) for call in self.tool_calls)
        calls = [SimpleNamespace(id=number, type="function", function=function) for number, function in named]
        return SimpleNamespace(role="assistant", content=self.text, tool_calls=calls or None, reasoning_content=self.reasoning)


# The public name: `whet.Choice` is the output type (docs/decisions/010).
ResponseChoice: TypeAlias = Choice


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a model answered: one `Choice` per sample, what it cost, and who answered.

    `cost` is in US dollars, `None` where the price is not known. `cache_hit` responses cost nothing and have an empty usage.

    >>> Response(choices=(Choice(text="4"),), cost=0.001).text
    '4'
    """

    choices: tuple[Choice, ...]
    usage: Usage = NO_USAGE
    model: str = ""
    cost: float | None = None
    cache_hit: bool = False
    request_id: str | None = None
    attempts: int = 1

    @property
    def text(self) -> str:
        """The text of the first choice."""
        return (self.choices[0].text or "") if self.choices else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model can do, as far as the facts table or the user says.

    `json_mode` is an answer in any JSON, `json_schema` one in a given form; `native_n` several samples by one call; `params` the request
    parameters it takes, under their OpenAI names; `context_window` and `max_output_tokens` are in tokens.

    >>> import whet.testing
    >>> whet.testing.ScriptedLM([], capabilities=Capabilities(tools=True)).capabilities.tools
    True
    """

    json_schema: bool = False
    json_mode: bool = False
    tools: bool = False
    reasoning: bool = False
    logprobs: bool = False
    citations: bool = False
    vision: bool = False
    audio: bool = False
    streaming: bool = True
    native_n: bool = False
    context_window: int | None = None
    max_output_tokens: int | None = None
    params: frozenset[str] = frozenset()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """A piece of an answer as it comes: text, reasoning or a tool call's arguments; then usage; then done.

    `whole` says that the answer was there already, from a cache for example: nothing of it came piece by piece.

    >>> [event.text for event in (StreamEvent(kind="text", text="Par"), StreamEvent(kind="text", text="is"), StreamEvent(kind="done"))]
    ['Par', 'is', '']
    """

    kind: Literal["text", "reasoning", "tool_call", "citation", "usage", "done"]
    text: str = ""
    index: int = 0
    tool_index: int = 0
    tool_id: str | None = None
    tool_name: str | None = None
    usage: Usage | None = None
    citation: Citation | None = None
    finish_reason: FinishReason = None
    whole: bool = False


# Every call and every token makes some of these; fields by position, in their order.
make_request, make_usage, make_choice, make_response = maker(Request), maker(Usage), maker(Choice), maker(Response)
make_event = maker(StreamEvent)
