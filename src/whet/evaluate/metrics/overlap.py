"""Long texts against references: ROUGE-N, ROUGE-L and BLEU, without a dependency."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from whet.errors import ConfigurationError, InputError

__all__ = ["bleu", "corpus_bleu", "rouge_l", "rouge_n"]

_WORD = re.compile(r"[^\W_]+")
# How the machine translation evaluations (mteval v13a) cut words: signs stand alone, but not . and , within numbers, nor ' and -.
_SIGN = re.compile(r"([!-&(-+/:-@\[-`{-~]|(?<=\D)[.,]|[.,](?=\D|$)|(?<=\d)-)")


def rouge_n(prediction: Any, answers_list: Sequence[str], n: int = 1) -> float:
    """The best F-measure of shared word n-grams (ROUGE-N, Lin 2004), without stemming.

    >>> round(rouge_n("the cat sat", ["the cat ran"], n=2), 2)
    0.5
    """
    if n < 1:
        raise ConfigurationError(f"`n` is {n}; n-grams have 1 or more words.")
    given = _grams(_rouge_words(str(prediction)), n)
    return max((_overlap(given, _grams(_rouge_words(str(text)), n)) for text in _texts(answers_list)), default=0.0)


def rouge_l(prediction: Any, answers_list: Sequence[str]) -> float:
    """The best F-measure of the longest common subsequence of words (ROUGE-L, Lin 2004), without stemming.

    Texts of a book's length are fine: the subsequence is found with bit vectors (Hyyroe 2004).

    >>> rouge_l("police killed the gunman", ["police kill the gunman"])
    0.75
    """
    given = _rouge_words(str(prediction))
    return max((_lcs_f(given, _rouge_words(str(text))) for text in _texts(answers_list)), default=0.0)


def bleu(prediction: Any, answers_list: Sequence[str]) -> float:
    """BLEU of one text, from 0 to 1: 4-grams, case kept, and an n-gram order without a hit counts half of the one before (exponential
    smoothing, method 3 of Chen and Cherry 2014). For a figure to report use `corpus_bleu`.

    >>> round(bleu("the cat is on the mat", ["the cat is on the mat"]), 3), round(bleu("a dog", ["the cat is on the mat"]), 3)
    (1.0, 0.0)
    """
    return corpus_bleu([prediction], [_texts(answers_list)])


def corpus_bleu(predictions: Iterable[Any], references: Iterable[Sequence[str]]) -> float:
    """BLEU of a corpus, from 0 to 1 (Papineni et al. 2002): up to 4-grams (no longer than the texts), clipped counts added up over rows,
    brevity penalty.

    `references` holds one or more texts per prediction. Raises `InputError` when there are not as many of both.

    >>> round(corpus_bleu(["the cat sat on the mat", "hello world"], [["the cat sat on a mat"], ["hello world"]]), 3)
    0.558
    """
    guesses, targets = list(predictions), [_texts(texts) for texts in references]
    if len(guesses) != len(targets) or not guesses:
        raise InputError(f"There are {len(guesses)} predictions and {len(targets)} lists of references; give one list per prediction.")
    hits, totals, length, target_length = [0] * 4, [0] * 4, 0, 0
    for guess, texts in zip(guesses, targets, strict=True):
        given, wanted = _bleu_tokens(str(guess)), [_bleu_tokens(str(text)) for text in texts]
        length += len(given)
        target_length += min((abs(len(w) - len(given)), len(w)) for w in wanted)[1] if wanted else 0
        for order in range(1, 5):
            grams = _grams(given, order)
            allowed: Counter[tuple[str, ...]] = Counter()
            for tokens in wanted:
                allowed |= _grams(tokens, order)
            hits[order - 1] += (grams & allowed).total()
            totals[order - 1] += grams.total()
    return _brevity(length, target_length) * _geometric_mean(hits, totals)


def _texts(references: Any) -> Sequence[str]:
    if isinstance(references, str) or not isinstance(references, Sequence):
        raise InputError(f"The references are {references!r}, a {type(references).__name__}; give a list of texts.")
    return references


def _rouge_words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def _bleu_tokens(text: str) -> list[str]:
    return _SIGN.sub(r" \1 ", f" {text} ").split()


def _grams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))


def _overlap(given: Counter[tuple[str, ...]], wanted: Counter[tuple[str, ...]]) -> float:
    total = given.total() + wanted.total()
    return 2 * (given & wanted).total() / total if total else 0.0


def _lcs_f(given: list[str], wanted: list[str]) -> float:
    if not given or not wanted:
        return 0.0
    places: dict[str, int] = {}
    for place, word in enumerate(wanted):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(wanted)) - 1
    row = full
    for word in given:
        match = row & places.get(word, 0)
        row = ((row + match) | (row - match)) & full
    common = len(wanted) - row.bit_count()
    return 2 * common / (len(given) + len(wanted))


def _brevity(length: int, target_length: int) -> float:
    if length == 0:
        return 0.0
    return 1.0 if length >= target_length else math.exp(1 - target_length / length)


def _geometric_mean(hits: list[int], totals: list[int]) -> float:
    orders = [(h, t) for h, t in zip(hits, totals, strict=True) if t]
    if not orders or orders[0][0] == 0:
        return 0.0
    logs, smoothing = 0.0, 1.0
    for hit, total in orders:
        if not hit:
            smoothing /= 2
        logs += math.log((hit or smoothing) / total)
    return math.exp(logs / len(orders))
