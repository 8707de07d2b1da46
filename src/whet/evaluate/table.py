"""Rows of an evaluation as a text table, CSV, JSON and HTML; no other library needed."""

from __future__ import annotations

import csv
import html
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from whet.core.schema import schema_of
from whet.errors import WhetError
from whet.evaluate.row import EvaluationResult, Row

__all__ = ["json_text", "plain_value", "text_table", "write_csv", "write_html", "write_json"]


def columns_of(row: Row, metric: str = "score", clashing: Collection[str] = ()) -> dict[str, Any]:
    """One row as named cells: fields of example and prediction (`clashing` names get `example_` and `pred_`), the score under the metric's
    name, its parts, status, cost of the call. A measure named like a field gets `metric_` before its name."""
    cells = {f"example_{k}" if k in clashing else k: v for k, v in dict(row.example).items()}
    cells.update({f"pred_{k}" if k in clashing else k: v for k, v in _outputs(row).items()})
    measures = {metric: None} if row.score is None else {metric: row.score.value, **row.score.parts}
    cells.update({f"metric_{name}" if name in cells else name: value for name, value in measures.items()})
    if row.score is not None and row.score.feedback:
        cells["feedback"] = row.score.feedback
    cells.update(status=row.status, seconds=round(row.seconds, 6), tokens=row.tokens, cost=row.cost)
    if row.error is not None:
        cells["error"] = f"{type(row.error).__name__}: {row.error}"
    return cells


def _outputs(row: Row) -> dict[str, Any]:
    return dict(row.prediction) if isinstance(row.prediction, Mapping) else {"prediction": row.prediction}


def plain_value(value: Any) -> Any:
    """A value as JSON can hold it; its text where there is no better form."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain_value(v) for v in value]
    try:
        return schema_of(type(value)).dump(value)
    except (WhetError, TypeError, ValueError):
        return str(value)


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
    text = json_text([plain_value(cells) for cells in _tables(result.rows, result.metric)[0]], indent=2)
    Path(path).write_text(text + "\n", encoding="utf-8")


def write_csv(result: EvaluationResult, path: Any) -> None:
    """One line per row; structured cells as JSON."""
    tables, names = _tables(result.rows, result.metric)
    with Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({k: _cell(v) for k, v in cells.items()} for cells in tables)


# So many characters of a cell stay on one line.
_SHORT = 24
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 14px system-ui, sans-serif; margin: 2em; color: #222; }} table {{ border-collapse: collapse; margin-top: 1em; }}
td, th {{ border: 1px solid #ddd; padding: 4px 8px; text-align: left; vertical-align: top; max-width: 40em; white-space: pre-wrap; }}
td {{ min-width: 16em; overflow-wrap: anywhere; }} td.short {{ min-width: 0; }} td.short, th {{ white-space: nowrap; }}
tr.bad {{ background: #fdecea; }} th {{ position: sticky; top: 0; background: #f6f6f6; }} li {{ list-style: none; }} ul {{ padding: 0; }}
</style></head><body><h1>{title}</h1><ul>{summary}</ul><table><tr>{head}</tr>
{body}
</table></body></html>
"""


def write_html(result: EvaluationResult, path: Any) -> None:
    """A page with the summary and the rows; rows that failed are marked."""
    tables, names = _tables(result.rows, result.metric)
    lines = []
    for row, cells in zip(result.rows, tables, strict=True):
        shown = (str(_cell(cells[name])) if cells.get(name) is not None else "" for name in names)
        mark = "" if row.status == "ok" else ' class="bad"'
        lines.append(f"<tr{mark}>" + "".join(map(_html_cell, shown)) + "</tr>")
    facts = [result.summary(), *(f"{name}: {estimate}" for name, estimate in result.parts.items()), *_spent(result)]
    summary = "".join(f"<li>{html.escape(fact)}</li>" for fact in facts)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    page = _PAGE.format(title=f"Evaluation: {html.escape(result.metric)}", summary=summary, head=head, body="\n".join(lines))
    Path(path).write_text(page, encoding="utf-8", errors="backslashreplace")


def _html_cell(text: str) -> str:
    short = ' class="short"' if len(text) <= _SHORT and "\n" not in text else ""
    return f"<td{short}>{html.escape(text)}</td>"


def _spent(result: EvaluationResult) -> list[str]:
    cost = "price unknown" if result.cost is None else f"${result.cost:.4f}"
    return [f"{result.calls} model calls, {result.tokens} tokens, {cost}"] if result.tokens or result.calls else []


def _tables(rows: Sequence[Row], metric: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The cells of all rows, and the names of all columns."""
    given, made = ({name for row in rows for name in fields(row)} for fields in (lambda row: dict(row.example), _outputs))
    tables = [columns_of(row, metric, given & made) for row in rows]
    return tables, list(dict.fromkeys(name for cells in tables for name in cells))


def _cell(value: Any) -> Any:
    plain = plain_value(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else plain


def text_table(rows: Sequence[Row], width: int = 40, metric: str = "score") -> str:
    """The rows under each other, with cells cut to `width` characters."""
    whole, names = _tables(rows, metric)
    tables = [{k: _short(v, width) for k, v in cells.items()} for cells in whole]
    sizes = [max(len(name), *(len(cells.get(name, "")) for cells in tables)) if tables else len(name) for name in names]
    lines = ["  ".join(name.ljust(size) for name, size in zip(names, sizes, strict=True)).rstrip()]
    lines.append("  ".join("-" * size for size in sizes))
    lines += ["  ".join(cells.get(name, "").ljust(size) for name, size in zip(names, sizes, strict=True)).rstrip() for cells in tables]
    return "\n".join(lines)


def _short(value: Any, width: int) -> str:
    text = " ".join(str(_cell(value)).split())
    return text if len(text) <= width else text[: width - 1] + "…"
