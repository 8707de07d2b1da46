"""LeReT, Learning to Retrieve by Trying (Hsu et al. 2024, arXiv 2410.23214): retrieval rewards become preferences between queries.

Reproduced: several few-shot prompts, with other demonstrations each, make one model write different queries for the same question; every
query is rated by what it retrieves at its own hop; the better and the worse one of a prompt become a pair, written for the prompt without
demonstrations (context distillation); the model is trained on the pairs by IPO; then all of it again with the new model.
Miniature: the model is whet's embedded one, a softmax over bags of words, which picks the words of the second hop's query from five; the
passages to choose from are those that the first hop names. The training is real and takes a fraction of a second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any, Literal

import whet
from whet.datasets import load_bundled, load_corpus
from whet.optimize import collect
from whet.retrieve import BM25
from whet.train import TrainConfig, trainer_of


class WordQuery(whet.Signature):
    """Choose the words to search with."""

    question: str = whet.InputField()
    words: Literal["open summer visitors gatehouse", "workshop employs", "last count known mayor", "rises hills banks", "held every"] = (
        whet.OutputField()
    )


class Retrieval(whet.Module):
    """Two hops: the first finds what the question names, the second what the passage found leads to."""

    def __init__(self) -> None:
        self.write = whet.Predict(WordQuery)

    def forward(self, question: str) -> whet.Prediction:
        """The titles found."""
        found = [*first_hop(question), *second_hop(question, self.write(question=question).words)]
        return whet.Prediction(titles=[passage.text.split(" | ")[0] for passage in found])


def names_in(text: str) -> list[str]:
    """Words with a capital letter, the first of a sentence left out."""
    return re.findall(r"(?<=[\w,;(] )[A-Z]\w+", text)


def first_hop(question: str) -> list[Any]:
    """The passage about what the question names."""
    return list(whet.settings.rm(" ".join(names_in(question)), k=1))


def second_hop(question: str, words: str) -> list[Any]:
    """The best passage for these words among those whose titles stand in the first passage."""
    title, text = first_hop(question)[0].text.split(" | ", 1)
    found = whet.settings.rm(words, k=76)
    linked = [p for p in found if set(p.text.split(" | ")[0].split()) - {"River", "The"} <= set(names_in(text))]
    return [passage for passage in linked if not passage.text.startswith(title)][:1]


def recall(row: Any, pred: Any, trace: Any = None) -> float:
    """The share of gold passages found."""
    return sum(title in pred.titles for title in row.gold_titles) / len(row.gold_titles)


def hop_reward(row: Any, step: Any, pred: Any) -> float:
    """What one query is worth by itself: whether it finds the passage of its hop."""
    found = second_hop(row.question, step.prediction.words)
    return float(any(passage.text.startswith(row.gold_titles[1] + " | ") for passage in found))


def diverse(program: Any, rows: Sequence[Any], prompts: int = 5, shots: int = 3, seed: int = 0) -> list[Any]:
    """The program under several prompts, each with demonstrations of its own."""
    options = WordQuery.output_fields["words"].annotation.__args__
    teachers = [program.deepcopy() for _ in range(prompts)]
    for number, teacher in enumerate(teachers):
        rng = Random(f"{seed} {number}")
        teacher.write.demos = [whet.Example(question=row.question, words=rng.choice(options)) for row in rng.sample(list(rows), shots)]
    return teachers


def preferences(program: Any, rows: Sequence[Any], seed: int = 0) -> Any:
    """Pairs of queries with different rewards, as the prompt without demonstrations would be asked."""
    teachers = diverse(program, rows, seed=seed)
    return collect(program, rows, recall, teacher=teachers, step_reward=hop_reward, keep_demos=False, num_threads=1)


def leret(program: Any, rows: Sequence[Any], lm: Any, iterations: int = 2) -> list[Any]:
    """The program as given and after each iteration; the model of each is trained from the one before."""
    stages = [program.deepcopy()]
    stages[0].set_lm(lm)
    for seed in range(iterations):
        lm = stages[-1].write.lm
        data = preferences(stages[-1], rows, seed).data("preference")
        job = trainer_of(lm).train(data, TrainConfig(lm=lm, method="ipo", options={"epochs": 4, "learning_rate": 0.05}, name="leret"))
        stages.append(stages[-1].deepcopy())
        stages[-1].set_lm(job.result())
    return stages


def retriever() -> BM25:
    """The bundled corpus."""
    return BM25(load_corpus("atlas"))


def main() -> None:
    """The recall on held-out questions of each iteration, with the embedded model; some seconds, no key."""
    with whet.context(rm=retriever()):
        for number, stage in enumerate(leret(Retrieval(), load_bundled("atlas", "train"), whet.LM("embedded"))):
            result = whet.Evaluate(devset=load_bundled("atlas", "test"), metric=recall)(stage)
            print(f"after {number} iterations: {result.summary()}")


if __name__ == "__main__":
    main()
