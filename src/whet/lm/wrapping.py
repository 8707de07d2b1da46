"""Engines around engines: what stands between a model's face and its source."""

from __future__ import annotations

from typing import Any

from whet.errors import ConfigurationError
from whet.lm.cache import Cached
from whet.lm.retry import Retrying

__all__ = ["cache_mode", "wrapped"]

MODES = ("off", "read", "refresh", "on")


def cache_mode(asked: bool | str, ambient: str | None) -> str:
    """The cache mode in force: the call's or model's, unless the context switches the cache off or says otherwise.

    >>> cache_mode(True, None), cache_mode(False, None), cache_mode(True, "refresh")
    ('on', 'off', 'refresh')
    """
    mode = {True: "on", False: "off"}.get(asked, asked) if isinstance(asked, bool) else asked
    if mode not in MODES:
        raise ConfigurationError(f"There is no cache mode {asked!r}. Modes: {', '.join(MODES)}, or True and False.")
    return ambient if ambient is not None and mode != "off" else mode


def wrapped(source: Any, mode: str, num_retries: int, identity: str) -> Any:
    """The source with retries around it, and a cache around those unless it is off."""
    engine = Retrying(source, num_retries=num_retries) if num_retries else source
    return engine if mode == "off" else Cached(engine, mode=mode, identity=identity)
