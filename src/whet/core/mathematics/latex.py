"""The words of a mathematical answer: LaTeX and plain notation brought to one list of tokens, units and decoration dropped."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from whet.core.mathematics.functions import FUNCTIONS, LOG

__all__ = ["Token", "tokens_of", "with_powers"]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text and its kind: "number", "name", "function", "command" or "sign"."""

    kind: str
    text: str


_REPLACED = {
    "\\dfrac": "\\frac", "\\tfrac": "\\frac", "\\cfrac": "\\frac", "\\dbinom": "\\binom", "\\cdot": "*", "\\times": "*", "\\div": "/",
    "\\lbrace": "\\{", "\\rbrace": "\\}", "\\lvert": "|", "\\rvert": "|", "\\circ": "\u00b0", "\\degree": "\u00b0",
}  # fmt: skip
_DROPPED = frozenset(("\\left", "\\right", "\\displaystyle", "\\quad", "\\qquad", "\\big", "\\Big", "\\approx"))
_KNOWN = frozenset(("\\frac", "\\binom", "\\sqrt", "\\pi", "\\infty"))
_FUNCTIONS = frozenset((LOG, *FUNCTIONS))
_UNITS = frozenset(
    "mm cm dm km in ft yd mi kg mg lb lbs oz ml cl dl km/h mph kph ms min mins sec secs hr hrs hz deg rad usd eur gbp am pm".split()
)
# Units of single letters that would pass for a fraction of two variables.
_RATES = frozenset(("m/s", "m/h", "g/l", "g/s", "l/h", "l/s"))
_CHARACTERS = str.maketrans({
    "\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*", "\u22c5": "*", "\u00f7": "/", "\u2044": "/",
    "\u221e": "\\infty ", "\u03c0": "\\pi ", "\u221a": "\\sqrt ", "\u2019": "'", "\u20ac": "", "\u00a3": "",
    "$": "", "\u00a0": " ", "\u202f": " ",
})  # fmt: skip
_RAISED = re.compile("\u207b?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")
_LOWERED = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b", "0123456789-")
_VULGAR = re.compile(r"(\d)?([\u00bc-\u00be\u2150-\u215e])")
_SUBSTITUTIONS = (
    (re.compile(r"\\(?:text|textbf|textrm|mathrm|mbox|operatorname|mathbf)\s*\{([^{}]*)\}(?:\^\{?\d\}?)?"), r" \1 "),
    (re.compile(r"(?<=\d),(?:\\!|\s)*\\!\s*(?=\d{3}(?!\d))"), ""),
    (re.compile(r"\\[$,;:! ]|~"), " "),
    (re.compile(r"\\%|\bper ?cent\b"), "%"),
    (re.compile(r"\{,\}"), ""),
    (re.compile(r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?"), "\u00b0"),
    (re.compile("[\u2080-\u2089]+"), lambda m: f"_{{{unicodedata.normalize('NFKC', m[0])}}}"),
    (re.compile(r"\bln([a-z])\b"), r"ln \1"),
    (re.compile(r"\blog(2|10)\("), r"log_\1("),
    (re.compile(r"(?<=\S)\s+(?:and|or)\s+(?=[-\d\\(a-zA-Z])"), ", "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"(?<![\d.)}\w])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d.])"), r"(\1+\2/\3)"),
    (re.compile(rf"(?<![A-Za-z\\])(?:{'|'.join(sorted(_UNITS, key=len, reverse=True))})(?:\s*\^\s*\{{?\d\}}?)"), " "),
    (re.compile(r"(?<=[\d%])\s+[mgshlL]\b(?:\^\{?\d\}?)?\s*$"), ""),
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_TOKEN = re.compile(
    r"(?P<number>\d+\.?\d*(?:[eE][-+]?\d{1,2}(?![\w]))?|\.\d+(?:[eE][-+]?\d{1,2}(?![\w]))?)|(?P<command>\\[a-zA-Z]+|\\[{}])"
    r"|(?P<word>[A-Za-z]+(?:'[a-z]+)?(?:/[a-z]+(?=\s|$))?)|(?P<sign>[-+*/^(){}\[\],=!%|\u00b0])|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)


def tokens_of(text: str) -> list[Token]:
    r"""The tokens of `text`, without spaces, units, currency signs, `\left` and the like.

    A run of up to three letters that is no unit is a product of variables; longer words are units or talk and are dropped when a number or
    variable is left without them.

    >>> [token.text for token in tokens_of(r"\$1,234.50 \text{ dollars}")]
    ['1234.50']
    >>> [token.text for token in tokens_of("2xy cm")]
    ['2', 'x', 'y']
    """
    text = with_powers(_VULGAR.sub(_vulgar, text.replace("\\$", ""))).translate(_CHARACTERS)
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    if "(" not in text and "[" not in text and "\\{" not in text:
        text = _THOUSANDS.sub(lambda m: m[0].replace(",", ""), text)
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        tokens += _tokens(match)
    return tokens


def with_powers(text: str) -> str:
    """A text with raised digits written as powers.

    >>> with_powers("10\u207b\u00b9\u00b2")
    '10^{-12}'
    """
    return _RAISED.sub(lambda match: f"^{{{match[0].translate(_LOWERED)}}}", text)


def _vulgar(match: re.Match[str]) -> str:
    """A character like one half as a fraction, added to the whole number before it."""
    fraction = unicodedata.normalize("NFKC", match[2]).replace("\u2044", "/")
    return f"{match[1]} {fraction}" if match[1] else f"({fraction})"


def _tokens(match: re.Match[str]) -> list[Token]:
    kind, text = match.lastgroup or "other", match[0]
    if kind == "number":
        return [Token("number", text)] if not text.endswith(".") else [Token("number", text[:-1])]
    if kind == "command":
        return _command(text)
    if kind == "word":
        return _word(text, match.string[match.end() : match.end() + 1])
    return [] if kind == "space" else [Token("sign" if kind == "sign" else "other", text)]


def _command(text: str) -> list[Token]:
    text = _REPLACED.get(text, text)
    if text in _DROPPED:
        return []
    if text[1:] in _FUNCTIONS:
        return [Token("function", text[1:])]
    return [Token("command" if text in _KNOWN else "sign", text)]


def _word(text: str, followed_by: str = "") -> list[Token]:
    low = text.lower()
    if low in _FUNCTIONS and (low not in _UNITS or followed_by == "("):
        return [Token("function", low)]
    if low in ("sqrt", "pi", "infinity", "inf"):
        return [Token("command", "\\infty" if low.startswith("inf") else f"\\{low}")]
    if "/" in text and not (low in _RATES or any(len(part) > 3 or part in _UNITS for part in low.split("/"))):
        above, _, below = text.partition("/")
        return [*_word(above), Token("sign", "/"), *_word(below)]
    if len(text) > 3 or low in _UNITS or "'" in text or "/" in text:
        return []
    return [Token("name", letter) for letter in text]
