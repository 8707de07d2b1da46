"""Writes instructions: what an instruction optimizer asks for, built from the options and examples that its prompt shows."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from whet.lm.embedded.score import tied_words
from whet.lm.embedded.shape import of_type
from whet.lm.embedded.text import STOP_WORDS, name_words, sentences, stem, words

__all__ = ["Material", "advice", "asks_for_instruction", "observations", "read_material", "write_instruction"]

ASKED: Final = re.compile(r"instruction|prompt(?!_template)|rules?$|advice|guideline", re.I)
_FREE_TEXT: Final = re.compile(
    r"(?:write|propose|provide|generate|suggest|give)\b[^.\n]{0,60}\b(?:new|improved|better|revised)\b[^.\n]{0,40}\b(?:instruction|prompt)",
    re.I,
)
_CURRENT: Final = re.compile(r"^(?:current|basic|base|old|previous|initial|original|present)?_?(?:instructions?|prompt)$", re.I)
_LITERAL: Final = re.compile(r"Literal(\[[^\]\n]{3,8000}\])")
_ONE_OF: Final = re.compile(r"\bone of\b[^:\n]{0,40}:[ \t]*[^\n]+", re.I)
_ENTRY: Final = re.compile(
    r"^[ \t]*\[\[ ## (?P<mark>\w+) ## \]\][ \t]*\n?"  # a marker
    r"|^[ \t]*#{1,6}[ \t]+(?P<head>[^\n]{1,60})\n"  # a heading
    r"|(?P<quote>['\"])(?P<key>\w[\w ]{0,40})(?P=quote)[ \t]*:[ \t]*"  # a key of a mapping
    r"|^[ \t>*-]{0,8}(?P<plain>[A-Za-z_][\w ]{0,30})\**[ \t]*(?::|=|→)\**(?:[ \t]+|\n)",  # a line `name: value`
    re.M,
)
_LABEL: Final = re.compile(r"[\w][\w .&/+-]{0,48}")
_HINTED: Final = re.compile(r"^- `([^`\n]{1,60})`: ", re.M)
_QUOTED: Final = re.compile(r"[`'\"](\w[\w.&/+-]{1,48})[`'\"]")
_NOTES: Final = re.compile(r"feedback|note|comment|score")
_SKIPPED: Final = frozenset({"example", "inputs", "input", "outputs", "examples", "generated outputs", "messages", "demos"})
_WORST: Final = re.compile(r"\b(?:wrong|incorrect|should|expected|instead|not|right answer|gold|correct)\b", re.I)
_MOST_LINES: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a meta-prompt shows: the current instruction, labels, texts per label, notes (feedback) and the field that holds the label."""

    current: str
    labels: tuple[str, ...]
    texts: Mapping[str, Sequence[str]]
    notes: tuple[str, ...]
    field: str = ""

    @property
    def shown(self) -> int:
        """How many labelled texts there are."""
        return sum(len(found) for found in self.texts.values())


def asks_for_instruction(name: str, text: str = "") -> bool:
    """Whether an output of this name (or, without a name, a free text) asks for an instruction.

    >>> asks_for_instruction("proposed_instruction"), asks_for_instruction("label")
    (True, False)
    """
    return bool(ASKED.search(name)) if name else bool(_FREE_TEXT.search(text))


def read_material(inputs: Mapping[str, str]) -> Material:
    """Reads the inputs of a meta-prompt."""
    current = next((text for name, text in inputs.items() if _CURRENT.search(name)), "")
    rest = "\n".join(f"{name}:\n{text}" for name, text in inputs.items() if text != current)
    entries = _entries(rest)
    field, labels = _labels(f"{current}\n{rest}", entries)
    texts, notes = _examples(entries, labels, field)
    return Material(current=current.strip(), labels=labels, texts=texts, notes=notes, field=field)


