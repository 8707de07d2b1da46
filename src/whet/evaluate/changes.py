"""What changed between two evaluations of the same examples, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from whet.core.wording import a_kind, counted
from whet.errors import InputError
from whet.evaluate.comparison import Comparison, compare, places_of
from whet.evaluate.row import EvaluationResult, Row

__all__ = ["RowChange", "RunDiff", "diff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """One example in both runs; scores are `None` where the row did not count.

    >>> from whet.core.records import Score
    >>> good, bad = (Row(index=0, example="2+2?", prediction="4", score=Score(value=value), status="ok") for value in (1.0, 0.0))
    >>> RowChange(index=0, example="2+2?", before=good, after=bad).delta
    -1.0
    """

    index: int
    example: Any
    before: Row
    after: Row

    @property
    def delta(self) -> float | None:
        """How much the score rose; `None` where one of the rows did not count."""
        if self.before.score is None or self.after.score is None:
            return None
        return self.after.score.value - self.before.score.value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDiff:
    """Two runs, example by example, with the comparison of their scores (`None` when no row counts in both).

    >>> import whet
    >>> rows = [whet.Example(question=q, answer=a).with_inputs("question") for q, a in (("2+2?", "4"), ("3+3?", "6"))]
    >>> evaluate = whet.Evaluate(devset=rows, metric=whet.evaluate.answer_exact_match)
    >>> before, after = (evaluate(lambda question, answer=answer: whet.Prediction(answer=answer)) for answer in ("4", "6"))
    >>> changes = diff(before, after)
    >>> len(changes.improved), len(changes.failing), changes.comparison.effect.value
    (1, 0, 0.0)
    """

    changes: tuple[RowChange, ...]
    only_before: tuple[Row, ...]
    only_after: tuple[Row, ...]
    comparison: Comparison | None

    @property
    def worsened(self) -> list[RowChange]:
        """The examples whose score fell, most first."""
        return sorted((c for c in self.changes if (c.delta or 0) < 0), key=lambda c: c.delta or 0)

    @property
    def improved(self) -> list[RowChange]:
        """The examples whose score rose, most first."""
        return sorted((c for c in self.changes if (c.delta or 0) > 0), key=lambda c: -(c.delta or 0))

    @property
    def failing(self) -> list[RowChange]:
        """The examples that were `ok` and are not any more."""
        return [c for c in self.changes if c.before.status == "ok" and c.after.status != "ok"]

    def __str__(self) -> str:
        lines = [str(self.comparison) if self.comparison else "No example counts in both runs."]
        lines += [_line(c) for c in (*self.worsened, *self.improved)]
        for name, rows in (("before", self.only_before), ("after", self.only_after)):
            lines += [f"{counted(len(rows), 'example')} in the run {name} only."] if rows else []
        return "\n".join(lines)


def diff(before: EvaluationResult, after: EvaluationResult) -> RunDiff:
    """Compare two evaluations example by example; rows belong together when all fields of their examples are equal.

    Repeats are shown in their order, and are no new rows to the comparison of the scores. Raises `InputError` when no example is in both.

    >>> import whet
    >>> rows = [whet.Example(question=q, answer=a).with_inputs("question") for q, a in (("2+2?", "4"), ("3+3?", "6"))]
    >>> evaluate = whet.Evaluate(devset=rows, metric=whet.evaluate.answer_exact_match)
    >>> before, after = (evaluate(lambda question, answer=answer: whet.Prediction(answer=answer)) for answer in ("4", "6"))
    >>> [(change.example.question, change.delta) for change in diff(before, after).worsened]
    [('2+2?', -1.0)]
    """
    for run in (before, after):
        check_run(run)
    old, new = _by_place(before), _by_place(after)
    shared = [place for place in new if place in old]
    if not shared:
        raise InputError("No example is in both evaluations. Were they made with the same devset?")
    changes = tuple(RowChange(index=new[p].index, example=new[p].example, before=old[p], after=new[p]) for p in shared)
    pairs = _pairs(changes)
    return RunDiff(
        changes=changes,
        only_before=tuple(row for place, row in old.items() if place not in new),
        only_after=tuple(row for place, row in new.items() if place not in old),
        comparison=compare([a for a, _ in pairs], [b for _, b in pairs], names=("before", "after")) if pairs else None,
    )


def check_run(run: Any) -> None:
    """Raises `InputError` for what is no evaluation."""
    if not isinstance(run, EvaluationResult):
        hint = " Read a file with `load_run(path)`." if isinstance(run, str | PathLike) else ""
        raise InputError(f"An evaluation is what `Evaluate` gives; this is {run!r:.80}, {a_kind(run)}.{hint}")


def _pairs(changes: Sequence[RowChange]) -> list[tuple[float, float]]:
    """The scores of each example before and after, the mean of its repeats."""
    scores: dict[int, list[tuple[float, float]]] = {}
    for c in changes:
        if c.before.score is not None and c.after.score is not None:
            scores.setdefault(c.index, []).append((c.before.score.value, c.after.score.value))
    return [(sum(a for a, _ in of) / len(of), sum(b for _, b in of) / len(of)) for of in scores.values()]


def _by_place(result: EvaluationResult) -> dict[tuple[str, int, int], Row]:
    """The rows by their example and the number of their repeat."""
    return {(key, number, row.repeat): row for row, (key, number) in zip(result.rows, places_of(result), strict=True)}


def _line(change: RowChange) -> str:
    before, after = change.before, change.after
    shown = " ".join(f"{name}={str(value)[:60]!r}" for name, value in change.example.items())
    status = "" if before.status == after.status else f" ({before.status} -> {after.status})"
    return f"[{change.index}] {_value(before)} -> {_value(after)}{status}: {shown}"


def _value(row: Row) -> str:
    return "-" if row.score is None else f"{row.score.value:g}"
