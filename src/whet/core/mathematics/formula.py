r"""A small, bounded parser for mathematical answers in plain and LaTeX notation; what it reads has a value, and nothing runs as code.

answer  := list | set | interval | sum                sum     := product (("+" | "-") product)*
product := factor (("*" | "/" | nothing) factor)*     factor  := "-" factor | atom postfix* ("^" factor)?
atom    := number | mixed number | name | \frac | \sqrt | function | "(" sum ")" | "|" sum "|"
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from whet.core.mathematics.functions import ANGLES, FUNCTIONS, INVERSES, LOG
from whet.core.mathematics.latex import Token, tokens_of

__all__ = ["Formula", "FormulaError", "parse"]

_DEEPEST = 40
# What may stand behind a number: a factorial, per cent, degrees.
_AFTER = ("!", "%", "\u00b0")
_MOST_BITS = 20_000
Number = Fraction | float
Node = tuple[Any, ...]


class FormulaError(ValueError):
    """A text that is no formula this parser reads, or one that is too long, too deep or too large; stays inside the metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """What was read: a value, or a "list", "set" or "interval" of formulas with the brackets around them."""

    kind: str = "value"
    tree: Node = ()
    names: frozenset[str] = frozenset()
    rounded: bool = False
    items: tuple[Formula, ...] = ()
    brackets: str = ""

    def value(self, point: Mapping[str, float]) -> Number:
        """The number it stands for, with `point` giving its variables. Raises `FormulaError` where there is none."""
        try:
            return _value(self.tree, point)
        except (ArithmeticError, ValueError) as error:
            raise FormulaError(str(error)) from error


def parse(text: str) -> Formula:
    """Read `text`. Raises `FormulaError` when it is no formula, or longer than 1000 characters.

    >>> parse(r"\\frac{3}{4} + 2^{-2}").value({}), parse("[1, 2)").brackets
    (Fraction(1, 1), '[)')
    """
    if len(text) > 1000:
        raise FormulaError("the text is longer than 1000 characters")
    reader = _Reader(tokens=tokens_of(text))
    formula = reader.answer()
    if reader.peek() != "":
        raise FormulaError(f"`{reader.peek()}` does not belong here")
    return formula


