"""What work costs, as a multiple of work that costs the same everywhere: says the same on a slow or a busy machine."""

from __future__ import annotations

import gc
import json
import re
import time
from collections.abc import Callable

__all__ = ["MOST_YARDS_PER_10_KB", "within"]

# What reading 10 kB of anything may cost: a few times what reading plain JSON costs, and far below anything quadratic.
MOST_YARDS_PER_10_KB = 30

_TEXT = json.dumps([{"name": f"row {i}", "value": i * 0.5, "tags": ["a", "b"]} for i in range(400)])
_WORD = re.compile(r"[a-z]+|\d+")


def _yard() -> None:
    """A few milliseconds of what readers do: a loop over characters, a pattern over a text, JSON."""
    depth = 0
    for character in _TEXT:
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
    assert depth == 0 < len(_WORD.findall(_TEXT)) and json.loads(_TEXT)


def within(yards: float, work: Callable[[], object]) -> bool:
    """Whether `work` costs at most this many yards of CPU time in this thread, in one of four tries.

    A yard is measured beside it only where the fastest one that was ever seen here does not settle the matter.
    """
    for _ in range(4):
        spent = _seconds(work)
        if _FASTEST and spent <= yards * _FASTEST[0]:
            return True
        now = sorted(_seconds(_yard) for _ in range(3))
        _FASTEST[:] = [min(now[0], *_FASTEST)] if _FASTEST else [now[0]]
        if spent <= yards * now[1]:
            return True
    return False


_FASTEST: list[float] = []


def _seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this thread. A collection of the garbage that other tests left is no part of it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        began = time.thread_time()
        work()
        return time.thread_time() - began
    finally:
        if collecting:
            gc.enable()
