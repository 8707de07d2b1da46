"""Bounds on a value: checked when it is read, described in prompts, stated in JSON schemas."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from numbers import Number
from typing import Any, Final

from whet.core.schema.base import Schema
from whet.core.schema.reading import Reading
from whet.errors import SignatureError

__all__ = ["Bounded", "describe_constraints"]

_WORDS: Final = {
    "gt": "greater than",
    "ge": "greater than or equal to",
    "lt": "less than",
    "le": "less than or equal to",
    "min_length": "minimum length",
    "max_length": "maximum length",
    "multiple_of": "a multiple of the given number",
    "allow_inf_nan": "allow 'inf', '-inf', 'nan' values",
    "pattern": "matching the pattern",
}
_JSON: Final = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
_LENGTHS: Final = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems"), "object": ("minProperties", "maxProperties")}


def describe_constraints(constraints: Mapping[str, Any]) -> str:
    """The constraints as a prompt states them, in the order given.

    >>> describe_constraints({"ge": 5, "lt": 10, "max_length": 3})
    'greater than or equal to: 5, less than: 10, maximum length: 3'
    """
    return ", ".join(f"{_WORDS[name]}: {value}" for name, value in constraints.items() if name in _WORDS)


def _multiple(value: Any, step: Any) -> bool:
    if isinstance(value, float) or isinstance(step, float):
        ratio = value / step
        return bool(math.isclose(ratio, round(ratio), abs_tol=1e-9)) if math.isfinite(ratio) else False
    return bool(value % step == 0)


_CHECKS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "gt": lambda value, bound: value > bound,
    "ge": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "le": lambda value, bound: value <= bound,
    "min_length": lambda value, bound: len(value) >= bound,
    "max_length": lambda value, bound: len(value) <= bound,
    "multiple_of": _multiple,
    "pattern": lambda value, bound: re.search(bound, value) is not None,
    "allow_inf_nan": lambda value, allowed: allowed or math.isfinite(value),
}


class Bounded(Schema):
    """Another schema, and bounds on its values; None is never out of bounds.

    Raises:
        SignatureError: a constraint has an unknown name, or a value that cannot be one.
    """

    def __init__(self, annotation: Any, inner: Schema, constraints: Mapping[str, Any]) -> None:
        super().__init__(annotation)
        unknown = sorted(set(constraints) - set(_CHECKS))
        if unknown:
            raise SignatureError(f"Unknown constraint `{unknown[0]}`. There are: {', '.join(sorted(_CHECKS))}.")
        self.inner = inner
        self.is_text = inner.is_text
        self.constraints = dict(constraints)
        self.nullable = inner.nullable
        self.children = (inner,)
        self.shapes, self.kind = inner.shapes, inner.kind
        self.expected = f"{inner.expected} ({describe_constraints(constraints)})"
        self.pydantic_reads = False
        self._checks = [(name, _CHECKS[name], bound) for name, bound in constraints.items() if bound is not None]
        _check_bounds(annotation, inner, {name: bound for name, _, bound in self._checks})

    def parse(self, text: str, repairs: list[str] | None = None) -> Any:
        value = self.inner.parse(text, repairs)
        for _, holds, bound in self._checks:
            if value is not None and not self._holds(holds, value, bound):
                raise Reading().misfit(value, self.expected)
        return value

    def fit(self, value: Any, reading: Reading) -> Any:
        return self._within(self.inner.fit(value, reading), reading)

    def fit_text(self, text: str, reading: Reading) -> Any:
        return self._within(self.inner.fit_text(text, reading), reading)

    def _within(self, value: Any, reading: Reading) -> Any:
        for _, holds, bound in self._checks:
            if value is not None and not self._holds(holds, value, bound):
                raise reading.misfit(value, self.expected)
        return value

    def _holds(self, holds: Callable[[Any, Any], Any], value: Any, bound: Any) -> bool:
        try:
            return bool(holds(value, bound))
        except (TypeError, ValueError, ArithmeticError):
            return False

    def render(self, value: Any) -> str:
        return self.inner.render(value)

    def dump(self, value: Any) -> Any:
        return self.inner.dump(value)

    def accepts(self, value: Any) -> bool:
        return self.inner.accepts(value)

    def rank(self, value: Any) -> int:
        return self.inner.rank(value)

    def note(self) -> str:
        return self.inner.note() if not self.inner.shapes <= {"object", "array"} else super().note()

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        part = self.inner.emit(definitions)
        for name, _, bound in self._checks:
            if name in _JSON:
                part[_JSON[name]] = bound
            elif name in ("min_length", "max_length"):
                for shape in self.inner.shapes & set(_LENGTHS):
                    part[_LENGTHS[shape][name == "max_length"]] = bound
        return part


_ORDERED: Final = ("gt", "ge", "lt", "le")
_SIZED: Final = ("min_length", "max_length")


def _check_bounds(annotation: Any, inner: Schema, bounds: Mapping[str, Any]) -> None:
    """Raise for bounds that no value can meet: ones of the wrong kind, for this type or for any, and ones that exclude each other."""
    for name in _SIZED:
        if name in bounds and (type(bounds[name]) is not int or bounds[name] < 0):
            raise SignatureError(f"The constraint `{name}` is a number of characters or items, 0 or more; got {bounds[name]!r}.")
    if isinstance(pattern := bounds.get("pattern"), str):
        try:
            re.compile(pattern)
        except re.error as error:
            raise SignatureError(f"The pattern {pattern!r} is no regular expression: {error}.") from error
    if annotation is int or annotation is float:
        _refuse(inner, [name for name in (*_SIZED, "pattern") if name in bounds], "gt, ge, lt, le, multiple_of")
        wrong = [name for name in (*_ORDERED, "multiple_of") if name in bounds and not _is_number(bounds[name])]
        if wrong:
            raise SignatureError(f"The constraint `{wrong[0]}` of {inner.name} is a number; got {bounds[wrong[0]]!r}.")
    elif annotation is str:
        wrong = [name for name in _ORDERED if name in bounds and not isinstance(bounds[name], str)]
        _refuse(inner, [*wrong, *(["multiple_of"] if "multiple_of" in bounds else [])], "min_length, max_length, pattern")
    _refuse_empty_ranges(bounds)


def _is_number(bound: Any) -> bool:
    return isinstance(bound, Number) and not isinstance(bound, bool)


def _refuse(inner: Schema, wrong: list[str], fits: str) -> None:
    if wrong:
        raise SignatureError(f"The constraint `{wrong[0]}` does not fit the type {inner.name}, for which there are: {fits}.")


def _refuse_empty_ranges(bounds: Mapping[str, Any]) -> None:
    for low, high, may_be_equal in _RANGES:
        if low not in bounds or high not in bounds:
            continue
        try:
            empty = bounds[low] > bounds[high] or (bounds[low] == bounds[high] and not may_be_equal)
        except TypeError:
            empty = True
        if empty:
            raise SignatureError(f"No value meets both `{low}={bounds[low]!r}` and `{high}={bounds[high]!r}`.")


_RANGES: Final = (
    ("ge", "le", True),
    ("ge", "lt", False),
    ("gt", "le", False),
    ("gt", "lt", False),
    ("min_length", "max_length", True),
)
