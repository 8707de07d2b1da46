"""Structured answers and cited ones: which leaves of a JSON value are right, and do the citations hold."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from whet.core.mathematics import numeric_equal
from whet.core.records import Score
from whet.core.schema import schema_of
from whet.core.text import normalize_text, words
from whet.core.wording import a_kind, counted
from whet.errors import ConfigurationError, InputError, WhetError
from whet.retrieve.passage import as_passages

__all__ = ["citation_score", "cited_ids", "json_diff_score", "supports"]

_LISTED = 5
_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*)```\s*", re.DOTALL | re.IGNORECASE)
# A number in a text, with the sign and the point that `normalize_text` takes for punctuation.
_NUMBER = re.compile(r"(?:(?<!\w)-)?\d+(?:\.\d+)*")
_DASH = r"\s*[-\u2010-\u2015\u2212]\s*"
_NUMBERS = rf"\[\s*\d{{1,9}}(?:(?:\s*[,;]\s*|{_DASH})\d{{1,9}})*\s*\]"
_CITATION = re.compile(rf"{_NUMBERS}(?:{_DASH}{_NUMBERS})*")
_RANGE = re.compile(rf"(\d+)(?:\s*\]?{_DASH}\[?\s*(\d+))?")
_WIDEST = 100  # a range of more is no list of passages: its ends are cited
_MARKS_AFTER = re.compile(rf"([.!?\u3002\uff01\uff1f])((?:\s*{_CITATION.pattern})+)")
# A full stop after these ends no sentence.
_ABBREVIATED = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|cf|Fig|[A-Z]|e\.g|i\.e|[A-Z]\.[A-Z])\.$")


def json_diff_score(expected: Any, found: Any, *, rel_tol: float = 1e-9, normalize: bool = True) -> Score:
    """How much of a JSON value is right: F1 over its leaves, each a path with a value. The feedback names the first differences.

    Values may be JSON text (also in a code fence), mappings, lists, pydantic models or dataclasses. Lists compare by place. Texts compare
    normalised (see `normalize_text`; signs and points of numbers in them count) unless `normalize` is false, numbers with `rel_tol`. Text
    that is no JSON scores 0 and says so.

    >>> score = json_diff_score({"name": "Ada", "born": 1815, "tags": ["math"]}, '{"name": "ada", "born": 1816, "tags": ["math"]}')
    >>> round(score.value, 2), score.feedback
    (0.67, 'born: expected 1815, found 1816')
    """
    try:
        expected, found = _plain(expected), _plain(found)
    except (ValueError, RecursionError) as error:  # what a model wrote: no JSON, or deeper and longer than any that is meant
        return Score(value=0.0, feedback=f"This is no JSON: {error}", parts={"precision": 0.0, "recall": 0.0})
    wanted, given = dict(_leaves(expected)), dict(_leaves(found))
    wrong = [p for p, v in wanted.items() if p in given and not _same(v, given[p], rel_tol, normalize)]
    right = len(wanted.keys() & given.keys()) - len(wrong)
    notes = [f"{p or 'the value'}: expected {wanted[p]!r}, found {given[p]!r}" for p in wrong]
    notes += [f"{p or 'the value'}: missing, expected {v!r}" for p, v in wanted.items() if p not in given]
    notes += [f"{p or 'the value'}: not expected, found {v!r}" for p, v in given.items() if p not in wanted]
    rest = [f"and {len(notes) - _LISTED} more"] if len(notes) > _LISTED else []
    precision, recall = right / len(given) if given else 1.0, right / len(wanted) if wanted else 1.0
    total = len(given) + len(wanted)
    return Score(
        value=2 * right / total if total else 1.0,
        feedback="; ".join(notes[:_LISTED] + rest),
        parts={"precision": precision, "recall": recall},
    )


def cited_ids(text: str) -> list[int]:
    """The numbers cited in `text` like [1], [2, 3], [4-6] or [4]-[6], each once, in order.

    >>> cited_ids("Paris is big [2][1]. It is old [1, 4-6].")
    [2, 1, 4, 5, 6]
    """
    ranges = (_RANGE.finditer(mark) for mark in _CITATION.findall(text))
    return list(dict.fromkeys(number for found in ranges for match in found for number in _numbers_of(match)))


def _numbers_of(match: re.Match[str]) -> Iterable[int]:
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if first <= last < first + _WIDEST else (first, last)


def supports(passage: str, statement: str, *, threshold: float = 0.5) -> bool:
    """Whether `passage` holds at least `threshold` of the words of `statement`: a cheap stand-in for an entailment judge.

    >>> supports("Paris has been the capital of France for centuries.", "Paris is the capital of France.")
    True
    """
    wanted = set(normalize_text(_CITATION.sub(" ", statement)).split())
    return bool(wanted) and len(wanted & set(normalize_text(passage).split())) >= threshold * len(wanted)


def citation_score(
    text: str, passages: Sequence[Any] | Mapping[Any, Any], *, gold: Collection[Hashable] = (), threshold: float = 0.5
) -> Score:
    """Citation precision and recall of a text with marks like [1] or [1-3] (Gao et al. 2023, ALCE, with word overlap in place of a judge).

    Recall is the share of sentences that cite passages which together support them; precision the share of citations whose own passage
    supports its sentence, or, with `gold`, whose number is in `gold`. The value is their F1. `passages` (texts, or what a
    retriever found) is a list, whose first is cited as [1], or a mapping from number to text; a number that does not exist is never right.

    >>> score = citation_score("Paris is the capital of France [1]. It is very wet there [1].", ["Paris: capital of France."])
    >>> score.parts
    {'precision': 0.5, 'recall': 0.5}
    """
    if not 0 <= threshold <= 1:
        raise ConfigurationError(f"`threshold` is {threshold}; it is a share of the words of a sentence, from 0 to 1.")
    texts = [passage["text"] for passage in as_passages(passages.values() if isinstance(passages, Mapping) else passages)]
    known = dict(zip(map(_citable, passages), texts, strict=True)) if isinstance(passages, Mapping) else dict(enumerate(texts, 1))
    gold = set(map(_citable, gold))
    covered = right = total = 0
    claims = list(_sentences(text))
    for sentence in claims:
        cited = cited_ids(sentence)
        covered += supports(" ".join(known.get(i, "") for i in cited), sentence, threshold=threshold)
        total += len(cited)
        right += sum(i in known and (i in gold if gold else supports(known[i], sentence, threshold=threshold)) for i in cited)
    precision, recall = right / total if total else 0.0, covered / len(claims) if claims else 0.0
    unknown = [i for i in cited_ids(text) if i not in known]
    feedback = (
        f"{covered} of {counted(len(claims), 'sentence')} borne out by what is cited there; {right} of {counted(total, 'citation')} right."
    )
    feedback += f" There is no passage {', '.join(map(str, unknown))}." if unknown else ""
    value = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Score(value=value, feedback=feedback, parts={"precision": precision, "recall": recall})


def _citable(key: Hashable) -> Hashable:
    """What [1] cites: JSON writes the keys of a mapping as texts."""
    return int(key) if isinstance(key, str) and key.isdecimal() else key


def _sentences(text: str) -> Iterator[str]:
    """Sentences with the citation marks that follow them; those without a word are left out."""
    begun = ""
    for piece in re.split(r"(?<=[.!?])\s+(?!\[)|(?<=[\u3002\uff01\uff1f])|\n+", _MARKS_AFTER.sub(r"\2\1", text)):
        begun += piece
        if _ABBREVIATED.search(piece):
            begun += " "
            continue
        if words(_CITATION.sub(" ", begun)):
            yield begun
        begun = ""
    if words(_CITATION.sub(" ", begun)):
        yield begun


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        inner = fenced[1] if (fenced := _FENCE.fullmatch(value)) else value
        return json.loads(inner) if inner.lstrip()[:1] in ("{", "[") else value
    return value


def _dumped(value: Any, path: str) -> Any:
    """A typed value as JSON has it. Raises `InputError` where there is no such form, or, as for a set, none with an order."""
    try:
        if not isinstance(value, set | frozenset):
            return schema_of(type(value)).dump(value)
    except (WhetError, TypeError, ValueError):
        pass
    raise InputError(f"At `{path or 'the top'}` stands {a_kind(value)}, which JSON cannot hold. Convert it first.")


def _leaves(root: Any) -> Iterator[tuple[str, Any]]:
    """Paths and values of all leaves; an empty container is a leaf. Not recursive, so depth is no danger."""
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, Mapping) and value:
            stack += [(f"{path}.{key}" if path else str(key), inner) for key, inner in reversed(list(value.items()))]
        elif isinstance(value, list | tuple) and value:
            stack += [(f"{path}[{place}]", inner) for place, inner in reversed(list(enumerate(value)))]
        elif isinstance(value, float | int | str | bool | None | Mapping | list | tuple):
            yield path, value
        else:
            stack.append((path, _dumped(value, path)))


def _same(a: Any, b: Any, rel_tol: float, normalize: bool) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or (a != a and b != b) or numeric_equal(a, b, rel_tol=rel_tol, abs_tol=1e-12)
    if isinstance(a, str) and isinstance(b, str):
        return a == b or (normalize and normalize_text(a) == normalize_text(b) != "" and _numbers(a) == _numbers(b))
    return type(a) is type(b) and bool(a == b)


def _numbers(text: str) -> str:
    return "".join(_NUMBER.findall(text))
