"""Learning from preferences and rewards with the embedded model: IPO, DPO and GRPO on its softmax over options."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.lm.embedded.prompt import Task
from whet.lm.embedded.score import Scorer, label_of, softmax
from whet.lm.embedded.shape import Option
from whet.lm.embedded.text import Memo
from whet.lm.embedded.training import Progress, _read
from whet.lm.embedded.weights import Table, Weights, hashed, table_key
from whet.train.data import Pair, Rewarded, TrainData

__all__ = ["Policy", "train_policy"]

_LABEL_LENGTH: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How to learn: `beta` is the strength of the pull towards the model that was started from (1 / (2 beta) is IPO's margin)."""

    method: str
    epochs: int = 4
    learning_rate: float = 2.0
    beta: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Decision:
    """One prompt at which an option is chosen: hashed query, scores without weights, and what was tried there with its advantage."""

    key: str
    query: list[tuple[int, float]]
    offset: list[float]
    tried: tuple[tuple[int, float], ...]


@dataclass(slots=True)
class _Tables:
    options: dict[str, tuple[Option, ...]] = field(default_factory=dict)
    rows: dict[str, dict[int, list[float]]] = field(default_factory=dict)

    def scores(self, decision: _Decision) -> list[float]:
        scores, rows = list(decision.offset), self.rows[decision.key]
        for bucket, weight in decision.query:
            row = rows.get(bucket)
            if row is not None:
                scores = [score + weight * entry for score, entry in zip(scores, row, strict=True)]
        return scores

    def step(self, decision: _Decision, gradient: Sequence[float], rate: float) -> None:
        rows = self.rows[decision.key]
        for bucket, weight in decision.query:
            row = rows.setdefault(bucket, [0.0] * len(gradient))
            rows[bucket] = [entry - rate * weight * g for entry, g in zip(row, gradient, strict=True)]


def train_policy(data: TrainData, policy: Policy, start: Weights, progress: Progress | None = None) -> Weights:
    """New weights that make chosen options likelier than rejected ones, or rewarded ones likelier than others.

    IPO (Azar et al. 2023, arXiv 2310.12036) brings the gap of each pair to `1 / (2 beta)`, DPO (Rafailov et al. 2023, arXiv 2305.18290)
    maximises its log-sigmoid, GRPO (Shao et al. 2024, arXiv 2402.03300) follows advantages within each group, with a penalty of `beta`
    times the divergence from `start`. The same data and seed give the same weights.

    Raises `ConfigurationError` where no row decides between options.
    """
    tables = _Tables()
    decisions = list(_decisions(data, start, tables))
    if not decisions:
        raise ConfigurationError(
            f"None of {counted(len(data), 'row')} decides between options that the embedded model knows. It learns choices: outputs of a "
            "`Literal`, `bool` or `Enum` type, or short texts that repeat, and only where the answers of a prompt differ."
        )
    before = [tables.scores(decision) for decision in decisions]
    gradient = _GRADIENTS[policy.method]
    chance = random.Random(policy.seed)
    for epoch in range(policy.epochs):
        total = 0.0
        for place in chance.sample(range(len(decisions)), len(decisions)):
            decision = decisions[place]
            loss, slope = gradient(decision, tables.scores(decision), before[place], policy.beta)
            tables.step(decision, slope, policy.learning_rate * (1 - epoch / policy.epochs))
            total += loss
        if progress:
            progress(epoch, total / len(decisions))
    learnt = {key: Table(tables.options[key], {b: array("f", row) for b, row in rows.items()}) for key, rows in tables.rows.items()}
    return Weights({**start.tables, **learnt})


def _decisions(data: TrainData, start: Weights, tables: _Tables) -> Iterator[_Decision]:
    memo = Memo()
    scorer = Scorer(memo, Weights())
    read = [_answers(row, memo) for row in data.rows if isinstance(row, Pair | Rewarded)]
    open_labels = _open_labels(read, start)
    for task, answers in read:
        for output in task.outputs:
            fixed = scorer.options(output, task) if output.shape.kind in ("options", "bool") else ()
            options = fixed or open_labels.get(output.name, ())
            place = {label_of(option): position for position, option in enumerate(options)}
            tried = [(place.get(label_of(answer.get(output.name, ""))), advantage) for answer, advantage in answers]
            known = tuple((position, advantage) for position, advantage in tried if position is not None)
            if len({position for position, _ in known}) < 2:
                continue
            key = table_key(output.name, fixed)
            _begin(tables, key, options, start)
            offset = scorer.logits(output, options, task)
            if tables.options[key] != options:
                offset = [offset[options.index(option)] for option in tables.options[key]]
                known = tuple((tables.options[key].index(options[position]), advantage) for position, advantage in known)
            yield _Decision(key, hashed(scorer.features(task.query)), offset, known)


