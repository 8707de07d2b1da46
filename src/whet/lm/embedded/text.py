"""Words, stems, sentences and sparse features of a text, and a bounded memory for what was already computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar

__all__ = ["STOP_WORDS", "Features", "Memo", "content_words", "features", "name_words", "sentences", "stem", "telling_words", "words"]

Features = Mapping[str, float]
T = TypeVar("T")

_FUNCTION_WORDS: Final = """
a about after all also am an and any are as at be because been before being but by can could d did do does doing don for from get
had has have having he her here him his how i if in into is it its just let ll m me my myself no not of off on or our out over
please re s she should so some such t than that the their them then there these they this those to too up us ve was we were what
when where which while who whom why will with would you your yours
"""
STOP_WORDS: Final = frozenset(_FUNCTION_WORDS.split())
# Function words that tell one kind of question from another.
_QUESTION_WORDS: Final = frozenset({"how", "what", "when", "where", "which", "who", "whom", "whose", "why"})
_WORD: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[]?[A-Z0-9])|\n+")
_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {  # by last letter, so that few are tried
    "s": ("ications", "ations", "ments", "ings", "ates", "ies", "ers", "es", "s"),
    "n": ("ication", "ation", "ion"),
    "t": ("ment",),
    "g": ("ating", "ing"),
    "d": ("ated", "ied", "ed"),
    "y": ("edly", "ly", "y"),
    "r": ("er",),
    "l": ("al",),
    "e": ("ate", "e"),
}
_LONGEST: Final = 6000  # characters of one text that are turned into features
STOP_WEIGHT: Final = 0.4
PAIR_WEIGHT: Final = 0.6
GRAM_WEIGHT: Final = 0.25
GRAM: Final = 3


class Memo:
    """A bounded store of things already computed; when it is full it starts again, so it never holds more than `limit` of them.

    What it gives back is a pure function of the key, so forgetting or computing something twice (two threads at once) changes nothing.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value kept under `key`, made now if there is none."""
        try:
            kept: T = self._kept[key]
        except KeyError:
            kept = make()
            if len(self._kept) >= self._limit:
                self._kept.clear()
            self._kept[key] = kept
        return kept

    def __len__(self) -> int:
        return len(self._kept)


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers included.

    >>> words("Where's my card?")
    ['where', 's', 'my', 'card']
    """
    return _WORD.findall(text.lower())


def name_words(name: str) -> list[str]:
    """The words of an identifier or a label.

    >>> name_words("card_arrival"), name_words("BookRestaurant")
    (['card', 'arrival'], ['book', 'restaurant'])
    """
    return words(_CAMEL.sub(" ", name))


def stem(word: str) -> str:
    """The word without its ending, roughly and for English; short words stay as they are.

    >>> stem("arrival"), stem("arrived"), stem("cards"), stem("its")
    ('arriv', 'arriv', 'card', 'its')
    """
    if len(word) > 3:
        for suffix in _SUFFIXES.get(word[-1], ()):
            if word.endswith(suffix) and len(word) - len(suffix) >= 3:
                word = word[: -len(suffix)]
                break
        if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou":
            word = word[:-1]
    return word


def content_words(text: str) -> list[str]:
    """The words of a text that carry meaning by themselves: no function words, no single letters."""
    return [word for word in words(text) if word not in STOP_WORDS and len(word) > 1]


def telling_words(text: str) -> list[str]:
    """What an instruction ties to an option: content words and question words, since who, where and how many tell questions apart.

    >>> telling_words("asks who somebody is, or where")
    ['asks', 'who', 'somebody', 'where']
    """
    return [word for word in words(text) if (word not in STOP_WORDS or word in _QUESTION_WORDS) and len(word) > 1]


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text, stripped, empty ones left out.

    >>> sentences("It came. I paid 3.50 for it!")
    ['It came.', 'I paid 3.50 for it!']
    """
    return [piece.strip() for piece in _SENTENCE.split(text) if piece.strip()]


def features(text: str) -> dict[str, float]:
    """What a text is compared by: stems, pairs of neighbouring stems and character 4-grams inside words, each with a weight.

    Only the first 6000 characters count. Stems are keyed by themselves, pairs as `a b`, grams as `#gram`.
    """
    return of_words(words(text[:_LONGEST]))


def of_words(found: list[str]) -> dict[str, float]:
    """The features of a list of words, see `features`."""
    made: dict[str, float] = {}
    previous = ""
    for word in found:
        short = stem(word)
        stopped = word in STOP_WORDS
        made[short] = STOP_WEIGHT if stopped else 1.0
        if previous:
            made[f"{previous} {short}"] = PAIR_WEIGHT
        previous = short
        if not stopped and len(word) >= GRAM:
            padded = f"#{word}"
            for start in range(len(padded) - GRAM + 1):
                made["#" + padded[start : start + GRAM]] = GRAM_WEIGHT
    return made
