"""Engines around engines: what stands between a model's face and its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whet.core.context import current, fill_default
from whet.lm.budget import Metered
from whet.lm.cache import Cached, CacheMode, mode_of
from whet.lm.facts import Price
from whet.lm.limit import Limited, Limiter
from whet.lm.own import OwnMethod
from whet.lm.retry import Retrying
from whet.lm.sampled import Sampled
from whet.lm.store import CacheStore

__all__ = ["Terms", "cache_mode", "store_in_force", "wrapped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms a model is asked: who it is in the cache, how often it is tried again, what it costs, how fast it may be asked.

    `split` models are asked once per sample; `deadline` is in seconds and covers the retries.
    """

    endpoint: str
    model: str = ""
    num_retries: int = 3
    deadline: float | None = None
    price: Price | None = None
    limiter: Limiter | None = None
    split: bool = False


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


def wrapped(source: Any, terms: Terms, mode: CacheMode, store: CacheStore | None) -> Any:
    """The source with everything around it, innermost first: budgets, the endpoint's limit, retries, samples, cache."""
    engine: Any = Metered(source, terms.price, terms.model, may_wait=not isinstance(source, OwnMethod))
    if terms.limiter is not None:
        engine = Limited(engine, terms.limiter)
    if terms.num_retries or terms.deadline is not None:
        engine = Retrying(engine, terms.num_retries, deadline=terms.deadline, limiter=terms.limiter)
    engine = Sampled(engine, terms.split)
    return engine if store is None else Cached(engine, store, terms.endpoint, mode, store.key_of)
