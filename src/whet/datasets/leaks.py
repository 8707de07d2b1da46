"""Does a test row stand in the training data: near-duplicates between row lists, and training rows copied into a prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from whet.core.records import Example
from whet.core.text import stands_alone, word_units
from whet.core.wording import a_kind
from whet.datasets.alike import nearest_texts
from whet.errors import ConfigurationError, InputError

__all__ = ["Copied", "Leak", "check_splits", "find_copied", "find_leaks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A test row and the training row most like it. `similarity` is 1 when they are equal but for case and punctuation.

    >>> [leak] = find_leaks(["How do I change my PIN?"], ["How do I change my pin"])
    >>> leak.similarity, leak.train_text
    (1.0, 'How do I change my PIN?')
    """

    train_index: int
    test_index: int
    similarity: float
    train_text: str
    test_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A run of words of a text that also stands in row `index`; `span` has them as they were compared, in lower case.

    >>> [copied] = find_copied("Asked what is the capital of France, say Paris.", ["What is the capital of France?"], length=4)
    >>> copied.index, copied.span
    (0, 'what is the capital of france')
    """

    index: int
    span: str


def find_leaks(train: Iterable[Any], test: Iterable[Any], *, threshold: float = 0.6, fields: Sequence[str] | None = None) -> list[Leak]:
    """The test rows that have a (near-)duplicate among the training rows, most alike first; each with its nearest training row.

    Rows are texts, mappings or examples. Compared are the given `fields`, by default the inputs of an example, or all fields. Similarity is
    the Jaccard overlap of words and word pairs (of characters, in languages without spaces); from 0.6 on rows differ in a word or two, so
    that a long row with other numbers in it is a near-duplicate, too. `threshold=1` finds rows that are equal but for case and punctuation,
    or letters of another alphabet that look the same. No test row that leaks is missed; where hundreds come near one row, an equal one or
    the nearest of some hundred is named. 50,000 rows against 50,000 take some seconds of CPU where few are alike, up to two minutes where
    all are.

    Raises `ConfigurationError` unless `threshold` is above 0 and at most 1, `InputError` for what is no list of rows and for a row that has
    none of the `fields`.

    >>> leaks = find_leaks(["How do I change my PIN?", "Where is my card?"], ["How do I change my pin", "What are the fees?"])
    >>> [(leak.train_index, leak.test_index, leak.similarity) for leak in leaks]
    [(0, 0, 1.0)]
    """
    if not 0 < threshold <= 1:
        raise ConfigurationError(f"`threshold` is {threshold}; it is a share of words, above 0 and at most 1. 0.6 finds near-duplicates.")
    train_texts, test_texts = _texts(train, fields), _texts(test, fields)
    leaks = [
        Leak(train_index=best, test_index=number, similarity=similarity, train_text=train_texts[best], test_text=test_texts[number])
        for best, number, similarity in nearest_texts(train_texts, test_texts, threshold)
    ]
    return sorted(leaks, key=lambda leak: -leak.similarity)


def check_splits(
    program: Any = None, *, threshold: float = 0.6, fields: Sequence[str] | None = None, **splits: Iterable[Any]
) -> dict[tuple[str, str], list[Leak]]:
    """(Near-)duplicates between all pairs of splits, and between the demos of a program and each of them; pairs without any are left out.

    Splits are given by name, those that are learnt from first: `check_splits(program, train=..., dev=..., test=...)`. Demos drawn from
    `train` (or `trainset`) belong there, so that pair is not looked at. Raises `InputError` where there is nothing to compare.

    >>> found = check_splits(train=["What is a cat?"], dev=["How old is it?"], test=["what is a cat"])
    >>> {pair: len(leaks) for pair, leaks in found.items()}
    {('train', 'test'): 1}
    """
    rows = {name: _listed(split) for name, split in splits.items()}
    if program is not None:
        rows["demos"] = [demo for predictor in program.predictors() for demo in predictor.demos]
    names = list(rows)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if b != "demos"]
    pairs += [("demos", name) for name in names if name not in ("demos", "train", "trainset") and "demos" in rows]
    if not pairs and names not in (["train", "demos"], ["trainset", "demos"]):
        raise InputError(f"There is nothing to compare: {', '.join(names) or 'no split'} was given. Give two splits or more, by name.")
    found = {pair: find_leaks(rows[pair[0]], rows[pair[1]], threshold=threshold, fields=fields) for pair in pairs}
    return {pair: leaks for pair, leaks in found.items() if leaks}


def find_copied(text: str, rows: Iterable[Any], *, length: int = 8, fields: Sequence[str] | None = None) -> list[Copied]:
    """The runs of at least `length` words that `text` (say, an instruction) shares with rows, the longest of each row.

    >>> find_copied("Note: the quick brown fox jumps over the lazy dog!", ["A quick brown fox jumps over the lazy cat."], length=6)
    [Copied(index=0, span='quick brown fox jumps over the lazy')]
    """
    if length < 1:
        raise ConfigurationError(f"`length` is {length}; a run has at least 1 word. 8 is usual.")
    if not isinstance(text, str):
        raise InputError(f"`text` is {text!r:.80}, {a_kind(text)}; give the text of a prompt.")
    tokens = word_units(text)
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for start in range(len(tokens) - length + 1):
        places[tuple(tokens[start : start + length])].append(start)
    hashes = set(map(hash, places))
    copied = []
    for number, row in enumerate(rows if places else ()):
        shown = _text(row, fields)
        if hashes.isdisjoint(_runs_of(shown, length)):
            continue
        span = _longest_shared(tokens, _words_of(shown), places, length)
        if span:
            copied.append(Copied(index=number, span=_joined(span)))
    return copied


def _joined(units: Sequence[str]) -> str:
    """Words with spaces between them, characters of languages without spaces as they are written."""
    pieces = [f" {unit}" if not (stands_alone(unit) and stands_alone(before)) else unit for before, unit in pairwise(["", *units])]
    return "".join(pieces).lstrip()


@lru_cache(maxsize=4096)
def _words_of(text: str) -> tuple[str, ...]:
    # Every proposal is compared with the same rows.
    return tuple(word_units(text))


@lru_cache(maxsize=2048)
def _runs_of(text: str, length: int) -> frozenset[int]:
    """The hashes of all runs of so many words: most rows share none with a text, and this says so in one step."""
    tokens = _words_of(text)
    return frozenset(hash(tokens[start : start + length]) for start in range(len(tokens) - length + 1))


def _longest_shared(tokens: list[str], row: Sequence[str], places: Mapping[tuple[str, ...], list[int]], length: int) -> Sequence[str]:
    best: Sequence[str] = ()
    for start in range(len(row) - length + 1):
        for place in places.get(tuple(row[start : start + length]), ()):
            size = length
            while start + size < len(row) and place + size < len(tokens) and row[start + size] == tokens[place + size]:
                size += 1
            if size > len(best):
                best = row[start : start + size]
    return best


def _listed(rows: Iterable[Any]) -> list[Any]:
    if isinstance(rows, str | Mapping | Example) or not isinstance(rows, Iterable):
        raise InputError(f"Rows are a list of texts, mappings or examples; this is one {type(rows).__name__}: {rows!r:.80}.")
    return list(rows)


def _texts(rows: Iterable[Any], fields: Sequence[str] | None) -> list[str]:
    if isinstance(fields, str):
        raise InputError(f"`fields` is {fields!r}; give a list of field names: [{fields!r}].")
    return [_text(row, fields) for row in _listed(rows)]


def _text(row: Any, fields: Sequence[str] | None) -> str:
    if isinstance(row, str):
        return row
    if not isinstance(row, Mapping | Example):
        raise InputError(f"A row is a text, a mapping or an example; this is {row!r:.80}, {a_kind(row)}.")
    if fields is not None and not any(name in row for name in fields):
        raise InputError(f"A row has none of the fields {', '.join(fields)}; it has: {', '.join(map(str, row.keys()))}.")
    if fields is None:
        given = getattr(row, "_input_keys", None)
        fields = [name for name in row.keys() if not given or name in given]  # noqa: SIM118 - an example's keys() leave out dspy_ fields
    return " ".join(str(row[name]) for name in fields if name in row)
