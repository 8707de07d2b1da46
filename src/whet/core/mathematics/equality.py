"""Numbers and formulas that mean the same: fractions, percentages, units, LaTeX and thousands separators, read by a small parser."""

from __future__ import annotations

import math
import re
import unicodedata
from fractions import Fraction
from typing import Any

from whet.core.mathematics.formula import Formula, FormulaError, parse
from whet.core.mathematics.functions import LOG, LOG_BASES
from whet.core.mathematics.latex import with_powers

__all__ = ["final_answer", "math_equal", "numeric_equal", "read_number"]

_LONGEST = 2_000
_MINUS = "\u2212"
_NUMBER = re.compile(
    r"(?:(?<![\w)])(?<![\w)] )(?P<sign>[-+\u2212])\s{0,2})?(?:[$\u20ac\u00a3\u00a5](?P<minus>[-\u2212])?)?(?=[\d.])"
    r"(?:(?P<whole>\d{1,4})[ \u00a0](?=(?P<above>\d{1,3})/(?P<under>\d{1,3})(?![\d./])))?"
    r"(?P<digits>\d{1,3}(?:[,_\u00a0\u2009\u202f]\d{3})+(?!\d)|\d{1,3}(?: \d{3}){2,}(?!\d)|\d+)?(?P<point>\.\d+)?"
    r"(?:[eE](?P<power>[-+]?\d{1,3})(?!\w)|\s?(?:[x*\u00d7\u00b7]|\\times|\\cdot)\s?10(?:\^|\*\*)\{?(?P<tens>[-+\u2212]?\d{1,3})\}?"
    r"|\s?(?:\^|\*\*)\s?\{?(?P<exponent>[-+\u2212]?\d{1,3})\}?)?"
    r"(?:\s?/\s?(?P<below>\d+(?:\.\d+)?))?(?P<percent>\s?(?:\\?%|per ?cent\b))?"
)
# A fraction in one sign, added to the whole number before it.
_VULGAR = re.compile(r"(\d)?[\u00bc-\u00be\u2150-\u215e]")
_MARK = re.compile(r"(?:####|\b(?:final answer|answer)\s*(?:is|:|=)+)\s*:?\s*", re.IGNORECASE)
# Spellings of one sign, and what only sets the type; a row of a matrix ends in two backslashes, which are none of it.
_LAYOUT = (
    (re.compile(r"\\\\"), "\v"),
    (re.compile(r"\\(?:text|mathrm|mbox|textbf|textrm|mathbf)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\(left|right|displaystyle)(?![a-zA-Z])|\\[,;!: ]|[^\S\v]+|\$"), ""),
    (re.compile(r"\\(l|g|n)eq(?![a-zA-Z])"), r"\\\1e"),
    (re.compile(r"\\[dt]frac"), r"\\frac"),
    (re.compile(r"([_^])\{(\w)\}"), r"\1\2"),
)
# How a chat or a page sets an answer apart: **bold**, *slanted*, `code`, \\( \\) and \\[ \\].
_OPENING, _CLOSING = ("*", "`", "\\(", "\\["), ("**", "`", "\\)", "\\]")
_IN_STARS = re.compile(r"\*([^*]+)\*")
_PLAIN_SET = re.compile(r"\{([^{}]*,[^{}]*)\}")
_RAISED = re.compile(r"[A-Za-z)}]\^\{?$")
_MEMBER = re.compile(r"^[A-Za-z]\s*\\in(?![a-zA-Z])\s*")
# The head of a function: f(x) =, h^{-1}(x) =.
_HEAD = re.compile(r"^[A-Za-z](?:\^\{?-1\}?)?\s*\(\s*[A-Za-z]\s*\)\s*=(?!=)\s*")
_RELATION = re.compile(
    r"\s*(?:(<=|\\leq?(?:slant)?(?![a-zA-Z])|\u2264)|(>=|\\geq?(?:slant)?(?![a-zA-Z])|\u2265)|(<|\\lt(?![a-zA-Z]))|(>|\\gt(?![a-zA-Z])))\s*"
)
# `\\boxed 2$`, as some rows have it.
_BOXED_BARE = re.compile(r"\\boxed\s+([^\s${}][^${}\n]*)")
_VARIABLE = re.compile(r"[A-Za-z]")
_SAMPLES = (0.37, 1.13, 2.71)


