"""The worker of bench_optimizers.py: runs optimizers of one library in its own interpreter, through the simulator's harness.

It takes jobs as JSON (`[{"arm", "opt", "task", "seed", "kwargs", "n_val", "size"}]`, with `profile` to see where the CPU goes), leaves
out those that the results file has already, and appends one line a run, so that nothing is lost when it is stopped. `starved` is the
share of the run's time in which some process of the machine waited for a CPU, `load` the load average before and after. With `"clock":
"virtual"` among the settings the model answers at once and the wall-clock is that of optimizer_clock.py.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from optimizer_clock import Clock, without_cache
from optimizer_split import split


def main() -> None:
    """Run the jobs that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sim", required=True)
    parser.add_argument("--lib", required=True)
    parser.add_argument("--lib-path", default=None)
    parser.add_argument("--results", required=True)
    parser.add_argument("--jobs", required=True)
    parser.add_argument("--settings", required=True, help="JSON: salt, latency_ms, threads, and shares of faults")
    args = parser.parse_args()
    settings = json.loads(args.settings)
    results = Path(args.results)
    done = {identity(json.loads(line)) for line in results.read_text().splitlines()} if results.exists() else set()
    jobs = [{"lib": args.lib, **settings, **job} for job in json.loads(args.jobs)]
    jobs = [job for job in jobs if identity(job) not in done]
    if jobs:
        run(args, jobs, settings, results)


def identity(job: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two runs the same run."""
    return tuple(
        job.get(key)
        for key in ("lib", "arm", "task", "seed", "salt", "latency_ms", "threads", "p429", "p500", "p_malformed", "code", "clock")
    )


def run(args: argparse.Namespace, jobs: list[dict[str, Any]], settings: dict[str, Any], results: Path) -> None:
    """Run the jobs one after the other."""
    sys.path.insert(0, args.sim)
    if args.lib_path:
        sys.path.insert(0, args.lib_path)
    os.environ.setdefault("DSPY_CACHEDIR", tempfile.mkdtemp(prefix="optcache0"))
    harness: Any = importlib.import_module("run_optimizers")
    library: Any = importlib.import_module(args.lib)
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    given = {"lib": args.lib, "url": None, "tail_p": 0.01, "feedback_metric": 1, "model": "sim-base", "disk_cache": 1, "n_test": 300}
    given |= {"n_train": 100, "n_val": 100, "n_curve": 100, "curve": 0, "p429": 0.0, "p500": 0.0, "p_malformed": 0.0, **settings}
    virtual = settings.get("clock") == "virtual"
    server = harness.Server(argparse.Namespace(**given | ({"latency_ms": 0.0} if virtual else {})))
    made = kept_program(harness)
    allow_sizes(harness)
    measured = watched(harness, virtual)
    if virtual:
        without_cache(library)
    try:
        for job in jobs:
            options = argparse.Namespace(
                **given
                | {"n_val": job.get("n_val", 100), "opt_kwargs": json.dumps(job.get("kwargs") or {}), "size": job.get("size")}
                | {"threads": job.get("threads", given["threads"]), "profile": job.get("profile")}
            )
            before, waited, began = os.getloadavg()[0], pressure(), time.time()
            result = harness.run_one(library, server, options, job["opt"], job["task"], job["seed"])
            took = time.time() - began
            result.pop("tb", None)
            result |= job | {"version": library.__version__, "at": began, "load": [before, os.getloadavg()[0]]}
            result |= told(made[-1]) if made else {}
            result |= measured.pop() if measured and "true" in result else {}
            result["starved"] = (pressure() - waited) / took
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result, default=str) + "\n")
            said = f"true {result['true']:.3f} calls {result['calls']} wall {result['wall']:.1f}" if "true" in result else result["error"]
            print(f"{time.strftime('%H:%M:%S')} {args.lib:5s} {job['arm']:13s} {job['task']:9s} seed {job['seed']}: {said}", flush=True)
    finally:
        server.stop()


def allow_sizes(harness: Any) -> None:
    """Let a job say how many program runs GEPA may use; the harness knows `auto="light"` only."""
    build = harness.build

    def sized(lib: Any, opt: str, metric: Any, told: Any, make_lm: Any, args: Any, seed: int, server: Any) -> Any:
        optimizer, compiled = build(lib, opt, metric, told, make_lm, args, seed, server)
        if args.size:
            writer = make_lm(None, temperature=1.0)
            given = {"metric": told, "num_threads": args.threads, "reflection_lm": writer, "seed": seed, **json.loads(args.opt_kwargs)}
            optimizer = lib.GEPA(max_metric_calls=args.size, **given)
        return optimizer, compiled

    harness.build = sized


def watched(harness: Any, virtual: bool) -> list[dict[str, Any]]:
    """What the last compilation took on the virtual clock, and where its CPU went if that is to be looked at."""
    build, seen = harness.build, []

    def watching(lib: Any, opt: str, metric: Any, told: Any, make_lm: Any, args: Any, seed: int, server: Any) -> Any:
        optimizer, compiled = build(lib, opt, metric, told, make_lm, args, seed, server)

        def compiling(*given: Any) -> Any:
            clock, profile = Clock(args.latency_ms / 1000, f"{args.salt} {seed}"), cProfile.Profile(time.thread_time)
            with clock.running() if virtual else nullcontext(), profile if args.profile else nullcontext():
                program = compiled(*given)
            found: dict[str, Any] = {"split": split(profile)} if args.profile else {}
            if virtual:
                use = clock.waited / (args.threads * clock.now)
                found |= {"wall": clock.now, "waited": clock.waited, "calls": clock.calls, "util": use, "threads": args.threads}
            seen[:] = [found]
            return program

        return optimizer, compiling

    harness.build = watching
    return seen


def kept_program(harness: Any) -> list[Any]:
    """The compiled programs, as the harness measures them; it hands back numbers only."""
    made: list[Any] = []
    measure = harness.true_score

    def measured(dspy: Any, server: Any, make_lm: Any, program: Any, *rest: Any, **named: Any) -> Any:
        made.append(program)
        return measure(dspy, server, make_lm, program, *rest, **named)

    harness.true_score = measured
    return made


def told(program: Any) -> dict[str, Any]:
    """What the run says of itself: why it stopped, how many program runs it took, and its certificate."""
    run = getattr(program, "run", None)
    if not hasattr(run, "stop_reason"):
        return {}
    said: dict[str, Any] = {"stop_reason": run.stop_reason, "rollouts": run.rollouts, "candidates": len(run.candidates)}
    certificate = run.certificate
    if certificate is not None:
        names = ("value", "low", "high")
        said["certificate"] = {name: getattr(certificate.gain, name) for name in names} | {"n": certificate.n, "kept": certificate.kept}
        said["certificate"] |= {"reliable": certificate.reliable, "probability": certificate.probability}
        said["certificate"] |= {"winner": certificate.winner.value, "baseline": certificate.baseline.value}
    return said


def pressure() -> float:
    """Seconds in which some process waited for a CPU, since the machine started; 0 where the system does not say."""
    try:
        return float(Path("/proc/pressure/cpu").read_text(encoding="utf-8").split("total=")[1].split()[0]) / 1e6
    except (OSError, IndexError):
        return 0.0


if __name__ == "__main__":
    main()
