"""A page about a run: score against calls, the tree of candidates, the prompt's diff, the winner row by row. One file, no network."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from whet.core.wording import counted
from whet.optimize.run import Run, Trial

__all__ = ["html_report"]

_ROWS_SHOWN = 100
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #d5dae3; --paper: #fff;
  --good: #12805c; --bad: #b42318; --mark: #3056d3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #344054; --paper: #14181f; --good: #4cc38a;
  --bad: #f97066; --mark: #8ea8ff; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem } .soft { color: var(--soft) }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums } td, th { text-align: left; padding: .25rem .5rem;
  border-bottom: 1px solid var(--line); vertical-align: top } th { color: var(--soft); font-weight: 500 }
pre { white-space: pre-wrap; overflow-wrap: anywhere;
  background: color-mix(in srgb, var(--ink) 5%, transparent); padding: .75rem; border-radius: 6px }
.add { color: var(--good) } .cut { color: var(--bad) }
ul.tree { list-style: none; padding-left: 1.1rem; border-left: 1px solid var(--line) }
svg { width: 100%; height: auto } .bar { display: inline-block; height: .7rem; background: var(--mark); border-radius: 2px }
"""


def html_report(run: Run, path: Any = None) -> str:
    """The page as text; written to `path` if one is given."""
    parts = [_head(run), _certificate(run), _curve(run), _trials(run), _tree(run), _diff(run), _rows(run), _decisions(run), _settings(run)]
    title = html.escape(run.optimizer)
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    if path is not None:
        Path(path).write_text(page, encoding="utf-8")
    return page


def _head(run: Run) -> str:
    return (
        f"<h1>{html.escape(run.optimizer)}</h1><p>Ended: <b>{html.escape(run.stop_reason)}</b>. "
        f"{counted(len(run.candidates), 'candidate')}, {counted(run.rollouts, 'program run')}, {html.escape(str(run.spend))}.</p>"
    )


def _certificate(run: Run) -> str:
    if run.certificate is None:
        return '<p class="soft">No rows were kept back: the scores below are those the search chose by, too high for the winner.</p>'
    return f"<h2>What was gained</h2><p>{html.escape(str(run.certificate))}</p>"


def _curve(run: Run) -> str:
    points = [(calls, score) for calls, score, _ in run.curve]
    if len(points) < 2:
        return ""
    most = max(calls for calls, _ in points) or 1
    low, high = min(0.0, *(s for _, s in points)), max(s for _, s in points)
    high = 1.0 if 0 < high <= 1 else high
    span = high - low or 1.0
    places = [(40 + 540 * calls / most, 150 - 130 * (score - low) / span) for calls, score in points]
    steps = [places[0], *(corner for (_, y), (x, new) in pairwise(places) for corner in ((x, y), (x, new)))]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in steps)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="var(--mark)"/>' for x, y in places)
    return (
        '<h2>Score of the best so far, against calls</h2><p class="soft">On the rows that it had been run on by then: it falls where '
        'more rows came in.</p><svg viewBox="0 0 600 180" role="img" aria-label="score against calls">'
        f'<path d="M40 20H580M40 85H580M40 150H580" stroke="var(--line)" fill="none"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--mark)" stroke-width="2"/>{dots}'
        f'<g fill="var(--soft)" font-size="11"><text x="2" y="24">{high:.2f}</text><text x="2" y="89">{(low + high) / 2:.2f}</text>'
        f'<text x="2" y="154">{low:.2f}</text>'
        f'<text x="40" y="172">0</text><text x="580" y="172" text-anchor="end">{most} calls</text></g></svg>'
    )


def _trials(run: Run) -> str:
    lines = "".join(_trial(run, trial) for trial in run.trials[:40])
    more = f'<p class="soft">… and {len(run.trials) - 40} more.</p>' if len(run.trials) > 40 else ""
    head = "".join(f"<th>{name}</th>" for name in ("candidate", "how", "rows", "score", "95 % interval"))
    return f"<h2>Candidates</h2><table><tr>{head}</tr>{lines}</table>{more}"


