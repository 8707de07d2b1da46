"""From runs of a program to training rows: what each predictor was asked, without what only a teacher may see, and what it answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from whet.adapters.base import Adapter
from whet.adapters.chat import ChatAdapter
from whet.core.context import current
from whet.core.trace import Step, Unread
from whet.core.whole import write_whole
from whet.core.wording import counted
from whet.datasets.leaks import find_leaks
from whet.errors import ConfigurationError, SchemaError
from whet.modules.predict import Predict, _without_hints
from whet.train.data import CHARACTERS_PER_TOKEN, ChatRow, Messages, Pair, Rewarded, TrainData

__all__ = ["Collected", "Episode", "Renderer", "collected", "inputs_of", "without_leaks", "without_row"]

StepReward = Callable[[Any, Step, Any], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One run of a program on one row: its score, the steps of its predictors, each with its name, and the calls whose answers could not
    be read. `source` is the row's hash."""

    row: Any
    source: str
    score: float
    accepted: bool
    steps: tuple[Step, ...]
    unread: tuple[Unread, ...] = ()
    prediction: Any = None


@dataclass(frozen=True, kw_only=True)
class Renderer:
    """Writes the student's prompts. Inputs that only training may see are never in them; `demos=False` leaves the demos out, too
    (context distillation: the student learns to do without them)."""

    student: Any
    adapter: Any = None
    demos: bool = True

    def prompt(self, name: str, inputs: Mapping[str, Any], row: Any = None) -> Messages:
        """What the student's predictor of this name would be sent for these inputs; demos made from `row` itself are left out."""
        predictor = self._predictor(name)
        signature, shown = _without_hints(predictor.signature, dict(inputs))
        shown = {k: v for k, v in shown.items() if k in signature.input_fields}
        demos = without_row(predictor, row) if self.demos else ()
        try:
            return tuple(self._adapter(predictor).format(signature, demos, shown))
        except (SchemaError, TypeError, ValueError) as error:
            raise ConfigurationError(f"A step of `{name}` cannot be written as a row: {error}. Its inputs are {_short(shown)}.") from error

    def answer(self, name: str, outputs: Mapping[str, Any]) -> str:
        """The outputs as the model should have written them."""
        predictor = self._predictor(name)
        signature, _ = _without_hints(predictor.signature, {})
        missing = [n for n, f in signature.output_fields.items() if n not in outputs and f.required]
        if missing:
            raise ConfigurationError(f"A step of `{name}` lacks the output `{missing[0]}`, so it makes no row; it has {_short(outputs)}.")
        try:
            text: str = self._adapter(predictor).format_assistant_message_content(signature, outputs)
        except (SchemaError, TypeError, ValueError) as error:
            raise ConfigurationError(f"An answer of `{name}` cannot be written as a row: {error}. It is {_short(outputs)}.") from error
        return text

    def _predictor(self, name: str) -> Predict:
        found: Predict | None = next((p for n, p in self.student.named_predictors() if n == name), None)
        if found is None:
            raise ConfigurationError(f"The teacher's predictor `{name}` is not in the student, which has: {_names(self.student)}.")
        return found

    def _adapter(self, predictor: Predict) -> Adapter:
        chosen = self.adapter
        if isinstance(chosen, Mapping):
            chosen = chosen.get(predictor.lm)
        chosen = chosen or predictor.adapter or current().adapter or ChatAdapter()
        first: Adapter = chosen[0] if isinstance(chosen, Sequence) else chosen
        return first


def without_row(predictor: Predict, row: Any) -> list[Any]:
    """The predictor's demos, without those whose inputs are those of this row."""
    if row is None:
        return list(predictor.demos)
    names = [n for n, f in predictor.signature.input_fields.items() if n in row and not f.train_only]
    return [d for d in predictor.demos if not names or any(d.get(n) != row[n] for n in names)]


