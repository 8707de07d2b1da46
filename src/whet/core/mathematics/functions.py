"""The functions that a mathematical answer may name, and what they are worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

__all__ = ["ANGLES", "FUNCTIONS", "INVERSES", "LOG", "LOG_BASES"]

# What `log` without a base means differs from field to field: the natural logarithm, or that to the base 10. It is read as this name times
# the natural one.
LOG: Final = "log"
LOG_BASES: Final = (1.0, 1 / math.log(10))

FUNCTIONS: Final[dict[str, Callable[[float], float]]] = {
    "ln": math.log, "lg": math.log10, "exp": math.exp, "cbrt": math.cbrt,
    "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "cot": lambda x: 1 / math.tan(x), "sec": lambda x: 1 / math.cos(x), "csc": lambda x: 1 / math.sin(x),
    "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan, "asin": math.asin, "acos": math.acos, "atan": math.atan,
    "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh,
}  # fmt: skip
# Those of an angle, in which a degree is one; `sin^{-1}` is the inverse and no reciprocal.
ANGLES: Final = frozenset("sin cos tan cot sec csc".split())
INVERSES: Final = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
