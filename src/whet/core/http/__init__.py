"""A lean HTTP/1.1 client: `send` blocks, `asend` awaits, both over kept-alive connections of one `Pool`.

The names come lazily, so that importing this package costs nothing: `asyncio` and `ssl` are imported by the first call that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whet.core.http.guard import everywhere, forbid_remote
    from whet.core.http.message import HttpRequest, HttpResponse
    from whet.core.http.pool import Pool, asend, begin, close_idle, pieces, send

__all__ = ["HttpRequest", "HttpResponse", "Pool", "asend", "begin", "close_idle", "everywhere", "forbid_remote", "pieces", "send"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from whet.core.http import guard, message, pool  # noqa: PLC0415 - the names come lazily

    for room in (guard, message, pool):
        for known in set(room.__all__) & set(__all__):
            globals()[known] = getattr(room, known)
    return globals()[name]
