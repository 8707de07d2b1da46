"""Short answers against references: exact match, word F1, HotPotQA's F1, and the metrics built on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from whet.core.text import contains_words, normalize_text
from whet.core.wording import a_kind
from whet.errors import ConfigurationError, InputError

__all__ = ["EM", "F1", "HotPotF1", "answer_exact_match", "answer_passage_match", "field_metric", "normalize_text"]

_CLOSED = frozenset(("yes", "no", "noanswer"))


def EM(prediction: Any, answers_list: list[str]) -> bool:
    """Whether `prediction` equals one of the references, both normalised (see `normalize_text`).

    Raises `InputError` (a `ValueError`) when the references are no list.

    >>> EM("The Eiffel Tower", ["eiffel tower", "tour eiffel"]), EM("Paris", ["London"])
    (True, False)
    """
    answer = normalize_text(str(prediction))
    return any(answer == normalize_text(str(reference)) for reference in _references(answers_list))


def F1(prediction: Any, answers_list: list[str]) -> float:
    """The best word F1 of `prediction` against the references, both normalised (SQuAD's measure, Rajpurkar et al. 2016).

    Two texts without any word are equal and score 1. Raises `InputError` (a `ValueError`) when the references are no list.

    >>> round(F1("Barack Obama", ["Barack Hussein Obama", "Joe Biden"]), 2)
    0.8
    """
    answer = normalize_text(str(prediction))
    return max((_word_f1(answer, normalize_text(str(reference))) for reference in _references(answers_list)), default=0.0)


def HotPotF1(prediction: Any, answers_list: list[str]) -> float:
    """Like `F1`, but yes, no and noanswer are right or wrong as a whole (HotPotQA's measure, Yang et al. 2018).

    >>> HotPotF1("yes it is", ["yes"]), HotPotF1("yes", ["yes"])
    (0.0, 1.0)
    """
    answer = normalize_text(str(prediction))
    return max((_closed_f1(answer, normalize_text(str(reference))) for reference in _references(answers_list)), default=0.0)


def answer_exact_match(example: Any, pred: Any, trace: Any = None, frac: float = 1.0) -> bool:
    """Metric: `pred.answer` equals `example.answer` (a text or a list of texts), or has word F1 of at least `frac` when that is below 1.

    >>> from whet.core.records import Example, Prediction
    >>> answer_exact_match(Example(answer=["Paris", "City of Paris"]), Prediction(answer="paris."))
    True
    """
    references = _gold(example, "answer")
    return EM(pred.answer, references) if frac >= 1.0 else F1(pred.answer, references) >= frac


def answer_passage_match(example: Any, pred: Any, trace: Any = None) -> bool:
    """Metric: some passage of `pred.context` holds one of the answers of `example.answer`, word by word.

    `context` is a text, or a list of texts or of passages with a `text`; none at all holds no answer.

    >>> from whet.core.records import Example, Prediction
    >>> answer_passage_match(Example(answer="Kinnairdy Castle"), Prediction(context=["He inherited the Kinnairdy Castle in 1664."]))
    True
    """
    context = [pred.context] if isinstance(pred.context, str) else pred.context or ()
    passages = [str(p.get("text") or p.get("long_text", "")) if isinstance(p, Mapping) else str(p) for p in context]
    return any(contains_words(passage, answer) for answer in _gold(example, "answer") for passage in passages)


def field_metric(score: Callable[[Any, list[str]], float], field: str = "answer", gold: str | None = None) -> Callable[..., float]:
    """Make a metric of a function of (text, references): it compares the output `field` with the label `gold` (default: of the same name).

    >>> from whet.core.records import Example, Prediction
    >>> metric = field_metric(F1, "title")
    >>> metric(Example(title="a red car"), Prediction(title="red"))
    0.6666666666666666
    """
    label = gold or field

    def metric(example: Any, pred: Any, trace: Any = None) -> float:
        return score(pred[field], _gold(example, label))

    metric.__name__ = getattr(score, "__name__", "metric")
    return metric


def _references(answers: Any) -> Iterable[Any]:
    if not isinstance(answers, list):
        raise InputError(f"The references are {answers!r}, {a_kind(answers)}; give a list of texts: `[{answers!r}]`.")
    return answers


def _gold(example: Any, label: str) -> list[str]:
    if label not in example:
        raise ConfigurationError(f"This metric needs the label `{label}`, but the example has: {', '.join(example.keys()) or 'no fields'}.")
    value = example[label]
    return [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]


def _word_f1(answer: str, reference: str) -> float:
    if answer == reference:
        return 1.0
    given, wanted = Counter(answer.split()), Counter(reference.split())
    shared = sum((given & wanted).values())
    return 2 * shared / (sum(given.values()) + sum(wanted.values())) if shared else 0.0


def _closed_f1(answer: str, reference: str) -> float:
    if answer != reference and (answer in _CLOSED or reference in _CLOSED):
        return 0.0
    return _word_f1(answer, reference)
