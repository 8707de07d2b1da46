"""The curves of bench_optimizers.py: how truth, calls and wall-clock go with what a user can set, where a target is missed and why.

All are on the virtual clock of optimizer_clock.py unless a table says otherwise, so that it does not matter what else the machine does.
"""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from optimizer_tables import Run, by_place, conditions, cpu, interval, mean, place, quiet, share

__all__ = ["CURVES", "WHY", "curve_jobs", "curve_tables"]

CHILDREN = (2, 4, 6, 8, 12)
SIZES = (100, 150, 250, 400, 600)
ROWS = (10, 30, 60, 100)
THREADS = (4, 8, 16, 24, 32, 64, 128, 4096)  # with the last nothing ever queues: what is left is the longest chain
CONTESTS = (1, 2, 3, 4)
LATENCIES = (10.0, 50.0, 250.0, 1000.0)
CURVES = ("children", "sizes", "rows", "threads", "contests", "cpu", "latency")
BAR = 44


# -- what is run ------------------------------------------------------------------------------------------------------------------------


def curve_jobs(curve: str, salt: str, task: str, seed: int, lib: str) -> Iterator[tuple[Run, list[Run]]]:
    """The settings and jobs of one curve on one surface. DSPy's runs are real ones at 250 ms, the rest is on the virtual clock."""
    here = {"task": task, "seed": seed}
    virtual = {"salt": salt, "latency_ms": 250.0, "threads": 24, "clock": "virtual"}
    real = {"salt": salt, "latency_ms": 250.0, "threads": 24}
    if curve == "latency":
        for latency in LATENCIES:
            opt = {"arm": "Auto", "opt": "Auto"} if lib == "whet" else {"arm": "miprov2-16", "opt": "miprov2"}
            kwargs = {} if lib == "whet" else {"kwargs": {"max_labeled_demos": 16}}
            yield {**real, "latency_ms": latency}, [{**here, **opt, **kwargs, "arm": f"real:{opt['arm']}"}]
            if lib == "whet":
                yield {**virtual, "latency_ms": latency}, [{**here, "arm": "curve:latency", "opt": "Auto"}]
    elif lib == "dspy":
        jobs = {"sizes": [("gepa", 100), ("gepa-30", 30)], "children": [("gepa", 100)], "rows": [("gepa", 100), ("gepa-30", 30)]}
        yield real, [{**here, "arm": arm, "opt": "gepa", "n_val": rows} for arm, rows in jobs.get(curve, ())]
    else:
        yield virtual, [{**here, **job} for job in _ours(curve, twice=task == "multihop")]


def _ours(curve: str, twice: bool) -> Iterator[Run]:
    if curve == "children":
        for threads in (24, 96):
            for count in CHILDREN:
                yield {"arm": f"curve:children={count}", "opt": "gepa", "kwargs": {"children": count}, "threads": threads}
    elif curve == "sizes":
        for rows, arm in ((100, "gepa"), (30, "gepa-30")):
            for size in SIZES:  # as often again for a second predictor
                yield {"arm": f"{arm}@{size}", "opt": "gepa", "n_val": rows, "size": size * (2 if twice else 1)}
    elif curve == "rows":
        for rows in ROWS:
            yield {"arm": f"curve:rows={rows}", "opt": "gepa", "n_val": rows}
    elif curve == "threads":
        for threads in THREADS:
            yield {"arm": "curve:threads", "opt": "Auto", "threads": threads}
    elif curve == "contests":
        for threads in (24, 64):
            for count in CONTESTS:
                yield {"arm": f"curve:contests={count}", "opt": "Auto", "kwargs": {"contests": count}, "threads": threads}
    else:
        yield {"arm": "curve:cpu", "opt": "Auto"}
        yield {"arm": "curve:split", "opt": "Auto", "profile": 1}


# -- what is shown ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One point of a curve: what was set, and the runs on the surfaces that all points have."""

    name: str
    runs: Sequence[Run]


