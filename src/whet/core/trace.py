"""What happened: steps of predictors, records of model calls, and the bounded histories that keep them."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from whet.core.exchange import Request, Response
from whet.core.messages import MediaPart, Message, RawPart, TextPart, prompt_of

__all__ = ["CallRecord", "History", "Outputs", "Step", "Trace", "Unread", "as_given", "message_dicts"]

# What the newest records of one history may hold, in characters of prompts and answers.
_HISTORY_CHARACTERS = 2_000_000


class Step:
    """One call of a predictor: it unpacks as `(predictor, inputs, prediction)`.

    `name` is the predictor's place in the program where it is known, `seconds` how long the call took.

    >>> import whet.testing
    >>> with whet.trace() as trace:
    ...     _ = whet.Predict("question -> answer", lm=whet.testing.ScriptedLM([{"answer": "4"}]))(question="2+2?")
    >>> trace[0].inputs, trace[0].prediction.answer, trace[0].seconds > 0
    ({'question': '2+2?'}, '4', True)
    """

    __slots__ = ("inputs", "name", "prediction", "predictor", "seconds")

    def __init__(self, predictor: Any, inputs: dict[str, Any], prediction: Any, name: str | None = None, seconds: float = 0.0) -> None:
        self.predictor = predictor
        self.inputs = inputs
        self.prediction = prediction
        self.name = name
        self.seconds = seconds

    def __iter__(self) -> Iterator[Any]:
        return iter((self.predictor, self.inputs, self.prediction))

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        return (self.predictor, self.inputs, self.prediction)[index]

    def __repr__(self) -> str:
        return f"Step({self.name or type(self.predictor).__name__}, {self.inputs!r} -> {self.prediction!r})"


def as_given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as they are at this moment: a program may go on to change the lists and dicts that it passed.

    >>> facts = ["one"]
    >>> kept = as_given({"facts": facts})
    >>> facts.append("two")
    >>> kept
    {'facts': ['one']}
    """
    return {name: _copied(value) if type(value) in _GROWING else value for name, value in values.items()}


_GROWING = frozenset({list, dict, set})


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [_copied(item) for item in value]
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    return set(value) if kind is set else value


class Unread(NamedTuple):
    """A call of a predictor whose answer could not be read: the whole text, and whether the token limit cut it off."""

    predictor: Any
    inputs: dict[str, Any]
    text: str
    cut: bool = False
    name: str = ""


class Trace(list[Any]):
    """A list of `Step`s, in `unread` the calls whose answers could not be read, and in `calls` the `CallRecord`s of every model call made
    meanwhile.

    >>> import whet.testing
    >>> with whet.trace() as trace:
    ...     _ = whet.Predict("question -> answer", lm=whet.testing.ScriptedLM([{"answer": "4"}]))(question="2+2?")
    >>> [(inputs["question"], prediction.answer) for predictor, inputs, prediction in trace], len(trace.calls)
    ([('2+2?', '4')], 1)
    """

    def __init__(self, steps: Any = ()) -> None:
        super().__init__(steps)
        self.calls: list[CallRecord] = []
        self.unread: list[Unread] = []


