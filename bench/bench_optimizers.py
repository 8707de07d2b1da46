"""Our optimizers beside DSPy's of the same name, on the simulated model, through both real clients: truth, calls, wall-clock, CPU, threads.

`python bench/bench_optimizers.py --salt NAME --seeds 0-4` is the whole proof and takes hours (`make bench-optimizers`; SEEDS=0: a small
one). Every run is a line in the results file (`--results`): a run that is there, of the same code, is not run again, so it can be stopped
and continued. DSPy runs from ~/.cache/whet-bench/dspy (with optuna); the simulator is `run_optimizers.py` in `--sim` ($WHET_SIM).
`--only` runs one library's half, `--checks` what `Auto` must show by itself (`--checks certificate` that part alone), `--curves` how
results go with what a user can set (on a virtual clock, so on a busy machine too; `--curves threads,cpu` those alone); `--write FILE`
puts what a results file has into a page, and leaves there what it has not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from optimizer_curves import CURVES, curve_jobs, curve_tables
from optimizer_page import page
from optimizer_tables import ARMS, checks_tables, paired_tables
from optimizer_targets import targets

ROOT = Path(__file__).resolve().parent.parent
DSPY = Path("~/.cache/whet-bench/dspy/bin/python").expanduser()
TASKS = "policy,intent,math,extract,multihop"
FAULTS = {"p429": 0.05, "p500": 0.02, "p_malformed": 0.02}
CHECKS = ("certificate", "budgets", "faults")
FLAT = 1000
BUDGETS = (150, 300, 1200)
GIT = (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "src"])
Job = dict[str, Any]


def main() -> None:
    """Run what is missing and print the tables."""
    args = arguments()
    results = Path(args.results or Path(tempfile.mkdtemp(prefix="whet-bench-")) / "runs.jsonl")
    if args.write:
        file = Path(args.write)
        file.write_text(page(file.read_text(encoding="utf-8") if file.exists() else "", read(results)), encoding="utf-8")
        return
    if not DSPY.exists() and args.only != "whet":
        print(f"DSPy is not at {DSPY}: run bench/make_venvs.sh dspy (and pip install optuna there) to see it beside.")
    for lib, settings, jobs in checks(args) if args.checks else curves(args) if args.curves else paired(args):
        work(args, results, lib, settings, jobs)
    runs = read(results)
    tables = checks_tables if args.checks else curve_tables if args.curves else paired_tables
    for line in [*tables(runs), "", *targets(runs)]:
        print(line)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--opt", default=",".join(ARMS), help=f"of {', '.join(ARMS)}")
    parser.add_argument("--task", default=TASKS)
    parser.add_argument("--seeds", default="0", help="such as 0,1,2 or 0-4")
    parser.add_argument("--salt", default="dev", help="develop on `dev`, judge on a name that nobody has used")
    parser.add_argument("--latency-ms", type=float, default=None, help="default 250, and 10 for the certificate's runs")
    parser.add_argument("--threads", type=int, default=24)
    parser.add_argument("--sim", default=os.environ.get("WHET_SIM", "/work/shared/sim"))
    parser.add_argument("--only", choices=("whet", "dspy"), default=None)
    parser.add_argument("--checks", nargs="?", const=",".join(CHECKS), default=None, metavar="PARTS", help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--curves", nargs="?", const=",".join(CURVES), default=None, metavar="PARTS", help=f"of {', '.join(CURVES)}")
    parser.add_argument("--results", default=None, help="a file of runs, one JSON object a line; what is there is not run again")
    parser.add_argument("--write", default=None, metavar="FILE", help="run nothing; write the page of the results file")
    return parser.parse_args()


def paired(args: argparse.Namespace) -> Iterator[tuple[str, Job, list[Job]]]:
    """The runs of both libraries, seed by seed, so that what is there is of use whenever it is stopped."""
    settings = {"salt": args.salt, "latency_ms": args.latency_ms or 250.0, "threads": args.threads}
    for seed in numbers(args.seeds):
        for task in args.task.split(","):
            for lib in ("whet", "dspy"):
                if lib == (args.only or lib) and (lib == "whet" or DSPY.exists()):
                    yield lib, settings, list(jobs_of(lib, args.opt.split(","), task, seed))


def jobs_of(lib: str, arms: list[str], task: str, seed: int) -> Iterator[Job]:
    """One job for each setting that the arms compare; two arms may share one."""
    seen = set()
    for arm in arms:
        name = ARMS[arm][lib]
        if name not in seen:
            seen.add(name)
            opt, _, variant = name.partition("-")
            kwargs = {"max_labeled_demos": int(variant)} if opt == "miprov2" and variant else {}
            yield {"arm": name, "opt": opt, "task": task, "seed": seed, "kwargs": kwargs, "n_val": 30 if name == "gepa-30" else 100}


def curves(args: argparse.Namespace) -> Iterator[tuple[str, Job, list[Job]]]:
    """How truth, calls, wall-clock and CPU go with what a user can set, seed by seed."""
    for seed in numbers(args.seeds):
        for task in args.task.split(","):
            for part in args.curves.split(","):
                for lib in ("whet", "dspy"):
                    if lib == (args.only or lib) and (lib == "whet" or DSPY.exists()):
                        yield from ((lib, *work) for work in curve_jobs(part, args.salt, task, seed, lib))


def checks(args: argparse.Namespace) -> Iterator[tuple[str, Job, list[Job]]]:
    """What `Auto` must show without anybody beside it: its certificate, flat surfaces too, faults, and more threads."""
    seeds, tasks, parts = numbers(args.seeds), args.task.split(","), args.checks.split(",")
    quick = {"salt": args.salt, "latency_ms": args.latency_ms or 10.0, "threads": args.threads}
    for seed in [*seeds, *(FLAT + s for s in seeds)] if "certificate" in parts else ():
        yield "whet", quick, [{"arm": a, "opt": a, "task": t, "seed": seed} for t in tasks for a in ("none", "Auto")]
    for size in BUDGETS if "budgets" in parts else ():
        sized = {"arm": f"Auto-{size}", "opt": "Auto", "kwargs": {"max_runs": size}}
        yield "whet", quick, [{**sized, "task": t, "seed": s} for s in seeds[:4] for t in tasks]
    slow = {**quick, "latency_ms": 250.0}
    for task in tasks if "faults" in parts else ():
        for settings in (slow, {**slow, **FAULTS}, {**slow, "threads": 8}, {**slow, "threads": 64}):
            yield "whet", settings, [{"arm": "Auto", "opt": "Auto", "task": task, "seed": seeds[0]}]


def work(args: argparse.Namespace, results: Path, lib: str, settings: Job, jobs: list[Job]) -> None:
    """Run jobs in the interpreter of their library; a worker that fails is told, and the next one goes on."""
    command = [str(DSPY) if lib == "dspy" else sys.executable, str(ROOT / "bench" / "optimizer_runs.py"), "--sim", args.sim, "--lib", lib]
    if lib == "whet":
        command += ["--lib-path", str(ROOT / "src")]
        settings = {**settings, "code": code(), "commit": commit()}
    command += ["--results", str(results), "--settings", json.dumps(settings), "--jobs", json.dumps(jobs)]
    if subprocess.run(command, check=False).returncode:
        print(f"The worker for {lib} {[job['arm'] for job in jobs]} failed.", file=sys.stderr)


@cache
def code() -> str:
    """What our sources are now: runs of other sources are no runs of these."""
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted((ROOT / "src").rglob("*.py")))).hexdigest()[:12]


@cache
def commit() -> str:
    """Which commit our sources are, with a plus where they differ from it; empty where nobody knows."""
    said = [subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False).stdout.strip() for words in GIT]
    return said[0] + ("+" if said[1] else "")


def read(results: Path) -> list[Job]:
    """All runs of a results file."""
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []


def numbers(text: str) -> list[int]:
    """`0-2,7` as numbers."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


if __name__ == "__main__":
    main()
