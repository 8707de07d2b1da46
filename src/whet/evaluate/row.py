"""What an evaluation keeps: one `Row` per example, and the `EvaluationResult` over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from whet.core.records import Prediction, Score
from whet.evaluate.statistics import Estimate, mean_interval

__all__ = ["EvaluationResult", "Row", "Status"]

Status: TypeAlias = Literal["ok", "program_error", "metric_error", "infra_error", "timeout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example and what became of it.

    `status` is `ok`, `program_error` (the program raised: counts with the failure score), `timeout` (likewise), `metric_error` or
    `infra_error`
    (nobody's fault but the metric's or the network's: left out of the mean). `seconds` is the latency, `cost` in US dollars.
    """

    index: int
    example: Any
    prediction: Any
    score: Score | None
    status: Status
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = 0.0
    calls: int = 0
    cache_hits: int = 0
    error: BaseException | None = None

    @property
    def counts(self) -> bool:
        """Whether the row's score is part of the mean."""
        return self.score is not None


class EvaluationResult(Prediction):
    """The outcome of an evaluation.

    `score` is the mean in percent, rounded to two digits; `results` the triples (example, prediction, score); `rows` everything that is
    known of each
    example; `mean` the mean with its 95 % interval. `complete` is false when the evaluation was interrupted.
    """

    __slots__ = ("_complete", "_rows")

    _complete: bool
    _rows: tuple[Row, ...]

    def __init__(self, rows: Sequence[Row], failure_score: float = 0.0, complete: bool = True) -> None:
        results = [(row.example, row.prediction, row.score.value if row.score is not None else failure_score) for row in rows]
        counted = [row.score.value for row in rows if row.score is not None]
        score = round(100 * sum(counted) / len(counted), 2) if counted else 0.0
        super().__init__({"score": score, "results": results})
        self._rows, self._complete = tuple(rows), complete

    @property
    def rows(self) -> tuple[Row, ...]:
        """One `Row` per example, in the order of the devset."""
        return self._rows

    @property
    def complete(self) -> bool:
        """Whether every example was run."""
        return self._complete

    @property
    def mean(self) -> Estimate | None:
        """Mean score with its 95 % interval over the rows that count; `None` when there are none."""
        counted = [row.score.value for row in self._rows if row.score is not None]
        return mean_interval(counted) if counted else None

    @property
    def statuses(self) -> Counter[str]:
        """How many rows have which status."""
        return Counter(row.status for row in self._rows)

    @property
    def errors(self) -> list[Row]:
        """The rows that are not `ok`."""
        return [row for row in self._rows if row.status != "ok"]

    @property
    def parts(self) -> dict[str, Estimate]:
        """Mean and interval of every named part of the scores."""
        names = {name: None for row in self._rows if row.score is not None for name in row.score.parts}
        return {name: mean_interval([r.score.parts[name] for r in self._rows if r.score and name in r.score.parts]) for name in names}

    @property
    def tokens(self) -> int:
        """Tokens of all model calls."""
        return sum(row.tokens for row in self._rows)

    @property
    def cost(self) -> float | None:
        """US dollars of all model calls; `None` when any price is unknown."""
        costs = [row.cost for row in self._rows]
        return None if any(c is None for c in costs) else float(sum(c for c in costs if c is not None))

    @property
    def calls(self) -> int:
        """Model calls that were not answered from the cache."""
        return sum(row.calls for row in self._rows)

    def table(self, rows: int | None = None, width: int = 40) -> str:
        """The rows as a text table: fields of example and prediction, score, status; long cells are cut to `width` characters."""
        from whet.evaluate.table import text_table  # noqa: PLC0415 - only people who look need it

        return text_table(self._rows[:rows], width)

    def save_json(self, path: Any) -> None:
        """Write one JSON object per row, as a list."""
        from whet.evaluate.table import write_json  # noqa: PLC0415 - only people who save need it

        write_json(self._rows, path)

    def save_csv(self, path: Any) -> None:
        """Write one line per row."""
        from whet.evaluate.table import write_csv  # noqa: PLC0415 - only people who save need it

        write_csv(self._rows, path)

    def summary(self) -> str:
        """One sentence: score, interval, what failed."""
        mean = self.mean
        failed = ", ".join(f"{n} {status}" for status, n in sorted(self.statuses.items()) if status != "ok")
        interval = f" (95 % interval {100 * mean.low:.1f} to {100 * mean.high:.1f}, n = {mean.n})" if mean else " (no row counts)"
        return f"{self['score']:.1f} %{interval}" + (f"; {failed}" if failed else "") + ("" if self._complete else "; interrupted")

    def __repr__(self) -> str:
        return f"EvaluationResult(score={self['score']}, results=<list of {len(self._rows)} results>)"
