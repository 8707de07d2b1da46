"""The page of the docs that bench_optimizers.py writes, section by section: what is not measured again stays as it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from optimizer_curves import WHY, curve_tables
from optimizer_tables import Run, checks_tables, conditions, paired_tables
from optimizer_targets import targets

__all__ = ["page"]

TITLE = "# The optimizers beside DSPy's, on a simulated model"
EMBEDDED = "# What the optimizers do on the embedded model"
SAID = """Written by `bench/bench_optimizers.py --write`, section by section: a section, and its lines in the first table, are replaced when
what it is about is measured again, and each says what it was measured of. `sim-base`, 100 training rows, 300 test rows. Truth is the
simulator's expected score on test rows, differences are paired over tasks and seeds with 95 % intervals. Wall-clock and CPU are comparable
within a line only."""
TABLE = ("| asked | seen | | code |", "|---|---|---|---|")
PARTS = ("## Side by side", "## Curves", "## Auto by itself")


def page(old: str, runs: Sequence[Run]) -> str:
    """The page with what these runs show in the place of what it said before."""
    ours, embedded = _cut(old)
    lines = {**_rows(ours), **_rows("\n".join(_with_code(targets(runs), runs)))}
    found = _sections(ours)
    for part, fresh in zip(PARTS, (paired_tables(runs), curve_tables(runs), _checked(runs)), strict=True):
        found.setdefault(part, {}).update(_sections(f"{part}\n" + "\n".join(fresh)).get(part, {}))
    text = [TITLE, "", SAID, "", *TABLE, *(_explained(line, found.get("## Curves", {})) for line in lines.values())]
    for part in PARTS:
        text += ["", part, *(f"\n{section.strip()}" for section in found[part].values())] if found[part] else []
    return "\n".join(text) + "\n" + (f"\n{embedded}" if embedded else "")


def _explained(line: str, curves: Iterable[str]) -> str:
    """A line of the table; where the target is missed, with the way to the section that says why."""
    title = WHY.get(line.split(" | ")[0].removeprefix("| "), "")
    if f"### {title}" not in curves:
        return line
    return re.sub(r"\*\*missed\*\*[^|]*\|", f"**missed**: [why](#{_anchor(title)}) |", line)


def _anchor(title: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _checked(runs: Sequence[Run]) -> Iterator[str]:
    """What `Auto` shows by itself; each section with what it was measured of."""
    auto = [r for r in runs if r["lib"] == "whet" and str(r["arm"]).startswith("Auto")]
    for line in checks_tables(runs):
        yield line
        if line.startswith("\n### "):
            yield conditions(auto) + "\n"


def _with_code(lines: Iterable[str], runs: Sequence[Run]) -> Iterator[str]:
    commits = ", ".join(dict.fromkeys(r["commit"] for r in runs if r.get("commit"))) or "unknown"
    return (f"{line} {commits} |" for line in lines)


def _cut(page: str) -> tuple[str, str]:
    """Ours, and what examples/optimizers/table.py wrote into the same page."""
    start = page.find(EMBEDDED)
    return (page, "") if start < 0 else (page[:start], page[start:])


def _rows(text: str) -> dict[str, str]:
    """The lines of the table of targets, by what was asked."""
    rows = [line for line in text.split("\n## ")[0].splitlines() if line.startswith("| ") and not line.startswith("| asked")]
    return {line.split(" | ")[0]: line for line in rows}


def _sections(text: str) -> dict[str, dict[str, str]]:
    """The sections of each part, by their titles."""
    found: dict[str, dict[str, str]] = {}
    part = ""
    for block in re.split(r"^(?=###? )", text, flags=re.MULTILINE):
        title = block.split("\n")[0]
        if block.startswith("## "):
            part = title
        elif block.startswith("### "):
            found.setdefault(part, {})[title] = block
    return found