def read_number(text: Any) -> Fraction | None:
    """The one number that `text` means, or the last one it holds; `None` when there is none.

    Reads `1,234.5`, `1 000 000`, `$3`, `-2/3`, `3 1/2`, `1.5e3`, `1.5 x 10^3`, `2^10`, `12 %` (as 3/25), numbers with words or units around
    them; the 2 of `cm^2` is none. A comma before other than three digits is no part of a number (`1,5` holds two), and one space before
    three digits is a gap between two numbers unless it is a no-break or thin one (`5 100`). Texts beyond 2000 characters are read from the
    end. Never raises.

    >>> read_number("She pays $1,250.50 in total."), read_number("about 40%"), read_number("none")
    (Fraction(2501, 2), Fraction(2, 5), None)
    """
    if isinstance(text, bool):
        return None
    if isinstance(text, int | float | Fraction):
        return None if isinstance(text, float) and not math.isfinite(text) else Fraction(text)
    end = str(text)[-_LONGEST:]
    shown = end if end.isascii() else with_powers(_VULGAR.sub(_spelt, end))
    found = [m for m in _NUMBER.finditer(shown) if m["digits"] or m["point"]]
    while len(found) > 1 and _RAISED.search(shown[: found[-1].start()]):
        found.pop()
    return _fraction(found[-1]) if found else None


def numeric_equal(a: Any, b: Any, *, rel_tol: float = 1e-6, abs_tol: float = 1e-9) -> bool:
    """Whether two numbers, or texts that hold one, are equal within a tolerance. A percentage also equals its bare number ("12%" and 12).

    >>> numeric_equal("1,200 apples", 1200), numeric_equal("50%", 0.5), numeric_equal("50%", "50"), numeric_equal("7", "8")
    (True, True, True, False)
    """
    x, y = read_number(a), read_number(b)
    if x is None or y is None:
        return False
    if _close(x, y, rel_tol, abs_tol):
        return True
    percents = _is_percent(a), _is_percent(b)
    return percents[0] != percents[1] and _close(x * 100 if percents[0] else x, y * 100 if percents[1] else y, rel_tol, abs_tol)


def math_equal(a: Any, b: Any, *, rel_tol: float = 1e-6) -> bool:
    """Whether two mathematical answers mean the same.

    Reads plain and LaTeX notation: fractions, roots, powers, pi, mixed numbers, percentages, degrees, thousands separators, `\\boxed`,
    `\\text` and units, tuples, intervals (written `2 < x`, too) and sets (in any order), `x = 5` and `f(x) = x + 1`, and formulas with
    variables, which are compared at three points. `e` is Euler's number, angles of sin, cos and tan are in degrees where they say so, and
    `log` without a base is the natural one or that to the base 10, whichever fits. Numbers compare exactly where they are rational, else
    with `rel_tol`; a percentage also equals its bare number. What cannot be read compares as text. Nothing is evaluated as code, and long
    texts, deep nesting and huge powers are refused, so hostile input costs milliseconds and is unequal.

    >>> math_equal(r"\\boxed{\\dfrac{3}{4}}", "0.75"), math_equal("2x + 1", "1+2x"), math_equal("(1, 2]", "(1,2)")
    (True, True, False)
    """
    left, right = _bare(str(a)), _bare(str(b))
    if left == right or max(len(left), len(right)) > _LONGEST:
        return left == right
    try:
        return _same(parse(left), parse(right), rel_tol) or (
            _is_percent(left) != _is_percent(right) and _same(parse(_no_percent(left)), parse(_no_percent(right)), rel_tol)
        )
    except FormulaError:
        return _text(left) == _text(right) != ""


def final_answer(text: Any) -> str:
    r"""The answer at the end of a worked solution: the last `\boxed{...}`, else what follows the last `####` or "answer is", else all.

    >>> final_answer(r"So we get \boxed{\frac{1}{2}}."), final_answer("3 + 4 = 7\n#### 7"), final_answer("The answer is: 12.")
    ('\\frac{1}{2}', '7', '12')
    """
    whole = str(text)
    boxed = _boxed(whole)
    if boxed is not None:
        return boxed
    marks = list(_MARK.finditer(whole))
    return _inner((whole[marks[-1].end() :].strip().split("\n")[0] if marks else whole).strip().rstrip("."))


def _fraction(m: re.Match[str]) -> Fraction | None:
    digits = re.sub(r"\D", "", m["digits"] or "0")
    value = Fraction(f"{digits}{m['point'] or ''}e{(m['power'] or m['tens'] or '0').replace(_MINUS, '-')}")
    if m["exponent"]:
        exponent = int(m["exponent"].replace(_MINUS, "-"))
        if (not value and exponent < 0) or len(m[0]) * abs(exponent) > _LONGEST:
            return None
        value **= exponent
    if m["below"]:
        below = Fraction(m["below"])
        if not below:
            return None
        value /= below
    if m["whole"] and int(m["above"]) < int(m["under"]):  # 3 1/2
        value += int(m["whole"])
    return (-value if m["minus"] or m["sign"] in ("-", "\u2212") else value) / (100 if m["percent"] else 1)


def _spelt(m: re.Match[str]) -> str:
    fraction = unicodedata.normalize("NFKC", m[0][-1]).replace("\u2044", "/")
    return f"{m[1]} {fraction}" if m[1] else fraction


def _is_percent(value: Any) -> bool:
    return isinstance(value, str) and bool(re.search(r"%|\bper ?cent\b", value[-_LONGEST:]))


