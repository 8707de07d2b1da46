"""How well each option of a field fits the query: by demos, by the words of its name, by the words that the instruction ties to it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from whet.lm.embedded.prompt import Demo, Field, Task
from whet.lm.embedded.shape import Option
from whet.lm.embedded.text import (
    STOP_WORDS,
    Features,
    Memo,
    content_words,
    features,
    name_words,
    of_words,
    sentences,
    stem,
    telling_words,
    words,
)
from whet.lm.embedded.weights import Weights, hashed

__all__ = ["Index", "Scorer", "Strength", "best_first", "keyed", "label_of", "softmax", "tied_words"]

_SIMPLE_LABEL: Final = 60  # characters: longer demo answers are texts, not labels
_HINT_LINE: Final = re.compile(r"^[ \t]*[-*•]?[ \t]*[`'\"]([^`'\"\n]{1,60})[`'\"][ \t]*(?::|-|–|=|→)", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How much each kind of evidence counts. Chosen once on CLINC150, HWU64 and SNIPS so that accuracy is high and the probabilities are
    about as large as the accuracy; the surface is flat around them."""

    name: float = 12.0
    hint: float = 20.0
    demo: float = 18.0
    power: float = 1.5
    stated: float = 25.0
    doubt: float = 1.2


class Index:
    """A few short documents, ready to be compared with a query by the cosine of their features.

    A feature counts the more the fewer of these documents have it.
    """

    def __init__(self, documents: Sequence[Features]) -> None:
        self.size = len(documents)
        counts: Counter[str] = Counter()
        for document in documents:
            counts.update(document.keys())
        total = max(1, self.size)
        rarity = [0.0] + [math.log1p(total / count) for count in range(1, total + 1)]
        self._unseen = rarity[1]
        self._rarity = {feature: rarity[count] for feature, count in counts.items()}
        self._postings: dict[str, list[tuple[int, float]]] = {}
        self._lengths = [self._add(number, document) for number, document in enumerate(documents)]

    def _add(self, number: int, document: Features) -> float:
        """Enters a document and returns its length; one plain loop, because this is where the time of a call with new demos goes."""
        rarity, postings, square = self._rarity, self._postings, 0.0
        for feature, plain in document.items():
            weight = plain * rarity[feature]
            square += weight * weight
            found = postings.get(feature)
            if found is None:
                postings[feature] = [(number, weight)]
            else:
                found.append((number, weight))
        return math.sqrt(square) or 1.0

    def cosines(self, query: Features) -> list[float]:
        """The similarity of the query to each document, 0 to 1."""
        sums = [0.0] * self.size
        square = 0.0
        rarity, unseen, postings = self._rarity, self._unseen, self._postings
        for feature, plain in query.items():
            weight = plain * rarity.get(feature, unseen)
            square += weight * weight
            for number, other in postings.get(feature, ()):
                sums[number] += weight * other
        scale = math.sqrt(square) or 1.0
        return [value / (scale * length) for value, length in zip(sums, self._lengths, strict=True)]

    def shared(self, query: str, number: int) -> dict[str, float]:
        """The words of the query that speak for one document, with how much."""
        found: dict[str, float] = {}
        for word in words(query):
            weight = dict(self._postings.get(stem(word), ())).get(number, 0.0)
            if weight and word not in STOP_WORDS:
                found[word] = weight
        return found


@dataclass(frozen=True, slots=True)
class _Sides:
    """What the prompt's fixed text says about the options of one field."""

    names: Index
    hints: Index | None
    hinted: tuple[int, ...]


