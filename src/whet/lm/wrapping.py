"""Engines around engines: what stands between a model's face and its source."""

from __future__ import annotations

from typing import Any

from whet.lm.cache import Cached, CacheMode, mode_of
from whet.lm.retry import Retrying

__all__ = ["cache_mode", "wrapped"]


def cache_mode(asked: bool | str | None, ambient: str | None) -> CacheMode:
    """The cache mode in force: the ambient one, unless the call or the model switched its cache off.

    >>> cache_mode(True, None), cache_mode(False, "refresh"), cache_mode(True, "refresh")
    ('on', 'off', 'refresh')
    """
    mode = mode_of(asked)
    return mode if mode == "off" or ambient is None else mode_of(ambient)


def wrapped(source: Any, *, mode: CacheMode, num_retries: int, identity: str) -> Any:
    """The source with retries around it, and around those a cache unless it is off."""
    engine = Retrying(source, num_retries=num_retries) if num_retries else source
    return engine if mode == "off" else Cached(engine, identity=identity, mode=mode)
