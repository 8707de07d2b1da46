"""The asyncio driver: a pool of connections per event loop, each an `asyncio.Protocol` with the same reader as the blocking driver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Protocol

from whet.core.http import fault
from whet.core.http.dial import CONNECT_SECONDS, Address, Tunnel, attempts, spelled_out, taken_at_once
from whet.core.http.message import HttpRequest, HttpResponse, encode
from whet.core.http.parser import AnswerReader
from whet.core.http.route import Route
from whet.core.http.shelf import IDLE_SECONDS, Shelf, idle_seconds
from whet.core.http.wire import Wire
from whet.errors import LMError, LMTransportError

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Asker", "Exchange", "Looping"]

_NAME_SECONDS = 30.0


class Asker(Protocol):
    """Who has an `Exchange` under way; one of these is called, once."""

    def answered(self, response: HttpResponse) -> None:
        """The answer is there, whatever its status."""

    def failed(self, error: BaseException) -> None:
        """There is none."""

    def unanswered(self, request: HttpRequest) -> None:
        """The request has to be sent again, by `send`: the connection was dead already, or the server wants it elsewhere."""


class Looping:
    """Sends requests over one event loop. It closes its idle connections when the loop shuts down."""

    def __init__(self, loop: asyncio.AbstractEventLoop, secure: Callable[[], SSLContext]) -> None:
        self.loop = loop
        self._secure = secure
        self._shelf: Shelf[Wire] = Shelf()
        self._names: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Lock] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._watch: AsyncGenerator[None, None] | None = None

    def begin(self, request: HttpRequest, route: Route, asker: Asker) -> Exchange | None:
        """Send a request over a kept connection, without a coroutine; `None` where there is none, or a stream is asked for."""
        now = self.loop.time()
        wire = self._shelf.take(route.key, now) if request.sink is None else None
        if wire is None:
            return None
        exchange = Exchange(self, request, route, wire, asker)
        deadline = None if request.timeout is None else now + request.timeout
        wire.exchange(encode(request, route), exchange.reader, deadline, request.timeout, exchange)
        return exchange

    async def send(self, request: HttpRequest, route: Route) -> HttpResponse:
        """One exchange. Cancelling it closes the connection."""
        loop = self.loop
        now = loop.time()
        deadline = None if request.timeout is None else now + request.timeout
        payload = encode(request, route)
        sink = request.sink
        if sink is not None:
            # A connection's callbacks run in no request's context; the sink runs in its caller's.
            sink = partial(_run_in, copy_context(), sink)
        wire = self._shelf.take(route.key, now)
        fresh = wire is None
        while True:
            if wire is None:
                wire = await self._open(route, request.timeout, deadline)
            reader = AnswerReader(route.where, request.method, sink)
            awaited = _Awaited(loop.create_future())
            wire.exchange(payload, reader, deadline, request.timeout, awaited)
            try:
                error = await awaited.future
            except BaseException:
                wire.close()
                raise
            if error is None:
                self.put_back(wire, route.key, reader)
                return reader.response()
            wire.close()
            if fresh or not _is_stale(reader, error):
                raise error
            # The server had closed this kept connection just as we wrote to it: it never saw the request.
            wire, fresh = None, True

    def close(self) -> None:
        """Close the idle connections. From the loop's thread only."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._shelf.clear()

    def put_back(self, wire: Wire, key: str, reader: AnswerReader) -> None:
        """Keep the connection of this answer for the next request, if it can carry one."""
        if not (reader.keep and wire.flushed()):
            wire.close()
            return
        now = self.loop.time()
        wire.expires = now + idle_seconds(reader)
        self._shelf.give(key, wire, now)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(IDLE_SECONDS, self._sweep, context=Context())

    def _sweep(self) -> None:
        left = self._shelf.sweep(self.loop.time())
        self._sweeper = self.loop.call_later(IDLE_SECONDS, self._sweep) if left else None

    async def _open(self, route: Route, seconds: float | None, deadline: float | None) -> Wire:
        """A new connection. A task with an empty context makes it, because a connection outlives the request that needed it first and would
        keep everything in that request's context alive."""
        if self._watch is None:
            self._watch = self._close_with_loop()
            await anext(self._watch)
        left = CONNECT_SECONDS + 1 if deadline is None else deadline - self.loop.time()
        task = self.loop.create_task(self._connect(route), context=Context())
        wire = None
        try:
            await asyncio.wait((task,), timeout=min(left, CONNECT_SECONDS))
            wire = task.result() if task.done() else None
        finally:
            if wire is None:
                task.cancel()
                task.add_done_callback(_close_unused)
        if wire is None:
            raise fault.no_time(route.where, seconds) if left <= CONNECT_SECONDS else fault.no_connection(TimeoutError(), route.where)
        return wire

    async def _connect(self, route: Route) -> Wire:
        wire = Wire(self.loop, route.where)
        sock = None
        try:
            sock = await self._dial(*route.dial)
            secure = self._secure() if route.tls else None
            if secure and route.proxy:
                await self._dig(sock, route)
            name = route.host if secure else None
            given, sock = sock, None  # from here on the transport closes it
            await self.loop.create_connection(lambda: wire, sock=given, ssl=secure, server_hostname=name)
        except OSError as error:
            raise fault.no_connection(error, route.where) from error
        finally:
            if sock is not None:
                sock.close()
        return wire

    async def _dial(self, host: str, port: int) -> socket.socket:
        until, addresses = self._names.get((host, port), (0.0, []))
        if until < self.loop.time():
            addresses = await self._look_up(host, port)
        failed = OSError("the name has no address")
        for address, seconds in attempts(addresses, CONNECT_SECONDS):
            sock = socket.socket(*address[:3])
            sock.setblocking(False)
            try:
                if not taken_at_once(sock, address):
                    # The last address has all the time that the whole connection has, which is limited already.
                    async with asyncio.timeout(seconds if seconds < CONNECT_SECONDS else None):
                        await self.loop.sock_connect(sock, address[4])
            except OSError as error:
                sock.close()
                failed = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        self._names.pop((host, port), None)
        raise failed

    async def _look_up(self, host: str, port: int) -> list[Address]:
        """The addresses of a name; a thousand connections at once ask once."""
        key = host, port
        async with self._asking.setdefault(key, asyncio.Lock()):
            until, addresses = self._names.get(key, (0.0, []))
            if until < self.loop.time():
                addresses = spelled_out(host, port) or list(await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
                self._names[key] = self.loop.time() + _NAME_SECONDS, addresses
        return addresses

    async def _dig(self, sock: socket.socket, route: Route) -> None:
        await self.loop.sock_sendall(sock, route.tunnel())
        tunnel = Tunnel(route)
        while not tunnel.feed(await self.loop.sock_recv(sock, 4096)):
            pass

    async def _close_with_loop(self) -> AsyncGenerator[None, None]:
        """Never finished by us: `asyncio.run` closes the open generators of its loop before the loop itself, and our sockets with them."""
        try:
            yield
        finally:
            self.close()
            await asyncio.sleep(0)  # the transports close their sockets in the next round


class Exchange:
    """A request that `Looping.begin` has sent, until its answer is there."""

    __slots__ = ("_asker", "_cancelled", "_looping", "_request", "_route", "_wire", "reader")

    def __init__(self, looping: Looping, request: HttpRequest, route: Route, wire: Wire, asker: Asker) -> None:
        self._looping, self._request, self._route, self._wire, self._asker = looping, request, route, wire, asker
        self.reader = AnswerReader(route.where, request.method)
        self._cancelled = False

    def cancel(self) -> bool:
        """Close the connection; the asker is told of a `CancelledError` soon, and once."""
        if not self._cancelled:
            self._cancelled = True
            self._wire.close()
            self._looping.loop.call_soon(self._asker.failed, asyncio.CancelledError())
        return True

    def over(self, error: BaseException | None) -> None:
        """Called by the connection."""
        if self._cancelled:
            return
        if error is not None:
            self._wire.close()
            if _is_stale(self.reader, error):
                self._asker.unanswered(self._request)
            else:
                self._asker.failed(error)
            return
        self._looping.put_back(self._wire, self._route.key, self.reader)
        try:
            response = self.reader.response()
        except LMError as damaged:
            self._asker.failed(damaged)
            return
        if 300 <= response.status < 400 and "location" in response.headers:  # it may be the address of another request
            self._asker.unanswered(self._request)
        else:
            self._asker.answered(response)


class _Awaited:
    """An exchange that a coroutine awaits."""

    __slots__ = ("future",)

    def __init__(self, future: asyncio.Future[BaseException | None]) -> None:
        self.future = future

    def over(self, error: BaseException | None) -> None:
        if not self.future.done():
            self.future.set_result(error)


def _is_stale(reader: AnswerReader, error: BaseException) -> bool:
    """Whether a kept connection had been closed by the server before it saw the request."""
    return not reader.started and isinstance(error, LMTransportError)


def _run_in(context: Context, sink: Callable[[bytes], None], data: bytes) -> None:
    context.run(sink, data)


def _close_unused(task: asyncio.Task[Wire]) -> None:
    """A connection that came too late for the one who wanted it."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
