"""PATH, Prompts as Auto-optimized Training Hyperparameters (Xian et al. 2024, arXiv 2406.11706): best retrievers from ten labels.

Reproduced: what is optimized is the instruction of the prompt that writes synthetic training queries, and its objective is the NDCG of a
small retrieval model trained on everything the program writes; one number for the whole program, dear and noisy, so there are at most 12
evaluations; the data set that a candidate writes is made once and shared by the models' seeds.
Miniature: 76 passages, ten labelled questions, a ranker that is one learned weight per word (perceptron steps), in place of a 10M model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from scripted.actor import SCRIPTED, Actor
from scripted.path import BAD, GOOD, LABELLED, PASSAGES, write_question

import whet
from whet.evaluate.metrics.ranking import ndcg
from whet.optimize import ObjectiveSearch
from whet.retrieve.bm25 import search_words


class WriteQuestion(whet.Signature):
    """Write a question that this passage answers."""

    passage: str = whet.InputField()
    question: str = whet.OutputField()


Pairs = Sequence[tuple[str, str]]


def synthetic_pairs(program: Any, passages: Sequence[str]) -> list[tuple[str, str]]:
    """A question for each passage, written side by side."""
    written = program.batch([whet.Example(passage=text).with_inputs("passage") for text in passages], disable_progress_bar=True)
    return [(answer.question, text) for answer, text in zip(written, passages, strict=True) if answer is not None]


class WordRanker:
    """Ranks passages by the sum of the weights of the words that they share with a question."""

    def __init__(self, passages: Sequence[str]) -> None:
        self.words = {text: set(search_words(text)) for text in passages}
        self.weights: dict[str, float] = {}

    def score(self, question: set[str], text: str) -> float:
        """The weight of all shared words; a word never seen in training weighs 1."""
        return sum(self.weights.get(word, 1.0) for word in question & self.words[text])

    def train(self, pairs: Pairs, rng: Random, epochs: int = 1, rate: float = 0.2) -> WordRanker:
        """For each pair one random other passage; where that scores as high, the words that tell them apart are weighed anew."""
        texts = list(self.words)
        for _ in range(epochs):
            for question, text in rng.sample(list(pairs), len(pairs)):
                asked, other = set(search_words(question)), rng.choice(texts)
                if other != text and self.score(asked, other) >= self.score(asked, text) - 1:
                    for word in asked & (self.words[text] ^ self.words[other]):
                        step = rate if word in self.words[text] else -rate
                        self.weights[word] = max(0.0, self.weights.get(word, 1.0) + step)
        return self

    def rank(self, question: str) -> list[str]:
        """All passages, the best first."""
        asked = set(search_words(question))
        return sorted(self.words, key=lambda text: -self.score(asked, text))


class RankerQuality:
    """The objective: program to the NDCG@10 of a ranker trained on `size` of the questions that it writes; noisy by the seeds of both."""

    def __init__(self, passages: Sequence[str], labelled: Mapping[str, str], size: int = 24, seed: int = 0) -> None:
        self.passages, self.labelled, self.size, self.seed = passages, labelled, size, seed
        self.written: dict[str, Pairs] = {}

    def __call__(self, program: Any, repeat: int = 0) -> float:
        instructions = program.signature.instructions
        if instructions not in self.written:
            self.written[instructions] = synthetic_pairs(program, self.passages)
        rng = Random(f"{self.seed} {repeat}")
        ranker = WordRanker(self.passages).train(rng.sample(self.written[instructions], self.size), rng)
        return sum(ndcg({text}, ranker.rank(question)) for question, text in self.labelled.items()) / len(self.labelled)


def path(objective: RankerQuality, instructions: Sequence[str]) -> Any:
    """The query writer with the instruction that trains the best ranker, found in 12 evaluations."""
    programs = [whet.Predict(WriteQuestion.with_instructions(text)) for text in instructions]
    return ObjectiveSearch(objective, programs, max_evaluations=12, num_threads=1).compile(whet.Predict(WriteQuestion), trainset=[])


def main() -> None:
    """The ranker's NDCG@10 by the instruction whose questions trained it, the mean of what each candidate was judged by."""
    print(SCRIPTED.replace("A scripted model", "A scripted model writes the questions; the ranker is trained in earnest"))
    with whet.context(lm=Actor({"question": write_question})):
        best = path(RankerQuality(PASSAGES, LABELLED), [*BAD, GOOD])
    for entry in best.candidate_programs:
        print(f"{entry['score']:.3f} ({len(entry['subscores'])} evaluations) {entry['program'].signature.instructions}")


if __name__ == "__main__":
    main()
