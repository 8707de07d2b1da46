"""Where the client's CPU goes in one compilation: shares of the time on its own of every function, by the part of whet it works for."""

from __future__ import annotations

import cProfile
import pstats
from collections import defaultdict
from typing import Any

__all__ = ["PARTS", "split"]

# What is looked for in a path, first match; what Python's own modules and functions in C do is counted for whoever calls them.
PARTS: dict[str, tuple[str, ...]] = {
    "the bench": ("/bench/", "run_optimizers"),
    "rendering and parsing": ("/whet/adapters/", "/core/schema/", "/core/signature", "/core/messages", "/core/text"),
    "requests, cache keys, JSON": ("/whet/lm/wire/", "/lm/codec", "/core/hashing", "/core/exchange", "/lm/cache", "/lm/disk", "/lm/store"),
    "HTTP": ("/core/http/", "/lm/endpoint", "/lm/provider", "/lm/retry", "/lm/limit", "/lm/pace"),
    "other layers of the model": ("/whet/lm/",),
    "journal and memory": ("/optimize/ledger", "/optimize/journal", "/optimize/store", "/optimize/memory", "/optimize/fingerprint"),
    "statistics": ("/optimize/paired", "/optimize/contest", "/optimize/certificate", "/optimize/winners", "/evaluate/", "/mathematics/"),
    "the search": ("/whet/optimize/",),
    "programs and flows": ("/whet/",),
}
DEPTH = 6


def split(profile: cProfile.Profile) -> dict[str, float]:
    """The share of each part; they make 1."""
    stats: Any = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    seconds: dict[str, float] = defaultdict(float)
    for function, (_, _, own, _, callers) in stats.items():
        for part, share in _parts_of(function, callers, stats, DEPTH).items():
            seconds[part] += own * share
    seconds.pop("the bench", None)
    whole = sum(seconds.values())
    return {part: seconds[part] / whole for part in [*PARTS, "Python itself"] if seconds.get(part)}


def _parts_of(function: Any, callers: Any, stats: Any, depth: int) -> dict[str, float]:
    """To which parts a function's own time belongs, as shares."""
    for part, marks in PARTS.items():
        if any(mark in function[0] for mark in marks):
            return {part: 1.0}
    weights = {caller: numbers[2] for caller, numbers in callers.items() if caller != function}
    whole = sum(weights.values())
    if not depth or not whole:
        return {"Python itself": 1.0}
    found: dict[str, float] = defaultdict(float)
    for caller, weight in weights.items():
        for part, share in _parts_of(caller, stats[caller][4], stats, depth - 1).items():
            found[part] += share * weight / whole
    return found