@dataclass(slots=True, kw_only=True)
class _Reader:
    tokens: list[Token]
    place: int = 0
    depth: int = 0
    in_angle: int = 0
    names: set[str] = field(default_factory=set)
    rounded: bool = False

    def peek(self, ahead: int = 0) -> str:
        place = self.place + ahead
        return self.tokens[place].text if place < len(self.tokens) else ""

    def kind(self) -> str:
        return self.tokens[self.place].kind if self.place < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        text = self.peek()
        if not text or (expected and text != expected):
            raise FormulaError(f"`{text or 'the end'}` stands where `{expected or 'something'}` should")
        self.place += 1
        return text

    def answer(self) -> Formula:
        opening = self.peek()
        if opening == "\\{":
            return self._enclosed("set", "\\}")
        if opening in ("(", "[") and (closing := self._closing()) and self._has_comma(closing):
            return self._enclosed("interval" if opening + self.peek(closing) != "()" else "list", self.peek(closing))
        items = [self._single()]
        while self.peek() == ",":
            self.take()
            items.append(self._single())
        return items[0] if len(items) == 1 else Formula(kind="set", items=tuple(items), brackets="\\{\\}")

    def _enclosed(self, kind: str, closing: str) -> Formula:
        brackets = self.take() + closing
        items = [] if self.peek() == closing else [self._single()]
        while self.peek() == ",":
            self.take()
            items.append(self._single())
        self.take(closing)
        return Formula(kind=kind, items=tuple(items), brackets=brackets)

    def _closing(self) -> int:
        """How far ahead the bracket that opens here is closed, if that ends the answer; else 0."""
        depth = 0
        for ahead in range(len(self.tokens) - self.place):
            depth += (self.peek(ahead) in ("(", "[", "{", "\\{")) - (self.peek(ahead) in (")", "]", "}", "\\}"))
            if depth == 0:
                return ahead if self.place + ahead == len(self.tokens) - 1 else 0
        return 0

    def _has_comma(self, closing: int) -> bool:
        return any(self.peek(ahead) == "," for ahead in range(1, closing))

    def _single(self) -> Formula:
        self.names, self.rounded = set(), False
        if self.peek() == "(" and (closing := self._inner_tuple()):
            return self._enclosed("list", closing)
        if self.kind() == "name" and self.peek(1) == "=":
            self.place += 2
        tree = self.sum()
        return Formula(tree=tree, names=frozenset(self.names), rounded=self.rounded)

    def _inner_tuple(self) -> str:
        depth = 0
        for ahead in range(len(self.tokens) - self.place):
            depth += (self.peek(ahead) == "(") - (self.peek(ahead) == ")")
            if self.peek(ahead) == "," and depth == 1:
                return ")"
            if depth == 0:
                return ""
        return ""

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise FormulaError(f"the formula is nested more than {_DEEPEST} levels deep")
        terms = [self.product()]
        while self.peek() in ("+", "-"):
            minus = self.take() == "-"
            term = self.product()
            terms.append(("neg", term) if minus else term)
        self.depth -= 1
        return terms[0] if len(terms) == 1 else ("sum", *terms)

    def product(self) -> Node:
        factors = [self.factor()]
        while True:
            if self.peek() in ("*", "/"):
                divide = self.take() == "/"
                factor = self.factor()
                factors.append(("invert", factor) if divide else factor)
            elif self.kind() in ("name", "command", "function") or self.peek() == "(":
                factors.append(self.factor())
            else:
                return factors[0] if len(factors) == 1 else ("product", *factors)

    def factor(self) -> Node:
        minus = False
        while self.peek() in ("+", "-"):
            minus ^= self.take() == "-"
        node = self.atom()
        while (after := self.peek()) in _AFTER:
            self.take()
            node = ("factorial", node) if after == "!" else ("product", node, ("number", self._worth(after)))
        if self.peek() == "^":
            self.take()
            self.depth += 1
            if self.depth > _DEEPEST:
                raise FormulaError("too many powers of powers")
            node = ("power", node, self._argument())
            self.depth -= 1
        return ("neg", node) if minus else node

    def atom(self) -> Node:
        kind, text = self.kind(), self.take()
        if kind == "number":
            return self._number(text)
        if kind == "name" and text == "e":
            return ("number", math.e)
        if kind == "name":
            self.names.add(text)
            return ("name", text)
        if kind == "function":
            return self._call(text)
        if text in ("(", "{", "[", "|"):
            inner = self.sum()
            self.take({"(": ")", "{": "}", "[": "]", "|": "|"}[text])
            return ("call", "abs", inner) if text == "|" else inner
        if text in _COMMANDS:
            return _COMMANDS[text](self)
        raise FormulaError(f"`{text}` is not known here")

    def _call(self, function: str) -> Node:
        """A function with its base (`log_2 8`) and its own power (`sin^2 x`); what follows a bracketed argument is not part of it."""
        base = power = None
        if function == LOG and self.peek() == "_":
            self.take()
            base = self.small_argument()
        if self.peek() == "^":
            self.take()
            power = self._argument()
        self.in_angle += function in ANGLES
        inner = self.atom() if self.peek() == "(" else self._argument()
        self.in_angle -= function in ANGLES
        if power == ("neg", ("number", Fraction(1))) and function in INVERSES:
            function, power = INVERSES[function], None
        node: Node = self._logarithm(inner, base) if function == LOG else ("call", function, inner)
        return node if power is None else ("power", node, power)

    def _logarithm(self, inner: Node, base: Node | None) -> Node:
        if base is None:
            self.names.add(LOG)
            return ("product", ("call", "ln", inner), ("name", LOG))
        return ("product", ("call", "ln", inner), ("invert", ("call", "ln", base)))

    def _worth(self, sign: str) -> Number:
        """What a sign behind a number makes of it; degrees are numbers like others but to a function of an angle."""
        if sign == "%":
            return Fraction(1, 100)
        return math.pi / 180 if self.in_angle else Fraction(1)

    def _number(self, text: str) -> Node:
        self.rounded |= "." in text
        number: Node = ("number", Fraction(text))
        if text.isdigit() and self.peek() == "\\frac" and self._is_plain_fraction():
            return ("sum", number, self.atom())
        return number

    def _is_plain_fraction(self) -> bool:
        """Whether a fraction of two whole numbers follows: after a whole number it is added, as in 3 1/2."""
        ahead = 1
        for _ in range(2):
            braced = self.peek(ahead) == "{"
            if not self.peek(ahead + braced).isdigit():
                return False
            ahead += 3 if braced else 1
        return True

    def _argument(self) -> Node:
        if self.peek() == "{":
            self.take()
            inner = self.sum()
            self.take("}")
            return inner
        return self.factor()

    def small_argument(self) -> Node:
        """An argument of \\frac or \\binom: braces, or a single digit or letter."""
        return self._argument() if self.peek() == "{" else self.atom()

    def root(self) -> Node:
        degree: Node = ("number", Fraction(2))
        if self.peek() == "[":
            self.take()
            degree = self.sum()
            self.take("]")
        return ("power", self._argument(), ("invert", degree))


