"""A program of its own that compiles against a server and prints what came out; a test kills it and starts it again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import whet
from optimize import doubling, ruled


def main(url: str, run_dir: str, name: str) -> None:
    lm = whet.LM("openai/counted", api_base=url, api_key="none", cache=False, num_retries=0)
    if name == "Auto":
        recipe, task, signature = (
            whet.Auto(metric=ruled.metric, num_threads=6, run_dir=run_dir, max_runs=160),
            ruled.rows,
            "case -> verdict",
        )
    else:
        recipe = getattr(whet, name)(metric=doubling.exact, num_threads=6, run_dir=run_dir)
        task, signature = doubling.rows, "question -> answer"
    with whet.context(lm=lm):
        program = recipe.compile(whet.Predict(signature), trainset=task(40), valset=task(40, start=100))
    run = program.run
    state = {"program": program.dump_state(), "seeds": [e["seed"] for e in program.candidate_programs], "reason": run.stop_reason}
    print(json.dumps({"state": state, "calls": run.spend.calls, "decisions": sorted(str(d) for d in run.decisions)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