def _entries(text: str) -> list[tuple[str, str]]:
    """The (key, value) pairs that a text shows, whatever it marks them with."""
    found: list[re.Match[str]] = []
    for match in _ENTRY.finditer(text):
        inside_note = match["plain"] and found and not found[-1]["plain"] and _NOTES.search(_key(found[-1]))
        if not inside_note:  # "Wrong: ..." in a note under a heading is part of the note
            found.append(match)
    ends = [match.start() for match in found[1:]] + [len(text)]
    entries = []
    for match, end in zip(found, ends, strict=True):
        value = text[match.end() : end].strip().strip(",{}[]() \n").strip("'\"").replace("\\n", "\n").replace("\\'", "'")
        if value and _key(match) != "completed":
            entries.append((_key(match), value))
    return entries


def _key(match: re.Match[str]) -> str:
    return (match["mark"] or match["head"] or match["key"] or match["plain"] or "").strip().lower()


def _labels(text: str, entries: Sequence[tuple[str, str]]) -> tuple[str, tuple[str, ...]]:
    """The field that holds labels, and the labels: the options that a type or a list in the text gives; else short values that repeat
    under one key, with those that earlier hint lines and corrections name."""
    by_key: dict[str, list[str]] = {}
    for key, value in entries:
        if key not in _SKIPPED:
            by_key.setdefault(key, []).append(value)
    short = {key: found for key, found in by_key.items() if len(found) > 1 and all(map(_is_short, found))}
    closed = _options_in(text)
    if len(closed) > 1:
        return max(short, key=lambda name: sum(value in closed for value in short[name]), default=""), tuple(dict.fromkeys(closed))
    named = _HINTED.findall(text)
    named += [name for key, value in entries if _NOTES.search(key) for name in _QUOTED.findall(value) if name.lower() not in by_key]
    repeated = {key: found for key, found in short.items() if _are_labels([*found, *named])}
    key = max(repeated, key=lambda name: len(repeated[name]), default="")
    return key, tuple(dict.fromkeys([*repeated.get(key, ()), *named]))


def _options_in(text: str) -> list[str]:
    found = [of_type("Literal" + literal) for literal in _LITERAL.findall(text)]
    found += [of_type("str", "", line) for line in _ONE_OF.findall(text)]
    return [str(option) for shape in found for option in shape.options]


def _is_short(value: str) -> bool:
    return bool(_LABEL.fullmatch(value)) and len(value.split()) < 5


def _are_labels(found: Sequence[str]) -> bool:
    """Whether short values look like labels: some repeat or are spelled like names, there are several, and they are not all numbers."""
    distinct = set(found)
    named = len(distinct) < len(found) or any("_" in value for value in distinct)
    return named and len(distinct) > 1 and not all(value.replace(".", "").isdigit() for value in distinct)


def _examples(entries: Sequence[tuple[str, str]], labels: tuple[str, ...], field: str) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The texts shown for each label. A note that names another label than the answer before it corrects that answer."""
    texts: dict[str, list[str]] = {}
    notes: list[str] = []
    known = {label.lower(): label for label in labels}
    body, answered = "", ""
    for key, value in entries:
        label = known.get(value.lower().strip("`'\"."))
        if label and body and (key == field or not field or len(entries) < 4):
            texts.setdefault(label, []).append(body)
            answered = label
        elif _NOTES.search(key):
            notes.append(value)
            named = [found for lower, found in known.items() if re.search(rf"(?<!\w){re.escape(lower)}(?!\w)", value.lower())]
            right = [found for found in named if found != answered]
            if body and answered and len(right) == 1 and _WORST.search(value):
                texts[answered].remove(body)
                texts.setdefault(right[0], []).append(body)
                answered = right[0]
        elif len(value.split()) > 1 and key not in _SKIPPED and "reason" not in key:
            body, answered = value, ""
    return texts, tuple(dict.fromkeys(notes))


def _marks(material: Material, chance: random.Random | None) -> dict[str, list[str]]:
    """The words that mark each label: those of the current instruction's lines, then the frequent ones in its texts, rare in the others."""
    tied = tied_words(material.labels, "\n".join(line for line in material.current.split("\n") if _HINTED.match(line)))
    kept = {material.labels[place]: words_of for place, words_of in tied.items()}
    own = {label: _counted(texts) for label, texts in material.texts.items()}
    spread = Counter(short for counts in own.values() for short in counts)
    size = chance.randint(4, 9) if chance else 7
    marks: dict[str, list[str]] = {}
    for label in material.labels:
        named = {stem(word) for word in name_words(label)}
        fresh = {short: word for short, word in own.get(label, {}).items() if short not in named}
        scored = {short: _worth(word[1], spread[short], len(own), chance) for short, word in fresh.items()}
        best = sorted(scored, key=lambda short: (-scored[short], short))[:size]
        marks[label] = list(dict.fromkeys([*kept.get(label, ())[:12], *(fresh[short][0] for short in best)]))[:14]
    return {label: found for label, found in marks.items() if found}