def _begin(tables: _Tables, key: str, options: tuple[Option, ...], start: Weights) -> None:
    """The table to train for these options: a copy of the one that was learnt before, in the order of these options."""
    if key in tables.options:
        return
    tables.options[key], tables.rows[key] = options, {}
    if (old := start.tables.get(key)) is not None:
        places = {option: position for position, option in enumerate(old.options)}
        for bucket, row in old.rows.items():
            tables.rows[key][bucket] = [row[places[option]] if option in places else 0.0 for option in options]


def _answers(row: Pair | Rewarded, memo: Memo) -> tuple[Task, list[tuple[dict[str, str], float]]]:
    """The task of a prompt, and each answer's fields with its advantage: +1 and -1 for a pair, standardised rewards for a group."""
    if isinstance(row, Pair):
        rated = [(row.chosen, 1.0), (row.rejected, -1.0)]
    else:
        mean = sum(row.rewards) / len(row.rewards)
        spread = math.sqrt(sum((r - mean) ** 2 for r in row.rewards) / len(row.rewards)) or 1.0
        rated = [(answer, (reward - mean) / spread) for answer, reward in zip(row.answers, row.rewards, strict=True)]
    read = [(_read({"messages": [*row.prompt, {"role": "assistant", "content": text}]}, memo), advantage) for text, advantage in rated]
    return read[0][0][0], [(fields, advantage) for (_, fields), advantage in read]


def _open_labels(read: Sequence[tuple[Task, list[tuple[dict[str, str], float]]]], start: Weights) -> dict[str, tuple[Option, ...]]:
    """Labels of text outputs: what was learnt before, and short answers of which each comes twice on average."""
    seen: dict[str, list[str]] = {}
    for task, answers in read:
        for output in task.outputs:
            if output.shape.kind == "text":
                seen.setdefault(output.name, []).extend(a[output.name] for a, _ in answers if output.name in a)
    labels: dict[str, tuple[Option, ...]] = {}
    for name, texts in seen.items():
        short = all(len(text) <= _LABEL_LENGTH and "\n" not in text for text in texts)
        if short and len(texts) >= 2 * len(set(texts)):
            labels[name] = tuple(sorted({*start.options(name), *texts}, key=str))
    return labels


Gradient = Callable[[_Decision, list[float], list[float], float], tuple[float, list[float]]]


def _pair_gap(decision: _Decision, scores: list[float], before: list[float]) -> tuple[int, int, float]:
    chosen = next(position for position, advantage in decision.tried if advantage > 0)
    rejected = next(position for position, advantage in decision.tried if advantage < 0)
    return chosen, rejected, (scores[chosen] - scores[rejected]) - (before[chosen] - before[rejected])


def _pushed(size: int, chosen: int, rejected: int, slope: float) -> list[float]:
    gradient = [0.0] * size
    gradient[chosen], gradient[rejected] = slope, -slope
    return gradient


def _ipo(decision: _Decision, scores: list[float], before: list[float], beta: float) -> tuple[float, list[float]]:
    chosen, rejected, gap = _pair_gap(decision, scores, before)
    miss = gap - 1 / (2 * beta)
    return miss * miss, _pushed(len(scores), chosen, rejected, 2 * miss * beta)  # scaled so that the step is that of DPO at the start


def _dpo(decision: _Decision, scores: list[float], before: list[float], beta: float) -> tuple[float, list[float]]:
    chosen, rejected, gap = _pair_gap(decision, scores, before)
    wrong = 1 / (1 + math.exp(min(60.0, beta * gap)))
    return -math.log(max(1 - wrong, 1e-12)), _pushed(len(scores), chosen, rejected, -wrong)


def _grpo(decision: _Decision, scores: list[float], before: list[float], beta: float) -> tuple[float, list[float]]:
    now, reference = softmax(scores), softmax(before)
    apart = [math.log(max(p, 1e-12) / max(q, 1e-12)) for p, q in zip(now, reference, strict=True)]
    divergence = sum(p * d for p, d in zip(now, apart, strict=True))
    gradient = [beta * p * (d - divergence) for p, d in zip(now, apart, strict=True)]
    loss, count = beta * divergence, len(decision.tried)
    for position, advantage in decision.tried:
        loss -= advantage * math.log(max(now[position], 1e-12)) / count
        gradient = [g + advantage * p / count for g, p in zip(gradient, now, strict=True)]
        gradient[position] -= advantage / count
    return loss, gradient


_GRADIENTS: Final[dict[str, Gradient]] = {"ipo": _ipo, "dpo": _dpo, "grpo": _grpo}
