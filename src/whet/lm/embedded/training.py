"""Trains the weights: gradient descent on chat rows, in plain Python or, where it is installed, with numpy."""

from __future__ import annotations

import importlib.util
import math
import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from whet.core.exchange import Request
from whet.core.messages import Message
from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.lm.embedded.prompt import Task, read_task
from whet.lm.embedded.score import Scorer, Strength, label_of, softmax
from whet.lm.embedded.shape import Option
from whet.lm.embedded.text import Memo
from whet.lm.embedded.weights import Table, Weights, hashed, table_key

__all__ = ["Progress", "train"]

Progress: TypeAlias = Callable[[int, float], None]
_LABEL_LENGTH: Final = 60


@dataclass(slots=True)
class _Lesson:
    """The rows of one (field, options): hashed queries, what the reader scores by itself, and the right option's position."""

    name: str
    options: tuple[Option, ...]
    queries: list[list[tuple[int, float]]] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    gold: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    epochs: int
    learning_rate: float
    l2: float
    seed: int


def train(  # noqa: PLR0913 - the settings of one training run, all by keyword
    rows: Sequence[Mapping[str, Any]],
    *,
    epochs: int = 12,
    learning_rate: float = 4.0,
    l2: float = 1e-5,
    seed: int = 0,
    start: Weights | None = None,
    strength: Strength | None = None,
    progress: Progress | None = None,
) -> Weights:
    """Fits weights to chat rows `{"messages": [{"role", "content"}, ...]}`, each ending with the assistant's right answer.

    It is multinomial logistic regression by stochastic gradient descent, with one difference: what the untrained reader scores for a
    row is its starting point, so the weights learn what the reader gets wrong. With a `strength` of zeros it is plain logistic
    regression, which does as well with many rows: `bench/embedded.py` measures both. Every output with known options
    is learnt; so is a free-text output whose short answers repeat. `start` is trained further; it is not changed. `progress(epoch,
    loss)` is called after each epoch with the mean loss in nats. The same rows, options and seed give the same weights.

    Raises:
        ConfigurationError: no row has an output to learn, or a setting cannot work.
    """
    if epochs < 1 or learning_rate <= 0 or l2 < 0:
        raise ConfigurationError(
            f"Cannot train with epochs={epochs!r}, learning_rate={learning_rate!r}, l2={l2!r}: epochs must be at least 1, "
            "learning_rate above 0 and l2 not below 0."
        )
    known = start or Weights()
    lessons = _lessons(rows, strength)
    if not lessons:
        raise ConfigurationError(
            f"None of {counted(len(rows), 'row')} has an output that the embedded model can learn. It learns choices: an output with "
            "options, or short answers that repeat, after a user turn, in the last assistant turn of `messages`."
        )
    plan = _Plan(epochs=epochs, learning_rate=learning_rate, l2=l2, seed=seed)
    fit = _fit_numpy if _has_numpy() else _fit_plain
    tables = dict(known.tables)
    for key, lesson in lessons.items():
        tables[key] = fit(lesson, plan, known.tables.get(key), progress)
    return Weights(tables)


def _has_numpy() -> bool:
    return importlib.util.find_spec("numpy") is not None


def _lessons(rows: Sequence[Mapping[str, Any]], strength: Strength | None) -> dict[str, _Lesson]:
    memo = Memo()
    scorer = Scorer(memo, Weights(), strength)
    read = [(task, demo) for task, demo in (_read(row, memo) for row in rows) if demo]
    lessons: dict[str, _Lesson] = {}
    open_labels = _open_labels(read)
    for task, answer in read:
        for output in task.outputs:
            if output.name not in answer:
                continue
            fixed = scorer.options(output, task) if output.shape.kind in ("options", "bool") else ()
            options = fixed or open_labels.get(output.name, ())
            gold = {label_of(option): position for position, option in enumerate(options)}.get(label_of(answer[output.name]))
            if gold is None:
                continue
            lesson = lessons.setdefault(table_key(output.name, fixed), _Lesson(output.name, options))
            lesson.queries.append(hashed(scorer.features(task.query)))
            lesson.offsets.append(_in_order(scorer.logits(output, options, task), options, lesson.options))
            lesson.gold.append(lesson.options.index(options[gold]))
    return lessons


def _in_order(scores: list[float], options: tuple[Option, ...], wanted: tuple[Option, ...]) -> list[float]:
    return scores if options == wanted else [scores[options.index(option)] for option in wanted]


