"""Training data as values: chat rows, preference pairs and groups of rewarded answers, read and written as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from whet.core.whole import write_whole
from whet.errors import ConfigurationError

__all__ = ["ChatRow", "Pair", "Rewarded", "TrainData", "as_data", "data_hash"]

CHARACTERS_PER_TOKEN = 4
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
Messages: TypeAlias = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRow:
    """A conversation that ends with the answer to learn. `predictor` and `source` (a hash of the example) say where it comes from.

    >>> ChatRow(messages=({"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"})).plain()["messages"][1]
    {'role': 'assistant', 'content': '4'}
    """

    messages: Messages
    predictor: str = ""
    source: str = ""
    reward: float | None = None
    kind: ClassVar[str] = "chat"

    def plain(self, style: str = "openai") -> dict[str, Any]:
        """The row as it is written: `{"messages": [...]}` for all services and for TRL."""
        return {"messages": [dict(m) for m in self.messages]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two answers to one prompt, the better one first, with what each earned at its step.

    >>> Pair(prompt=({"role": "user", "content": "2+2?"},), chosen="4", rejected="It is 4.").plain()["chosen"]
    [{'role': 'assistant', 'content': '4'}]
    """

    prompt: Messages
    chosen: str
    rejected: str
    chosen_reward: float | None = None
    rejected_reward: float | None = None
    predictor: str = ""
    source: str = ""
    kind: ClassVar[str] = "preference"

    def plain(self, style: str = "trl") -> dict[str, Any]:
        """`{"prompt", "chosen", "rejected"}` as TRL takes it, or, for `style="openai"`, OpenAI's preference form; rewards ride along."""
        prompt = [dict(m) for m in self.prompt]
        if style == "openai":
            return {"input": {"messages": prompt}, "preferred_output": [_said(self.chosen)], "non_preferred_output": [_said(self.rejected)]}
        rewards = {"chosen_reward": self.chosen_reward, "rejected_reward": self.rejected_reward}
        known = {name: value for name, value in rewards.items() if value is not None}
        return {"prompt": prompt, "chosen": [_said(self.chosen)], "rejected": [_said(self.rejected)], **known}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewarded:
    """One prompt, several answers and the reward of each: what group-relative policy optimization learns from. `cut` has the places of
    answers that the token limit cut off: they do not end where the model would have ended.

    >>> Rewarded(prompt=({"role": "user", "content": "2+2?"},), answers=("4", "5"), rewards=(1.0, 0.0)).plain()["rewards"]
    [1.0, 0.0]
    """

    prompt: Messages
    answers: tuple[str, ...]
    rewards: tuple[float, ...]
    cut: tuple[int, ...] = ()
    predictor: str = ""
    source: str = ""
    kind: ClassVar[str] = "rewarded"

    def plain(self, style: str = "trl") -> dict[str, Any]:
        """`{"prompt", "completions", "rewards"}`, and `cut` where an answer was cut off."""
        prompt = [dict(m) for m in self.prompt]
        plain = {"prompt": prompt, "completions": [[_said(text)] for text in self.answers], "rewards": list(self.rewards)}
        return {**plain, "cut": list(self.cut)} if self.cut else plain


Row: TypeAlias = ChatRow | Pair | Rewarded


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainData:
    """Rows of one kind, checked: `"chat"`, `"preference"` or `"rewarded"`.

    Raises `ConfigurationError` for no rows, and for one that no trainer could use, with its number and what is wrong.

    >>> row = ChatRow(messages=({"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}))
    >>> data = TrainData(rows=(row,))
    >>> data.kind, len(data)
    ('chat', 1)
    """

    rows: tuple[Row, ...]
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        if not self.rows:
            raise ConfigurationError("There is no row to train on. Give chat rows, pairs or rewarded groups; `whet.collect` makes them.")
        object.__setattr__(self, "kind", self.rows[0].kind)
        for number, row in enumerate(self.rows):
            if row.kind != self.kind:
                raise ConfigurationError(f"Row {number} is a {row.kind} row among {self.kind} rows; train on one kind at a time.")
            _check(number, row)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def tokens(self) -> int:
        """About how many tokens one pass over the rows reads: a token is taken to be four characters."""
        return -(-sum(len(json.dumps(row.plain(), ensure_ascii=False)) for row in self.rows) // CHARACTERS_PER_TOKEN)

    def lines(self, style: str | None = None) -> str:
        """The rows as JSON lines, in the form of TRL or, for `style="openai"`, of OpenAI."""
        plain = (row.plain() if style is None else row.plain(style) for row in self.rows)
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in plain)

    def save(self, path: str | os.PathLike[str], style: str | None = None) -> Path:
        """Writes the rows as JSON lines, the whole file or nothing."""
        write_whole(Path(path), self.lines(style))
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainData:
        """Reads what `save` wrote, or any file of chat rows, pairs or groups in these forms."""
        rows = []
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n")):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ConfigurationError(f"Line {number + 1} of `{path}` is no JSON: {error}.") from error
        return as_data(rows)


