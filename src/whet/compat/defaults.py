"""What DSPy's settings start from, under the names that test-suites reset them by."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from whet.core.context import Settings, SettingsDict, current

__all__ = ["DEFAULT_CONFIG", "get_async_max_workers", "get_limiter"]

_SHARED: Final = (
    "lm adapter rm trace callbacks async_max_workers send_stream disable_history track_usage usage_tracker stream_listeners "
    "provide_traceback num_threads max_errors allow_tool_async_sync_conversion max_history_size max_trace_size warn_on_type_mismatch"
).split()
_FIRST: Final = {f.name: f.default for f in fields(Settings)}
# `whet.configure(**DEFAULT_CONFIG)` undoes what a test configured.
DEFAULT_CONFIG: Final = SettingsDict({name: [] if _FIRST[name] == () else _FIRST[name] for name in _SHARED})


def get_async_max_workers() -> int:
    """How many programs `asyncify` runs at a time."""
    return current().async_max_workers


class _Limiter:
    """The limit of `asyncify`, as it is where it is asked for."""

    @property
    def total_tokens(self) -> int:
        return get_async_max_workers()


_LIMITER: Final = _Limiter()


def get_limiter() -> _Limiter:
    """What limits `asyncify`; `total_tokens` is how many programs it runs at a time.

    >>> get_limiter().total_tokens
    8
    """
    return _LIMITER
