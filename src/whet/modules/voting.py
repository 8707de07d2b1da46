"""`majority`: the answer that most samples agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from whet.core.records import Completions, Prediction
from whet.core.text import normalize_text
from whet.errors import InputError

__all__ = ["majority", "usual_form"]


def usual_form(value: Any) -> str | None:
    """A vote without case, punctuation and articles; `None` where nothing is left of it."""
    return normalize_text(value if isinstance(value, str) else str(value)) or None


def majority(prediction_or_completions: Any, normalize: Callable[[Any], Any] | None = usual_form, field: str | None = None) -> Prediction:
    """The first sample whose `field` has the most frequent value (self-consistency: Wang et al. 2022, arXiv 2203.11171).

    Samples are those of a prediction, its completions, or a list of mappings. Values are compared after `normalize`; those it turns into
    `None` do not vote, unless there are no others. The field is the last output of the signature, else the last key.

    >>> majority([{"answer": "Paris"}, {"answer": "Rome"}, {"answer": "the paris."}]).answer
    'Paris'
    """
    given = prediction_or_completions
    completions = given.completions if isinstance(given, Prediction) else given
    rows: list[Mapping[str, Any]] = [completions[i] for i in range(len(completions))]
    if not rows:
        raise InputError("There are no samples to choose from.")
    if field is None:
        signature = completions.signature if isinstance(completions, Completions) else None
        field = list(signature.output_fields)[-1] if signature is not None else list(rows[0].keys())[-1]
    if absent := [row for row in rows if field not in row]:
        raise InputError(f"A sample has no field `{field}` to vote with; it has: {', '.join(map(str, absent[0].keys()))}.")
    votes = [row[field] if normalize is None else normalize(row[field]) for row in rows]
    counted = [vote for vote in votes if vote is not None] or votes
    winner = max(Counter(map(_key, counted)).items(), key=lambda item: item[1])[0]
    chosen = next(row for row, vote in zip(rows, votes, strict=True) if _key(vote) == winner)
    return Prediction.from_completions([dict(chosen.items())], signature=getattr(completions, "signature", None))


def _key(vote: Any) -> Any:
    try:
        hash(vote)
    except TypeError:
        return repr(vote)
    return vote
