"""DSPy Assertions (Singhvi et al. 2023, arXiv 2312.13382): constraints that send a step back to work with what was wrong.

Reproduced: `Assert` and `Suggest` in three of the paper's tasks: long answers whose every citation must be supported, a quiz question in
JSON with exactly one right choice, and a tweet of at most 280 characters without hash signs that holds the answer. A failed constraint
asks the predictor that is to blame again, at most twice, and no earlier one; demonstrations made that way need no second try any more.
Miniature: word overlap judges support in place of a model; contexts come from 76 passages.
"""

from __future__ import annotations

import json
from typing import Any

from scripted.actor import SCRIPTED, Actor
from scripted.assertions import TEST, TRAIN, tweet

import whet
from whet.datasets import load_corpus
from whet.evaluate.metrics.structure import cited_ids, supports
from whet.retrieve import BM25


class LongAnswer(whet.Module):
    """A paragraph that cites its passages as [1], [2]; every citation must exist and support its sentence."""

    def __init__(self, k: int = 3) -> None:
        self.query = whet.Predict("question -> query")
        self.write = whet.ChainOfThought("passages: list[str], question -> paragraph")
        self.k = k

    def forward(self, question: str) -> whet.Prediction:
        """The paragraph and its passages."""
        found = [p.text for p in whet.settings.rm(self.query(question=question).query, k=self.k)]
        paragraph = self.write(passages=[f"[{i}] {text}" for i, text in enumerate(found, 1)], question=question).paragraph
        for wrong in unsupported(paragraph, found):
            whet.Suggest(False, f"{wrong!r} is not supported by what it cites.", on=self.write)
        return whet.Prediction(paragraph=paragraph, passages=found)


def unsupported(paragraph: str, passages: list[str]) -> list[str]:
    """Sentences that cite nothing, or a passage that does not exist or does not say so."""
    sentences = [text.strip() for text in paragraph.split(".") if text.strip()]
    cited = {text: " ".join(passages[i - 1] for i in cited_ids(text) if 0 < i <= len(passages)) for text in sentences}
    return [text for text, passage in cited.items() if not passage or not supports(passage, text, threshold=0.6)]


class Quiz(whet.Module):
    """Choices for a question, as JSON text, of which exactly one is the answer."""

    def __init__(self) -> None:
        self.choose = whet.ChainOfThought("question, answer -> choices")

    def forward(self, question: str, answer: str) -> whet.Prediction:
        """The choices; a list that is no JSON, or lacks the answer, is never returned."""
        choices = self.choose(question=question, answer=answer).choices
        whet.Assert(is_list(choices), "The choices must be a JSON list of texts.", on=self.choose)
        whet.Assert(json.loads(choices).count(answer) == 1, f"Exactly one of the choices must be {answer!r}.", on=self.choose)
        return whet.Prediction(choices=json.loads(choices))


def is_list(text: str) -> bool:
    """Whether a text is a JSON list."""
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False


class Tweet(whet.Module):
    """An engaging tweet that answers a question."""

    def __init__(self) -> None:
        self.write = whet.ChainOfThought("question, answer -> tweet")

    def forward(self, question: str, answer: str) -> whet.Prediction:
        """The tweet; what stayed unfulfilled is in `meta.suggestions`."""
        tweet = self.write(question=question, answer=answer).tweet
        whet.Suggest("#" not in tweet, "Use no hash signs.", on=self.write)
        whet.Suggest(len(tweet) <= 280, f"{len(tweet)} characters are too many; at most 280.", on=self.write)
        whet.Suggest(answer in tweet, f"The tweet must say {answer!r}.", on=self.write)
        return whet.Prediction(tweet=tweet)


class Unchecked(Tweet):
    """The same without constraints."""

    def forward(self, question: str, answer: str) -> whet.Prediction:
        """The first tweet, whatever it is."""
        return whet.Prediction(tweet=self.write(question=question, answer=answer).tweet)


def good_tweet(row: Any, pred: Any, trace: Any = None) -> bool:
    """Whether all constraints hold."""
    return "#" not in pred.tweet and len(pred.tweet) <= 280 and row.answer in pred.tweet


def retriever() -> BM25:
    """The bundled corpus."""
    return BM25(load_corpus("atlas"))


def main() -> None:
    """How many tweets keep all constraints: without assertions, with them, and compiled with them."""
    evaluate = whet.Evaluate(devset=TEST, metric=good_tweet)
    print(SCRIPTED)
    with whet.context(lm=Actor({"tweet": tweet})):
        compiled = whet.BootstrapFewShot(metric=good_tweet, max_labeled_demos=0).compile(Tweet(), trainset=TRAIN)
        for name, program in {"without assertions": Unchecked(), "with assertions": Tweet(), "with both": compiled}.items():
            print(f"{name:20}", evaluate(program).summary())


if __name__ == "__main__":
    main()
