"""The small grammar of messages: articles that fit, and nouns that agree with their number."""

from __future__ import annotations

from typing import Any

__all__ = ["a_kind", "a_word", "counted"]

_LIKE_A_CONSONANT = ("eu", "one", "uint", "uni", "us")
_SPELT = "AEFHILMNORSX"  # letters whose names begin with a vowel: an LM, an HTML page


def a_kind(value: Any) -> str:
    """What a value is, with its article.

    >>> a_kind(3), a_kind("text"), a_kind(None)
    ('an int', 'a str', 'a NoneType')
    """
    return a_word(type(value).__name__)


def a_word(word: str) -> str:
    """A word with the article that it is spoken with.

    >>> a_word("Example"), a_word("LM"), a_word("uint8"), a_word("ndarray"), a_word("list")
    ('an Example', 'an LM', 'a uint8', 'an ndarray', 'a list')
    """
    said, small = word.lstrip("_"), word.lstrip("_").lower()
    if len(said) > 1 and said[:2].isupper():
        vowel = said[0] in _SPELT
    else:
        vowel = small.startswith(("a", "e", "i", "o", "u", "nd")) and not small.startswith(_LIKE_A_CONSONANT)
    return f"{'an' if vowel else 'a'} {word}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(2, "row"), counted(0, "query", "queries")
    ('1 row', '2 rows', '0 queries')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