class Scorer:
    """Scores options. Holds nothing but what can be computed again from the prompt and the weights."""

    def __init__(self, memo: Memo, weights: Weights, strength: Strength | None = None) -> None:
        self._memo, self._weights, self._strength = memo, weights, strength or Strength()

    def features(self, text: str) -> dict[str, float]:
        """The features of a text, kept for the next time."""
        return self._memo.get(("features", text), lambda: features(text))

    def options(self, field: Field, task: Task) -> tuple[Option, ...]:
        """The known options of a field: of its type, of trained weights, or labels that demos or hint lines show; none for free text."""
        if field.shape.kind == "options":
            return field.shape.options
        if field.shape.kind == "bool":
            return (True, False)
        if field.shape.kind not in ("text", "any"):
            return ()
        trained = self._weights.options(field.name)
        if trained:
            return trained
        return self._memo.get(("labels", field.name, task.key), lambda: _seen_labels(field, task))

    def logits(self, field: Field, options: tuple[Option, ...], task: Task, *, trained: bool = True) -> list[float]:
        """One score per option; `softmax` of them are the model's probabilities. `trained=False` leaves the weights out."""
        force = self._strength
        query = self.features(task.query)
        sides = self._sides(field, options, task)
        scores = [force.name * value for value in sides.names.cosines(query)]
        if sides.hints:
            for option, value in zip(sides.hinted, sides.hints.cosines(query), strict=True):
                scores[option] += force.hint * value
        if field.shape.kind == "bool" and not task.demos:
            scores[1] += force.doubt
        demos, labels = self._demos(field, options, task)
        for label, value in zip(labels, demos.cosines(query), strict=True):
            scores[label] += force.demo * value**force.power
        stated = keyed(field.name, task.query)
        if stated:
            scores = [score + force.stated * (label_of(option) == label_of(stated)) for score, option in zip(scores, options, strict=True)]
        if trained:
            buckets = self._memo.get(("hashed", task.query), lambda: hashed(query))
            self._weights.add_to(scores, field.name, options, buckets)
        return scores

    def evidence(self, field: Field, options: tuple[Option, ...], task: Task, choice: int) -> tuple[list[str], str]:
        """The words of the query that speak most for an option, and the nearest example that carries it (or an empty text)."""
        sides = self._sides(field, options, task)
        found = sides.names.shared(task.query, choice)
        for position, option in enumerate(sides.hinted):
            if option == choice and sides.hints:
                found |= sides.hints.shared(task.query, position)
        demos, labels = self._demos(field, options, task)
        likeness = demos.cosines(self.features(task.query))
        carrying = [position for position, label in enumerate(labels) if label == choice and likeness[position] > 0]
        nearest = max(carrying, key=lambda position: likeness[position], default=-1)
        if nearest < 0:
            return sorted(found, key=lambda word: -found[word])[:4], ""
        found |= demos.shared(task.query, nearest)
        kept = [demo for demo in task.demos if field.name in demo.outputs and _position(demo.outputs[field.name], options) >= 0]
        return sorted(found, key=lambda word: -found[word])[:4], kept[nearest].query

    def _sides(self, field: Field, options: tuple[Option, ...], task: Task) -> _Sides:
        system = task.key[0] if task.key else ""
        return self._memo.get(("sides", system, field.name, options), lambda: _read_sides(field, options, task.sheet.instruction))

    def _demos(self, field: Field, options: tuple[Option, ...], task: Task) -> tuple[Index, list[int]]:
        return self._memo.get(("demos", field.name, options, task.key), lambda: self._read_demos(field, options, task.demos))

    def _read_demos(self, field: Field, options: tuple[Option, ...], demos: Sequence[Demo]) -> tuple[Index, list[int]]:
        documents, labels = [], []
        known = {label_of(option): position for position, option in reversed(list(enumerate(options)))}
        for demo in demos:
            position = known.get(label_of(demo.outputs.get(field.name, "")), -1)
            if position >= 0:
                documents.append(self.features(demo.query))
                labels.append(position)
        return Index(documents), labels


def label_of(value: Option) -> str:
    """A label as it is compared: stripped, lower case, without quotes."""
    return str(value).strip().strip("`'\"").lower()


def _position(text: str, options: tuple[Option, ...]) -> int:
    wanted = label_of(text)
    return next((position for position, option in enumerate(options) if label_of(option) == wanted), -1)


def keyed(name: str, text: str) -> str:
    """The value that a text states as `name: value` or `name = value` on a line of its own; empty if there is none.

    >>> keyed("due_date", "Invoice 7" + chr(10) + "Due date: 2 May")
    '2 May'
    """
    if ":" not in text and "=" not in text:
        return ""
    spelled = r"[ _-]?".join(re.escape(word) for word in name_words(name))
    found = re.search(rf"^[ \t>*-]{{0,8}}[`'\"*]{{0,4}}{spelled}[`'\"*]{{0,4}}[ \t]*[:=][ \t]*(\S.*)$", text, re.I | re.M)
    return found.group(1).strip().strip("`'\",") if found else ""