_Known = dict[str, Sequence[ChatRow | Pair | Rewarded]]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What running a program once gave to learn from, of every kind; `summary` counts what was kept, dropped and why.

    `chats` are the steps of accepted runs, `pairs` two answers of one predictor to one prompt with different rewards, `groups` all answers
    to one prompt with their rewards.

    >>> made = Collected(groups=(Rewarded(prompt=({"role": "user", "content": "2+2?"},), answers=("4", "5"), rewards=(1.0, 0.0)),))
    >>> made.data("rewarded").kind, len(made.chats)
    ('rewarded', 0)
    """

    chats: tuple[ChatRow, ...] = ()
    pairs: tuple[Pair, ...] = ()
    groups: tuple[Rewarded, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    run: Any = None

    def data(self, kind: str = "chat", predictor: str | None = None) -> TrainData:
        """The rows of one kind, of all predictors or of one, ready for a trainer. Raises `ConfigurationError` where there are none."""
        by_kind: _Known = {"chat": self.chats, "preference": self.pairs, "rewarded": self.groups}
        rows = by_kind.get(kind)
        if rows is None:
            raise ConfigurationError(f"There are no {kind!r} rows; the kinds are 'chat', 'preference' and 'rewarded'.")
        return TrainData(rows=tuple(row for row in rows if predictor is None or row.predictor == predictor))

    def save(self, folder: Any, style: str | None = None) -> list[Path]:
        """Writes `chat.jsonl`, `preference.jsonl`, `rewarded.jsonl` (those that have rows) and `summary.json` into a folder."""
        target, written = Path(folder), []
        by_kind: _Known = {"chat": self.chats, "preference": self.pairs, "rewarded": self.groups}
        for kind, rows in by_kind.items():
            if rows:
                written.append(TrainData(rows=tuple(rows)).save(target / f"{kind}.jsonl", style))
        write_whole(target / "summary.json", json.dumps(dict(self.summary), indent=1, default=str))
        return [*written, target / "summary.json"]

    def __repr__(self) -> str:
        return (
            f"Collected({counted(len(self.chats), 'chat row')}, {counted(len(self.pairs), 'pair')}, {counted(len(self.groups), 'group')})"
        )


def collected(
    episodes: Sequence[Episode],
    renderer: Renderer,
    *,
    step_reward: StepReward | None = None,
    pairs_per_prompt: int = 3,
    format_failure_score: float | None = None,
    **facts: Any,
) -> Collected:
    """Rows of every kind from these runs; equal ones of a predictor are kept once. With a `format_failure_score` an answer that could not
    be read is one of its prompt's group and earns that, so that form is rewarded, too."""
    chats, doubles = _unique(_chats(episodes, renderer))
    prompts = _by_prompt(episodes, renderer, step_reward)
    groups = _groups(prompts, {} if format_failure_score is None else _out_of_form(episodes, renderer), format_failure_score or 0.0)
    pairs = tuple(pair for prompt, tried in prompts.items() for pair in _pairs(prompt, tried, pairs_per_prompt))
    scores = [episode.score for episode in episodes]
    summary = {
        "runs": len(episodes),
        "accepted": sum(episode.accepted for episode in episodes),
        "mean_score": sum(scores) / len(scores) if scores else None,
        "chat_rows": len(chats),
        "pairs": len(pairs),
        "groups": len(groups),
        "duplicates_dropped": doubles,
        "by_predictor": dict(Counter(row.predictor for row in chats)),
        "tokens": sum(len(str(m.get("content"))) for row in chats for m in row.messages) // CHARACTERS_PER_TOKEN,
        **facts,
    }
    return Collected(chats=tuple(chats), pairs=pairs, groups=groups, summary=summary)


def _chats(episodes: Iterable[Episode], renderer: Renderer) -> Iterable[ChatRow]:
    for episode in episodes:
        for step in episode.steps if episode.accepted else ():
            name = step.name or "self"
            answer = {"role": "assistant", "content": renderer.answer(name, step.prediction)}
            messages = (*renderer.prompt(name, step.inputs, episode.row), answer)
            yield ChatRow(messages=messages, predictor=name, source=episode.source, reward=episode.score)


def _unique(rows: Iterable[Any]) -> tuple[list[Any], int]:
    kept: dict[str, Any] = {}
    count = 0
    for row in rows:
        count += 1
        kept.setdefault(json.dumps([row.predictor, row.plain()], sort_keys=True, ensure_ascii=False, default=str), row)
    return list(kept.values()), count - len(kept)


@dataclass(frozen=True, slots=True)
class _Prompt:
    text: str
    predictor: str
    source: str
    messages: Messages = field(compare=False)


