"""An evaluation as one page of HTML: no script, no network, no other file; for the day, for the night, and for a narrow window."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whet.core.whole import write_whole
from whet.core.wording import counted
from whet.evaluate.row import EvaluationResult, Row
from whet.evaluate.statistics import Estimate
from whet.evaluate.table import Table, cell_of

__all__ = ["write_html"]

# So many characters of a cell are shown before it is opened; so many stay on one line.
_SHOWN, _SHORT = 280, 24
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #d5dae3; --paper: #fff; --good: #12805c; --bad: #b42318;
  --mark: #3056d3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #344054; --paper: #14181f; --good: #4cc38a;
  --bad: #f97066; --mark: #8ea8ff; } }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: .5rem; } h2 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
ul { list-style: none; padding: 0; margin: 0; } li { display: flex; gap: .75rem; align-items: center; padding: .1rem 0; flex-wrap: wrap; }
.scale { position: relative; width: 12rem; height: .6rem; border-radius: 3px; flex: none;
  background: color-mix(in srgb, var(--ink) 10%, transparent); }
.scale i { position: absolute; inset: 0 auto; border-radius: 3px; background: color-mix(in srgb, var(--mark) 45%, transparent); }
.scale b { position: absolute; top: -.15rem; bottom: -.15rem; width: 3px; margin-left: -1px; background: var(--mark); }
.show { display: flex; gap: 1.25rem; margin: 1.5rem 0 .5rem; flex-wrap: wrap; color: var(--soft); } .show label { cursor: pointer; }
.show :checked + span { color: var(--ink); font-weight: 600; }
body:has(#low:checked) tr.high, body:has(#failed:checked) tbody tr:not(.failed) { display: none; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } thead { position: sticky; top: 0; background: var(--paper); }
td, th { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; white-space: nowrap; } td { min-width: 14rem; max-width: 40rem; }
td { white-space: pre-wrap; overflow-wrap: anywhere; } td.short { min-width: 0; white-space: nowrap; }
td:first-child { color: var(--soft); }
.value { font-weight: 600; color: color-mix(in srgb, var(--good) calc(var(--share) * 100%), var(--bad)); }
.failed td { background: color-mix(in srgb, var(--bad) 9%, transparent); } td.status { min-width: 8rem; }
.failed .status { color: var(--bad); }
summary { cursor: pointer; list-style: none; } summary::after { content: " …more"; color: var(--mark); }
details[open] summary { color: var(--soft); } details[open] summary::after { content: " …less"; } details[open] .start { display: none; }
@media (max-width: 46rem) { body { margin: 1rem auto; } table, tbody, tr, td { display: block; } thead { display: none; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; } td, td.status { border: 0; min-width: 0; max-width: none;
  padding: .1rem .5rem; } td:empty { display: none; } td::before { content: attr(data-name); color: var(--soft); display: block;
  font-size: .85em; } td.short::before { display: inline-block; min-width: 7rem; } td.short { white-space: normal; } }
@media print { .show { display: none; } thead { position: static; } }
"""


def write_html(result: EvaluationResult, path: Any, by: str | None = None) -> None:
    """A page with the summary, the slices by the field `by`, and the rows: what they scored, what failed, what they say."""
    mean = result.mean
    kinds = [_kind(row, None if mean is None else mean.value) for row in result.rows]
    rows = _rows(result, kinds)
    facts = [_fact(result.summary(), mean), *(_fact(f"{name}: {part}", part) for name, part in result.parts.items()), *_more(result)]
    slices = _slices(result, by) if by is not None else ""
    title = f"Evaluation: {html.escape(result.metric)}"
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>{_STYLE}</style></head>\n'
        f"<body><h1>{title}</h1><ul>{''.join(facts)}</ul>{slices}{_choice(kinds)}\n{rows}\n</body></html>\n"
    )
    write_whole(Path(path), page, shared=True, errors="backslashreplace")


def _fact(text: str, estimate: Estimate | None) -> str:
    """A line of the summary; what lies between 0 and 1 is drawn as well, a mark for the mean in the band of its interval."""
    scale = ""
    if estimate is not None and 0 <= estimate.low <= estimate.high <= 1:
        band = f'<i style="left:{100 * estimate.low:.1f}%;width:{100 * (estimate.high - estimate.low):.1f}%"></i>'
        scale = f'<span class="scale">{band}<b style="left:{100 * estimate.value:.1f}%"></b></span>'
    return f"<li>{scale}<span>{html.escape(text)}</span></li>"