def points(runs: Sequence[Run], arms: dict[str, tuple[str, Callable[[Run], bool]]]) -> list[Row]:
    """The points that were measured, each on the same surfaces."""
    ours = [r for r in runs if r["lib"] == "whet" and r.get("clock") == "virtual" and "true" in r]
    found = {name: {place(r): r for r in ours if r["arm"] == arm and fits(r)} for name, (arm, fits) in arms.items()}
    found = {name: some for name, some in found.items() if some}
    common = sorted(set.intersection(*map(set, found.values()))) if found else []
    return [Row(name, [some[k] for k in common]) for name, some in found.items()] if common else []


def any_run(run: Run) -> bool:
    """All of them."""
    return True


def on(threads: int) -> Callable[[Run], bool]:
    """Those on so many threads."""
    return lambda run: run["threads"] == threads


def bars(values: dict[str, tuple[float, float]], unit: str, floor: str) -> Iterator[str]:
    """A figure in text: a bar a point, and in it how much of that was unavoidable."""
    most = max(whole for whole, _ in values.values())
    wide = max(map(len, values))
    yield "```"
    for name, (whole, least) in values.items():
        full, inner = round(BAR * whole / most), round(BAR * least / most)
        yield f"{name:>{wide}} |{'█' * min(inner, full)}{'░' * (full - min(inner, full))} {whole:.1f} {unit}"
    yield f"{'':>{wide}}  █ {floor}, ░ the rest\n```"


def curve_tables(runs: Sequence[Run]) -> Iterator[str]:
    """Every curve that the file has runs of, each a section of its own."""
    for table in (children_table, sizes_table, rows_table, threads_table, contests_table, cpu_table, latency_table):
        yield from table(runs)


CHILDREN_TITLE = "GEPA: wall-clock against truth"
SIZES_TITLE = "GEPA: calls against truth"
ROWS_TITLE = "GEPA: rows to judge by"
THREADS_TITLE = "Auto: wall-clock against threads"
CONTESTS_TITLE = "Auto: contests under way"
CPU_TITLE = "Auto: where the client's CPU goes"
LATENCY_TITLE = "Auto: wall-clock against the model's latency"
# Which section says why a target is missed, by how its line in the table begins.
WHY = {
    "GEPA light: at most 15% of the wall-clock": CHILDREN_TITLE,
    "GEPA light, both with 30 rows to judge by: at most 15% of the wall-clock": CHILDREN_TITLE,
    "GEPA light: at most 35% of the calls": SIZES_TITLE,
    "GEPA light, both with 30 rows to judge by: at most 35% of the calls": SIZES_TITLE,
    "GEPA light, both with 30 rows to judge by: truth not lower (lower bound above -0.01)": SIZES_TITLE,
    "Auto: 64 threads at least 3 times as fast as 8": THREADS_TITLE,
    "Auto: at most 1 ms of CPU a call": CPU_TITLE,
}
D021 = "decisions/021-what-comes-next-starts-before-the-last-is-judged.md"
D022 = "decisions/022-a-round-is-two-waves.md"
CLOCK = (
    "On the virtual clock: 250 ms a call in the median, one in a hundred six times as long, and the client takes no time. Nothing is\n"
    "cached there: what a program of two predictors asks twice is paid, and may be answered otherwise, so that its search is not the\n"
    "same on every number of threads."
)


