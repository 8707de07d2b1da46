"""Finds values in text: numbers, dates, names, the sentence that answers a question, spans like those that the demos copied."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from whet.lm.embedded.prompt import Demo
from whet.lm.embedded.score import Index
from whet.lm.embedded.text import STOP_WORDS, content_words, features, sentences, stem

__all__ = ["Spans", "central_sentences", "dates", "names_in", "numbers", "overlap", "question_and_context", "span_for", "spans_of"]

_NUMBER: Final = re.compile(r"(?<![\w.])[-+]?\d[\d,]{0,18}(?:\.\d{1,12})?(?![\w])")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO_DATE: Final = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_LONG_DATE: Final = re.compile(
    r"\b(?:(\d{1,2})(?:st|nd|rd|th)?\s+([A-Z][a-z]{2,8})\.?|([A-Z][a-z]{2,8})\.?\s+(\d{1,2})(?:st|nd|rd|th)?),?\s+(\d{4})\b"
)
_NAME: Final = re.compile(r"\b[A-Z][\w'’.-]*[\w](?:\s+(?:(?:of|the|de|van|von|and)\s+)?[A-Z][\w'’.-]*[\w])*")
_QUOTED: Final = re.compile(r"[\"“«]([^\"”»\n]{2,80})[\"”»]")
_TOKEN: Final = re.compile(r"\w+(?:[.,'’@/:-]\w+)*")
_PASSAGE: Final = re.compile(r"^[ \t]*(?:\[\d+\][ \t]*)?«+|»+[ \t]*$", re.M)  # how a list of passages is written in a prompt
_LONGEST: Final = 160  # words of one input that are looked at as spans


def numbers(text: str) -> list[str]:
    """The numbers in a text, thousands separators left out.

    >>> numbers("1,200 boxes at 3.50")
    ['1200', '3.50']
    """
    return [found.group().replace(",", "") for found in _NUMBER.finditer(text)]


def dates(text: str) -> list[str]:
    """The dates in a text as ISO 8601, those written in full or as ISO; numbers with slashes are ambiguous and left alone.

    >>> dates("due on 2 May 2024, not on May 3, 2024")
    ['2024-05-02', '2024-05-03']
    """
    found = [(match.start(), match.group()) for match in _ISO_DATE.finditer(text)]
    for match in _LONG_DATE.finditer(text):
        day, month = (match.group(1) or match.group(4)), (match.group(2) or match.group(3))[:3].lower()
        if month in _MONTHS and 1 <= int(day) <= 31:
            found.append((match.start(), f"{match.group(5)}-{_MONTHS.index(month) + 1:02d}-{int(day):02d}"))
    return [date for _, date in sorted(found)]


def names_in(text: str) -> list[str]:
    """What looks like a name: quoted phrases and runs of capitalized words, once each; a lone first word of a sentence does not count.

    >>> names_in("Ada Lovelace met Babbage in London.")
    ['Ada Lovelace', 'Babbage', 'London']
    """
    found = [(match.start(), match.group(1)) for match in _QUOTED.finditer(text)]
    for match in _NAME.finditer(text):
        run = match.group()
        opens = match.start() == 0 or text[: match.start()].rstrip()[-1:] in ".!?:\n" or text[: match.start()].endswith("\n")
        first, _, rest = run.partition(" ")
        if opens and (not rest or first.lower() in STOP_WORDS):
            run = rest
        if run and run.lower() not in STOP_WORDS:
            found.append((match.start(), run.rstrip(".")))
    return list(dict.fromkeys(name for _, name in sorted(found)))


def overlap(first: str, second: str) -> tuple[float, float]:
    """Which share of the second text's words stand in the first, and the other way round (precision and recall, by stems).

    >>> overlap("red apples", "a red apple tree")
    (0.6666666666666666, 1.0)
    """
    left, right = {stem(word) for word in content_words(first)}, {stem(word) for word in content_words(second)}
    common = len(left & right)
    return (common / len(right) if right else 0.0), (common / len(left) if left else 0.0)


def central_sentences(text: str, count: int) -> list[str]:
    """The sentences that share most with the whole text, in their order."""
    found = sentences(text)
    likeness = Index([features(sentence) for sentence in found]).cosines(features(text))
    best = sorted(range(len(found)), key=lambda position: -likeness[position])[:count]
    return [found[position] for position in sorted(best)]


def question_and_context(inputs: Mapping[str, str]) -> tuple[str, str]:
    """The input that asks, and the longest of the others; empty texts where there is none."""
    asks = [name for name, text in inputs.items() if name in ("question", "query", "claim") or text.rstrip().endswith("?")]
    question = inputs[asks[0]] if asks else ""
    rest = [text for name, text in inputs.items() if name not in asks[:1]]
    return question, _PASSAGE.sub("", max(rest, key=len, default=""))


def span_for(question: str, sentence: str, before: str = "") -> str:
    """The part of a sentence that the question word asks for: a number, a date, a name; the whole sentence if it does not tell.

    A name that the sentence does not hold (it says "she") is taken from the text `before` it, the nearest one.

    >>> span_for("Who wrote the first program?", "She wrote the first program.", "Ada Lovelace was born in 1815.")
    'Ada Lovelace'
    """
    asked = question.lower()
    known = {stem(word) for word in content_words(question)}
    named = [*names_in(sentence), *names_in(before)[:1]]
    named = [name for name in named if not {stem(word) for word in content_words(name)} <= known]
    if re.search(r"\bhow (?:many|much|old|long|far|tall|high)\b", asked):
        fresh = [number for number in numbers(sentence) if number not in question]
        return fresh[0] if fresh else sentence
    if re.search(r"\b(?:when|what year|which year|what date)\b", asked):
        found = dates(sentence) or re.findall(r"\b[12]\d{3}\b", sentence)
        return found[0] if found else sentence
    if re.search(r"\b(?:who|whom|whose|where|which|what (?:city|country|state|river|company|film|book))\b", asked) and named:
        return named[0]
    return sentence


# Spans like those that the demos copied from their inputs


@dataclass(slots=True)
class Spans:
    """How the answers of demos sat in their inputs: which input, how long, after and before which word, which shape."""

    source: str
    count: int
    lengths: Counter[int] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)

    def best(self, text: str) -> tuple[list[str], list[float]]:
        """Candidate spans of a text with their scores, best first, at most eight."""
        tokens = list(_TOKEN.finditer(text))[:_LONGEST]
        scored: list[tuple[float, int, str]] = []
        for start in range(len(tokens)):
            left = tokens[start - 1].group().lower() if start else ""
            opening = 2.0 * self.before[left] + 1.5 * self.shapes[_shape(tokens[start].group())]
            for length in self.lengths:
                stop = start + length
                if stop <= len(tokens):
                    right = tokens[stop].group().lower() if stop < len(tokens) else ""
                    span = text[tokens[start].start() : tokens[stop - 1].end()]
                    score = opening + 1.5 * self.after[right] + 0.5 * self.lengths[length] - 0.7 * self.count * _stops(span)
                    scored.append((-score / self.count, start, span))
        scored.sort()
        return [span for _, _, span in scored[:8]], [-score * 2 for score, _, _ in scored[:8]]


def _stops(span: str) -> bool:
    """Whether a span begins or ends with a function word."""
    parts = span.lower().split()
    return parts[0] in STOP_WORDS or parts[-1] in STOP_WORDS


def _shape(word: str) -> str:
    if word[0].isdigit():
        return "number"
    return "name" if word[0].isupper() else "word"


def spans_of(name: str, demos: Sequence[Demo]) -> Spans | None:
    """What the demos show of a field whose answers are copied from the inputs; none if fewer than half of them are."""
    shown = [(demo, demo.outputs[name]) for demo in demos if name in demo.outputs]
    places: list[tuple[str, str, str]] = []
    for demo, answer in shown:
        inside = next((key for key, text in demo.inputs.items() if answer and answer.lower() in text.lower()), None)
        if inside is not None:
            places.append((inside, demo.inputs[inside], answer))
    if not places or 2 * len(places) < len(shown):
        return None
    source = Counter(place for place, _, _ in places).most_common(1)[0][0]
    spans = Spans(source, len(places))
    for _, text, answer in places:
        _learn(spans, text, answer)
    return spans


def _learn(spans: Spans, text: str, answer: str) -> None:
    start = text.lower().index(answer.lower())
    inside = _TOKEN.findall(answer)
    if not inside:
        return
    before, after = _TOKEN.findall(text[:start]), _TOKEN.findall(text[start + len(answer) :])
    spans.lengths[len(inside)] += 1
    spans.shapes[_shape(inside[0])] += 1
    spans.before[before[-1].lower() if before else ""] += 1
    spans.after[after[0].lower() if after else ""] += 1
