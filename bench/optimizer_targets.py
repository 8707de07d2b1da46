"""What was asked of the optimizers and what was seen, one line each, from a file of runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from optimizer_tables import ARMS, Run, alike, by_place, cpu, mean, place, quiet, spread

DEFAULTS = ("bootstrap_rs", "miprov2", "gepa", "copro", "simba")


def targets(runs: Sequence[Run]) -> Iterator[str]:
    """A table of what was asked, what was seen, and whether that is enough."""
    lines = [*paired_targets(runs), *auto_targets(runs), *speed_targets(runs), *certificate_targets(runs)]
    if lines:
        yield "| asked | seen | |"
        yield "|---|---|---|"
        yield from lines


def line(asked: str, seen: str, met: bool, chance: bool = False) -> str:
    """One row of the table; `chance`: what is missing may be, at 95 %."""
    return f"| {asked} | {seen} | {'met' if met else 'not shown: too few runs' if chance else '**missed**'} |"


def paired_targets(runs: Sequence[Run]) -> Iterator[str]:
    """Truth not lower, shares of calls and of wall-clock, for each recipe of DSPy's."""
    for arm, pair in ARMS.items():
        ours, theirs = by_place(runs, "whet", pair["whet"]), by_place(runs, "dspy", pair["dspy"])
        both = sorted(set(ours) & set(theirs))
        if arm == "auto" or len(both) < 2:
            continue
        gap, half = spread([ours[k]["true"] - theirs[k]["true"] for k in both])
        asked = f"{pair['title']}: truth not lower (lower bound above -0.01)"
        yield line(asked, f"{gap:+.3f} ± {half:.3f}, {len(both)} pairs", gap - half > -0.01, gap + half > 0)
        for what, name in (("calls", "calls"), ("wall", "wall-clock")) if pair["calls"] else ():
            fair = alike(ours, theirs, both) if what == "wall" else both
            share = sum(ours[k][what] for k in fair) / sum(theirs[k][what] for k in fair)
            asked = f"{pair['title']}: at most {pair[what]:.0%} of the {name}"
            if what == "wall" and not all(quiet(ours[k]) and quiet(theirs[k]) for k in fair) and share <= pair[what]:
                yield f"| {asked} | {share:.0%}, {len(fair)} pairs, not all of them on a quiet machine | not shown: other work beside it |"
                continue
            seen = f"{share:.0%}" if fair == both else f"{share:.0%}, {len(fair)} pairs run while the machine had little else to do"
            yield line(asked, seen, round(share, 2) <= pair[what])


def auto_targets(runs: Sequence[Run]) -> Iterator[str]:
    """`Auto` above the best default, and above MIPROv2 with 16 demos."""
    auto = by_place(runs, "whet", "Auto")
    found = {}
    for arm in (*DEFAULTS, "miprov2-16"):
        other = by_place(runs, "dspy", arm)
        both = sorted(set(auto) & set(other))
        if len(both) >= 2:
            found[arm] = (*spread([auto[k]["true"] - other[k]["true"] for k in both]), len(both))
    best = min((arm for arm in found if arm in DEFAULTS), key=lambda arm: found[arm][0], default=None)
    for arm, least, words in ((best, 0.05, f"DSPy's best default, `{best}`"), ("miprov2-16", 0.02, "MIPROv2 light with 16 demos")):
        if arm in found:
            gap, half, n = found[arm]
            yield line(
                f"Auto, 600 program runs: {least} above {words}", f"{gap:+.3f} ± {half:.3f}, {n} pairs", gap >= least, gap + half >= least
            )


def speed_targets(runs: Sequence[Run]) -> Iterator[str]:
    """Thread use, CPU, threads and faults of `Auto`."""
    auto = [r for r in by_place(runs, "whet", "Auto").values() if r["latency_ms"] >= 100]
    auto = [r for r in auto if quiet(r)] or auto
    if auto:
        use, milliseconds = mean(auto, "util"), cpu(auto)
        yield line("Auto: thread use at least 0.70 at 24 threads", f"{use:.2f}", use >= 0.695)
        theirs = [r for arm in DEFAULTS for r in by_place(runs, "dspy", arm).values() if quiet(r) == quiet(auto[0])]
        beside = f"; DSPy's, in the same hours, {cpu(theirs):.1f} (4 to 7 on the machine of the target)" if theirs else ""
        yield line("Auto: at most 1 ms of CPU a call", f"{milliseconds:.2f} on this machine{beside}", milliseconds <= 1.0)
    some = [r for r in runs if r["lib"] == "whet" and r["arm"] == "Auto" and r["latency_ms"] >= 100 and "true" in r]
    slow, fast = ({place(r): r for r in some if r["threads"] == n} for n in (8, 64))
    if both := sorted(set(slow) & set(fast)):
        times = sum(slow[k]["wall"] for k in both) / sum(fast[k]["wall"] for k in both)
        yield line("Auto: 64 threads at least 3 times as fast as 8", f"{times:.1f} times", times >= 3)
    faulty = {place(r): r for r in some if r.get("p429")}
    plain = {place(r): r for r in some if not r.get("p429") and r["threads"] == 24}
    if both := sorted(set(faulty) & set(plain)):
        times = sum(faulty[k]["wall"] for k in both) / sum(plain[k]["wall"] for k in both)
        gap = statistics.fmean(faulty[k]["true"] - plain[k]["true"] for k in both)
        seen = f"{times:.2f} times, truth {gap:+.3f}, {len(both)} pairs"
        yield line("Auto, 5 % 429, 2 % 500, 2 % malformed: at most 1.3 times the wall-clock", seen, times <= 1.3)


def certificate_targets(runs: Sequence[Run]) -> Iterator[str]:
    """Bias and coverage of the gain that is told, claims and harm where there is nothing to gain."""
    ours = [r for r in runs if r["lib"] == "whet" and "true" in r and r["latency_ms"] < 100]
    zero = {place(r): r["true"] for r in ours if r["arm"] == "none"}
    done = [r for r in ours if r["arm"] == "Auto" and r.get("certificate") and place(r) in zero]
    for name, flat in (("ordinary", False), ("flat", True)):
        some = [r for r in done if (r["seed"] >= 1000) == flat]
        if len(some) < 2:
            continue
        gains = [r["true"] - zero[place(r)] for r in some]
        said = [r["certificate"] for r in some]
        bias, half = spread([s["value"] - g for s, g in zip(said, gains, strict=True)])
        inside = statistics.fmean(s["low"] - 1e-9 <= g <= s["high"] + 1e-9 for s, g in zip(said, gains, strict=True))
        yield line(
            f"the gain told, {name} surfaces: bias below 0.01",
            f"{bias:+.3f} ± {half:.3f}, {len(some)} runs",
            abs(bias) < 0.01,
            abs(bias) - half < 0.01,
        )
        chance = inside + 1.96 * (inside * (1 - inside) / len(some)) ** 0.5 >= 0.93
        yield line(f"the gain told, {name} surfaces: interval covers in 93 %", f"{inside:.1%}", inside >= 0.93, chance)
        if flat:
            claims, harm = statistics.fmean(s["reliable"] for s in said), statistics.fmean(g < -0.005 for g in gains)
            yield line("flat surfaces: a gain claimed in at most 10 %", f"{claims:.0%}", claims <= 0.10)
            yield line("flat surfaces: harm in at most 3 %", f"{harm:.0%}", harm <= 0.03)
