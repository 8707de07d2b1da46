"""BetterTogether (Soylu, Potts and Khattab 2024, arXiv 2407.10930): prompts and weights of one program, optimized in turn.

Reproduced: the strategy p -> w -> p over a multi-hop program, where p is bootstrapped few-shot random search and w finetunes the program's
own model on the runs that ended right; every stage is scored on rows of its own and the best one is returned.
Miniature: two predictors over 76 passages; what a finetuned model is, is up to the trainer (any `whet.train.Trainer`; the embedded, local
and hosted ones are chosen by the model's name).
"""

from __future__ import annotations

from typing import Any

from scripted.actor import SCRIPTED
from scripted.better_together import TEST, TRAIN, VAL, Learner, Training

import whet
from whet.datasets import load_corpus
from whet.evaluate.metrics.answers import answer_exact_match
from whet.retrieve import BM25


class TwoHops(whet.Module):
    """Search with the question, then with a query for what is missing, then answer."""

    def __init__(self, k: int = 3) -> None:
        self.write = whet.ChainOfThought("context: list[str], question -> query")
        self.answer = whet.ChainOfThought("context: list[str], question -> answer")
        self.k = k

    def forward(self, question: str) -> whet.Prediction:
        """The answer and the passages it stands on."""
        context = self.search(question)
        query = self.write(context=context, question=question).query
        context = [*context, *(text for text in self.search(query) if text not in context)]
        return whet.Prediction(answer=self.answer(context=context, question=question).answer, context=context)

    def search(self, query: str) -> list[str]:
        """Texts of the best passages."""
        return [passage.text for passage in whet.settings.rm(query, k=self.k)]


def better_together(program: Any, train: list[whet.Example], val: list[whet.Example], strategy: str, trainer: Any = None) -> Any:
    """The best program of all stages of a strategy such as `p -> w -> p`."""
    optimizer = whet.BetterTogether(
        metric=answer_exact_match,
        p=whet.BootstrapRS(answer_exact_match, max_labeled_demos=0, num_candidate_programs=4),
        w=whet.BootstrapFinetune(answer_exact_match, trainer=trainer, exclude_demos=True),
    )
    return optimizer.compile(program, trainset=train, valset=val, strategy=strategy)


def retriever() -> BM25:
    """The bundled corpus."""
    return BM25(load_corpus("atlas"))


def main() -> None:
    """Exact match on held-out questions of prompts, weights, and both in turn."""
    evaluate = whet.Evaluate(devset=TEST, metric=answer_exact_match)
    print(SCRIPTED)
    with whet.context(lm=Learner(), rm=retriever()):
        print(f"{'as written':12}", evaluate(TwoHops()).summary())
        for strategy in ("p", "w", "p -> w -> p"):
            print(f"{strategy:12}", evaluate(better_together(TwoHops(), TRAIN, VAL, strategy, Training())).summary())


if __name__ == "__main__":
    main()
