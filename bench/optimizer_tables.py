"""The tables of bench_optimizers.py, from a file of runs: as lines for a terminal or as a page of the docs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Run = dict[str, Any]
# A load average below which the wall-clock of two runs on this machine of two cores is compared; above, where no two runs are below it.
QUIET = 6.0
# What is set beside what: the runs of ours and of DSPy, demo limits and rows to judge by, and the targets: shares of calls and wall-clock.
ARMS: dict[str, dict[str, Any]] = {
    "bootstrap_rs": {
        "title": "BootstrapRS",
        "whet": "bootstrap_rs",
        "dspy": "bootstrap_rs",
        "limits": "4 bootstrapped + 16 labelled demos, val 100",
        "calls": 0.25,
        "wall": 0.20,
    },
    "miprov2": {
        "title": "MIPROv2 light",
        "whet": "miprov2",
        "dspy": "miprov2",
        "limits": "4 bootstrapped + 4 labelled demos, val 100",
        "calls": 0.50,
        "wall": 0.30,
    },
    "gepa": {"title": "GEPA light", "whet": "gepa", "dspy": "gepa", "limits": "no demos, val 100", "calls": 0.35, "wall": 0.15},
    "gepa-30": {
        "title": "GEPA light, both with 30 rows to judge by",
        "whet": "gepa-30",
        "dspy": "gepa-30",
        "limits": "no demos, val 30",
        "calls": 0.35,
        "wall": 0.15,
    },
    "gepa-100-30": {
        "title": "GEPA light with 100 rows to judge by, beside DSPy's with 30",
        "whet": "gepa",
        "dspy": "gepa-30",
        "limits": "no demos, ours val 100, DSPy's val 30",
        "calls": None,
        "wall": None,
    },
    "copro": {"title": "COPRO", "whet": "copro", "dspy": "copro", "limits": "no demos, all 100 rows", "calls": 0.25, "wall": 0.20},
    "simba": {"title": "SIMBA", "whet": "simba", "dspy": "simba", "limits": "4 demos, train + val 200", "calls": 0.25, "wall": 0.20},
    "auto": {
        "title": "Auto, beside MIPROv2 light with 16 demos",
        "whet": "Auto",
        "dspy": "miprov2-16",
        "limits": "Auto: 16 demos, val 100, 600 program runs; MIPROv2: 4 bootstrapped + 16 labelled demos, val 100",
        "calls": None,
        "wall": None,
    },
}


# -- side by side ----------------------------------------------------------------------------------------------------------------------


def paired_tables(runs: Sequence[Run]) -> Iterator[str]:
    """One table for each pair: per task and over all, on the tasks and seeds that both have done."""
    for pair in ARMS.values():
        ours, theirs = by_place(runs, "whet", pair["whet"]), by_place(runs, "dspy", pair["dspy"])
        both = sorted(set(ours) & set(theirs))
        if both:
            yield from pair_table(pair, ours, theirs, both)
    yield from beside_the_best(runs)


def by_place(runs: Iterable[Run], lib: str, arm: str) -> dict[tuple[Any, ...], Run]:
    """The finished runs of one setting without faults, by salt, task and seed; of several, the last with the longest latency."""
    fitting = (r for r in runs if (r["lib"], r["arm"], r["threads"]) == (lib, arm, 24) and "true" in r and not r.get("p429"))
    return {place(r): r for r in sorted(fitting, key=lambda r: (r["latency_ms"], r["at"]))}


def quiet(run: Run) -> bool:
    """Whether the machine had little else to do during a run."""
    return max(run.get("load", [math.inf])) < QUIET


def alike(ours: dict[Any, Run], theirs: dict[Any, Run], keys: list[Any]) -> list[Any]:
    """The pairs whose wall-clock can be compared: both quiet, if there are such pairs of every task, or else all."""
    fair = [k for k in keys if quiet(ours[k]) and quiet(theirs[k])]
    return fair if {k[1] for k in fair} == {k[1] for k in keys} else keys


def pair_table(pair: Run, ours: dict[Any, Run], theirs: dict[Any, Run], both: list[Any]) -> Iterator[str]:
    """Ours, theirs, the paired difference, and the shares."""
    target = f"; targets: {pair['calls']:.0%} of the calls, {pair['wall']:.0%} of the wall-clock" if pair["calls"] else ""
    yield f"\n### {pair['title']}\n\n{pair['limits']}{target}.\n"
    yield "| task | pairs | ours | DSPy | difference | calls | tokens | wall s | CPU ms a call | thread use |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for task in [*dict.fromkeys(t for _, t, _ in both), "all"]:
        keys = [k for k in both if task in (k[1], "all")]
        mine, other = [ours[k] for k in keys], [theirs[k] for k in keys]
        gap = interval([a["true"] - b["true"] for a, b in zip(mine, other, strict=True)])
        cells = [task, str(len(keys)), f"{mean(mine, 'true'):.3f}", f"{mean(other, 'true'):.3f}", gap]
        fair = alike(ours, theirs, keys)
        cells += [share(mine, other, of) for of in (lambda r: r["calls"], tokens)]
        cells += [share([ours[k] for k in fair], [theirs[k] for k in fair], lambda r: r["wall"])]
        cells += [f"{cpu(mine):.1f} / {cpu(other):.1f}", f"{mean(mine, 'util'):.2f} / {mean(other, 'util'):.2f}"]
        yield "| " + " | ".join(cells) + " |"
    yield "\n" + conditions([r for side in (ours, theirs) for r in map(side.__getitem__, both)])


def beside_the_best(runs: Sequence[Run]) -> Iterator[str]:
    """`Auto` against each default of DSPy, on the same tasks and seeds."""
    auto = by_place(runs, "whet", "Auto")
    lines = []
    for arm in ("bootstrap_rs", "miprov2", "miprov2-16", "gepa", "gepa-30", "copro", "simba"):
        other = by_place(runs, "dspy", arm)
        both = sorted(set(auto) & set(other))
        if both:
            mine, theirs = [auto[k] for k in both], [other[k] for k in both]
            gap = interval([a["true"] - b["true"] for a, b in zip(mine, theirs, strict=True)])
            values = f"{mean(mine, 'true'):.3f} | {mean(theirs, 'true'):.3f} | {gap}"
            lines.append(f"| {arm} | {len(both)} | {values} | {share(mine, theirs, lambda r: r['calls'])} |")
    if lines:
        yield "\n### Auto beside everything of DSPy's\n\nTargets: 0.05 above its best default, 0.02 above `miprov2-16`.\n"
        yield "| DSPy's | pairs | Auto | DSPy | difference | calls |"
        yield "|---|---|---|---|---|---|"
        yield from lines


# -- Auto by itself --------------------------------------------------------------------------------------------------------------------


def checks_tables(runs: Sequence[Run]) -> Iterator[str]:
    """The certificate on ordinary and flat surfaces, then faults, threads, and truth against budget."""
    yield from certificate_table(runs)
    yield from condition_table(runs)
    yield from budget_table(runs)


def certificate_table(runs: Sequence[Run]) -> Iterator[str]:
    """What is said of the gain, beside what it is."""
    zero = {place(r): r["true"] for r in runs if r["lib"] == "whet" and r["arm"] == "none" and "true" in r}
    done = [r for r in runs if r["lib"] == "whet" and r["arm"] == "Auto" and r.get("certificate") and "true" in r and not r.get("p429")]
    done = [r for r in done if place(r) in zero and r["threads"] == 24]
    if done:
        salts = ", ".join(dict.fromkeys(f"`{r['salt']}`" for r in done))
        yield f"\n### What is said of the gain\n\nOn salt {salts}.\nTargets: bias below 0.01, coverage 93 %;"
        yield "on flat surfaces claims in 10 %, harm in 3 %.\n"
        yield "| surfaces | runs | true gain | said | bias | coverage | handed back as given | claimed | harm | width |"
        yield "|---|---|---|---|---|---|---|---|---|---|"
        for name, flat in (("ordinary", False), ("flat", True)):
            if some := [r for r in done if (r["seed"] >= 1000) == flat]:
                yield certificate_line(name, some, zero)


def place(run: Run) -> tuple[Any, ...]:
    """On which surface a run was."""
    return run["salt"], run["task"], run["seed"]


def certificate_line(name: str, runs: Sequence[Run], zero: dict[Any, float]) -> str:
    """What the certificates said against what is true."""
    gains = [r["true"] - zero[place(r)] for r in runs]
    said = [r["certificate"] for r in runs]
    error = [s["value"] - g for s, g in zip(said, gains, strict=True)]
    inside = sum(s["low"] - 1e-9 <= g <= s["high"] + 1e-9 for s, g in zip(said, gains, strict=True))
    n = len(runs)
    cells = [name, str(n), f"{statistics.fmean(gains):+.3f}", f"{statistics.fmean(s['value'] for s in said):+.3f}", interval(error)]
    cells += [f"{inside / n:.0%}", f"{sum(not s['kept'] for s in said) / n:.0%}", f"{sum(s['reliable'] for s in said) / n:.0%}"]
    kept = [s["high"] - s["low"] for s in said if s["kept"]]
    cells += [f"{sum(g < -0.005 for g in gains) / n:.0%}", f"{statistics.fmean(kept):.2f}" if kept else "-"]
    return "| " + " | ".join(cells) + " |"


def condition_table(runs: Sequence[Run]) -> Iterator[str]:
    """Faults and threads, against the same tasks and seeds without faults at 24 threads."""
    auto = [r for r in runs if r["lib"] == "whet" and r["arm"] == "Auto" and r["latency_ms"] >= 100 and "true" in r]
    plain = {place(r): r for r in auto if r["threads"] == 24 and not r.get("p429")}
    kinds: dict[str, Callable[[Run], bool]] = {
        "24 threads": lambda r: r["threads"] == 24 and not r.get("p429"),
        "5 % 429, 2 % 500, 2 % malformed": lambda r: bool(r.get("p429")),
        "8 threads": lambda r: r["threads"] == 8,
        "64 threads": lambda r: r["threads"] == 64,
    }
    chosen = {place(r) for r in auto if r["threads"] == 64}
    if not chosen:
        return
    yield "\n### Faults and threads\n"
    yield "Targets: 1.3 times the wall-clock with faults; 64 threads 3 times as fast as 8; thread use 0.70 at 24.\n"
    yield "| condition | runs | truth | calls | wall s | times that of 24 threads | thread use | CPU ms a call |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, fits in kinds.items():
        some = [r for r in auto if fits(r) and place(r) in chosen and place(r) in plain]
        if some:
            times = sum(r["wall"] for r in some) / sum(plain[place(r)]["wall"] for r in some)
            cells = [name, str(len(some)), f"{mean(some, 'true'):.3f}", f"{mean(some, 'calls'):.0f}", f"{mean(some, 'wall'):.1f}"]
            yield "| " + " | ".join([*cells, f"{times:.2f}", f"{mean(some, 'util'):.2f}", f"{cpu(some):.1f}"]) + " |"


def budget_table(runs: Sequence[Run]) -> Iterator[str]:
    """The curve: truth against budget."""
    found = [r for r in runs if r["lib"] == "whet" and str(r["arm"]).startswith("Auto") and r["seed"] < 1000 and "true" in r]
    found = [r for r in found if r["latency_ms"] < 100]
    sizes = sorted({size_of(r) for r in found})
    if len(sizes) < 2:
        return
    common = set.intersection(*({place(r) for r in found if size_of(r) == size} for size in sizes))
    yield "\n### Truth against budget\n\nThe same tasks and seeds, `max_runs` as said.\n"
    yield "| program runs | runs | truth | calls | tokens in thousands |"
    yield "|---|---|---|---|---|"
    for size in sizes:
        some = [r for r in found if size_of(r) == size and place(r) in common]
        thousands = statistics.fmean(map(tokens, some)) / 1000
        yield f"| {size} | {len(some)} | {mean(some, 'true'):.3f} | {mean(some, 'calls'):.0f} | {thousands:.0f} |"


def size_of(run: Run) -> int:
    """The budget of a run of `Auto`, from its name."""
    return int(run["arm"].partition("-")[2] or 600)


# -- numbers ---------------------------------------------------------------------------------------------------------------------------


def mean(runs: Sequence[Run], what: str) -> float:
    """The mean of one measure; NaN without runs."""
    return statistics.fmean(r[what] or 0.0 for r in runs) if runs else math.nan


def tokens(run: Run) -> float:
    """All tokens of a run."""
    return float(run["tokens_in"] + run["tokens_out"])


def cpu(runs: Sequence[Run]) -> float:
    """Milliseconds of the client's CPU per call."""
    return 1000 * sum(r["cpu"] for r in runs) / max(1, sum(r["calls"] for r in runs))