def message_dicts(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages in OpenAI's form; media are named, not copied.

    >>> message_dicts((Message("user", "Hello"),))
    [{'role': 'user', 'content': 'Hello'}]
    """
    return [_message_dict(message) for message in messages]


def _message_dict(message: Message) -> dict[str, Any]:
    content = message.content
    plain: dict[str, Any] = {"role": message.role, "content": content if isinstance(content, str) else [_block(part) for part in content]}
    if message.tool_calls:
        plain["content"] = plain["content"] or None
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        plain["name"] = message.name
    return plain


def _block(part: TextPart | MediaPart | RawPart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, RawPart):
        return part.block
    blocks = part.source.format() if hasattr(part.source, "format") else None
    if isinstance(blocks, list) and len(blocks) == 1:
        return dict(blocks[0])
    return {"type": part.kind, "digest": part.digest}


class CallRecord(Mapping[str, Any]):
    """One call of a model, readable as attributes (`request`, `response`, `error`, `seconds`) and as the dict people know.

    >>> import whet.testing
    >>> with whet.trace() as trace:
    ...     _ = whet.testing.ScriptedLM(["Hi"])("Hello")
    >>> trace.calls[0].response.text, trace.calls[0]["prompt"], trace.calls[0].error
    ('Hi', 'Hello', None)
    """

    __slots__ = ("_uuid", "error", "model", "model_type", "request", "response", "seconds", "size", "started")

    KEYS = (
        "prompt",
        "messages",
        "kwargs",
        "response",
        "outputs",
        "usage",
        "cost",
        "timestamp",
        "uuid",
        "model",
        "response_model",
        "model_type",
    )

    def __init__(
        self,
        request: Request,
        response: Response | None,
        error: BaseException | None,
        model: str,
        started: float,
        model_type: str = "chat",
    ) -> None:
        self.request = request
        self.response = response
        self.error = error
        self.model = model
        self.model_type = model_type
        self.started = started
        self.seconds = time.time() - started
        size = len(response.text) if response is not None else 0
        for message in request.messages:
            size += len(message.content)
        self.size = size
        self._uuid: str | None = None

    def __getitem__(self, key: str) -> Any:
        if key not in self.KEYS:
            raise KeyError(key)
        if key in ("response", "model", "model_type"):
            return getattr(self, key)
        return getattr(self, f"_{key}_of")()

    def __iter__(self) -> Iterator[str]:
        return iter(self.KEYS)

    def __len__(self) -> int:
        return len(self.KEYS)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _prompt_of(self) -> str | None:
        if self.model_type == "text":
            return prompt_of(self.request.messages)
        # A request keeps no note of how it was written: one plain message of the user is what a prompt comes to.
        first, *more = self.request.messages or (None,)
        return first.content if first and not more and first.role == "user" and isinstance(first.content, str) else None

    def _messages_of(self) -> list[dict[str, Any]]:
        return message_dicts(self.request.messages)

    def _kwargs_of(self) -> dict[str, Any]:
        return {k: v for k, v in self.request.options.items() if not k.startswith("api_")}

    def _outputs_of(self) -> list[Any]:
        return plain_outputs(self.response, self.model_type) if self.response is not None else []

    def _usage_of(self) -> dict[str, Any]:
        return usage_dict(self.response)

    def _cost_of(self) -> float | None:
        return self.response.cost if self.response is not None else None

    def _timestamp_of(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(self.started))

    def _uuid_of(self) -> str:
        if self._uuid is None:
            self._uuid = str(uuid.uuid4())
        return self._uuid

    def _response_model_of(self) -> str:
        return self.response.model if self.response is not None else self.model

    def __repr__(self) -> str:
        return f"CallRecord({self.model!r}, {self.seconds:.3f} s, {'failed' if self.error else 'ok'})"


def usage_dict(response: Response | None) -> dict[str, Any]:
    """Usage under the names people know; empty for a cached answer or none."""
    if response is None or response.cache_hit:
        return {}
    usage = response.usage
    plain: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cached_input_tokens:
        plain["prompt_tokens_details"] = {"cached_tokens": usage.cached_input_tokens}
    if usage.reasoning_tokens:
        plain["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return plain


def plain_outputs(response: Response, model_type: str = "chat") -> list[Any]:
    """What `lm("...")` returns: strings, or dicts where an answer has more than text in it, and with the Responses API in any case."""
    rich = model_type == "responses" or any(c.tool_calls or c.reasoning or c.logprobs is not None or c.citations for c in response.choices)
    return [_rich_output(c) if rich else c.text for c in response.choices]


class Outputs(list[Any]):
    """What `lm("...")` returns, as handlers of events are told of it, with the whole `response` beside it."""

    def __init__(self, response: Response, model_type: str = "chat") -> None:
        super().__init__(plain_outputs(response, model_type))
        self.response = response


def _rich_output(choice: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"text": choice.text}
    if choice.reasoning:
        plain["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        plain["tool_calls"] = [call.plain for call in choice.tool_calls]
    if choice.logprobs is not None:
        plain["logprobs"] = choice.logprobs
    if choice.citations:
        plain["citations"] = list(choice.citations)
    return plain


class History(deque[CallRecord]):
    """The newest call records, bounded by number and by what they hold."""

    __slots__ = ("characters", "max_characters")

    max_characters: int

    def __init__(self, records: Iterable[CallRecord] = (), max_characters: int | None = None) -> None:
        super().__init__(records)
        self.characters = sum(record.size for record in self)
        self.max_characters = max_characters or (records.max_characters if isinstance(records, History) else _HISTORY_CHARACTERS)

    def keep(self, record: CallRecord, max_records: int) -> None:
        """Append a record and let the oldest go while there are too many or they hold too much."""
        self.append(record)
        self.characters += record.size
        if len(self) > max_records or self.characters > self.max_characters:
            self._let_go(max_records)

    def _let_go(self, max_records: int) -> None:
        while len(self) > max_records or (self.characters > self.max_characters and len(self) > 1):
            try:
                self.characters -= self.popleft().size
            except IndexError:  # another thread was quicker
                break

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index] if isinstance(index, slice) else super().__getitem__(index)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, list | deque) else NotImplemented
