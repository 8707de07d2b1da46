"""A program of its own that compiles against a server and prints what came out; a test kills it and starts it again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import whet
from optimize.doubling import exact, rows


def main(url: str, run_dir: str, name: str) -> None:
    lm = whet.LM("openai/counted", api_base=url, api_key="none", cache=False, num_retries=0)
    recipe = getattr(whet, name)(metric=exact, num_threads=6, run_dir=run_dir, **({"max_runs": 160} if name == "Auto" else {}))
    with whet.context(lm=lm):
        program = recipe.compile(whet.Predict("question -> answer"), trainset=rows(40), valset=rows(40, start=100))
    run = program.run
    state = {"program": program.dump_state(), "seeds": [e["seed"] for e in program.candidate_programs], "reason": run.stop_reason}
    print(json.dumps({"state": state, "calls": run.spend.calls, "decisions": sorted(str(d) for d in run.decisions)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