def _seen_labels(field: Field, task: Task) -> tuple[Option, ...]:
    """Labels of a free-text field: answers that repeat over the demos, or that no input holds; else names that hint lines mark."""
    shown = [(demo.query.lower(), demo.outputs[field.name]) for demo in task.demos if field.name in demo.outputs]
    labels = tuple(dict.fromkeys(text for _, text in shown))
    short = all(len(text) <= _SIMPLE_LABEL and "\n" not in text and len(text.split()) <= 6 for text in labels)
    repeats = len(labels) < len(shown)
    apart = not any(text.lower() in query or re.fullmatch(r"[\W\d]+", text) for query, text in shown)
    if len(shown) > 1 and short and (repeats or apart):
        return tuple(dict.fromkeys((*labels, *_HINT_LINE.findall(task.sheet.instruction))))
    hinted = tuple(dict.fromkeys(_HINT_LINE.findall(task.sheet.instruction)))
    return hinted if len(hinted) > 1 and not shown else ()


def _read_sides(field: Field, options: tuple[Option, ...], instruction: str) -> _Sides:
    if field.shape.kind == "bool":
        named = [name_words(field.name) + content_words(field.about), []]
    else:
        named = [name_words(str(option)) for option in options]
    tied = tied_words([str(option) for option in options], f"{instruction}\n{field.about}")
    hints = Index([of_words(found) for found in tied.values()]) if tied else None
    return _Sides(Index([of_words(found) for found in named]), hints, tuple(tied))


def tied_words(options: Sequence[str], text: str) -> dict[int, list[str]]:
    """The words that a text ties to options, by the option's position.

    They are the words of a line that names one option, else those from one name to the next. Names in quotes, before a colon or with an
    underscore count first; plain words count as names only where there is no such name.

    >>> tied_words(["lost_card", "top_up"], "- `lost_card`: missing, stolen")
    {0: ['missing', 'stolen']}
    """
    names = {option.lower(): position for position, option in enumerate(options) if option.strip()}
    if not names or not text:
        return {}
    spelled = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    mention = re.compile(rf"(?<![\w])([`'\"*]{{0,3}})({spelled})([`'\"*]{{0,3}})(?![\w])(\s*[:=→])?", re.I)
    tied: dict[int, list[str]] = {}
    for line in text.split("\n"):
        strong = _strong(list(mention.finditer(line)))
        pieces = [line] if len({match.group(2).lower() for match in strong}) <= 1 else sentences(line)
        for piece in pieces:
            for name, found in _pieces(piece, _strong(list(mention.finditer(piece)))):
                if found:
                    tied.setdefault(names[name.lower()], []).extend(found)
    return tied


def _strong(matches: list[re.Match[str]]) -> list[re.Match[str]]:
    certain = [match for match in matches if match.group(1) or match.group(4) or not match.group(2).isalpha()]
    return certain or matches


def _pieces(piece: str, matches: list[re.Match[str]]) -> list[tuple[str, list[str]]]:
    """The words that one clause ties to each name in it."""
    if not matches:
        return []
    if len({match.group(2).lower() for match in matches}) == 1:
        left = re.sub(re.escape(matches[0].group(2)), " ", piece, flags=re.I)
        return [(matches[0].group(2), telling_words(left))]
    ends = [*(match.start() for match in matches[1:]), len(piece)]
    return [(match.group(2), telling_words(piece[match.end() : end])) for match, end in zip(matches, ends, strict=True)]


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Probabilities that add up to 1."""
    top = max(logits)
    raised = [math.exp((value - top) / temperature) for value in logits]
    total = sum(raised)
    return [value / total for value in raised]


def best_first(values: Sequence[float] | Mapping[int, float]) -> list[int]:
    """The positions of the values from the largest down; equal ones keep their order."""
    return sorted(range(len(values)), key=lambda position: -values[position])
