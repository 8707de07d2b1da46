"""A program of its own that compiles against a server and prints what came out; a test kills it and starts it again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import whet
from optimize import doubling, instructed, ruled

# The task that each recipe works on, and the recipe.
RECIPES: dict[str, tuple[str, Callable[..., Any]]] = {
    "BootstrapRS": ("doubling", lambda lm, **o: whet.BootstrapRS(metric=doubling.exact, **o)),
    "Auto": ("ruled", lambda lm, **o: whet.Auto(metric=ruled.metric, max_runs=160, **o)),
    "MIPROv2": ("instructed", lambda lm, **o: whet.MIPROv2(metric=instructed.exact, **o)),
    "GEPA": ("instructed", lambda lm, **o: whet.GEPA(metric=instructed.told, max_metric_calls=200, reflection_lm=lm, **o)),
    "COPRO": ("instructed", lambda lm, **o: whet.COPRO(metric=instructed.exact, breadth=4, depth=3, **o)),
    "SIMBA": ("instructed", lambda lm, **o: whet.SIMBA(metric=instructed.exact, bsize=16, max_steps=4, **o)),
    "InferRules": ("instructed", lambda lm, **o: whet.InferRules(metric=instructed.exact, num_candidates=5, **o)),
    "AvatarOptimizer": ("instructed", lambda lm, **o: whet.AvatarOptimizer(metric=instructed.exact, max_iters=5, **o)),
    "TextualGradient": ("instructed", lambda lm, **o: whet.TextualGradient(metric=instructed.exact, max_steps=5, **o)),
}
PROGRAMS: dict[str, tuple[Callable[[], Any], Callable[..., Any]]] = {
    "doubling": (lambda: whet.Predict("question -> answer"), doubling.rows),
    "ruled": (lambda: whet.Predict("case -> verdict"), ruled.rows),
    "instructed": (instructed.program, instructed.rows),
}


def main(url: str, run_dir: str, name: str, memory: str = "") -> None:
    task, make = RECIPES[name]
    program, rows = PROGRAMS[task]
    lm = whet.LM("openai/counted", api_base=f"{url}/{task}/v1", api_key="none", cache=False, num_retries=0)
    recipe = make(lm, num_threads=6, run_dir=run_dir or None, hedge=False, memory=memory or False)
    with whet.context(lm=lm):
        best = recipe.compile(program(), trainset=rows(40), valset=rows(40, start=100))
    run = best.run
    state = {"program": best.dump_state(), "seeds": [e["seed"] for e in best.candidate_programs], "reason": run.stop_reason}
    spent = {"calls": run.spend.calls, "reused": run.spend.reused, "rollouts": run.rollouts}
    print(json.dumps({"state": state, **spent, "decisions": sorted(str(d) for d in run.decisions)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
