"""The questions, a model that bridges once a demo shows how and misreads 2 of 5 times, and a trainer that cures the latter by degrees."""

from __future__ import annotations

from typing import Any

from scripted.actor import Actor, Asked

from whet.datasets import load_bundled
from whet.errors import TrainingError
from whet.train import Job, Preflight, TrainConfig, TrainData
from whet.train.trainer import started

ROWS = [*load_bundled("atlas", "train"), *load_bundled("atlas", "test")]
TRAIN, VAL, TEST = ROWS[:28], ROWS[28:44], ROWS[44:]
GOLD = {row.question: row for row in ROWS}


class Learner(Actor):
    """Bridges when a demo shows how, else in a third of all cases. It misreads 2 of 5 times; training rows for answers cure that by
    degrees."""

    def __init__(self, rows: int = 0, model: str = "learner") -> None:
        self.rows = rows
        super().__init__({"query": self.write, "answer": self.read}, model=model)

    def write(self, asked: Asked) -> str:
        bridging = any(demo["query"] != demo["question"] for demo in asked.demos)
        return GOLD[asked.question].gold_titles[1] if bridging or asked.lucky(1 / 3) else asked.question

    def read(self, asked: Asked) -> str:
        row = GOLD[asked.question]
        known = all(any(text.startswith(title) for text in asked.items("context")) for title in row.gold_titles)
        slips = asked.lucky(0.4 * max(0.0, 1 - self.rows / 16))
        return row.answer if known and not slips else "nobody knows"


class Training:
    """A trainer whose finetuned model is as good as the rows it was given are many; it does not look at anything else."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.seen = fails, list[TrainData]()

    def train(self, data: TrainData, config: TrainConfig) -> Job:
        self.seen.append(data)
        rows = sum(row.predictor == "answer.predict" for row in data.rows)

        def work(job: Job) -> Any:
            if self.fails:
                raise TrainingError("The machine is on fire.")
            return Learner(rows, model=f"learner-{rows}")

        return started(config, data, Preflight(rows=len(data), tokens=data.tokens), work)
