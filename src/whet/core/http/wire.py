"""One kept-alive connection of an event loop."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any, Protocol, cast

from whet.core.http import fault
from whet.core.http.parser import AnswerReader

__all__ = ["Wire"]

_PIECE = 64 * 1024


class Asking(Protocol):
    """Who uses a connection for an exchange."""

    def over(self, error: BaseException | None) -> None:
        """The exchange is over: with an answer, or with this error."""


class Wire(asyncio.Protocol):
    """Carries one exchange at a time. Its timer is armed once and left alone while deadlines only move on: no cost per request."""

    __slots__ = ("_asking", "_deadline", "_loop", "_lost", "_reader", "_seconds", "_timer", "_transport", "_where", "expires")

    def __init__(self, loop: asyncio.AbstractEventLoop, where: str) -> None:
        self.expires = 0.0
        self._loop = loop
        self._where = where
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader | None = None
        self._asking: Asking | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._seconds: float | None = None
        self._lost = False

    def exchange(self, payload: bytes, reader: AnswerReader, deadline: float | None, seconds: float | None, asking: Asking) -> None:
        """Send a request, feed the answer to `reader`, and tell who is `asking` that it is over; once, and not if this is closed before.

        `deadline` is on the loop's clock.
        """
        transport = self._transport
        if self._lost or transport is None:
            self._loop.call_soon(asking.over, fault.early_end(self._where, started=False))
            return
        self._asking, self._reader, self._deadline, self._seconds = asking, reader, deadline, seconds
        if deadline is not None and (self._timer is None or self._timer.when() > deadline):
            self._arm(deadline)
        transport.write(payload)

    def quiet(self) -> bool:
        """Whether the connection can take a request."""
        return not self._lost

    def flushed(self) -> bool:
        """Whether the request left us wholly; an answer may come before that."""
        return not self._lost and self._transport is not None and self._transport.get_write_buffer_size() == 0

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self._lost = True
        self._reader = self._asking = None
        self._disarm()
        if self._transport is not None and not self._loop.is_closed():
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        selecting: Any = transport
        if hasattr(selecting, "max_size"):
            # Selector transports take 256 KiB of fresh memory for each read, however short, which doubles the cost of a streamed token.
            selecting.max_size = _PIECE

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        reader = self._reader
        if reader is None:
            self.close()  # nobody asked
            return
        try:
            done = reader.feed(data)
        except BaseException as error:  # noqa: BLE001 - a sink may raise anything; its caller gets it, not the event loop
            self._finish(error)
        else:
            if done:
                self._finish(None)

    def eof_received(self) -> None:
        """Called by asyncio, which closes the transport then."""
        self._lost = True
        if self._reader is None:
            return
        try:
            self._reader.end()
        except BaseException as error:  # noqa: BLE001 - as above
            self._finish(error)
        else:
            self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._lost = True
        self._disarm()
        if isinstance(exc, OSError):
            self._finish(fault.broken(exc, self._where))
        elif self._reader is not None:
            self._finish(fault.early_end(self._where, started=self._reader.started))

    def _finish(self, error: BaseException | None) -> None:
        asking, self._asking, self._reader = self._asking, None, None
        if asking is not None:
            asking.over(error)

    def _arm(self, deadline: float) -> None:
        self._disarm()
        self._timer = self._loop.call_at(deadline, self._ring, context=Context())

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._reader is None or self._deadline is None:
            return
        if self._deadline > self._loop.time() + 0.001:
            self._arm(self._deadline)
            return
        self._finish(fault.no_time(self._where, self._seconds))
