"""Who used how many tokens: `track_usage()` and the tracker it gives."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from whet.core.context import context, current

__all__ = ["UsageTracker", "merged_usage", "track_usage"]


class UsageTracker:
    """Collects usage per model. Calls on any thread or task inside the block are counted once each; an outer tracker counts them too.

    `usage_data` is `{model: [entry, ...]}`.

    >>> tracker = UsageTracker()
    >>> tracker.add_usage("m", {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}})
    >>> tracker.add_usage("m", {"prompt_tokens": 2, "prompt_tokens_details": None})
    >>> tracker.get_total_tokens()
    {'m': {'prompt_tokens': 5, 'prompt_tokens_details': {'cached_tokens': 1}}}
    """

    def __init__(self, parent: UsageTracker | None = None) -> None:
        self.usage_data: dict[str, list[dict[str, Any]]] = {}
        self._parent = parent
        self._lock = threading.Lock()

    def add_usage(self, lm: str, usage_entry: Any) -> None:
        """Add the usage of one call, a mapping or a pydantic value; an empty one adds nothing."""
        entry = _plain(usage_entry)
        if not entry:
            return
        with self._lock:
            self.usage_data.setdefault(lm, []).append(entry)
        if self._parent is not None:
            self._parent.add_usage(lm, entry)

    def get_total_tokens(self) -> dict[str, dict[str, Any]]:
        """The sums per model, nested counts included."""
        with self._lock:
            copies = {model: list(entries) for model, entries in self.usage_data.items()}
        return {model: merged_usage(entries) for model, entries in copies.items()}


def merged_usage(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The sum of usage entries: numbers are added, mappings merged, `None` counts as nothing.

    >>> merged_usage([{"a": 1, "b": None}, {"a": None, "c": {"d": 2}}])
    {'a': 1, 'b': None, 'c': {'d': 2}}
    """
    total: dict[str, Any] = {}
    for entry in entries:
        for key, value in entry.items():
            total[key] = _sum(total.get(key), value)
    return total


def _sum(one: Any, other: Any) -> Any:
    if other is None or one is None:
        return one if other is None else _sum({}, other) if isinstance(other, dict) else other
    if isinstance(one, dict) and isinstance(other, dict):
        return merged_usage([one, other])
    if isinstance(one, dict) or isinstance(other, dict):
        return one if isinstance(one, dict) else other
    return one + other if _is_number(one) and _is_number(other) else other


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(usage: Any) -> dict[str, Any]:
    dump = getattr(usage, "model_dump", None)
    values: Mapping[str, Any] = dump() if dump is not None else dict(usage or {})
    return {key: _plain(value) if isinstance(value, Mapping) or hasattr(value, "model_dump") else value for key, value in values.items()}


@contextmanager
def track_usage() -> Iterator[UsageTracker]:
    """Collect the usage of every model call in the `with` block, in the threads and tasks started from it too. Cached answers add nothing.

    >>> with track_usage() as tracker:
    ...     tracker.get_total_tokens()
    {}
    """
    tracker = UsageTracker(current().usage_tracker)
    with context(usage_tracker=tracker):
        yield tracker
