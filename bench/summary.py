#!/usr/bin/env python3
"""One table from the JSON files of a results folder: whet beside its peers of the same run, and the target of each row.

    python bench/summary.py RESULTS_DIR

CPU time unless a row says otherwise. `xN` is the peer divided by whet (where larger is better: whet divided by the peer), so more is
better for whet everywhere. A target is met when the figure keeps to it. On a machine of another pace the figure is also put into the
proportion of DSPy's here to DSPy's where the target was set (that of its Predict for the formats that were not timed there), and the
verdict then says `met at that pace (figure)`. For 500 tasks against a server that takes 1 s the proportion is bare aiohttp's instead:
its 480 requests a second are what the target was set by, so `met at that pace` says that whet makes at least as many as aiohttp beside
it, and no more than that. The wall time of an evaluation against a server that takes 50 ms is measured once more against one that takes as
many times longer as this machine is slower, and the verdict is of that.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import common as c

LIBS = ["whet", "dspy", "litellm", "openai", "pydantic_ai", "aiohttp", "httpx2", "httpx"]


@dataclass(frozen=True)
class Row:
    """A line of the table: which number of which file, and what it should be (the most, or the least where `more`)."""

    title: str
    file: str
    label: str
    metric: str
    target: float | None = None
    issue: int = 2
    more: bool = False
    ratio: float | None = None  # how many times better than DSPy it should be
    then: float | None = None  # what the peer took where the target was set
    peer: str = "dspy"  # whose proportion tells the pace of the machine
    paced: bool = False  # CPU time that DSPy has no figure for: in the proportion of its Predict
    at_pace: str = ""  # where the same was measured with all that is not this machine made slower as well

    def wanted(self):
        if self.ratio:
            return f"x{self.ratio:g} of dspy (#{self.issue})"
        return "" if self.target is None else f"{'>=' if self.more else '<='} {self.target:g} (#{self.issue})"

    def verdict(self, value, peer, pace, at_pace=None):
        if value is None or (self.target is None and self.ratio is None):
            return ""
        if self.ratio:
            return "" if not peer else "met" if (value / peer if self.more else peer / value) >= self.ratio else "MISSED"
        if value >= self.target if self.more else value <= self.target:
            return "met"
        pace = pace if self.paced or self.file == "predict" else None
        there = at_pace or (value * self.then / peer if self.then and peer else value * pace if pace else None)
        if there is not None:
            return f"{'met' if (there >= self.target if self.more else there <= self.target) else 'MISSED'} at that pace ({c.fmt(there)})"
        return f"MISSED ({self.peer}: {c.fmt(peer)})" if peer and self.peer != "dspy" else "MISSED"


ROWS = [
    Row("import, ms", "import", "{}", "import cpu ms", 60, then=511),
    Row("import, MB over bare Python", "import", "{}", "RSS over bare MB", 30),
    Row("import and first answered call, ms", "import", "{}", "first call cpu ms", 250, 3, then=565),
    Row("modules loaded", "import", "{}", "modules"),
    Row("distributions installed", "import", "{}", "dists"),
    Row("installed size, MB", "import", "{}", "MB"),
    Row("Predict, us", "predict", "{} predict-baselm", "cpu_us", 30, then=179),
    Row("Predict, a model in the library's own way, us", "predict", "{} predict-native", "cpu_us", 30, then=179),
    Row("Predict, async, us", "predict", "{} apredict-baselm", "cpu_us", 40, then=362),
    Row("Predict, 10 outputs and 8 demos, us", "predict", "{} big-baselm", "cpu_us", 150, then=3751),
    Row("chat: render the same, us", "predict", "{} chat-big", "format_cpu_us", 60, then=3157),
    Row("chat: parse the same, us", "predict", "{} chat-big", "parse_cpu_us", 40, then=223),
    Row("JSON: render the same, us", "predict", "{} json-big", "format_cpu_us", 60, 4, then=2396),
    Row("JSON: parse the same, us", "predict", "{} json-big", "parse_cpu_us", 40, 4, then=194),
    Row("XML: render the same, us", "predict", "{} xml-big", "format_cpu_us", 60, 4),
    Row("XML: parse the same, us", "predict", "{} xml-big", "parse_cpu_us", 40, 4),
    Row("BAML: render the same, us", "predict", "{} baml-big", "format_cpu_us", 60, 4),
    Row("BAML: parse the same, us", "predict", "{} baml-big", "parse_cpu_us", 40, 4),
    Row("two-step: render the same, us", "predict", "{} two_step-big", "format_cpu_us", 60, 4),
    Row("build a Signature and a Predict, us", "predict", "{} build", "cpu_us", 60, then=615),
    Row("Evaluate above a loop, 1,000 rows, us a row", "evaluate", "{} n=1000 threads=1", "over_loop_cpu_us", 5, then=28),
    Row("Evaluate above a loop, 10,000 rows, us a row", "evaluate", "{} n=10000 threads=1", "over_loop_cpu_us", 5, then=207),
    Row("Evaluate above a loop, 24 threads, us a row", "evaluate", "{} n=1000 threads=24", "over_loop_cpu_us", 5, 8, paced=True),
    Row("async evaluation at 50 ms, 500 in flight, CPU ms a row", "evaluate", "{} served n=5000", "cpu_ms", 0.13, 8, paced=True),
    Row(
        "the same, wall over ideal",
        "evaluate",
        "{} served n=5000",
        "wall_over_ideal",
        1.3,
        8,
        peer="aiohttp",
        at_pace="{} served at pace n=5000",
    ),  # fmt: skip
    Row("the same at this machine's pace (50 ms made longer)", "evaluate", "{} served at pace n=5000", "wall_over_ideal", 1.3, 8),
    Row("memory: second half of 50,000 calls, MB", "scale", "{} calls", "rss_growth_mb_second_half", 1),
    Row("memory: 20,000 calls of 8 KB, MB", "scale", "{} calls-bigprompt", "rss_growth_mb_quarter4", 10, 3),
    Row("context(...), us", "scale", "{} context", "context_cpu_us"),
    Row("a Module layer, us", "scale", "{} nesting", "per_layer_cpu_us"),
    Row("HTTP call, 100 async, ms", "throughput", "{} async100 0 ms", "cpu_s_per_1000", 0.12, 3, then=0.74),
    Row("HTTP call, 24 threads, ms", "throughput", "{} threads24 0 ms", "cpu_s_per_1000", 0.15, 3, then=0.92),
    Row("HTTP calls a second, 100 async", "throughput", "{} async100 0 ms", "rps", issue=3, more=True, ratio=4),
    Row("HTTP calls a second, 24 threads", "throughput", "{} threads24 0 ms", "rps", issue=3, more=True, ratio=4),
    Row("the same, 500 tasks, server takes 1 s", "throughput", "{} async500 1000 ms", "rps", 480, 3, more=True, then=480, peer="aiohttp"),
    Row("memory: second half of 50,000 HTTP calls, MB", "throughput", "{} soak100 0 ms", "rss_growth_mb_second_half", 1, 3),
    Row("cache: hit in memory, us", "cache", "{} memory", "hit_cpu_us", 25, 3, then=183),
    Row("cache: hit in memory, async, us", "cache", "{} memory", "async_hit_cpu_us", 30, 3, then=329),
    Row("cache: hit on disk, us", "cache", "{} disk", "disk_hit_cpu_us", 80, 3, then=221),
    Row("cache: writing, above the call, us", "cache", "{} write", "write_only_cpu_us"),
    Row("cache: memory of 10,000 entries, MB", "cache", "{} size", "rss_growth_mb", 15, 3),
    Row("cache: requests of 100 equal tasks", "cache", "{} shared100", "requests", 1, 3),
    Row("stream: a token, us", "stream", "{}", "cpu_us_per_token", 15, 3, then=54),
    Row("stream: a token, 50 at once, us", "stream", "{}", "many_cpu_us_per_token", 15, 4, then=54),
    Row("stream: first word late by, ms (wall)", "stream", "{}", "first_lag_ms", 1, 3, then=2.3),
    Row("ReAct: a step, us", "agents", "{} step", "cpu_us_per_step", issue=5, ratio=5),
    Row("ReAct: a step, async, us", "agents", "{} astep", "cpu_us_per_step", issue=5, ratio=5),
    Row("ReAct: a step with native calls, us", "agents", "{} native", "cpu_us_per_step"),
    Row("500 agents of 4 steps at once, s (wall)", "agents", "{} many", "wall_s", 5, 5),
]


def read(folder):
    """Everything measured: {bench: {label: {metric: values}}}, and the versions."""
    files, versions = {}, {}
    for file in Path(folder).glob("*.json"):
        got = json.loads(file.read_text(encoding="utf-8"))
        data = files.setdefault(got["bench"], {})
        for label, metrics in got["data"].items():  # a bench may have several files
            for metric, values in metrics.items():
                data.setdefault(label, {}).setdefault(metric, []).extend(values)
        versions.update({k: v for k, v in got["libs"].items() if v})
    return files, versions


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("dir")
    a = ap.parse_args()
    files, versions = read(a.dir)
    cells = {(r, lib): c.med(files.get(r.file, {}).get(r.label.format(lib), {}).get(r.metric)) for r in ROWS for lib in LIBS}
    libs = [x for x in LIBS if any(cells[r, x] is not None for r in ROWS)]
    predict = next(r for r in ROWS if r.title == "Predict, us")
    here = cells[predict, "dspy"]
    pace = predict.then / here if here else None
    rows = []
    for r in ROWS:
        if all(cells[r, x] is None for x in libs):
            continue
        ours, line = cells[r, "whet"], [r.title]
        for lib in libs:
            value = cells[r, lib]
            line.append(c.fmt(value))
            if lib != "whet" and "whet" in libs:
                both = ours and value and ours > 0 and value > 0
                line.append(f"x{(ours / value if r.more else value / ours):.1f}" if both else "")
        at_pace = c.med(files.get(r.file, {}).get(r.at_pace.format("whet"), {}).get(r.metric))
        rows.append([*line, r.wanted(), r.verdict(ours, cells[r, r.peer], pace, at_pace)])
    head = ["CPU time; medians of one run"]
    for lib in libs:
        head += [f"{lib} {versions.get(lib, '')}".strip(), *(["ratio"] if lib != "whet" and "whet" in libs else [])]
    print(c.table([*head, "target", ""], rows))
    if here:
        print(f"Targets were set where DSPy's Predict took {predict.then:g} us; here it took {here:.0f} (x{here / predict.then:.2f}).")
        print("The pace of 500 tasks against a server that takes 1 s is told by aiohttp instead, which made 480 requests a second there.")
    for bench, data in files.items():
        for label, metrics in data.items():
            if metrics.get("error"):
                print(f"not measured: {bench}, {label}: {metrics['error'][0]}")


if __name__ == "__main__":
    main()