def _counted(texts: Sequence[str]) -> dict[str, tuple[str, int]]:
    """The content stems of some texts: a spelling, and in how many of the texts."""
    counts: dict[str, tuple[str, int]] = {}
    for text in texts:
        found = {stem(word): word for word in words(text) if word not in STOP_WORDS and len(word) > 2 and not word.isdigit()}
        for short, word in found.items():
            counts[short] = (word, counts.get(short, ("", 0))[1] + 1)
    return counts


def _worth(count: int, spread: int, labels: int, chance: random.Random | None) -> float:
    worth = count * math.log1p(labels / spread)
    return worth * math.exp(chance.gauss(0, 0.4)) if chance else worth


def write_instruction(material: Material, chance: random.Random | None = None) -> str:
    """A new instruction: the current one's own sentences, then a line per label with the words that mark it, then what notes say.

    Only what the prompt shows goes in. `chance` (at a temperature above 0) varies how many words are taken and which.
    """
    base = [line for line in material.current.split("\n") if not _is_mark_line(line, material.labels)]
    text = "\n".join(base).strip() or "Answer from the inputs given."
    marks = _marks(material, chance)
    if marks:
        field = f"`{material.field}`" if re.fullmatch(r"\w+", material.field) else "the label"
        opening = f"Choose {field} by the words that mark it:"
        lines = [f"- `{label}`: {', '.join(found)}" for label, found in list(marks.items())[:_MOST_LINES]]
        text = "\n".join([text.replace(opening, "").rstrip(), opening, *lines])
    else:
        hints = _useful_notes(material, chance)
        fresh = [note for note in hints if note.lower() not in text.lower()]
        text = "\n".join([text, *(f"- {note}" for note in fresh)])
    return text


def _is_mark_line(line: str, labels: Sequence[str]) -> bool:
    found = _HINTED.match(line)
    return found is not None and found.group(1) in labels


def _useful_notes(material: Material, chance: random.Random | None) -> list[str]:
    found = [sentence for note in material.notes for sentence in sentences(note) if 4 <= len(sentence.split()) <= 40]
    found = list(dict.fromkeys(found))
    if chance and len(found) > 3:
        return chance.sample(found, 3)
    return found[:3]


def advice(inputs: Mapping[str, str], material: Material, chance: random.Random | None) -> dict[str, str]:
    """Advice per module, for prompts that list modules by name in an input; under `predict` where none does."""
    listed = next((text for name, text in inputs.items() if "module" in name and "name" in name), "")
    names: list[str] = re.findall(r"[\w.]+(?:\[[\w'\"]+\])?", listed)
    return dict.fromkeys(names or ["predict"], write_instruction(material, chance))


def observations(material: Material) -> str:
    """What can be seen in labelled examples, in one or two sentences; empty without any."""
    if not material.shown:
        return ""
    counts = sorted(((label, len(texts)) for label, texts in material.texts.items()), key=lambda entry: (-entry[1], entry[0]))
    listed = ", ".join(f"`{label}` ({count})" for label, count in counts[:8])
    marks = _marks(material, None)
    seen = "; ".join(f"`{label}`: {', '.join(found[:3])}" for label, found in list(marks.items())[:5])
    return f"{material.shown} labelled examples, {len(counts)} labels: {listed}." + (f" Words that mark them: {seen}." if seen else "")
