"""Measures of one answer against one reference; `EM`, `F1` and `HotPotF1` take any number of them."""

from __future__ import annotations

from whet.evaluate.metrics.answers import EM, F1, HotPotF1, normalize_text

__all__ = ["em_score", "f1_score", "hotpot_f1_score", "precision_score"]


def em_score(prediction: str, ground_truth: str) -> bool:
    """Whether the two are the same but for case, articles and punctuation.

    >>> em_score("The Nile!", "nile")
    True
    """
    return EM(prediction, [ground_truth])


def f1_score(prediction: str, ground_truth: str) -> float:
    """The F1 of the words of the two.

    >>> f1_score("the red apple", "red apple")
    1.0
    """
    return F1(prediction, [ground_truth])


def hotpot_f1_score(prediction: str, ground_truth: str) -> float:
    """The same, where `yes`, `no` and `noanswer` count as a whole only.

    >>> hotpot_f1_score("yes it is", "yes")
    0.0
    """
    return float(HotPotF1(prediction, [ground_truth]))


def precision_score(prediction: str, ground_truth: str) -> float:
    """The share of the answer's words that the reference has.

    >>> precision_score("red apple", "apple")
    0.5
    """
    given, wanted = normalize_text(prediction).split(), normalize_text(ground_truth).split()
    return sum(min(given.count(word), wanted.count(word)) for word in set(given)) / len(given) if given else 0.0