_COMMANDS: dict[str, Callable[[_Reader], Node]] = {
    "\\frac": lambda reader: ("product", reader.small_argument(), ("invert", reader.small_argument())),
    "\\binom": lambda reader: ("binom", reader.small_argument(), reader.small_argument()),
    "\\sqrt": _Reader.root,
    "\\pi": lambda reader: ("number", math.pi),
    "\\infty": lambda reader: ("number", math.inf),
}


def _value(node: Node, point: Mapping[str, float]) -> Number:
    kind = node[0]
    if kind == "number":
        return node[1]  # type: ignore[no-any-return]
    if kind == "name":
        return point[node[1]]
    if kind == "call":
        inner = _value(node[2], point)
        if node[1] == "abs":
            return -inner if inner < 0 else inner
        return FUNCTIONS[node[1]](float(inner))
    return _OPERATIONS[kind](*(_value(inner, point) for inner in node[1:]))


def _sum(*terms: Number) -> Number:
    total: Number = Fraction(0)
    for term in terms:
        total = _bounded(total + term)
    return total


def _product(*factors: Number) -> Number:
    total: Number = Fraction(1)
    for factor in factors:
        total = _bounded(total * factor)
    return total


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(exponent, Fraction) and exponent.denominator == 1 and isinstance(base, Fraction):
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent.numerator) > _MOST_BITS:
            raise FormulaError("a power is too large")
        return Fraction(base**exponent.numerator)
    result = _odd_root(base, exponent) if base < 0 else float(base) ** float(exponent)
    nearest = Fraction(round(result)) if abs(result) < 1e9 else Fraction(0)
    exact = isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator <= 16 and abs(exponent.numerator) == 1
    return nearest if exact and nearest and _power_is(nearest, exponent, base) else result


def _odd_root(base: Number, exponent: Number) -> float:
    if isinstance(exponent, Fraction) and exponent.denominator % 2:
        size: float = float(-base) ** float(exponent)
        return -size if exponent.numerator % 2 else size
    raise FormulaError("the root of a negative number")


def _power_is(root: Fraction, exponent: Number, base: Number) -> bool:
    return isinstance(exponent, Fraction) and exponent.numerator == 1 and root**exponent.denominator == base


def _factorial(x: Number) -> Number:
    if x != int(x) or not 0 <= x <= 500:
        raise FormulaError("a factorial of no small whole number")
    return Fraction(math.factorial(int(x)))


def _binom(n: Number, k: Number) -> Number:
    if n != int(n) or k != int(k) or not 0 <= k <= n <= 2000:
        raise FormulaError("a binomial of no small whole numbers")
    return Fraction(math.comb(int(n), int(k)))


def _bounded(x: Number) -> Number:
    if isinstance(x, Fraction) and max(x.numerator.bit_length(), x.denominator.bit_length()) > _MOST_BITS:
        raise FormulaError("a number is too large")
    return x


_OPERATIONS: dict[str, Callable[..., Number]] = {
    "sum": _sum,
    "product": _product,
    "power": _power,
    "factorial": _factorial,
    "binom": _binom,
    "neg": lambda x: -x,
    "invert": lambda x: 1 / x,
}
