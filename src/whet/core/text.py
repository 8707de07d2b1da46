"""Reading text the forgiving way: what two answers have in common once case, accents, punctuation and articles are set aside."""

from __future__ import annotations

import re
import string
import unicodedata

from whet.core.lookalikes import in_one_alphabet

__all__ = ["contains_words", "normalize_text", "stands_alone", "word_units", "words"]

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
_CHINESE = r"\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Thai, Lao, Burmese and Khmer have spaces between sentences only; a letter is taken with the vowels and tones around it.
_SOUTHERN = (
    r"\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd\u0ec0-\u0ec6\u0edc-\u0edf"
    r"\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e\u1780-\u17b3\u17d7\u17dc"
)
_SOUTHERN_MARK = (
    r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    r"\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u17b4-\u17d3\u17dd"
)
_SIGN = re.compile(rf"[{_CHINESE}]|[{_SOUTHERN}][{_SOUTHERN_MARK}]*")
_SPACED = rf"(?:(?![{_CHINESE}{_SOUTHERN}])[{_LETTER}])+"
_UNIT = re.compile(rf"{_SIGN.pattern}|{_SPACED}(?:'{_SPACED})*")
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
    """The words of `text`, and of what is written without spaces (Chinese, Japanese, Thai, Lao, Burmese, Khmer) each character; letters of
    another alphabet that look like Latin ones are those in a Latin word.

    >>> word_units("GPT-4 \u4f1a\u5199\u8bd7") == ["gpt", "4", "\u4f1a", "\u5199", "\u8bd7"]
    True
    """
    if text.isascii():
        return _WORD.findall(text.lower())
    return _UNIT.findall(_folded(in_one_alphabet(_composed(text))))


def stands_alone(unit: str) -> bool:
    """Whether a unit is a character of a language without spaces, and no word.

    >>> stands_alone("\u8bd7"), stands_alone("\u00e9")
    (True, False)
    """
    return _SIGN.fullmatch(unit) is not None


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    # A typewriter's apostrophe and a printer's are one; the dot of a Turkish capital i stays behind when it becomes small.
    return _composed(text).lower().replace("\u2019", "'").replace("i\u0307", "i")


def _composed(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_UNSEEN)


def contains_words(text: str, phrase: str) -> bool:
    """Whether the words of `phrase` stand side by side in `text`, both normalised; never true for a phrase without words.

    >>> contains_words("He was born in the U.S. city of York.", "US city"), contains_words("Yorkshire", "york")
    (True, False)
    """
    wanted = normalize_text(phrase)
    return bool(wanted) and f" {wanted} " in f" {normalize_text(text)} "
