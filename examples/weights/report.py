"""What the scripts here share: mean and interval over seeds, and the table of `docs/weights.md`, which only they write."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from whet.evaluate.comparison import compare
from whet.evaluate.statistics import mean_interval

PAGE = Path(__file__).resolve().parents[2] / "docs" / "weights.md"


def own_home() -> None:
    """Train into a fresh model home, so that nothing trained before makes the times look better than they are."""
    os.environ["WHET_HOME"] = tempfile.mkdtemp(prefix="whet-weights-")


def shown(runs: Sequence[Sequence[float]]) -> str:
    """Scores of all seeds, row by row, as percent: mean, 95 % interval (rows are the sample, seeds of one row belong together), and the
    mean of each seed."""
    rows = [row for run in runs for row in range(len(run))]
    estimate = mean_interval([score for run in runs for score in run], groups=rows)
    each = ", ".join(f"{100 * sum(run) / len(run):.1f}" for run in runs)
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}] | {each}"


def gain(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> str:
    """What was gained, in points, with the 95 % interval of the differences row by row (seeds of one row averaged)."""
    effect = compare(_by_row(before), _by_row(after)).effect
    return f"{100 * effect.value:+.1f} [{100 * effect.low:+.1f}, {100 * effect.high:+.1f}]"


def _by_row(runs: Sequence[Sequence[float]]) -> list[float]:
    return [sum(scores) / len(scores) for scores in zip(*runs, strict=True)]


def table(title: str, results: Mapping[str, Sequence[Sequence[float]]], seconds: Mapping[str, float], note: str, base: str = "") -> str:
    """A Markdown table: one line per system, each compared with `base` (default: the first) on the same rows."""
    base = base or next(iter(results))
    head = f'| system | mean [95 % interval] | each seed | gain over "{base}" | seconds per seed |'
    lines = [title, "", head, "|---|---|---|---|---|"]
    for name, runs in results.items():
        gained = "" if name == base else gain(results[base], runs)
        lines.append(f"| {name} | {shown(runs)} | {gained} | {seconds[name]:.1f} |")
    return "\n".join([*lines, "", note, ""])


def write(section: str, text: str) -> None:
    """Put a table into its place in the page, between two comments of its name."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {section}: written by examples/weights -->", f"<!-- end of {section} -->"
    new = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: f"{begin}\n{text}{end}", page, flags=re.DOTALL)
    if new == page and text not in page:
        raise SystemExit(f"{PAGE} has no place for the table `{section}`.")
    PAGE.write_text(new, encoding="utf-8")


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.started = time.perf_counter()

    def __call__(self) -> float:
        return time.perf_counter() - self.started
