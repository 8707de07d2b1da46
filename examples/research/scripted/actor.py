"""A scripted model whose answers depend on what its prompt shows: inputs, demos, instruction. The files beside say what theirs can do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from whet.core.exchange import Choice, Request
from whet.testing import ScriptedLM

__all__ = ["SCRIPTED", "Actor", "Asked"]

SCRIPTED = "(A scripted model: the numbers show that program, metric and optimizer do their part. They say nothing about language models.)"

# How the adapter marks what comes from outside.
_FRAME = re.compile(r"<<data \w+:[^\n]*>>\n(.*?)\n<<end of data \w+>>", re.S)

_SECTION = re.compile(r"^\[\[ ## (\w+) ## \]\]\n(.*?)(?=\n+^\[\[ ## |\n\n[^\n]*`\[\[ ## |\Z)", re.S | re.M)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as the chat format shows it. `sample` numbers the answers to one request, `demos` hold inputs and outputs together."""

    inputs: Mapping[str, str]
    wants: tuple[str, ...]
    demos: tuple[Mapping[str, str], ...]
    text: str
    sample: int
    rollout: Any = None

    def __getattr__(self, name: str) -> str:
        return self.inputs.get(name, "")

    def items(self, name: str) -> list[Any]:
        """An input that is a list."""
        found: list[Any] = json.loads(self.inputs.get(name) or "[]")
        return found

    def lucky(self, share: float) -> bool:
        """True for this share of all inputs; always the same for the same input, sample and rollout."""
        return Random(f"{sorted(self.inputs.items())}{self.sample}{self.rollout}").random() < share


class Actor(ScriptedLM):
    """`skills` has, by the name of the last output field, a function of the `Asked` that gives its value (or several as a dict)."""

    def __init__(self, skills: Mapping[str, Callable[[Asked], Any]], **options: Any) -> None:
        self.skills, self.last, self.sample = skills, None, 0
        super().__init__(self._act, **options)

    def _act(self, request: Request) -> Any:
        self.sample = self.sample + 1 if request is self.last else 0
        self.last = request
        asked = read(request, self.sample)
        answer = self.skills[asked.wants[-1]](asked)
        if isinstance(answer, BaseException | Choice):
            return answer
        found = answer if isinstance(answer, dict) else {asked.wants[-1]: answer}
        return {name: found.get(name, "Thought about it.") for name in asked.wants}


def read(request: Request, sample: int = 0) -> Asked:
    """What a request in the chat format asks."""
    *before, last = request.messages
    wants = tuple(name for name in re.findall(r"`\[\[ ## (\w+) ## \]\]`", last.text) if name != "completed")
    turns = [message for message in before if message.role != "system"]
    demos = [_sections(user.text) | _sections(answer.text) for user, answer in zip(turns[::2], turns[1::2], strict=True)]
    text = "\n".join(message.text for message in request.messages)
    return Asked(inputs=_sections(last.text), wants=wants, demos=tuple(demos), text=text, sample=sample, rollout=request.rollout_id)


def _sections(text: str) -> dict[str, str]:
    return {name: _FRAME.sub(r"\1", value.strip()) for name, value in _SECTION.findall(text) if name != "completed"}
