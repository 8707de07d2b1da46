"""Reading text the forgiving way: what two answers have in common once case, accents, punctuation and articles are set aside."""

from __future__ import annotations

import re
import string
import unicodedata

__all__ = ["contains_words", "normalize_text", "words"]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_text(text: str) -> str:
    """`text` as answers are compared: NFD, lower case, without ASCII punctuation, without a/an/the, with single spaces.

    >>> normalize_text("The  Eiffel-Tower!")
    'eiffeltower'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def words(text: str) -> list[str]:
    """The words of `text` in lower case, compatibility forms folded (NFKC), punctuation dropped.

    >>> words("Don't panic: 3 towels.")
    ["don't", 'panic', '3', 'towels']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(text.lower())


def contains_words(text: str, phrase: str) -> bool:
    """Whether the words of `phrase` stand side by side in `text`, both normalised; never true for a phrase without words.

    >>> contains_words("He was born in the U.S. city of York.", "US city"), contains_words("Yorkshire", "york")
    (True, False)
    """
    wanted = normalize_text(phrase)
    return bool(wanted) and f" {wanted} " in f" {normalize_text(text)} "
