"""Letters of other alphabets that pass for Latin ones: a word of two alphabets is read as the Latin word that it looks like."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["in_one_alphabet"]

# By their look, capital and small; a small Cyrillic letter that looks like a small capital is none of them.
_CYRILLIC: Final = (
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408\u04c0"
    "\u0430\u0435\u043a\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u04cf\u0501\u051b\u051d\u0475"
)
_GREEK: Final = (
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c5\u03c7"
)
_LATIN: Final = "ABEKMHOPCTYXSIJIaekopcyxsijhldqwvABEZHIKMNOPTYXaikvopux"
_LOOKS: Final = str.maketrans(_CYRILLIC + _GREEK, _LATIN)
_FOREIGN: Final = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_WORD: Final = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f]+")
_LATIN_LETTER: Final = re.compile("[A-Za-z\u00c0-\u024f]")
# A word of these alone, in either case, is one to the eye whatever its alphabet.
_WHOLE: Final = re.compile(
    "[\u0410\u0415\u041e\u0420\u0421\u0423\u0425\u0405\u0406\u0408\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458]+"
)


def in_one_alphabet(text: str) -> str:
    """The text with each word of Latin and other letters as it looks in Latin alone; words of one alphabet stay, but for those made of
    nothing but lookalikes.

    >>> in_one_alphabet("p\u0430ypal") == "paypal", in_one_alphabet("\u043c\u0438\u0440 5 \u03bcm") == "\u043c\u0438\u0440 5 \u03bcm"
    (True, True)
    """
    return _WORD.sub(_latin, text) if _FOREIGN.search(text) else text


def _latin(match: re.Match[str]) -> str:
    word = match[0]
    if _FOREIGN.search(word) and (_LATIN_LETTER.search(word) or _WHOLE.fullmatch(word)):
        return word.translate(_LOOKS)
    return word
