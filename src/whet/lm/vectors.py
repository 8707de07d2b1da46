"""Rows of numbers, one per text: how they are kept as text, and what an answer must be to be taken for them."""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.core.exchange import Usage
from whet.core.wording import counted
from whet.errors import LMUnexpectedError
from whet.lm.facts import ModelFacts
from whet.lm.wire.draft import MISSHAPEN

__all__ = ["Vectors", "packed", "unpacked", "vectors_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """One answer: a row per text, and what it cost."""

    rows: list[array[float]]
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    attempts: int = 1


def packed(row: array[float]) -> str:
    """A row as text, exactly.

    >>> unpacked(packed(array("f", [0.5, 2.0])))
    array('f', [0.5, 2.0])
    """
    return "f32:" + b64encode(row.tobytes()).decode("ascii")


def unpacked(text: str | None) -> array[float] | None:
    """The row again; `None` for text that is none."""
    if text is None or not text.startswith("f32:"):
        return None
    row = array("f")
    try:
        row.frombytes(b64decode(text[4:], validate=True))
    except ValueError:
        return None
    return row


def vectors_of(read: Callable[[], tuple[Sequence[tuple[Any, array[float]]], Usage]], texts: int, facts: ModelFacts) -> Vectors:
    """What `read` finds in an answer, each row with the number that it says it has or `None`, in the order of the texts.

    Raises `LMUnexpectedError`, with the usage, where it is not one row for each text: a row under another's number would be kept as the
    vector of another text.
    """
    try:
        rows, usage = read()
    except MISSHAPEN as error:
        raise _unexpected(
            f"The answer holds no embeddings in the form that was expected ({type(error).__name__}: {error}).", facts
        ) from error
    if len(rows) != texts:
        raise _unexpected(f"The server gave {counted(len(rows), 'vector')} for {counted(texts, 'text')}.", facts, usage)
    numbers = [number for number, _ in rows]
    if any(number is not None for number in numbers):
        places = {number: place for place, number in enumerate(numbers) if isinstance(number, int) and not isinstance(number, bool)}
        if places.keys() != set(range(texts)):
            shown = ", ".join(map(repr, numbers[:8])) + (", ..." if texts > 8 else "")
            raise _unexpected(
                f"The server numbered its {texts} vectors {shown} instead of 0 to {texts - 1}, so nobody can say which is of which text. "
                "Ask with `batch_size=1`, or use another server.",
                facts,
                usage,
            )
        rows = [rows[places[place]] for place in range(texts)]
    return Vectors(rows=[row for _, row in rows], usage=usage, cost=facts.price.cost(usage) if facts.price is not None else None)


def _unexpected(message: str, facts: ModelFacts, usage: Usage | None = None) -> LMUnexpectedError:
    return LMUnexpectedError(message, model=facts.full_name, provider=facts.provider, usage=usage)
