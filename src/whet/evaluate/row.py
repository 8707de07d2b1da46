"""What an evaluation keeps: one `Row` per example, and the `EvaluationResult` over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from whet.core.quick import maker, quick
from whet.core.records import Prediction, Score
from whet.core.wording import counted
from whet.errors import EvaluationError, InputError
from whet.evaluate.statistics import Estimate, mean_interval

__all__ = ["EvaluationResult", "Row", "SavedError", "Status", "check_field", "make_row"]

Status: TypeAlias = Literal["ok", "program_error", "metric_error", "infra_error", "timeout"]


class SavedError(EvaluationError):
    """An error of an earlier session, of which a file kept the name and the text."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example and what became of it.

    `status` is `ok`, `program_error` (the program raised: counts with the failure score), `timeout` (likewise), `metric_error` or
    `infra_error` (nobody's fault but the metric's or the network's: left out of the mean). `seconds` is the latency, `cost` in US dollars,
    `repeat` the number of the run where examples are run several times.

    >>> import whet
    >>> rows = [whet.Example(question="2+2?", answer="4").with_inputs("question")]
    >>> row = whet.Evaluate(devset=rows, metric=whet.evaluate.answer_exact_match)(lambda question: {}["nothing"]).rows[0]
    >>> row.status, row.score.value, row.reason
    ('program_error', 0.0, "KeyError: 'nothing'")
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
    repeat: int = 0

    @property
    def reason(self) -> str:
        """What failed, with the name of the error; empty where nothing did."""
        if self.error is None:
            return ""
        try:
            return str(self.error) if isinstance(self.error, SavedError) else f"{type(self.error).__name__}: {self.error}"
        except Exception:  # noqa: BLE001 - there are errors that cannot be shown, and a row is more than its error
            return type(self.error).__name__

    @property
    def counts(self) -> bool:
        """Whether the row's score is part of the mean."""
        return self.score is not None


# Every evaluation makes one per example; takes the fields in their order.
make_row = maker(Row)


class EvaluationResult(Prediction):
    """The outcome of an evaluation.

    `score` is the mean in percent, rounded to two digits; `results` the triples (example, prediction, score); `rows` everything that is
    known of each example; `mean` the mean with its 95 % interval. `complete` is false when the evaluation was interrupted.

    >>> import whet.testing
    >>> rows = [whet.Example(question=q, answer=a).with_inputs("question") for q, a in (("2+2?", "4"), ("3+3?", "6"))]
    >>> program = whet.Predict("question -> answer", lm=whet.testing.ScriptedLM(lambda request: {"answer": "4"}))
    >>> result = whet.Evaluate(devset=rows, metric=whet.evaluate.answer_exact_match)(program)
    >>> result.score, [row.status for row in result.rows], result.rows[1].prediction.answer
    (50.0, ['ok', 'ok'], '4')
    """

    __slots__ = ("_complete", "_corpus", "_metric", "_rows")

    _complete: bool
    _corpus: Mapping[str, Any]
    _metric: str
    _rows: tuple[Row, ...]

    def __init__(
        self,
        rows: Sequence[Row] | Mapping[str, Any] = (),
        failure_score: float = 0.0,
        complete: bool = True,
        corpus: Mapping[str, Any] | None = None,
        metric: str = "score",
        **fields: Any,
    ) -> None:
        if isinstance(rows, Mapping) or fields:  # `score` and `results` as somebody has them, a copy for one
            values = {**(rows if isinstance(rows, Mapping) else {}), **fields}
            rows = [_row_of(i, *triple) for i, triple in enumerate(values.get("results", ()))]
        else:
            results = [(row.example, row.prediction, row.score.value if row.score is not None else failure_score) for row in rows]
            counted = [row.score.value for row in rows if row.score is not None]
            values = {"score": round(100 * sum(counted) / len(counted), 2) if counted else 0.0, "results": results}
        super().__init__(values)
        self._rows, self._complete, self._corpus, self._metric = tuple(rows), complete, dict(corpus or {}), metric

    @property
    def rows(self) -> tuple[Row, ...]:
        """One `Row` per example, in the order of the devset."""
        return self._rows

    @property
    def complete(self) -> bool:
        """Whether every example was run."""
        return self._complete

    @property
    def metric(self) -> str:
        """The name of the metric (of the first one, where there are several): that of its column in tables and files."""
        return self._metric

    @property
    def corpus(self) -> Mapping[str, Any]:
        """The corpus-level measures asked for, by name."""
        return self._corpus

    @property
    def mean(self) -> Estimate | None:
        """Mean score with its 95 % interval over the rows that count; `None` when there are none. Repeats of a row are no new rows."""
        return _estimate([row for row in self._rows if row.score is not None])

    def slices(self, by: str | Callable[[Any], Any]) -> dict[Any, Estimate]:
        """Mean and interval of each slice of the rows: `by` is a field of the examples, or a function of an example that names its slice.

        A row whose slice is a list (of tags, say) counts in each of them; slices without a row that counts are left out. Raises
        `InputError` for a field that an example lacks.
        """
        if not callable(by):
            check_field({row.index: row.example for row in self._rows}, by)
        members: dict[Any, list[Row]] = {}
        for row in self._rows:
            label = by(row.example) if callable(by) else row.example[by]
            several = label if isinstance(label, list | tuple | set | frozenset) else (label,)
            for one in dict.fromkeys(map(_slice_name, several)):
                members.setdefault(one, []).append(row)
        found = {label: _estimate([row for row in rows if row.score is not None]) for label, rows in members.items()}
        return {label: estimate for label, estimate in found.items() if estimate is not None}

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
        scored = [row for row in self._rows if row.score is not None]
        names = {name: None for row in scored if row.score for name in row.score.parts}
        groups = _groups(scored)
        parts = {}
        for name in names:
            having = [i for i, row in enumerate(scored) if row.score and name in row.score.parts]
            values = [scored[i].score.parts[name] for i in having]  # type: ignore[union-attr]
            parts[name] = mean_interval(values, groups=[groups[i] for i in having] if groups else None)
        return parts

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
        """The rows as a text table: fields of example and prediction, the metric, status; long cells are cut to `width` characters."""
        from whet.evaluate.table import text_table  # noqa: PLC0415 - only people who look need it

        return text_table(self._rows[:rows], width, self._metric)

    def save_json(self, path: Any) -> None:
        """Write one JSON object per row, as a list."""
        from whet.evaluate.table import write_json  # noqa: PLC0415 - only people who save need it

        write_json(self, path)

    def save_csv(self, path: Any) -> None:
        """Write one line per row."""
        from whet.evaluate.table import write_csv  # noqa: PLC0415 - only people who save need it

        write_csv(self, path)

    def save_html(self, path: Any, by: str | None = None) -> None:
        """Write one page with the summary, the slices by the field `by`, and all rows; it needs nothing else to be looked at."""
        from whet.evaluate.page import write_html  # noqa: PLC0415 - only people who save need it

        write_html(self, path, by)

    def save_jsonl(self, path: Any) -> None:
        """Write one JSON object per line, which `load_run` and `diff` read back."""
        from whet.evaluate.stream import write_run  # noqa: PLC0415 - only people who save need it

        write_run(self, path)

    def summary(self) -> str:
        """One sentence: score, interval, what failed."""
        mean = self.mean
        failed = ", ".join(f"{n} {status}" for status, n in sorted(self.statuses.items()) if status != "ok")
        interval = " (no row counts)"
        if mean is not None:
            ends = f"95 % interval {100 * mean.low:.1f} to {100 * mean.high:.1f}" if mean.bounded else f"no interval: {mean.method}"
            interval = f" ({ends}, n = {mean.n})"
        return f"{self['score']:.1f} %{interval}" + (f"; {failed}" if failed else "") + ("" if self._complete else "; interrupted")

    def __repr__(self) -> str:
        return f"EvaluationResult(score={self['score']}, results=<list of {counted(len(self._rows), 'result')}>)"


def check_field(examples: Mapping[int, Any], by: str) -> None:
    """Raise `InputError` when an example lacks the field that slices are made by."""
    for index, example in examples.items():
        if by not in example:
            raise InputError(f"Example {index} has no field {by!r} to make slices by; it has: {', '.join(example)}.")


def _row_of(index: int, example: Any, prediction: Any, score: Any) -> Row:
    return Row(index=index, example=example, prediction=prediction, score=Score.of(score), status="ok")


def _slice_name(label: Any) -> Any:
    """A label that slices can be looked up by: its text where it is a dict, say."""
    try:
        hash(label)
    except TypeError:
        return str(label)
    return label


def _groups(rows: Sequence[Row]) -> list[int] | None:
    return [row.index for row in rows] if any(row.repeat for row in rows) else None


def _estimate(rows: Sequence[Row]) -> Estimate | None:
    return mean_interval([row.score.value for row in rows if row.score is not None], groups=_groups(rows)) if rows else None
