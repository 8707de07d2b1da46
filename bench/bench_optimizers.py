"""Our optimizers beside DSPy's of the same name, on the simulated model, through both real clients: truth, calls, wall-clock, CPU, threads.

`python bench/bench_optimizers.py --seeds 0,1,2,3,4 --salt NAME --latency-ms 250` (make bench-optimizers runs a small one). The simulator is
`run_optimizers.py` in `--sim` (or $WHET_SIM); DSPy runs from ~/.cache/whet-bench/dspy when it is there. Differences are paired over tasks
and seeds, with 95 % intervals; a DSPy run that was recorded with --keep is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DSPY = Path("~/.cache/whet-bench/dspy/bin/python").expanduser()
# What is set beside what: our name, DSPy's name and its arguments, demo limit and rows to judge by, and the targets (calls, wall).
PAIRS: dict[str, dict[str, Any]] = {
    "bootstrap_rs": {"ours": "bootstrap_rs", "limits": "4 bootstrapped + 16 labelled demos, val 100", "calls": 0.25, "wall": 0.20},
    "miprov2": {"ours": "miprov2", "limits": "4 bootstrapped + 4 labelled demos, val 100", "calls": 0.50, "wall": 0.30},
    "gepa": {"ours": "gepa", "limits": "no demos, val 100", "calls": 0.35, "wall": 0.15},
    "copro": {"ours": "copro", "limits": "no demos, all 100 rows", "calls": 0.25, "wall": 0.20},
    "simba": {"ours": "simba", "limits": "4 demos, train + val", "calls": 0.25, "wall": 0.20},
    "miprov2-16": {
        "ours": "Auto",
        "theirs": "miprov2",
        "kwargs": {"max_labeled_demos": 16},
        "limits": "auto: 16 demos, 600 runs; MIPROv2: 4 bootstrapped + 16 labelled demos, val 100",
        "calls": 1.0,
        "wall": 1.0,
    },
}


def main() -> None:
    """Run what was asked for and print the tables."""
    args = arguments()
    folder = Path(args.keep or tempfile.mkdtemp(prefix="whet-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    shown = args.opt.split(",")
    for name in shown:
        pair = PAIRS[name]
        ours = measured(args, folder, "whet", name, pair["ours"], {})
        theirs = measured(args, folder, "dspy", name, pair.get("theirs", name), pair.get("kwargs", {})) if DSPY.exists() else []
        report(name, pair, ours, theirs)
    if not DSPY.exists():
        print(f"DSPy is not at {DSPY}: run bench/make_venvs.sh dspy (and pip install optuna there) to see it beside.")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--opt", default="bootstrap_rs,miprov2,gepa,copro,simba,miprov2-16")
    parser.add_argument("--task", default="intent,multihop,math,extract,policy")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--salt", default="dev")
    parser.add_argument("--latency-ms", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=24)
    parser.add_argument("--sim", default=os.environ.get("WHET_SIM", "/work/shared/sim"))
    parser.add_argument("--keep", default=None, help="a folder for the results; what is there is not run again")
    return parser.parse_args()


def measured(args: argparse.Namespace, folder: Path, lib: str, name: str, opt: str, kwargs: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of one optimizer, one dict per task and seed; runs that failed are printed and left out."""
    out = folder / f"{lib}-{name}-{args.salt}-{args.latency_ms:g}-{args.threads}-{args.seeds.replace(',', '_')}.json"
    if lib == "whet" or not out.exists():
        python = str(DSPY) if lib == "dspy" else sys.executable
        command = [
            python,
            f"{args.sim}/run_optimizers.py",
            "--lib",
            lib,
            "--opt",
            opt,
            "--task",
            args.task,
            "--seeds",
            args.seeds,
            "--curve",
            "0",
        ]
        command += ["--salt", args.salt, "--latency-ms", str(args.latency_ms), "--threads", str(args.threads), "--out", str(out)]
        command += ["--lib-path", str(ROOT / "src")] if lib == "whet" else []
        command += ["--opt-kwargs", json.dumps(kwargs)] if kwargs else []
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr[-2000:])
    results: list[dict[str, Any]] = json.loads(out.read_text())["results"] if out.exists() else []
    for failed in (r for r in results if "true" not in r):
        print(f"{lib} {opt} {failed['task']} seed {failed['seed']} failed: {failed.get('error')}")
    return [r for r in results if "true" in r]


def report(name: str, pair: dict[str, Any], ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """One table: per task and over all, ours, theirs, and the paired difference."""
    print(f"\n{name}: {pair['limits']}; targets: {pair['calls']:.0%} of the calls, {pair['wall']:.0%} of the wall-clock")
    measures = f"{'calls':>14s} {'wall s':>14s} {'ms CPU/call':>13s} {'threads':>11s}"
    print(f"{'task':9s} {'runs':>4s} {'ours':>6s} {'DSPy':>6s}  {'difference':18s} {measures}")
    for task in [*dict.fromkeys(r["task"] for r in ours), "all"]:
        mine = {(r["task"], r["seed"]): r for r in ours if task in (r["task"], "all")}
        other = {(r["task"], r["seed"]): r for r in theirs if task in (r["task"], "all")}
        both = [key for key in mine if key in other]
        gap = interval([mine[key]["true"] - other[key]["true"] for key in both])
        line = f"{task:9s} {len(mine):4d} {mean(mine, 'true'):6.3f} {mean(other, 'true'):6.3f}  {gap:18s}"
        line += f" {beside(mine, other, both, 'calls')} {beside(mine, other, both, 'wall')}"
        print(line + f" {cpu(mine):6.2f}/{cpu(other):6.2f} {mean(mine, 'util'):5.2f}/{mean(other, 'util'):5.2f}", flush=True)


def mean(runs: dict[Any, dict[str, Any]], what: str) -> float:
    """The mean of one measure; NaN without runs."""
    return statistics.fmean(r[what] or 0.0 for r in runs.values()) if runs else math.nan


def cpu(runs: dict[Any, dict[str, Any]]) -> float:
    """Milliseconds of the client's CPU per call."""
    return 1000 * sum(r["cpu"] for r in runs.values()) / sum(r["calls"] for r in runs.values()) if runs else math.nan


def beside(mine: dict[Any, dict[str, Any]], other: dict[Any, dict[str, Any]], both: list[Any], what: str) -> str:
    """Our mean, and what share of theirs that is on the runs that both did."""
    share = sum(mine[k][what] for k in both) / sum(other[k][what] for k in both) if both else math.nan
    return f"{mean(mine, what):7.1f} ({share:4.0%})"


def interval(differences: list[float]) -> str:
    """A mean with its 95 % interval (Student's t)."""
    n = len(differences)
    if n < 2:
        return f"{differences[0]:+.3f}" if n else "-"
    t = 1.96 + 2.4 / (n - 1) + 5.0 / (n - 1) ** 2.2  # within a few percent of the table
    return f"{statistics.fmean(differences):+.3f} +- {t * statistics.stdev(differences) / math.sqrt(n):.3f}"


if __name__ == "__main__":
    main()
