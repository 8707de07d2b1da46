"""Text, numbers, booleans, None and Any."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from whet.core.schema.base import Schema, load, one_line
from whet.core.schema.listing import listed
from whet.core.schema.plain import plain
from whet.core.schema.reading import MISSING, Reading
from whet.core.schema.wrapping import bare, fenced

__all__ = ["NONE_TEXTS", "AnyValue", "Bool", "Float", "Int", "Null", "Raw", "Text", "number_text"]

_INT: Final = re.compile(r"[+-]?[0-9]+")
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_GROUPED: Final = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)+)(?:\.[0-9]+)?")
_NOT_FINITE: Final = frozenset({"inf", "infinity", "nan"})
_BOOLS: Final = {"True": True, "true": True, "False": False, "false": False}
_BOOL_WORDS: Final = {
    "true": True,
    "yes": True,
    "y": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "n": False,
    "off": False,
    "0": False,
}
_EXACT: Final = 2**53
_DIGITS: Final = 4_000
NONE_TEXTS: Final = frozenset({"null", "None"})
NONE_WORDS: Final = frozenset({"null", "none", "nil", "n/a", ""})


def number_text(text: str) -> str | None:
    """The digits of a number that is wrapped, or grouped by thousands; None where that is not what it is.

    >>> number_text("1,000.5"), number_text("`1_000`"), number_text("1,5"), number_text("85%")
    ('1000.5', '1000', None, None)
    """
    core = bare(text)
    if _FLOAT.fullmatch(core):
        return core
    return core.replace(",", "").replace("_", "") if _GROUPED.fullmatch(core) else None


class Text(Schema):
    """`str`: the text of a field is its value, byte for byte."""

    is_text = True
    shapes = frozenset({"string"})
    kind = str
    expected = "text"

    def parse(self, text: str, repairs: list[str] | None = None) -> str:
        return text

    def fit_text(self, text: str, reading: Reading) -> str:
        return text

    def fit(self, value: Any, reading: Reading) -> Any:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            return self.single(value, reading)
        if isinstance(value, (bool, int, float, dict, list)):
            try:
                text = one_line(plain(value))
            except ValueError:
                raise reading.misfit(value, self.expected) from None
            reading.mend("wrote the JSON value as text", value, self.expected)
            return text
        raise reading.misfit(value, self.expected)

    def render(self, value: Any) -> str:
        if isinstance(value, str):
            return str.__str__(value)
        return listed(value) if isinstance(value, (list, tuple)) else super().render(value)

    def dump(self, value: Any) -> Any:
        return value if type(value) is str else plain(value)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": "string"}

    def note(self) -> str:
        return ""

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


class Scalar(Schema):
    """A value that is written as itself."""

    def dump(self, value: Any) -> Any:
        return value if type(value) is self.kind else plain(value)


class Int(Scalar):
    """`int`: whole numbers; grouped digits and integral floats are repaired."""

    shapes = frozenset({"number", "string"})
    kind = int
    expected = "a whole number such as 42"

    def parse(self, text: str, repairs: list[str] | None = None) -> int:
        digits = text[1:] if text[:1] == "-" else text
        if digits.isdecimal() and digits.isascii() and len(digits) < _DIGITS:
            return int(text)
        return int(super().parse(text, repairs))

    def fit_text(self, text: str, reading: Reading) -> int:
        text = text.strip()
        if _INT.fullmatch(text) and len(text) < _DIGITS:
            return int(text)
        return self._mended(text, self._loose(text), reading)

    def fit(self, value: Any, reading: Reading) -> Any:
        if type(value) is int:
            return value
        if isinstance(value, str):
            return self._mended(value, self._loose(value), reading)
        if isinstance(value, float):
            return self._mended(value, _integral(value), reading)
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value)
        return self.single(value, reading)

    def _loose(self, text: str) -> int | None:
        digits = number_text(text) if len(text) < _DIGITS else None
        if digits is None:
            return None
        return int(digits) if _INT.fullmatch(digits) else _integral(float(digits))

    def _mended(self, value: Any, number: int | None, reading: Reading) -> int:
        if number is None:
            raise reading.misfit(value, self.expected)
        reading.mend(f"read {value!r} as {number}", value, self.expected)
        return number

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": "integer"}

    def note(self) -> str:
        return "must be a whole number, in digits only"


class Float(Scalar):
    """`float`: any number; NaN and the infinities only where they are written so."""

    shapes = frozenset({"number", "string"})
    kind = float
    expected = "a number such as 0.85"

    def parse(self, text: str, repairs: list[str] | None = None) -> float:
        if len(text) < 300 and _FLOAT.fullmatch(text):
            number = float(text)
            if number - number == 0:
                return number
        return float(super().parse(text, repairs))

    def fit_text(self, text: str, reading: Reading) -> float:
        text = text.strip()
        if text.lstrip("+-").casefold() in _NOT_FINITE and len(text) < 10:
            return float(text)
        number = float(text) if _FLOAT.fullmatch(text) else math.inf
        return number if math.isfinite(number) else self._mended(text, reading)

    def fit(self, value: Any, reading: Reading) -> Any:
        if type(value) is float:
            return value
        if isinstance(value, str):
            return self._mended(value, reading)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                raise reading.misfit(value, self.expected) from None
        return self.single(value, reading)

    def _mended(self, text: str, reading: Reading) -> float:
        digits = number_text(text)
        core = bare(text)
        number = float(digits) if digits is not None else math.inf
        if core.lstrip("+-").casefold() in _NOT_FINITE and len(core) < 10:
            number = float(core)
        elif not math.isfinite(number):
            raise reading.misfit(text, self.expected, _percent(text))
        reading.mend(f"read {text!r} as {number}", text, self.expected)
        return number

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, (int, float))

    def rank(self, value: Any) -> int:
        return 1 if type(value) is float else -1

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": "number"}

    def note(self) -> str:
        return "must be a single number, such as 0.85"


class Bool(Scalar):
    """`bool`: true and false, yes and no."""

    shapes = frozenset({"boolean", "number", "string"})
    kind = bool
    expected = "True or False"

    def parse(self, text: str, repairs: list[str] | None = None) -> bool:
        found = _BOOLS.get(text)
        return found if found is not None else bool(super().parse(text, repairs))

    def fit_text(self, text: str, reading: Reading) -> bool:
        text = text.strip()
        found = _BOOLS.get(text)
        if found is not None:
            return found
        found = _BOOL_WORDS.get(bare(text).rstrip(".!").casefold())
        if found is None:
            raise reading.misfit(text, self.expected)
        reading.mend(f"read {text!r} as {found}", text, self.expected)
        return found

    def fit(self, value: Any, reading: Reading) -> Any:
        if type(value) is bool:
            return value
        if not isinstance(value, (str, int)):
            return self.single(value, reading)
        found = _BOOL_WORDS.get(bare(value).rstrip(".!").casefold() if isinstance(value, str) else str(value))
        if found is None:
            raise reading.misfit(value, self.expected)
        reading.mend(f"read {value!r} as {found}", value, self.expected)
        return found

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": "boolean"}

    def note(self) -> str:
        return "must be True or False"


class Null(Schema):
    """`None`."""

    shapes = frozenset({"null"})
    expected = "null"

    def __init__(self, annotation: Any) -> None:
        super().__init__(annotation)
        self.nullable = True

    def fit_text(self, text: str, reading: Reading) -> None:
        text = text.strip()
        if text not in NONE_TEXTS:
            if bare(text).casefold() not in NONE_WORDS:
                raise reading.misfit(text, self.expected)
            reading.mend(f"read {text!r} as null", text, self.expected)

    def fit(self, value: Any, reading: Reading) -> None:
        if value is not None:
            if not (isinstance(value, str) and bare(value).casefold() in NONE_WORDS):
                raise reading.misfit(value, self.expected)
            reading.mend(f"read {value!r} as null", value, self.expected)

    def dump(self, value: Any) -> Any:
        return plain(value)

    def accepts(self, value: Any) -> bool:
        return value is None

    def rank(self, value: Any) -> int:
        return int(value is None)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": "null"}

    def note(self) -> str:
        return "must be null"


class AnyValue(Schema):
    """`Any`: whatever JSON the text is, else the text itself; text that would be read as JSON is written in quotes."""

    expected = "anything"

    def __init__(self, annotation: Any) -> None:
        super().__init__(annotation)
        self.nullable = True

    def fit_text(self, text: str, reading: Reading) -> Any:
        clean = text.strip()
        value = _BOOLS.get(clean, MISSING) if clean != "None" else None
        value = load(clean) if value is MISSING else value
        if isinstance(value, str):
            return value if self.fit_text(value, Reading()) is not value else text
        if value is not MISSING:
            return value
        inner = None if reading.strict else fenced(clean)
        value = MISSING if inner is None else load(inner)
        if isinstance(value, (dict, list)):
            reading.mend("took the JSON out of its code fence", text, self.expected)
            return value
        return text

    def fit(self, value: Any, reading: Reading) -> Any:
        return value

    def render(self, value: Any) -> str:
        if isinstance(value, str):
            return one_line(value) if self.fit_text(value, Reading()) is not value else str.__str__(value)
        return one_line(value) if isinstance(value, float) else super().render(value)

    def dump(self, value: Any) -> Any:
        return plain(value)

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {}

    def note(self) -> str:
        return ""


class Raw(AnyValue):
    """A part whose own validators want to see it as it came; nothing is read or repaired before them."""

    def fit_text(self, text: str, reading: Reading) -> Any:
        return text


def _integral(number: float) -> int | None:
    return int(number) if abs(number) <= _EXACT and number.is_integer() else None


def _percent(text: str) -> str:
    return "Write a percentage as a plain number: 85% could be 85 or 0.85." if text.strip().endswith("%") and len(text) < 40 else ""
