"""Reading text the forgiving way: what two answers have in common once case, accents, punctuation and articles are set aside."""

from __future__ import annotations

import re
import string
import unicodedata

__all__ = ["contains_words", "normalize_text", "word_units", "words"]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
# Letters, digits, and the marks that belong to a letter: accents and vowel signs are no `\w` for Python.
_LETTER = (
    r"\w\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u0900-\u0963\u0966-\u0dff\u0e31"
    r"\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u0f18-\u0f84\u102b-\u103e\u1056-\u1074\u17b4-\u17d3\u200c\u200d"
)
_WORD = re.compile(rf"[{_LETTER}]+(?:'[{_LETTER}]+)*")
# They are not seen, and stand within words of copied web pages: the soft hyphen, zero-width spaces, the mark of a byte order.
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
# Chinese characters and hiragana, which stand without spaces: each is a word to the Unicode standard (UAX 29).
_SIGN = r"\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNIT = re.compile(rf"[{_SIGN}]|(?:(?![{_SIGN}])[{_LETTER}])+(?:'(?:(?![{_SIGN}])[{_LETTER}])+)*")
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
    return _WORD.findall(_folded(text))


def word_units(text: str) -> list[str]:
    """The words of `text`, and of what is written without spaces, Chinese and Japanese, each character.

    >>> word_units("GPT-4 \u4f1a\u5199\u8bd7") == ["gpt", "4", "\u4f1a", "\u5199", "\u8bd7"]
    True
    """
    return (_WORD if text.isascii() else _UNIT).findall(_folded(text))


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    # A typewriter's apostrophe and a printer's are one; the dot of a Turkish capital i stays behind when it becomes small.
    return unicodedata.normalize("NFKC", text).translate(_UNSEEN).lower().replace("\u2019", "'").replace("i\u0307", "i")


def contains_words(text: str, phrase: str) -> bool:
    """Whether the words of `phrase` stand side by side in `text`, both normalised; never true for a phrase without words.

    >>> contains_words("He was born in the U.S. city of York.", "US city"), contains_words("Yorkshire", "york")
    (True, False)
    """
    wanted = normalize_text(phrase)
    return bool(wanted) and f" {wanted} " in f" {normalize_text(text)} "
