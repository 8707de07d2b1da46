"""`configure_cache`: where answers are kept, and how many."""

from __future__ import annotations

import math
from typing import Any

from whet.core.context import configure
from whet.errors import ConfigurationError
from whet.lm.store import DISK_BYTES, MEMORY_BYTES, CacheStore

__all__ = ["configure_cache"]


def configure_cache(  # noqa: PLR0913 - the arguments that people know
    enable_disk_cache: bool = True,
    enable_memory_cache: bool = True,
    disk_cache_dir: Any = None,
    disk_size_limit_bytes: int | None = None,
    memory_max_entries: float = 1_000_000,
    restrict_pickle: bool = False,
    safe_types: Any = None,
) -> CacheStore:
    """Put another cache in force for the whole process, and return it.

    `disk_cache_dir` defaults to `WHET_CACHE_DIR`, else `~/.cache/whet`. Memory holds at most `memory_max_entries` answers and 64 MB;
    `math.inf` means as many as fit. With both layers off nothing is cached. Values are JSON and nothing is ever pickled, so
    `restrict_pickle` and `safe_types` are accepted and have no effect.

    Raises `ConfigurationError` for limits that cannot be.

    >>> store = configure_cache(enable_disk_cache=False)
    """
    if memory_max_entries is None or memory_max_entries <= 0:
        raise ConfigurationError(f"`memory_max_entries` must be a number above 0 (or `math.inf`), not {memory_max_entries!r}.")
    store = CacheStore(
        (disk_cache_dir or "") if enable_disk_cache else None,
        memory_entries=memory_max_entries if enable_memory_cache else 0,
        memory_bytes=MEMORY_BYTES if enable_memory_cache else 0,
        disk_bytes=DISK_BYTES if disk_size_limit_bytes in (None, math.inf) else int(disk_size_limit_bytes or 0),
    )
    configure(cache=store)
    return store