def _no_percent(text: str) -> str:
    return re.sub(r"\\?%|\bper ?cent\b", "", text)


def _close(a: Fraction, b: Fraction, rel_tol: float, abs_tol: float) -> bool:
    return abs(a - b) <= max(Fraction(rel_tol) * max(abs(a), abs(b)), Fraction(abs_tol))


def _boxed(text: str) -> str | None:
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        bare = _BOXED_BARE.findall(text[-_LONGEST:])
        return bare[-1].rstrip(". ") if bare else None
    opening = text.index("{", start)
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[opening + 1 : place].strip()
    return text[opening + 1 :].strip()


def _bare(text: str) -> str:
    """Without what sets it apart, without dollar signs around it, without a box, without a full stop."""
    if len(text) > _LONGEST:
        return text
    boxed = _boxed(text)
    bare = _inner(text if boxed is None else boxed).strip("$").strip().rstrip(".").strip()
    bare = _interval(_HEAD.sub("", _MEMBER.sub("", bare)))
    if _PLAIN_SET.fullmatch(bare):
        return f"\\{bare[:-1]}\\}}"
    # A word is the same at the start of a sentence; a product of variables is not.
    return bare.lower() if len(bare) > 1 and bare.isalpha() and bare == bare.capitalize() else bare


def _inner(text: str) -> str:
    """A text without the marks that a chat or a page sets around an answer."""
    text = text.strip()
    if len(text) > _LONGEST:
        return text
    if in_stars := _IN_STARS.fullmatch(text):
        text = in_stars[1].strip()
    while mark := next(filter(text.startswith, _OPENING), ""):
        text = text[len(mark) :].lstrip()
    while mark := next(filter((bare := text.rstrip(" .")).endswith, _CLOSING), ""):
        text = bare[: -len(mark)].rstrip()
    return text


def _interval(text: str) -> str:
    r"""`-2 \le x < 7` and `x > 3` as the intervals that they describe; any other text as it is."""
    found = list(_RELATION.finditer(text))
    if not 1 <= len(found) <= 2:
        return text
    parts = _RELATION.sub("\n", text).split("\n")
    if len({bool(m[1] or m[3]) for m in found}) > 1:
        return text
    closed = [bool(m[1] or m[2]) for m in found]
    if found[0][2] or found[0][4]:  # greater first: read it from the other end
        parts, closed = parts[::-1], closed[::-1]
    if len(found) == 2 and _VARIABLE.fullmatch(parts[1]):
        return f"{'[' if closed[0] else '('}{parts[0]},{parts[2]}{']' if closed[1] else ')'}"
    if len(found) == 1 and _VARIABLE.fullmatch(parts[0]):
        return f"(-\\infty,{parts[1]}{']' if closed[0] else ')'}"
    if len(found) == 1 and _VARIABLE.fullmatch(parts[1]):
        return f"{'[' if closed[0] else '('}{parts[0]},\\infty)"
    return text


def _text(value: str) -> str:
    """What is left of a text that is no formula once its layout is set aside."""
    for pattern, replacement in _LAYOUT:
        value = pattern.sub(replacement, value)
    return value.lower()


def _same(a: Formula, b: Formula, rel_tol: float) -> bool:
    if a.kind != b.kind or len(a.items) != len(b.items) or a.brackets != b.brackets:
        return False
    if a.kind == "set":
        return _same_in_any_order(list(a.items), list(b.items), rel_tol)
    if a.items:
        return all(_same(x, y, rel_tol) for x, y in zip(a.items, b.items, strict=True))
    # A variable that one of them lacks may cancel out in the other; two unlike ones are two unlike answers.
    variables = sorted((a.names | b.names) - {LOG})
    if set(variables) not in (a.names - {LOG}, b.names - {LOG}):
        return False
    points = [{name: seed + 0.173 * place for place, name in enumerate(variables)} for seed in (_SAMPLES if variables else _SAMPLES[:1])]
    bases = LOG_BASES if LOG in a.names | b.names else LOG_BASES[:1]
    return any(all(_same_value(a, b, {**point, LOG: base}, rel_tol) for point in points) for base in bases)


def _same_in_any_order(left: list[Formula], right: list[Formula], rel_tol: float) -> bool:
    for item in left:
        match = next((place for place, other in enumerate(right) if _same(item, other, rel_tol)), None)
        if match is None:
            return False
        del right[match]
    return True


def _same_value(a: Formula, b: Formula, point: dict[str, float], rel_tol: float) -> bool:
    x, y = a.value(point), b.value(point)
    if isinstance(x, int | Fraction) and isinstance(y, int | Fraction):
        return x == y or (a.rounded or b.rounded) and _close(Fraction(x), Fraction(y), rel_tol, 0.0)
    return math.isclose(float(x), float(y), rel_tol=rel_tol, abs_tol=1e-9)
