"""Long texts against references: BLEU by sacrebleu; ROUGE-N and ROUGE-L by whet itself (docs/decisions/018 says why)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from whet.core.wording import a_kind
from whet.errors import ConfigurationError, InputError, MissingExtraError

__all__ = ["bleu", "corpus_bleu", "rouge_l", "rouge_n"]

_WORD = re.compile(r"[^\W_]+")


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
    """BLEU of one text, from 0 to 1, by sacrebleu (Post 2018): up to 4-grams but no longer than the text, case kept, and an n-gram order
    without a hit counts half of the one before (exponential smoothing). For a figure to report use `corpus_bleu`.

    Needs the extra `metrics`; raises `MissingExtraError` without it, `InputError` when the references are no list of texts.

    >>> round(bleu("the cat is on the mat", ["the cat is on the mat"]), 3), round(bleu("a dog", ["the cat is on the mat"]), 3)
    (1.0, 0.0)
    """
    references = _texts(answers_list)
    return _scored(_sacrebleu()(effective_order=True).sentence_score(str(prediction), list(references)).score) if references else 0.0


def corpus_bleu(predictions: Iterable[Any], references: Iterable[Sequence[str]]) -> float:
    """BLEU of a corpus, from 0 to 1 (Papineni et al. 2002), by sacrebleu with its defaults, so that the figure compares with others':
    mteval's 13a tokens, case kept, counts added up over rows, brevity penalty, exponential smoothing.

    `references` holds one or more texts per prediction. Needs the extra `metrics`; raises `MissingExtraError` without it, `InputError` when
    there are not as many of both, or a row without a reference.

    >>> round(corpus_bleu(["the cat sat on the mat", "hello world"], [["the cat sat on a mat"], ["hello world"]]), 3)
    0.558
    """
    guesses, targets = [str(guess) for guess in predictions], [_texts(texts) for texts in references]
    if len(guesses) != len(targets) or not guesses:
        raise InputError(f"There are {len(guesses)} predictions and {len(targets)} lists of references; give one list per prediction.")
    if not all(targets):
        empty = next(place for place, texts in enumerate(targets) if not texts)
        raise InputError(f"The prediction in place {empty} has no reference; give each at least one text.")
    most = max(map(len, targets))
    streams = [[texts[place] if place < len(texts) else None for texts in targets] for place in range(most)]
    return _scored(_sacrebleu()().corpus_score(guesses, streams).score)


def _sacrebleu() -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - optional, and it brings numpy
    except ImportError:
        raise MissingExtraError("BLEU", "sacrebleu", "metrics") from None
    return BLEU


def _scored(percent: float) -> float:
    # The mean of logarithms leaves a perfect text at 100.00000000000004.
    return min(float(percent) / 100, 1.0)


def _texts(references: Any) -> Sequence[str]:
    if isinstance(references, str) or not isinstance(references, Sequence):
        raise InputError(f"The references are {references!r}, {a_kind(references)}; give a list of texts.")
    return references


def _rouge_words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


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