def as_data(rows: TrainData | Iterable[Any]) -> TrainData:
    """Rows in any form that is known, as checked data: rows of ours, or dicts with `messages`, `prompt` and `chosen`, or `completions`.

    >>> as_data([{"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}]).kind
    'chat'
    """
    if isinstance(rows, TrainData):
        return rows
    return TrainData(rows=tuple(row if isinstance(row, ChatRow | Pair | Rewarded) else _row_of(n, row) for n, row in enumerate(rows)))


def data_hash(data: TrainData, *more: Any) -> str:
    """A hash of the rows and of whatever else decides what is learnt from them; 16 hex digits."""
    text = json.dumps([[row.plain() for row in data.rows], more], sort_keys=True, ensure_ascii=False, default=repr)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def _row_of(number: int, row: Any) -> Row:
    if isinstance(row, Mapping) and isinstance(row.get("messages"), Sequence):
        return ChatRow(messages=tuple(row["messages"]))
    if isinstance(row, Mapping) and {"prompt", "chosen", "rejected"} <= row.keys():
        rewards = {name: row[name] for name in ("chosen_reward", "rejected_reward") if name in row}
        return Pair(prompt=_prompt(row["prompt"]), chosen=_text(number, row["chosen"]), rejected=_text(number, row["rejected"]), **rewards)
    if isinstance(row, Mapping) and {"prompt", "completions", "rewards"} <= row.keys():
        answers = tuple(_text(number, answer) for answer in row["completions"])
        earned = tuple(map(float, row["rewards"]))
        return Rewarded(prompt=_prompt(row["prompt"]), answers=answers, rewards=earned, cut=tuple(row.get("cut", ())))
    keys = sorted(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
    raise ConfigurationError(
        f"Row {number} has an unknown form ({keys}). Rows are dicts with `messages`; with `prompt`, `chosen` and `rejected`; or with "
        "`prompt`, `completions` and `rewards`."
    )


def _prompt(prompt: Any) -> Messages:
    return ({"role": "user", "content": prompt},) if isinstance(prompt, str) else tuple(prompt)


def _text(number: int, answer: Any) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Sequence) and len(answer) == 1 and isinstance(answer[0], Mapping) and isinstance(answer[0].get("content"), str):
        return str(answer[0]["content"])
    raise ConfigurationError(f"Row {number} holds the answer {answer!r:.80}; an answer is a text or one assistant message.")


def _check(number: int, row: Row) -> None:
    if isinstance(row, ChatRow):
        _check_messages(number, row.messages)
        last = row.messages[-1]
        if last["role"] != "assistant" or not (last.get("content") or last.get("tool_calls")):
            raise ConfigurationError(f"Row {number} ends with `{last['role']}`; a row to learn from ends with an assistant's answer.")
        return
    _check_messages(number, row.prompt)
    if isinstance(row, Pair) and row.chosen == row.rejected:
        raise ConfigurationError(f"Row {number} prefers an answer to itself: {row.chosen!r:.80}. Chosen and rejected must differ.")
    if isinstance(row, Rewarded) and (len(row.answers) != len(row.rewards) or len(row.answers) < 2):
        raise ConfigurationError(f"Row {number} has {len(row.answers)} answers and {len(row.rewards)} rewards; it needs 2 or more of each.")


def _check_messages(number: int, messages: Messages) -> None:
    if not messages:
        raise ConfigurationError(f"Row {number} has no messages.")
    for message in messages:
        if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
            roles = ", ".join(sorted(_ROLES))
            raise ConfigurationError(f"Row {number} holds {message!r:.80}; a message has `content` and a `role` ({roles}).")
        if not isinstance(message.get("content"), str | list) and not message.get("tool_calls"):
            raise ConfigurationError(f"Row {number} has a message whose content is {message.get('content')!r:.80}; it must be text.")
