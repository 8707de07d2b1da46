"""The embedded model: a small linear text reader behind the model interface, for a start without a key, a GPU or a download."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any, Final

from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.messages import ToolCallPart
from whet.lm.embedded.answer import Piece, logprobs, write_answer
from whet.lm.embedded.instruct import asks_for_instruction, read_material, write_instruction
from whet.lm.embedded.prompt import Task, read_task
from whet.lm.embedded.score import Scorer
from whet.lm.embedded.shape import of_schema
from whet.lm.embedded.text import Memo
from whet.lm.embedded.tool import Call, choose_tool, is_last
from whet.lm.embedded.values import CANNOT, Draw, Sitting
from whet.lm.embedded.weights import Weights

__all__ = ["EmbeddedModel"]

NAME: Final = "embedded"
CHARACTERS_PER_TOKEN: Final = 4


class EmbeddedModel:
    """Answers requests by reading their text: options by similarity, texts by copying, instructions by counting words.

    It is **not a neural language model**. It knows nothing but what the prompt shows and what its `weights` learnt, so it gets better
    with examples, with word hints in the instruction and with training, each by a modest amount, and it says so where it cannot answer.
    It sees only what any model sees: message texts, tool specs, the response schema. The answer is a pure function of the request and the
    weights.

    Options it honours: `temperature` (0 or unset: the best answer), `seed`, `max_tokens` or `max_completion_tokens`, `stop`, `logprobs`,
    `top_logprobs`. Tokens are counted as a quarter of the characters, rounded up; the cost is 0.

    >>> from whet.core.messages import Message
    >>> EmbeddedModel().respond(Request(messages=(Message("user", "Hello"),))).text[:26]
    "I am whet's embedded model"
    """

    def __init__(self, weights: Weights | None = None) -> None:
        self.weights = weights or Weights()
        self._memo = Memo()
        self._scorer = Scorer(self._memo, self.weights)

    def respond(self, request: Request) -> Response:
        """Answers a request with `n` choices."""
        task = read_task(request, self._memo)
        known: dict[str, Any] = {}
        choices = []
        for number in range(max(1, request.n)):
            sitting = Sitting(task, self._scorer, _draw(request, number), known)
            choices.append(_choice(request, task, sitting, number))
        return Response(choices=tuple(choices), usage=_usage(request, choices), model=NAME, cost=0.0)


def _draw(request: Request, number: int) -> Draw:
    """At a temperature above 0, chance depends on seed, rollout, sample and the whole prompt, and on nothing else."""
    temperature = float(request.options.get("temperature") or 0.0)
    if temperature <= 0:
        return Draw()
    mixed = hashlib.blake2b(repr((request.options.get("seed"), request.rollout_id, number)).encode())
    for message in request.messages:
        mixed.update(f"\x1e{message.role}\x1f{message.text}".encode())
    return Draw(random.Random(mixed.digest()), temperature)


def _choice(request: Request, task: Task, sitting: Sitting, number: int) -> Choice:
    call = _tool_call(request, task, sitting)
    if call:
        arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
        made = ToolCallPart(id=f"call_{len(task.results)}_{number}", name=call.name, arguments=arguments)
        return Choice(tool_calls=(made,), finish_reason="tool_calls")
    pieces = write_answer(task, sitting.values()) if task.outputs else [Piece(_plain(task, sitting))]
    whole = "".join(piece.text for piece in pieces)
    text = _stopped(whole, request.options.get("stop"))
    limit = request.options.get("max_tokens") or request.options.get("max_completion_tokens")
    cut = limit is not None and len(text) > int(limit) * CHARACTERS_PER_TOKEN
    text = text[: int(limit) * CHARACTERS_PER_TOKEN] if cut and limit else text
    wanted = request.options.get("logprobs")
    top = int(request.options.get("top_logprobs") or 0)
    shown = logprobs(_kept(pieces, len(text)), top) if wanted else None
    return Choice(text=text, logprobs=shown, finish_reason="length" if cut else "stop")


def _kept(pieces: Sequence[Piece], length: int) -> list[Piece]:
    """The pieces of a text that was cut; a piece that is cut itself is no option any more."""
    kept, start = [], 0
    for piece in pieces:
        if start + len(piece.text) <= length:
            kept.append(piece)
        elif start < length:
            kept.append(Piece(piece.text[: length - start]))
        start += len(piece.text)
    return kept


def _stopped(text: str, stop: str | Sequence[str] | None) -> str:
    marks = [stop] if isinstance(stop, str) else list(stop or ())
    ends = [text.index(mark) for mark in marks if mark and mark in text]
    return text[: min(ends)] if ends else text


def _plain(task: Task, sitting: Sitting) -> str:
    """The answer to a prompt without fields: an instruction if it asks for one, the result of a tool, or what this model is."""
    asked = "\n".join((task.sheet.instruction, *task.inputs.values()))
    if task.results:
        return task.results[-1]
    if not asks_for_instruction("", asked):
        return CANNOT.format(what="free text")
    text = write_instruction(read_material({**task.inputs, "system": task.sheet.instruction}), sitting.draw.chance)
    return f"```\n{text}\n```" if "```" in asked else text


def _tool_call(request: Request, task: Task, sitting: Sitting) -> Call | None:
    """The call to make: a tool that fits once, then the tool that takes the final answer, if there is one."""
    if not request.tools:
        return None
    call = choose_tool(request.tools, task, request)
    last = next((tool for tool in request.tools if is_last(tool.name)), None)
    if last is None or request.tool_choice == "none" or (call and not is_last(call.name)):
        return call
    return Call(last.name, sitting.hand_in(of_schema(last.parameters).parts))


def _usage(request: Request, choices: Sequence[Choice]) -> Usage:
    """An estimate: a token is taken to be four characters."""
    read = sum(len(message.text) for message in request.messages)
    written = sum(len(choice.text or "") + sum(len(call.arguments) for call in choice.tool_calls) for choice in choices)
    return Usage(input_tokens=_tokens(read), output_tokens=_tokens(written))


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
