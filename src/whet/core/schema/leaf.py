"""Dates, times, durations, decimals, bytes and UUIDs: values that JSON writes as text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from whet.core.schema.base import Schema
from whet.core.schema.plain import plain
from whet.core.schema.reading import Reading
from whet.core.schema.scalar import number_text
from whet.core.schema.wrapping import bare

__all__ = ["LEAVES", "Leaf"]

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DECIMAL: Final = re.compile(r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|Infinity|NaN)")
_DURATION: Final = re.compile(
    r"([+-])?P(?:(\d{1,7})Y)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,11})H)?(?:(\d{1,12})M)?(?:(\d{1,14})(?:[.,](\d{1,6}))?S)?)?"
)
_CLOCK: Final = re.compile(r"(?:(-?\d{1,9}) days?, |(-)?)(\d{1,9}):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Leaf(Schema):
    """A type whose values are written as one piece of text.

    `write` gives the text of a value, `read` its value from clean text, `mend` from text that is nearly clean; both raise
    ValueError (or ArithmeticError) for what they do not know.
    """

    shapes = frozenset({"string"})

    def __init__(
        self,
        kind: type[Any],
        *,
        write: Callable[[Any], str],
        read: Callable[[str], Any],
        mend: Callable[[str], Any],
        expected: str,
        part: Mapping[str, Any],
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.expected = expected
        self._write, self._read, self._mend, self._part = write, read, mend, part
        self.pydantic_reads = kind is not bytes
        self.pydantic_writes = kind not in (bytes, timedelta)
        if kind is Decimal:
            self.shapes = frozenset({"string", "number"})

    def fit_text(self, text: str, reading: Reading) -> Any:
        text = text.strip()
        if text[:1] == text[-1:] == '"' and len(text) > 1:
            text = text[1:-1]
        try:
            return self._read(text)
        except (ValueError, ArithmeticError):
            return self._repaired(text, reading)

    def fit(self, value: Any, reading: Reading) -> Any:
        if type(value) is self.kind:
            return value
        if isinstance(value, str):
            return self.fit_text(value, reading)
        if self.kind is Decimal and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self.fit_text(str(value), reading)
        if self._is_kind(value):
            return value
        return self.single(value, reading)

    def _is_kind(self, value: Any) -> bool:
        """Whether it is a value of this type; a datetime is no date, although Python says so."""
        return isinstance(value, self.kind or object) and not (self.kind is date and isinstance(value, datetime))

    def _repaired(self, text: str, reading: Reading) -> Any:
        try:
            value = self._mend(bare(text[:1_000_000]))
        except (ValueError, ArithmeticError):
            raise reading.misfit(text, self.expected) from None
        if not reading.quiet:
            reading.mend(f"read {text[:80]!r} as {self._write(value)[:80]!r}", text, self.expected)
        else:
            reading.mend("", text, self.expected)
        return value

    def dump(self, value: Any) -> Any:
        return self._write(value) if self._is_kind(value) else plain(value)

    def accepts(self, value: Any) -> bool:
        return value is None or self._is_kind(value)

    def rank(self, value: Any) -> int:
        return int(self._is_kind(value))

    def emit(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return dict(self._part)


def _iso(value: Any) -> str:
    text = str(value.isoformat())
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def _day(text: str) -> date:
    """Midnight of a day names the day; any other moment would lose its time."""
    moment = datetime.fromisoformat(text.replace("/", "-") if text[:4].isdecimal() else text)
    if moment.time() != time.min or moment.tzinfo is not None:
        raise ValueError(text)
    return moment.date()


def _moment(text: str) -> datetime:
    if _DAY.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _seconds(sign: str | None, days: int, clock: tuple[int, int, int], fraction: str | None) -> timedelta:
    hours, minutes, seconds = clock
    micro = int((fraction or "").ljust(6, "0"))
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micro)
    return -span if sign == "-" else span


def _duration(text: str) -> timedelta:
    """An ISO 8601 duration; a year has 365 days, as pydantic has it."""
    found = _DURATION.fullmatch(text)
    if not found or text[-1:] in "PT":
        raise ValueError(text)
    sign, years, weeks, days, hours, minutes, seconds, fraction = found.groups()
    whole = int(years or 0) * 365 + int(weeks or 0) * 7 + int(days or 0)
    return _seconds(sign, whole, (int(hours or 0), int(minutes or 0), int(seconds or 0)), fraction)


def _clock(text: str) -> timedelta:
    found = _CLOCK.fullmatch(text)
    if not found:
        return _duration(text.upper().replace(" ", ""))
    days, sign, hours, minutes, seconds, fraction = found.groups()
    return _seconds(sign, int(days or 0), (int(hours), int(minutes), int(seconds)), fraction)


def _write_duration(value: timedelta) -> str:
    sign, value = ("-", -value) if value.days < 0 else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{seconds}{fraction}S" if seconds or fraction else "")
    days = f"{value.days}D" if value.days else ""
    return f"{sign}P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"


def _decimal(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _grouped(text: str) -> Decimal:
    digits = number_text(text)
    if digits is None:
        raise ValueError(text)
    return Decimal(digits)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _loose_bytes(text: str) -> bytes:
    text = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    return _bytes(text + "=" * (-len(text) % 4))


def _uuid(text: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise ValueError(text)
    return UUID(text)


_STRING: Final = "string"
_LEAVES: Final = (
    Leaf(
        date,
        write=_iso,
        read=date.fromisoformat,
        mend=_day,
        expected="a date such as 2024-05-31",
        part={"type": _STRING, "format": "date"},
    ),
    Leaf(
        datetime,
        write=_iso,
        read=_moment,
        mend=datetime.fromisoformat,
        expected="a date and time such as 2024-05-31T18:30:00",
        part={"type": _STRING, "format": "date-time"},
    ),
    Leaf(
        time,
        write=_iso,
        read=time.fromisoformat,
        mend=time.fromisoformat,
        expected="a time such as 18:30:00",
        part={"type": _STRING, "format": "time"},
    ),
    Leaf(
        timedelta,
        write=_write_duration,
        read=_duration,
        mend=_clock,
        expected="an ISO 8601 duration such as P1DT2H30M",
        part={"type": _STRING, "format": "duration"},
    ),
    Leaf(
        Decimal,
        write=str,
        read=_decimal,
        mend=_grouped,
        expected="a decimal number such as 12.50",
        part={"anyOf": [{"type": "number"}, {"type": _STRING}]},
    ),
    Leaf(
        bytes,
        write=lambda value: base64.b64encode(value).decode("ascii"),
        read=_bytes,
        mend=_loose_bytes,
        expected="bytes as base64 text",
        part={"type": _STRING, "format": "base64"},
    ),
    Leaf(
        UUID,
        write=str,
        read=_uuid,
        mend=UUID,
        expected="a UUID such as 123e4567-e89b-12d3-a456-426614174000",
        part={"type": _STRING, "format": "uuid"},
    ),
)
LEAVES: Final[Mapping[type[Any], Schema]] = {schema.annotation: schema for schema in _LEAVES}
