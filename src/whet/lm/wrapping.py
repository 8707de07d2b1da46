"""Engines around engines: what stands between a model's face and its source."""

from __future__ import annotations

from typing import Any

from whet.core.context import current, fill_default
from whet.lm.cache import Cached, CacheMode, mode_of
from whet.lm.retry import Retrying
from whet.lm.store import CacheStore

__all__ = ["cache_mode", "store_in_force", "wrapped"]


def cache_mode(asked: bool | str | None, ambient: str | None) -> CacheMode:
    """The cache mode in force: the ambient one, unless the call or the model switched its cache off.

    >>> cache_mode(True, None), cache_mode(False, "refresh"), cache_mode(True, "refresh")
    ('on', 'off', 'refresh')
    """
    mode = mode_of(asked)
    return mode if mode == "off" or ambient is None else mode_of(ambient)


def store_in_force() -> CacheStore:
    """The cache that answers are kept in: the one configured, else the default one, made at its first use."""
    store = current().cache
    return store if store is not None else fill_default("cache", CacheStore)  # type: ignore[no-any-return]


def wrapped(source: Any, *, mode: CacheMode, store: CacheStore | None, num_retries: int, endpoint: str) -> Any:
    """The source with retries around it, and around those a cache unless it is off."""
    engine = Retrying(source, num_retries=num_retries) if num_retries else source
    return engine if store is None else Cached(engine, store, endpoint, mode)