def children_table(runs: Sequence[Run]) -> Iterator[str]:
    """`GEPA` with more written side by side: fewer rounds of the same budget."""
    arms = {f"{n} on {t}": (f"curve:children={n}", on(t)) for t in (24, 96) for n in CHILDREN}
    rows = points(runs, arms)
    if not rows:
        return
    yield f'\n### {CHILDREN_TITLE}\n\n{CLOCK} `auto="light"`, 100 rows to judge by, `children` on `num_threads`.\n'
    yield said(
        "A run of GEPA is as long as its rounds are many, and a round is two waves of calls that wait for each other: the children on the "
        "rows of the gate, then the next ones, written from what was seen. 15 % of DSPy's wall-clock would be three or four rounds where "
        "the budget has six to eight; each round less, or two of them at a time, cost truth on surfaces that the sizes were not "
        f"chosen on ([decision 021]({D021}), [022]({D022})). Who prefers the seconds sets a smaller `max_metric_calls` (next curve: the "
        "wall-clock falls in proportion), or `children=8`; more at a time are written from the same failures, and cost truth.\n"
    )
    base = {place(r): r for row in rows if row.name == "4 on 24" for r in row.runs}
    theirs = {k: r for k, r in by_place(runs, "dspy", "gepa").items() if r["latency_ms"] >= 100 and k in base and quiet(r)}
    beside = " | of DSPy's wall-clock" if theirs else ""
    yield f"| children on threads | runs | truth | against 4 | calls | wall s{beside} |"
    yield f"|---|---|---|---|---|---|{'---|' if theirs else ''}"
    for row in rows:
        gap = interval([r["true"] - base[place(r)]["true"] for r in row.runs]) if base and not row.name.startswith("4 ") else ""
        cells = [row.name, str(len(row.runs)), f"{mean(row.runs, 'true'):.3f}", gap, f"{mean(row.runs, 'calls'):.0f}"]
        cells += [f"{mean(row.runs, 'wall'):.1f}"]
        some = [r for r in row.runs if place(r) in theirs]
        cells += [f"{mean(some, 'wall') / mean([theirs[place(r)] for r in some], 'wall'):.0%}"] if some else ["-"] if theirs else []
        yield "| " + " | ".join(cells) + " |"
    yield ""
    yield from bars({row.name: (mean(row.runs, "wall"), ideal(row.runs)) for row in rows}, "s", "calls x latency / threads")
    yield "\n" + conditions([r for row in rows for r in row.runs])


def sizes_table(runs: Sequence[Run]) -> Iterator[str]:
    """`GEPA` with budgets of its own, beside DSPy's with its default where the file has that."""
    first = True
    for arm, judged in (("gepa", 100), ("gepa-30", 30)):
        rows = points(runs, {str(n): (f"{arm}@{n}", any_run) for n in SIZES})
        if not rows:
            continue
        if first:
            yield f"\n### {SIZES_TITLE}\n\n{CLOCK} `max_metric_calls` as said, twice that for a program of two predictors.\n"
            yield said(
                "What GEPA finds depends on how many rounds it has, and a round costs as much with 30 rows to judge by as with 100: ours "
                "never runs a candidate on all of them. The published order does, so that DSPy's budget shrinks with the rows and ours "
                "cannot: 35 % of DSPy's calls with 30 rows is two or three rounds, worse than DSPy's result, and so `auto` spends "
                f"about half ([decision 022]({D022})). Who prefers fewer calls sets `max_metric_calls`."
            )
            first = False
        theirs = {k: r for k, r in by_place(runs, "dspy", arm).items() if k in {place(r) for r in rows[0].runs}}
        yield f"\n{judged} rows to judge by:\n"
        yield "| program runs | runs | truth | calls | wall s |" + (" beside DSPy's | of its calls |" if theirs else "")
        yield "|---|---|---|---|---|" + ("---|---|" if theirs else "")
        for row in rows:
            cells = [row.name, str(len(row.runs)), f"{mean(row.runs, 'true'):.3f}", f"{mean(row.runs, 'calls'):.0f}"]
            cells += [f"{mean(row.runs, 'wall'):.1f}"]
            some = [r for r in row.runs if place(r) in theirs]
            if theirs:
                other = [theirs[place(r)] for r in some]
                gaps = [a["true"] - b["true"] for a, b in zip(some, other, strict=True)]
                cells += [interval(gaps), f"{mean(some, 'calls') / mean(other, 'calls'):.0%}"]
            yield "| " + " | ".join(cells) + " |"
        yield "\n" + conditions([*theirs.values(), *(r for row in rows for r in row.runs)])


