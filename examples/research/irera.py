"""IReRa, Infer-Retrieve-Rank (D'Oosterlinck et al. 2024, arXiv 2401.12178): classification with more labels than fit a prompt.

Reproduced: Infer guesses terms for a text, Retrieve turns them into label scores adjusted by the prior of each label, s * log10(A * p + 1),
Rank orders the first candidates. Each step has a model of its own, and the program is optimized from left to right: first Infer, taught by
the strong model, without Rank; then, with Infer frozen, Rank. Scored by rank precision at 5.
Miniature: 500 invented skills, hashed words in place of a sentence encoder, 12 labelled texts in place of about 50.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from scripted.actor import SCRIPTED
from scripted.irera import LABELS, TEST, TRAIN, models

import whet
from whet.core.hashing import hash_embed
from whet.evaluate.metrics.ranking import rank_precision
from whet.retrieve import Embeddings


class Infer(whet.Signature):
    """Name the skills that a text from a job advertisement asks for."""

    text: str = whet.InputField()
    queries: list[str] = whet.OutputField(desc="skills, in the words of a catalogue")


class Rank(whet.Signature):
    """Pick the skills that fit the text best from the options, the best first."""

    text: str = whet.InputField()
    options: list[str] = whet.InputField()
    best: list[str] = whet.OutputField()


class InferRetrieve(whet.Module):
    """Text to all labels, ordered by how near they are to what Infer says."""

    def __init__(self, labels: Sequence[str], prior: Mapping[str, float] | None = None, weight: float = 1000) -> None:
        self.infer = whet.ChainOfThought(Infer)
        self.index = Embeddings(list(labels), hash_embed, k=50)
        self.prior, self.weight = prior, weight

    def forward(self, text: str) -> whet.Prediction:
        """The labels found, the best first."""
        scores: dict[str, float] = {}
        for found in self.index.search(self.infer(text=text).queries or [text], 50):
            for label in found:
                scores[label.text] = max(scores.get(label.text, -1.0), label.score)
        return whet.Prediction(skills=sorted(scores, key=lambda label: -scores[label] * self.adjustment(label)))

    def adjustment(self, label: str) -> float:
        """What common labels get ahead of rare ones; 1 without a prior."""
        return log10(self.weight * self.prior.get(label, 0.0) + 1) if self.prior is not None else 1.0


class IReRa(whet.Module):
    """The whole: the first `pool` labels of Infer-Retrieve, put in order by Rank."""

    def __init__(self, infer_retrieve: InferRetrieve, pool: int = 10) -> None:
        self.infer_retrieve = infer_retrieve
        self.rank = whet.ChainOfThought(Rank)
        self.pool = pool

    def forward(self, text: str) -> whet.Prediction:
        """The labels, the best first; what Rank left out or made up changes nothing."""
        options = self.infer_retrieve(text=text).skills[: self.pool]
        chosen = [label for label in self.rank(text=text, options=options).best if label in options]
        return whet.Prediction(skills=list(dict.fromkeys([*chosen, *options])), options=options)


def rp_at_5(row: Any, pred: Any, trace: Any = None) -> float | bool:
    """RP@5; a run is a demonstration when it is perfect."""
    score = rank_precision(row.skills, pred.skills, 5)
    return score if trace is None else score == 1.0


def compile_left_to_right(program: IReRa, rows: Sequence[Any], teacher: Any) -> IReRa:
    """Infer first; then, as it is frozen once it is compiled, Rank alone."""
    search = {"metric": rp_at_5, "max_labeled_demos": 0, "num_candidate_programs": 3, "teacher_settings": {"lm": teacher}}
    program = program.deepcopy()
    program.infer_retrieve = whet.BootstrapRS(**search).compile(program.infer_retrieve, trainset=rows)
    return whet.BootstrapRS(**search).compile(program, trainset=rows)


def with_models(program: IReRa, cheap: Any, strong: Any) -> IReRa:
    """The program with a model of its own for each step."""
    program.infer_retrieve.infer.predict.lm, program.rank.predict.lm = cheap, strong
    return program


def main() -> None:
    """RP@5 as written, with Infer compiled, and with both."""
    cheap, strong = models()
    plain = with_models(IReRa(InferRetrieve(LABELS)), cheap, strong)
    both = compile_left_to_right(plain, TRAIN, teacher=strong)
    infer_only = with_models(IReRa(both.infer_retrieve), cheap, strong)
    evaluate = whet.Evaluate(devset=TEST, metric=rp_at_5)
    print(SCRIPTED)
    for name, program in {"as written": plain, "Infer compiled": infer_only, "Infer and Rank": both}.items():
        print(f"RP@5 {name:16}", evaluate(program).summary())


if __name__ == "__main__":
    main()
