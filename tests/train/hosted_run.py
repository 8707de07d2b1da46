"""A training at a service in a process of its own; a test kills it and starts it again."""

from __future__ import annotations

import sys

import whet
from whet.train import TrainConfig, as_data, trainer_of


def main(url: str, rows: int) -> None:
    lm = whet.LM("openai/gpt-4o-mini", api_base=url + "/v1", api_key="right-key")
    data = as_data([{"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "a"}]} for i in range(rows)])
    job = trainer_of(lm).train(data, TrainConfig(lm=lm, options={"poll_seconds": 0.02}))
    print(job.result(60).model)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
