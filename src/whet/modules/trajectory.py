"""What an agent did so far: thoughts, calls of tools and what they gave, as a field value that prompts show."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from whet.core.messages import TextPart
from whet.core.schema import one_line, plain, schema_of
from whet.core.types.content import renderer
from whet.core.types.kind import FieldType

__all__ = ["UNREADABLE", "ToolUse", "Trajectory", "Turn", "framed", "shown"]

_KEY: Final = re.compile(r"(thought|tool_name|tool_args|observation)_(\d+)")
# The name under which arguments that could not be read are kept.
UNREADABLE: Final = "(unreadable)"
_WRITE: Final = renderer(schema_of(Any))


@dataclass(slots=True, kw_only=True)
class ToolUse:
    """One call of a tool and what it gave; `name` is empty where a step named no tool."""

    index: int
    name: str
    args: dict[str, Any]
    id: str | None = None
    signed: str | None = None
    observation: Any = None
    is_error: bool = False
    done: bool = False

    @property
    def damage(self) -> str:
        """Why the arguments could not be read; empty where they could."""
        return f"they are no JSON object: {self.args[UNREADABLE]!r:.300}" if UNREADABLE in self.args else ""


@dataclass(slots=True, kw_only=True)
class Turn:
    """One step of an agent: a thought and the calls that it led to."""

    thought: str
    uses: list[ToolUse] = field(default_factory=list)
    text: Any = None


class Trajectory(FieldType):
    """The turns of an agent so far, with a summary of those that were left out.

    In prompts each observation is written so that nothing in it can pass for a step or for an instruction: a JSON value on one line, or
    lines between two fences that it cannot contain.
    """

    __whet_parts__ = True

    def __init__(self, turns: Sequence[Turn] = (), summary: str = "", count: int | None = None) -> None:
        self.turns = list(turns)
        self.summary = summary
        self.count = max((use.index + 1 for use in self.uses()), default=0) if count is None else count

    def copy(self) -> Trajectory:
        """The trajectory as it is now; later turns are not in it."""
        return Trajectory(self.turns, self.summary, self.count)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trajectory) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]

    def uses(self) -> Iterator[ToolUse]:
        """Every call of a tool, in order."""
        return (use for turn in self.turns for use in turn.uses)

    def turn(self, thought: str, calls: Sequence[ToolUse]) -> Turn:
        """Add a turn; its calls are numbered on."""
        for use in calls:
            use.index = self.count
            self.count += 1
        made = Turn(thought=thought, uses=list(calls))
        self.turns.append(made)
        return made

    def as_dict(self) -> dict[str, Any]:
        """The keys that people know: `thought_0`, `tool_name_0`, `tool_args_0`, `observation_0`, and so on."""
        found: dict[str, Any] = {"summary": self.summary} if self.summary else {}
        for turn in self.turns:
            for place, use in enumerate(turn.uses):
                found[f"thought_{use.index}"] = "" if place else turn.thought
                found[f"tool_name_{use.index}"] = use.name
                found[f"tool_args_{use.index}"] = use.args
                found[f"observation_{use.index}"] = use.observation
        return found

    @classmethod
    def validated(cls, value: Any) -> Any:
        """A trajectory from itself, from its dict, or from a text (an earlier trajectory as a prompt showed it)."""
        if isinstance(value, Trajectory):
            return value
        if isinstance(value, str):
            return cls(summary=value)
        if not isinstance(value, Mapping):
            raise ValueError("a trajectory is a dict with the keys thought_0, tool_name_0, tool_args_0, observation_0, ...")
        return cls.of(value, cls())

    @classmethod
    def of(cls, kept: Mapping[str, Any], known: Trajectory) -> Trajectory:
        """The trajectory of which a dict is left; turns of `known` that are whole stay as they are."""
        numbers = sorted({int(found[2]) for key in kept if (found := _KEY.fullmatch(key))})
        whole = [turn for turn in known.turns if turn.uses and all(use.index in numbers for use in turn.uses)]
        covered = {use.index for turn in whole for use in turn.uses}
        turns = [(turn.uses[0].index, turn) for turn in whole] + [(n, _turn_of(kept, n)) for n in numbers if n not in covered]
        return cls([turn for _, turn in sorted(turns, key=lambda pair: pair[0])], str(kept.get("summary", "")))

    def dumped(self) -> Any:
        """The dict of `as_dict()` as plain data."""
        return plain(self.as_dict())

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """An object."""
        return {"type": "object"}

    def whet_parts(self) -> Any:
        """The turns as text, with media in observations as parts."""
        parts: list[Any] = [TextPart(f"summary: {framed(self.summary)}\n")] if self.summary else []
        for turn in self.turns:
            if turn.text is None or not all(use.done for use in turn.uses):
                turn.text = _turn_text(turn)
            parts += turn.text
        if all(isinstance(part, str) for part in parts):
            return "\n".join(parts)
        return [TextPart(f"{part}\n") if isinstance(part, str) else part for part in parts] or ""

    def __len__(self) -> int:
        return len(self.turns)

    def __repr__(self) -> str:
        return f"Trajectory({self.as_dict()})"


def _turn_of(kept: Mapping[str, Any], number: int) -> Turn:
    args = kept.get(f"tool_args_{number}")
    use = ToolUse(
        index=number,
        name=str(kept.get(f"tool_name_{number}") or ""),
        args=dict(args) if isinstance(args, Mapping) else {},
        observation=kept.get(f"observation_{number}"),
        done=True,
    )
    return Turn(thought=str(kept.get(f"thought_{number}") or ""), uses=[use])


def _turn_text(turn: Turn) -> list[Any]:
    parts: list[Any] = []
    for place, use in enumerate(turn.uses):
        if turn.thought and not place:
            parts.append(f"thought_{use.index}: {framed(turn.thought)}")
        if use.name:
            parts.append(f"tool_name_{use.index}: {use.name}")
            parts.append(f"tool_args_{use.index}: {one_line(plain(use.args))}")
        if use.done:
            label = f"observation_{use.index}: "
            text = shown(use.observation)
            parts += [label + framed(text)] if isinstance(text, str) else [label.rstrip(), *text]
    return parts


def shown(value: Any) -> Any:
    """What a tool gave as text, or as message parts where it holds media."""
    return _WRITE(value)


def framed(text: str) -> str:
    """A text in which no line can pass for one of the trajectory: as it is or as JSON on one line, else between fences."""
    if "\n" not in text and "\r" not in text:
        return one_line(text) if text[:1] not in "{[0123456789-" else text
    tag = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    size = 8
    while tag[:size] in text and size < len(tag):
        size += 8
    return f"\n<<data {tag[:size]}>>\n{text}\n<<end of data {tag[:size]}>>"