def _by_prompt(episodes: Iterable[Episode], renderer: Renderer, step_reward: StepReward | None) -> dict[_Prompt, list[tuple[str, float]]]:
    """Every answer that was tried on each prompt of the student, with what it earned."""
    tried: dict[_Prompt, list[tuple[str, float]]] = {}
    for episode in episodes:
        for step in episode.steps:
            name = step.name or "self"
            prompt = _asked(renderer, name, step.inputs, episode)
            reward = episode.score if step_reward is None else float(step_reward(episode.row, step, episode.prediction))
            tried.setdefault(prompt, []).append((renderer.answer(name, step.prediction), reward))
    return tried


def _asked(renderer: Renderer, name: str, inputs: Mapping[str, Any], episode: Episode) -> _Prompt:
    messages = renderer.prompt(name, inputs, episode.row)
    return _Prompt(json.dumps(messages, ensure_ascii=False, default=str), name, episode.source, messages)


def _out_of_form(episodes: Iterable[Episode], renderer: Renderer) -> dict[_Prompt, list[Unread]]:
    """The answers to each prompt of the student that could not be read."""
    found: dict[_Prompt, list[Unread]] = {}
    for episode in episodes:
        for call in episode.unread:
            found.setdefault(_asked(renderer, call.name, call.inputs, episode), []).append(call)
    return found


def _groups(
    tried: Mapping[_Prompt, Sequence[tuple[str, float]]], unread: Mapping[_Prompt, Sequence[Unread]], failure: float
) -> tuple[Rewarded, ...]:
    """All answers to each prompt, those that could not be read at the end."""
    groups = []
    for prompt in dict.fromkeys([*tried, *unread]):
        read, failed = tried.get(prompt, ()), unread.get(prompt, ())
        answers = (*(text for text, _ in read), *(call.text for call in failed))
        if len(answers) > 1:
            rewards = (*(reward for _, reward in read), *(failure for _ in failed))
            cut = tuple(len(read) + place for place, call in enumerate(failed) if call.cut)
            where = {"predictor": prompt.predictor, "source": prompt.source}
            groups.append(Rewarded(prompt=prompt.messages, answers=answers, rewards=rewards, cut=cut, **where))
    return tuple(groups)


def _pairs(prompt: _Prompt, tried: Sequence[tuple[str, float]], most: int) -> Iterable[Pair]:
    """The best answer against those that earned less, the worst first: at most `most` pairs of one prompt."""
    sums: dict[str, list[float]] = {}
    for answer, reward in tried:
        sums.setdefault(answer, []).append(reward)
    ranked = sorted(((sum(r) / len(r), answer) for answer, r in sums.items()), key=lambda item: (-item[0], item[1]))
    best, chosen = ranked[0]
    for reward, rejected in ranked[:0:-1][:most]:
        if reward < best:
            yield Pair(
                prompt=prompt.messages,
                chosen=chosen,
                rejected=rejected,
                chosen_reward=best,
                rejected_reward=reward,
                predictor=prompt.predictor,
                source=prompt.source,
            )


def without_leaks(rows: Sequence[Any], names: Sequence[str], *held_out: Sequence[Any]) -> tuple[list[Any], int]:
    """The training rows that have no near-duplicate among held-out rows, by these input fields, and how many had one."""
    copies = {leak.train_index for rows_out in held_out if rows_out for leak in _leaks(rows, rows_out, names)}
    return [row for number, row in enumerate(rows) if number not in copies], len(copies)


def _leaks(rows: Sequence[Any], held_out: Sequence[Any], names: Sequence[str]) -> Iterable[Any]:
    # Each leak names the one training row that is most alike; others may be as near, so search both ways round.
    yield from find_leaks(rows, held_out, fields=list(names))
    for leak in find_leaks(held_out, rows, fields=list(names)):
        yield replace(leak, train_index=leak.test_index)


def inputs_of(student: Any, rows: Sequence[Any]) -> list[str]:
    """The names of the rows' inputs that are no hints: what a leak is looked for in."""
    hints = {n for _, p in student.named_predictors() for n, f in p.signature.input_fields.items() if f.train_only}
    return sorted({name for row in rows for name in row.inputs().keys() if name not in hints})  # noqa: SIM118 - leaves out dspy_ fields


def _names(program: Any) -> str:
    return ", ".join(f"`{name}`" for name, _ in program.named_predictors())


def _short(values: Any) -> str:
    text = repr(dict(values))
    return text if len(text) <= 200 else text[:199] + "…"
