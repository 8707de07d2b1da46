"""Rows of an evaluation as a text table, CSV and JSON; no other library needed."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from whet.core.schema import schema_of
from whet.core.whole import write_whole
from whet.errors import WhetError
from whet.evaluate.row import EvaluationResult, Row

__all__ = ["Table", "cell_of", "json_text", "lasting_text", "plain_value", "shown", "text_table", "write_csv", "write_json"]

# What is known of each row beside its fields and measures.
_KNOWN = ("repeat", "feedback", "status", "seconds", "tokens", "cost", "error")
# Parts of words and of emoji, though not signs of their own.
_JOINERS = "\u200c\u200d"


class Table:
    """The cells of all rows under names that mean one thing in each of them.

    A field that example and prediction share is `example_...` and `pred_...`; a measure named like a field is `metric_...`, and what is
    known of each row is `row_...` where a field or a measure has its name.
    """

    def __init__(self, rows: Sequence[Row], metric: str) -> None:
        given = dict.fromkeys(name for row in rows for name in row.example)
        made = dict.fromkeys(name for row in rows for name in _outputs(row))
        shared = given.keys() & made.keys()
        fields = [*(("example_", name) for name in given), *(("pred_", name) for name in made)]
        parts = dict.fromkeys(name for row in rows if row.score is not None for name in row.score.parts)
        self._named: dict[tuple[str, str], str] = {}
        for kind, name in sorted(fields, key=lambda field: field[1] in shared):
            self._name(kind, name, shared)
        for kind, name in (("metric_", metric), *(("metric_", part) for part in parts), *(("row_", known) for known in _KNOWN)):
            self._name(kind, name)
        repeated = any(row.repeat for row in rows)
        self.rows = [self._cells(row, metric, repeated) for row in rows]
        self.columns = list(dict.fromkeys(name for cells in self.rows for name in cells))

    def _name(self, kind: str, name: str, clashing: Collection[str] = ()) -> None:
        if (kind, name) not in self._named:
            column, taken = f"{kind}{name}" if name in clashing else str(name), self._named.values()
            while column in taken:
                column = f"{kind}{column}"
            self._named[(kind, name)] = column

    def column(self, kind: str, name: str) -> str:
        """The name of a column: the score or a part of it is of the kind "metric_", what is known of a row "row_"."""
        return self._named[(kind, name)]

    def _cells(self, row: Row, metric: str, repeated: bool) -> dict[str, Any]:
        measures = {metric: None} if row.score is None else {metric: row.score.value, **row.score.parts}
        known: dict[str, Any] = {"repeat": row.repeat} if repeated else {}
        if row.score is not None and row.score.feedback:
            known["feedback"] = row.score.feedback
        known |= {"status": row.status, "seconds": round(row.seconds, 6), "tokens": row.tokens, "cost": row.cost}
        if row.error is not None:
            known["error"] = row.reason
        parts = {"example_": dict(row.example), "pred_": _outputs(row), "metric_": measures, "row_": known}
        return {self._named[(kind, name)]: value for kind, cells in parts.items() for name, value in cells.items()}


def _outputs(row: Row) -> dict[str, Any]:
    return dict(row.prediction) if isinstance(row.prediction, Mapping) else {"prediction": row.prediction}


def plain_value(value: Any) -> Any:
    """A value as JSON can hold it, the same in every process; its text where there is no better form, `None` for a number without end."""
    if value is None or isinstance(value, str | int | float | bool):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    if isinstance(value, Mapping):
        return {str(k): plain_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(map(plain_value, value), key=json.dumps)
    try:
        return schema_of(type(value)).dump(value)
    except (WhetError, TypeError, ValueError):
        return lasting_text(str(value))


def lasting_text(text: str) -> str:
    """The text of an object without its address, which is another one in the next process.

    >>> lasting_text("<Index object at 0x7f00a1>")
    '<Index object>'
    """
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON that can be written to a file: readable, but for half characters of a damaged answer, which no file can hold."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def write_json(result: EvaluationResult, path: Any) -> None:
    """A list with one object per row."""
    text = json_text([plain_value(cells) for cells in Table(result.rows, result.metric).rows], indent=2)
    write_whole(Path(path), text + "\n", shared=True)


def write_csv(result: EvaluationResult, path: Any) -> None:
    """One line per row; structured cells as JSON."""
    table = Table(result.rows, result.metric)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, table.columns)
    writer.writeheader()
    writer.writerows({k: cell_of(v) for k, v in cells.items()} for cells in table.rows)
    write_whole(Path(path), text.getvalue(), shared=True, errors="backslashreplace")


def cell_of(value: Any) -> Any:
    """What one cell of a file or a page holds: text, a number, or JSON of what has parts."""
    if isinstance(value, float):
        return value
    plain = plain_value(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else plain


def text_table(rows: Sequence[Row], width: int = 40, metric: str = "score") -> str:
    """The rows under each other, with cells cut to `width` characters."""
    table = Table(rows, metric)
    names, tables = table.columns, [{k: _short(v, width) for k, v in cells.items()} for cells in table.rows]
    sizes = [max(len(name), *(len(cells.get(name, "")) for cells in tables)) if tables else len(name) for name in names]
    lines = ["  ".join(name.ljust(size) for name, size in zip(names, sizes, strict=True)).rstrip()]
    lines.append("  ".join("-" * size for size in sizes))
    lines += ["  ".join(cells.get(name, "").ljust(size) for name, size in zip(names, sizes, strict=True)).rstrip() for cells in tables]
    return "\n".join(lines)


def shown(text: str) -> str:
    """A text in one line, as a terminal may show it: models write escape sequences, and signs that turn a line around.

    >>> shown("one\\n two\\x1b[2J")
    'one two\ufffd[2J'
    """
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(sign if sign.isprintable() or sign in _JOINERS else "\ufffd" for sign in line)


def _short(value: Any, width: int) -> str:
    text = shown(str(cell_of(value)))
    return text if len(text) <= width else text[: width - 1] + "…"