def share(mine: Sequence[Run], other: Sequence[Run], of: Callable[[Run], float]) -> str:
    """Our mean, and what share of theirs that is."""
    a, b = statistics.fmean(map(of, mine)), statistics.fmean(map(of, other))
    return f"{a:,.0f} of {b:,.0f} ({a / b:.0%})" if a >= 100 else f"{a:.1f} of {b:.1f} ({a / b:.0%})"


def spread(differences: Sequence[float]) -> tuple[float, float]:
    """A mean and half of its 95 % interval (Student's t)."""
    n = len(differences)
    t = 1.96 + 2.4 / (n - 1) + 5.0 / (n - 1) ** 2.2  # within a few percent of the table
    return statistics.fmean(differences), t * statistics.stdev(differences) / math.sqrt(n)


def interval(differences: Sequence[float]) -> str:
    """A mean with its 95 % interval, as text."""
    if len(differences) < 2:
        return f"{differences[0]:+.3f}" if differences else "-"
    return "{:+.3f} ± {:.3f}".format(*spread(differences))


def conditions(runs: Sequence[Run]) -> str:
    """Of what and under what circumstances the runs were made."""
    salts = ", ".join(f"`{s}`" for s in dict.fromkeys(r["salt"] for r in runs))
    made = dict.fromkeys(f"{r['lib']} {r['version']}" + (f" at {r['commit']}" if r.get("commit") else "") for r in runs)
    loads = sorted(sum(r["load"]) / 2 for r in runs)
    waited = statistics.median(r["starved"] for r in runs)
    return (
        f"{len(runs)} runs of {', '.join(made)} on salt {salts}. The machine has two cores and was shared: load average {loads[0]:.0f} to "
        f"{loads[-1]:.0f}, median {statistics.median(loads):.0f}; some process waited for a CPU in {waited:.0%} of a run's time (median)."
    )