def _trial(run: Run, trial: Trial) -> str:
    best = " <b>(winner)</b>" if run.best is not None and trial.candidate == run.best else ""
    if trial.estimate is None:
        score = "<td></td><td></td>"
    else:
        e = trial.estimate
        width = max(0.0, min(1.0, e.value)) * 5
        bar = f'<span class="bar" style="width:{width:.2f}rem"></span>'
        score = f"<td>{e.value:.3f} {bar}</td><td>{e.low:.3f} to {e.high:.3f}</td>"
    note = html.escape(trial.candidate.note)
    return f"<tr><td><code>{trial.candidate.hash[:6]}</code>{best}</td><td>{note}</td><td>{len(trial.counted)}</td>{score}</tr>"


def _tree(run: Run) -> str:
    known = {c.hash for c in run.candidates}
    children: dict[str, list[Any]] = defaultdict(list)
    for candidate in run.candidates:
        parent = next((p for p in candidate.parents if p in known), "")
        children[parent].append(candidate)
    seen: set[str] = set()

    def branch(parent: str) -> str:
        items = []
        for candidate in children[parent]:
            if candidate.hash not in seen:
                seen.add(candidate.hash)
                items.append(f"<li><code>{candidate.hash[:6]}</code> {html.escape(candidate.note)}{branch(candidate.hash)}</li>")
        return f'<ul class="tree">{"".join(items)}</ul>' if items else ""

    return f"<h2>Where they come from</h2>{branch('')}"


def _diff(run: Run) -> str:
    text = run.diff()
    if not text:
        return "<h2>What changed in the prompts</h2><p>Nothing: the program is as it was given.</p>"
    lines = []
    for line in text.splitlines():
        kind = "add" if line.startswith("+") else "cut" if line.startswith("-") else ""
        lines.append(f'<span class="{kind}">{html.escape(line)}</span>')
    return "<h2>What changed in the prompts</h2><pre>" + "\n".join(lines) + "</pre>"


def _rows(run: Run) -> str:
    if not run.comparison:
        return ""
    changed = sorted(run.comparison, key=_change)
    up, down = sum(_change(r) > 0 for r in changed), sum(_change(r) < 0 for r in changed)
    shown = [*changed[:down], *reversed(changed[down:])][:_ROWS_SHOWN]
    lines = "".join(map(_row, shown))
    more = f" The first {len(shown)} of {len(changed)} are shown." if len(shown) < len(changed) else ""
    said = f'<p class="soft">{counted(down, "row")} got worse, {up} got better, {len(changed) - up - down} are as they were.{more}</p>'
    return f"<h2>Row by row</h2>{said}<table><tr><th>inputs</th><th>as given</th><th>winner</th></tr>{lines}</table>"


def _change(compared: tuple[Any, float | None, float | None]) -> float:
    return (compared[2] or 0.0) - (compared[1] or 0.0)


def _row(compared: tuple[Any, float | None, float | None]) -> str:
    row, before, after = compared
    kind = "add" if _change(compared) > 0 else "cut" if _change(compared) < 0 else "soft"
    return f'<tr><td>{html.escape(_short(row))}</td><td>{_number(before)}</td><td class="{kind}">{_number(after)}</td></tr>'


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _short(row: Any, width: int = 120) -> str:
    values = row.inputs() if hasattr(row, "inputs") else row
    text = "; ".join(f"{k} = {v}" for k, v in values.items()) if isinstance(values, Mapping) else str(values)
    return text if len(text) <= width else text[: width - 1] + "…"


def _decisions(run: Run) -> str:
    lines = "".join(
        f"<tr><td>{d.kind}</td><td><code>{d.candidate[:6]}</code></td><td>{html.escape(d.reason)}</td></tr>" for d in run.decisions
    )
    return f"<h2>What was decided, and why</h2><details><summary>{len(run.decisions)} decisions</summary><table>{lines}</table></details>"


def _settings(run: Run) -> str:
    lines = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in run.settings.items())
    return f"<h2>Settings</h2><details><summary>as they were in force</summary><table>{lines}</table></details>"
