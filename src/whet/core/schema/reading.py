"""One reading of one value: where it is, what it had to repair, and how it says that something does not fit."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any, Final

from whet.errors import SchemaError

__all__ = ["MISSING", "Reading", "shorten"]

_STEPS: Final = 2_000


def _brief() -> reprlib.Repr:
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 90
    brief.maxlong = 60
    return brief


_SHOWN: Final = _brief()


class _Missing:
    """No value at all; `None` is a value."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final[Any] = _Missing()


def shorten(value: Any) -> str:
    """`value` as Python writes it, cut so that it fits into a sentence.

    >>> shorten("x" * 500)[:6], len(shorten("x" * 500))
    ("'xxxxx", 90)
    """
    return _SHOWN.repr(value)


class Reading:
    """What is known while one value is read.

    `path` is the way to the part now read (keys and indexes), `repairs` collects a sentence for everything that had to be
    mended (None: nobody asks), `strict` makes every repair an error, `quiet` is set while alternatives are tried (errors
    then carry no text, since nobody will read it), `steps` bounds how much trying there may be for a text of `size` characters.
    """

    __slots__ = ("path", "quiet", "repairs", "steps", "strict")

    def __init__(self, repairs: list[str] | None = None, *, strict: bool = False, size: int = 0) -> None:
        self.path: list[str | int] = []
        self.repairs = repairs
        self.strict = strict
        self.quiet = False
        self.steps = _STEPS + size // 2

    def where(self) -> str:
        """The path as people write it, such as `author.tags[0]`; empty for the value itself."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")

    def misfit(self, value: Any, expected: str, hint: str = "") -> SchemaError:
        """The error for a value that is not what was `expected`; the caller raises it."""
        if self.quiet:
            return SchemaError("")
        where = self.where()
        place = f"`{where}`: " if where else ""
        there = "nothing is there" if value is MISSING else f"{shorten(value)} does not fit"
        message = f"{place}{there}, expected {expected}.{' ' + hint if hint else ''}"
        value = None if value is MISSING else value
        return SchemaError(message, path=where, value=value, expected=expected)

    def mend(self, sentence: str, value: Any, expected: str) -> None:
        """Record a repair, or raise where none is allowed."""
        if self.strict:
            raise self.misfit(value, expected, "Repairs are not allowed here.")
        if self.repairs is not None:
            where = self.where()
            self.repairs.append(f"`{where}`: {sentence}" if where else sentence)

    def attempt(self, read: Callable[[Any, Reading], Any], value: Any, *, strict: bool) -> tuple[Any, list[str]]:
        """Try a way to read `value`: what came out (`MISSING` where it does not fit) and what was mended for it."""
        self.spend(1, value)
        depth, before = len(self.path), (self.strict, self.quiet, self.repairs)
        notes: list[str] = []
        self.strict, self.quiet, self.repairs = strict or self.strict, True, notes
        try:
            return read(value, self), notes
        except SchemaError:
            if self.steps < 0:
                raise
            return MISSING, notes
        finally:
            del self.path[depth:]
            self.strict, self.quiet, self.repairs = before

    def spend(self, steps: int, value: Any) -> None:
        """Count work done while alternatives are tried, so that no hostile text can make it endless."""
        self.steps -= steps
        if self.steps < 0:
            self.quiet = False
            raise self.misfit(value, "a value that is easier to tell apart from its alternatives")