def rows_table(runs: Sequence[Run]) -> Iterator[str]:
    """`GEPA` with more rows to judge by."""
    rows = points(runs, {str(n): (f"curve:rows={n}", any_run) for n in ROWS})
    if not rows:
        return
    yield f'\n### {ROWS_TITLE}\n\n{CLOCK} `auto="light"`; the published budget is that of DSPy\'s for as many rows.\n'
    yield "| rows | runs | truth | against 100 | calls | wall s | published program runs |"
    yield "|---|---|---|---|---|---|---|"
    most = {place(r): r for r in rows[-1].runs}
    for row in rows:
        gap = interval([r["true"] - most[place(r)]["true"] for r in row.runs]) if row is not rows[-1] else ""
        published = statistics.fmean(published_runs(int(row.name), 2 if r["task"] == "multihop" else 1) for r in row.runs)
        cells = [row.name, str(len(row.runs)), f"{mean(row.runs, 'true'):.3f}", gap, f"{mean(row.runs, 'calls'):.0f}"]
        yield "| " + " | ".join([*cells, f"{mean(row.runs, 'wall'):.1f}", f"{published:.0f}"]) + " |"
    yield "\n" + conditions([r for row in rows for r in row.runs])


def published_runs(rows: int, predictors: int) -> int:
    """The budget of DSPy's GEPA with `auto="light"`."""
    trials = int(max(4 * predictors * 2.585, 9))
    return rows + 30 + 35 * trials + ((trials + 1) // 5 + 1 + (trials < 5)) * rows


def threads_table(runs: Sequence[Run]) -> Iterator[str]:
    """`Auto` on more threads, beside what is possible at all."""
    rows = points(runs, {"no limit" if n == THREADS[-1] else str(n): ("curve:threads", on(n)) for n in THREADS})
    if not rows:
        return
    times = {row.name: mean(row.runs, "wall") for row in rows}
    yield f"\n### {THREADS_TITLE}\n\n{CLOCK} 600 program runs.\n"
    faster = ""
    if {"8", "64"} <= set(times):
        faster = (
            f" On this clock 64 threads are {times['8'] / times['64']:.1f} times as fast as 8; the real client also has its CPU to spend."
        )
    yield said(
        "No number of threads is faster than the longest chain of calls that wait for each other (*no limit* below): the first wave, the "
        "contests, two at a time, each of them two looks long, the writers in between, and the certificate. The more threads, the more of "
        f"the wall-clock is that chain.{faster} It is shorter with more contests under way, which cost truth on surfaces that it was "
        f"not chosen on ([decision 021]({D021})). Who has 64 threads and prefers seconds sets `contests=3` (below)."
    )
    yield "\n| threads | wall s | calls x latency / threads | longest chain | times that of 8 | thread use |"
    yield "|---|---|---|---|---|---|"
    chain = times.get("no limit")
    for row in rows:
        cells = [row.name, f"{times[row.name]:.1f}", "0" if row.name == "no limit" else f"{ideal(row.runs):.1f}"]
        cells += ["-" if chain is None else f"{chain:.1f}", f"{times['8'] / times[row.name]:.2f}" if "8" in times else "-"]
        yield "| " + " | ".join([*cells, "-" if row.name == "no limit" else f"{mean(row.runs, 'util'):.2f}"]) + " |"
    yield ""
    yield from bars({row.name: (times[row.name], ideal(row.runs)) for row in rows}, "s", "calls x latency / threads")
    yield "\n" + conditions([r for row in rows for r in row.runs])


def contests_table(runs: Sequence[Run]) -> Iterator[str]:
    """`Auto` with more contests under way."""
    arms = {f"{n} on {t}": (f"curve:contests={n}", on(t)) for t in (24, 64) for n in CONTESTS}
    rows = points(runs, arms)
    if not rows:
        return
    yield f"\n### {CONTESTS_TITLE}\n\n{CLOCK} 600 program runs, `contests` on `num_threads`.\n"
    yield "| contests on threads | runs | truth | against 2 | calls | wall s | thread use |"
    yield "|---|---|---|---|---|---|---|"
    base = {place(r): r for row in rows if row.name == "2 on 24" for r in row.runs}
    for row in rows:
        gap = interval([r["true"] - base[place(r)]["true"] for r in row.runs]) if base and not row.name.startswith("2 ") else ""
        cells = [row.name, str(len(row.runs)), f"{mean(row.runs, 'true'):.3f}", gap, f"{mean(row.runs, 'calls'):.0f}"]
        yield "| " + " | ".join([*cells, f"{mean(row.runs, 'wall'):.1f}", f"{mean(row.runs, 'util'):.2f}"]) + " |"
    yield "\n" + conditions([r for row in rows for r in row.runs])


def cpu_table(runs: Sequence[Run]) -> Iterator[str]:
    """Where `Auto` spends the client's CPU, and what DSPy's optimizers take on the same machine."""
    alone, parts = points(runs, {"all": ("curve:cpu", any_run)}), points(runs, {"split": ("curve:split", any_run)})
    if not alone or not parts:
        return
    each = cpu(alone[0].runs)
    yield f"\n### {CPU_TITLE}\n\nCPU time of the client a call, 600 program runs, virtual clock; other work on the machine adds to it.\n"
    yield said(
        "The target of 1 ms was set on a machine two to three times as fast. One thread that makes the calls one after the other takes "
        f"{each:.2f} ms each here; what a run on 24 threads takes beyond that is what threads cost: handing on the interpreter and "
        "waking them. No argument changes that; what helps is fewer calls in flight (`num_threads`) where the model answers fast.\n"
    )
    yield "| part | ms a call | share |"
    yield "|---|---|---|"
    shares: dict[str, float] = {}
    for run in parts[0].runs:
        for part, value in run["split"].items():
            shares[part] = shares.get(part, 0.0) + value / len(parts[0].runs)
    for part, value in sorted(shares.items(), key=lambda item: -item[1]):
        yield f"| {part} | {each * value:.2f} | {value:.0%} |"
    yield f"| one thread, in all | {each:.2f} | 100% |"
    if real := [r for r in runs if r["lib"] == "whet" and r["arm"] in ("Auto", "real:Auto") and not r.get("p429") and r["threads"] == 24]:
        yield f"| on 24 threads | {cpu(real):.2f} | |"
    theirs = [r for r in runs if r["lib"] == "dspy" and "true" in r]
    for arm in dict.fromkeys(r["arm"] for r in theirs):
        yield f"| DSPy's {arm.removeprefix('real:')}, on 24 threads | {cpu([r for r in theirs if r['arm'] == arm]):.2f} | |"
    yield "\n" + conditions([*alone[0].runs, *parts[0].runs, *theirs])


def latency_table(runs: Sequence[Run]) -> Iterator[str]:
    """`Auto` with faster and slower models, in real time and on the virtual clock, and DSPy's."""
    lines, used = [], []
    for latency in LATENCIES:
        some = [r for r in runs if r["latency_ms"] == latency and "true" in r]
        virtual = {place(r): r for r in some if r["arm"] == "curve:latency"}
        real = {place(r): r for r in some if r["arm"] == "real:Auto"}
        theirs = {place(r): r for r in some if r["arm"] == "real:miprov2-16"}
        both = sorted(set(virtual) & set(real))
        if both:
            ours = [real[k] for k in both]
            other = [theirs[k] for k in both if k in theirs]
            used += [*ours, *other]
            beside = share([real[k] for k in both if k in theirs], other, lambda r: r["wall"]) if other else "-"
            clock = mean([virtual[k] for k in both], "wall")
            lines.append(f"| {latency:.0f} | {len(both)} | {clock:.1f} | {mean(ours, 'wall'):.1f} | {cpu(ours):.2f} | {beside} |")
    if lines:
        yield f"\n### {LATENCY_TITLE}\n"
        yield "600 program runs on 24 threads: real runs, and the same on the virtual clock. The difference is the client's CPU.\n"
        yield "| latency ms | runs | virtual clock, s | real, s | CPU ms a call | beside DSPy's MIPROv2 with 16 demos, s |"
        yield "|---|---|---|---|---|---|"
        yield from lines
        yield "\n" + conditions(used)


def said(text: str) -> str:
    """A paragraph of the page."""
    return textwrap.fill(text, 138, break_long_words=False, break_on_hyphens=False) + ("\n" if text.endswith("\n") else "")


def ideal(runs: Sequence[Run]) -> float:
    """The seconds that all calls take if every thread always has one."""
    return statistics.fmean(r["waited"] / r["threads"] for r in runs)
