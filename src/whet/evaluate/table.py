"""Rows of an evaluation as a text table, CSV and JSON; no other library needed."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whet.core.schema import schema_of
from whet.errors import WhetError
from whet.evaluate.row import Row

__all__ = ["text_table", "write_csv", "write_json"]


def columns_of(row: Row) -> dict[str, Any]:
    """One row as named cells: fields of example and prediction (clashing names get `example_` and `pred_`), score, status, cost of the
    call."""
    example = dict(row.example)
    prediction = dict(row.prediction) if isinstance(row.prediction, Mapping) else {"prediction": row.prediction}
    cells = {f"example_{k}" if k in prediction else k: v for k, v in example.items()}
    cells.update({f"pred_{k}" if k in example else k: v for k, v in prediction.items()})
    cells["score"] = row.score.value if row.score is not None else None
    if row.score is not None and row.score.feedback:
        cells["feedback"] = row.score.feedback
    cells.update(status=row.status, seconds=round(row.seconds, 6), tokens=row.tokens, cost=row.cost)
    if row.error is not None:
        cells["error"] = f"{type(row.error).__name__}: {row.error}"
    return cells


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(v) for v in value]
    try:
        return schema_of(type(value)).dump(value)
    except (WhetError, TypeError, ValueError):
        return str(value)


def write_json(rows: Sequence[Row], path: Any) -> None:
    """A list with one object per row."""
    text = json.dumps([_plain(columns_of(row)) for row in rows], ensure_ascii=False, indent=2)
    Path(path).write_text(text + "\n", encoding="utf-8")


def write_csv(rows: Sequence[Row], path: Any) -> None:
    """One line per row; structured cells as JSON."""
    tables = [columns_of(row) for row in rows]
    names = list(dict.fromkeys(name for cells in tables for name in cells))
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({k: _cell(v) for k, v in cells.items()} for cells in tables)


def _cell(value: Any) -> Any:
    plain = _plain(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else plain


def text_table(rows: Sequence[Row], width: int = 40) -> str:
    """The rows under each other, with cells cut to `width` characters."""
    tables = [{k: _short(v, width) for k, v in columns_of(row).items()} for row in rows]
    names = list(dict.fromkeys(name for cells in tables for name in cells))
    sizes = [max(len(name), *(len(cells.get(name, "")) for cells in tables)) if tables else len(name) for name in names]
    lines = ["  ".join(name.ljust(size) for name, size in zip(names, sizes, strict=True)).rstrip()]
    lines.append("  ".join("-" * size for size in sizes))
    lines += ["  ".join(cells.get(name, "").ljust(size) for name, size in zip(names, sizes, strict=True)).rstrip() for cells in tables]
    return "\n".join(lines)


def _short(value: Any, width: int) -> str:
    text = " ".join(str(_cell(value)).split())
    return text if len(text) <= width else text[: width - 1] + "…"