def _read(row: Mapping[str, Any], memo: Memo) -> tuple[Task, dict[str, str]]:
    """The task of a row without its answer, and the answer by field."""
    messages = tuple(Message(message["role"], message["content"] or "") for message in row["messages"])
    if not messages or messages[-1].role != "assistant":
        ending = messages[-1].role if messages else "nothing"
        raise ConfigurationError(f"A row to train on must end with the assistant's answer; this one ends with {ending!r}.")
    task = read_task(Request(messages=messages[:-1]), memo)
    repeated = Request(messages=(*messages, Message("user", "")))  # so that the last answer is read like an example's
    shown = read_task(repeated, memo).demos
    return task, dict(shown[-1].outputs) if shown else {}


def _open_labels(read: Sequence[tuple[Task, dict[str, str]]]) -> dict[str, tuple[Option, ...]]:
    """Labels of free-text outputs: short answers of which each comes twice on average, at least."""
    answers: dict[str, list[str]] = {}
    for task, answer in read:
        for output in task.outputs:
            if output.shape.kind == "text" and output.name in answer:
                answers.setdefault(output.name, []).append(answer[output.name])
    return {
        name: tuple(sorted(set(found)))
        for name, found in answers.items()
        if len(found) >= 2 * len(set(found)) and all(len(text) <= _LABEL_LENGTH and "\n" not in text for text in found)
    }


def _orders(lesson: _Lesson, plan: _Plan) -> list[list[int]]:
    """A shuffled order of the rows for each epoch."""
    chance = random.Random(plan.seed)
    return [chance.sample(range(len(lesson.gold)), len(lesson.gold)) for _ in range(plan.epochs)]


def _rate(plan: _Plan, epoch: int) -> float:
    """The learning rate falls in a straight line over the epochs."""
    return plan.learning_rate * (1 - epoch / plan.epochs)


def _fit_plain(lesson: _Lesson, plan: _Plan, known: Table | None, progress: Progress | None) -> Table:
    width = len(lesson.options)
    rows: dict[int, list[float]] = {bucket: [0.0] * width for query in lesson.queries for bucket, _ in query}
    rows |= {bucket: list(_aligned(known, row, lesson)) for bucket, row in (known.rows if known else {}).items()}
    for epoch, order in enumerate(_orders(lesson, plan)):
        rate, loss = _rate(plan, epoch), 0.0
        for position in order:
            query, gold = lesson.queries[position], lesson.gold[position]
            scores = lesson.offsets[position]
            for bucket, weight in query:
                scores = [score + weight * entry for score, entry in zip(scores, rows[bucket], strict=True)]
            errors = softmax(scores)
            loss -= math.log(max(errors[gold], 1e-12))
            errors[gold] -= 1.0
            keep = 1 - rate * plan.l2
            for bucket, weight in query:
                step = rate * weight
                rows[bucket] = [keep * entry - step * error for entry, error in zip(rows[bucket], errors, strict=True)]
        if progress:
            progress(epoch, loss / len(order))
    return Table(lesson.options, {bucket: array("f", row) for bucket, row in rows.items()})


def _aligned(known: Table | None, row: Sequence[float], lesson: _Lesson) -> list[float]:
    """A row of earlier weights in the order of this lesson's options; labels that are new start at zero."""
    learnt = dict(zip(known.options, row, strict=True)) if known else {}
    return [learnt.get(option, 0.0) for option in lesson.options]


def _fit_numpy(lesson: _Lesson, plan: _Plan, known: Table | None, progress: Progress | None) -> Table:
    import numpy as np  # noqa: PLC0415 - optional: the same steps in plain Python take about ten times as long

    buckets = sorted({bucket for query in lesson.queries for bucket, _ in query} | set(known.rows if known else ()))
    place = {bucket: position for position, bucket in enumerate(buckets)}
    table = np.zeros((len(buckets), len(lesson.options)))
    for bucket, row in (known.rows if known else {}).items():
        table[place[bucket]] = _aligned(known, row, lesson)
    places_of = [np.array([place[bucket] for bucket, _ in query], dtype=np.intp) for query in lesson.queries]
    weights_of = [np.array([weight for _, weight in query]) for query in lesson.queries]
    offsets = np.array(lesson.offsets)
    for epoch, order in enumerate(_orders(lesson, plan)):
        rate, loss = _rate(plan, epoch), 0.0
        for position in order:
            places, weights = places_of[position], weights_of[position]
            entries = table[places]
            scores = offsets[position] + weights @ entries
            errors = np.exp(scores - scores.max())
            errors /= errors.sum()
            gold = lesson.gold[position]
            loss -= math.log(max(float(errors[gold]), 1e-12))
            errors[gold] -= 1.0
            table[places] = (1 - rate * plan.l2) * entries - np.outer(rate * weights, errors)
        if progress:
            progress(epoch, loss / len(order))
    return Table(lesson.options, {bucket: array("f", table[position].tolist()) for bucket, position in place.items()})
