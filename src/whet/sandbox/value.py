"""The values that cross the border of a sandbox: plain data only, copied, never an object of the host."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import keyword
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from enum import Enum
from pathlib import PurePath
from typing import Any

from whet.errors import CodeInterpreterError

__all__ = ["check_name", "received", "sent", "tool_result"]

MAX_NODES = 1_000_000
MAX_CHARS = 32_000_000
MAX_DEPTH = 100
MAX_BITS = 14_000
_AS_TEXT = (decimal.Decimal, uuid.UUID, PurePath)
_DATES = (datetime.date, datetime.time)
_SCALARS = frozenset({type(None), bool, int, float, str})


class _Unfit(Exception):
    """A value that cannot be written as plain data; the message says why."""


class _Copier:
    """Copies a value into plain data, with a bound on how much and how deep (a small cyclic or shared value can unfold without end)."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.left = MAX_NODES
        self.chars = MAX_CHARS
        # What a list or dict that comes again has cost: one that holds itself many times over is refused before it is unfolded.
        self.seen: dict[int, tuple[Any, Any, int, int]] = {}

    def copy(self, value: Any, depth: int = 0) -> Any:
        self._take(1)
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind in _SCALARS:
            return value if self.strict else _writable(value)
        if depth > MAX_DEPTH:
            raise _Unfit(f"it is nested more than {MAX_DEPTH} deep or contains itself")
        if kind is list or kind is tuple or kind is dict:
            return self._once(value, depth)
        known = value if isinstance(value, Mapping) else self._record(value)
        if known is not None:
            return {self._key(k): self.copy(v, depth + 1) for k, v in known.items()}
        several = _several(value)
        return self._scalar(value, depth) if several is None else self._list(list(several), depth)

    def _once(self, value: Any, depth: int) -> Any:
        if (found := self.seen.get(id(value))) is not None:
            _, made, parts, chars = found
            self._take(parts)
            self._count(chars)
            return made
        left, chars = self.left, self.chars
        made = {self._key(k): self.copy(v, depth + 1) for k, v in value.items()} if type(value) is dict else self._list(value, depth)
        # The value is kept too: its place in memory must not become another's meanwhile.
        self.seen[id(value)] = (value, made, left - self.left, chars - self.chars)
        return made

    def _take(self, parts: int) -> None:
        self.left -= parts
        if self.left < 0:
            raise _Unfit(f"it has more than {MAX_NODES} parts")

    def _list(self, values: Sequence[Any], depth: int) -> list[Any]:
        if not _SCALARS.issuperset(map(type, values)):
            return [self.copy(v, depth + 1) for v in values]
        # All at once: most long values are lists of scalars, and so are the leaves of those that unfold.
        self._take(len(values))
        self._count(sum(len(v) for v in values if type(v) is str))
        return list(values) if self.strict else [_writable(v) for v in values]

    def _text(self, text: str) -> str:
        # A short list that holds one long text many times is small here and endless wherever it is written out.
        self._count(len(text))
        return text

    def _count(self, chars: int) -> None:
        self.chars -= chars
        if self.chars < 0:
            raise _Unfit(f"its texts are longer than {MAX_CHARS} characters")

    def _key(self, key: Any) -> Any:
        if type(key) is str:
            return self._text(key)
        if key is None or type(key) in (bool, int, float):
            return key
        if isinstance(key, Enum):
            return self._key(key.value)
        if self.strict and not isinstance(key, (*_AS_TEXT, *_DATES, str)):
            raise _Unfit(f"a key is of type `{type(key).__name__}`")
        return str(key)

    def _record(self, value: Any) -> Mapping[str, Any] | None:
        """The fields of a pydantic model, a dataclass, a named tuple, or one of our own records."""
        fields: Any = None
        if isinstance(value, type):
            return None
        if dataclasses.is_dataclass(value):
            return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        if callable(dump := getattr(value, "model_dump", None)):
            fields = dump(mode="json")
        elif callable(dump := getattr(value, "toDict", None)) or (isinstance(value, tuple) and (dump := getattr(value, "_asdict", None))):
            fields = dump()
        elif not self.strict:
            # What stands here for an object of a class that the code made.
            fields = getattr(value, "attributes", None)
        return fields if isinstance(fields, Mapping) else None

    def _scalar(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            return self.copy(value.value, depth + 1)
        if isinstance(value, (bool, int, float, str)):
            base = next(t for t in (int, float, str) if isinstance(value, t))
            return self.copy(base(value), depth + 1)
        if isinstance(value, _AS_TEXT):
            return str(value)
        if isinstance(value, _DATES):
            return value.isoformat()
        if self.strict:
            raise _Unfit(f"a value of type `{type(value).__name__}` has no plain form")
        return str(value)


def _writable(value: Any) -> Any:
    # Python itself refuses to write longer ones (CVE-2020-10735), so whoever shows the result would fail.
    if type(value) is int and value.bit_length() > MAX_BITS:
        raise _Unfit(f"it holds an integer of {value.bit_length()} bits, more than the {MAX_BITS} that Python writes as text")
    return value


def _several(value: Any) -> Iterable[Any] | None:
    """The members of a collection, a set's in order where they have one; None for what is no collection."""
    if isinstance(value, Set):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)) else None


def check_name(name: str, what: str = "variable") -> None:
    """Refuse a name that code could not use. Raises `CodeInterpreterError`."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise CodeInterpreterError(f"{name!r} cannot be the name of a {what}: take a Python identifier that is no keyword.")


def sent(name: str, value: Any) -> Any:
    """A variable as the plain data that goes in. Raises `CodeInterpreterError` for what has no plain form.

    >>> sent("x", {"a": (1, 2), "b": {3, 1}})
    {'a': [1, 2], 'b': [1, 3]}
    """
    try:
        return _Copier(strict=True).copy(value)
    except (_Unfit, RecursionError) as error:
        raise CodeInterpreterError(
            f"The variable `{name}` cannot go into the sandbox: {error}. Only plain data crosses the border: None, bool, numbers, str, "
            "lists, tuples, sets, dicts, dataclasses and pydantic models; make the rest a tool, or a `SandboxSerializable`."
        ) from None


def received(value: Any) -> Any:
    """What came out as plain data; what has no plain form becomes its text. Raises `ValueError` for what is too large or too deep."""
    try:
        return _Copier(strict=False).copy(value)
    except (_Unfit, RecursionError) as error:
        raise ValueError(f"The value cannot leave the sandbox: {error}.") from None


def tool_result(value: Any) -> Any:
    """A tool's result as the plain data that goes in: `None` is the empty text, not-a-number and foreign objects are their text.

    >>> tool_result(None), tool_result(float("nan")), tool_result([1, None])
    ('', 'nan', [1, None])
    """
    if value is None:
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return received(value)