def _more(result: EvaluationResult) -> list[str]:
    """The measures of all rows together, and what the evaluation cost."""
    lines = [f"{name}: {_number(measure)}" for name, measure in result.corpus.items()]
    if result.tokens or result.calls:
        cost = "price unknown" if result.cost is None else f"${result.cost:.4f}"
        lines.append(f"{counted(result.calls, 'model call')}, {counted(result.tokens, 'token')}, {cost}")
    return [_fact(line, None) for line in lines]


def _slices(result: EvaluationResult, by: str) -> str:
    lines = "".join(_fact(f"{label}: {estimate}", estimate) for label, estimate in result.slices(by).items())
    return f"<h2>By {html.escape(by)}</h2><ul>{lines}</ul>"


def _choice(kinds: Sequence[str]) -> str:
    """Which rows are shown: where some are worth a look more than others."""
    choices = {"all": len(kinds), "low": len(kinds) - kinds.count("high"), "failed": kinds.count("failed")}
    texts = {"all": "all {} rows", "low": "{} below the mean or failed", "failed": "{} failed"}
    shown = [(name, texts[name].format(count)) for name, count in choices.items() if name == "all" or 0 < count < len(kinds)]
    inputs = (
        f'<label><input type="radio" name="show" id="{name}"{" checked" if name == "all" else ""}> <span>{text}</span></label>'
        for name, text in shown
    )
    return f'<form class="show">{"".join(inputs)}</form>' if len(shown) > 1 else ""


def _kind(row: Row, mean: float | None) -> str:
    if row.status != "ok":
        return "failed"
    return "high" if row.score is None or mean is None or row.score.value >= mean else "low"


def _rows(result: EvaluationResult, kinds: Sequence[str]) -> str:
    """The table: number, score and status first, since they say which row to read."""
    table, parts = Table(result.rows, result.metric), list(result.parts)
    score = table.column("metric_", result.metric)
    status, error, seconds, *rest = (table.column("row_", name) for name in ("status", "error", "seconds", "tokens", "cost", "repeat"))
    idle = {name for name in rest[:2] if not any(cells.get(name) for cells in table.rows)}
    measured = {table.column("metric_", part) for part in parts} - {score}
    left_out = {score, status, error, rest[2], *idle}
    names = sorted((name for name in table.columns if name not in left_out), key=lambda name: name not in measured)
    failed = bool(result.errors)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("#", score, *([status] if failed else []), *names))
    lines = []
    for row, cells, kind in zip(result.rows, table.rows, kinds, strict=True):
        line = [_cell("#", f"{row.index}" + (f" run {row.repeat}" if row.repeat else "")), _value(score, row)]
        if failed:
            line.append(_cell(status, "\n".join(filter(None, ("" if row.status == "ok" else row.status, cells.get(error)))), "status"))
        line += [_cell(name, _shown(cells.get(name), name in measured or name == seconds)) for name in names]
        lines.append(f'<tr class="{kind}">{"".join(line)}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{chr(10).join(lines)}\n</tbody></table>"


def _value(name: str, row: Row) -> str:
    if row.score is None:
        return _cell(name, "")
    share = min(1.0, max(0.0, row.score.value)) if math.isfinite(row.score.value) else 0.0
    return f'<td class="short value" data-name="{html.escape(name)}" style="--share:{share:.3f}">{_number(row.score.value)}</td>'


def _shown(value: Any, measured: bool) -> str:
    if value is None:
        return ""
    return _number(value) if measured else str(cell_of(value))


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _cell(name: str, text: str, kind: str = "") -> str:
    """A cell under its name, which a narrow window shows before it; of a long text the start, and the whole once it is opened."""
    marks = [kind] if kind else []
    if len(text) <= _SHORT and "\n" not in text and not kind:
        marks.append("short")
    mark = f' class="{" ".join(marks)}"' if marks else ""
    return f'<td{mark} data-name="{html.escape(name)}">{_folded(text)}</td>'


def _folded(text: str) -> str:
    if len(text) <= _SHOWN + 40:
        return html.escape(text)
    start = html.escape(text[:_SHOWN])
    return f'<details><summary><span class="start">{start}</span></summary>{html.escape(text)}</details>'
