"""The fence for tests: no call may leave this machine while it is up."""

from __future__ import annotations

import re
from contextvars import ContextVar

from whet.errors import LMTransportError

__all__ = ["Fence", "everywhere", "forbid_remote", "is_loopback", "refuse_remote"]

_LOOPBACK = re.compile(r"localhost\.?|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|0:0:0:0:0:0:0:1|::ffff:127\.\d{1,3}\.\d{1,3}\.\d{1,3}")

forbid_remote: ContextVar[bool] = ContextVar("whet_forbid_remote", default=False)
"""True in a context whose calls must stay on this machine."""


class Fence:
    """The same for the whole process, all threads and loops. For tests only: `whet.testing.no_real_calls()` raises it."""

    __slots__ = ("up",)

    def __init__(self) -> None:
        self.up = False


everywhere = Fence()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its spelling; no name is looked up.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("127.example.com")
    (True, True, True, False)
    """
    return _LOOPBACK.fullmatch(host) is not None


def refuse_remote(host: str, port: int) -> None:
    """Raise `LMTransportError` if the fence is up and the host is not this machine. Called before any I/O, name lookups included."""
    if (everywhere.up or forbid_remote.get()) and not is_loopback(host):
        raise LMTransportError(
            f"A call to {host}:{port} was stopped: real calls are forbidden here (whet.testing.no_real_calls or forbid_remote). "
            "Use a scripted model or a server on loopback in this test."
        )
