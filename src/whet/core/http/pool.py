"""`Pool`: the connections of a program, for blocking and awaiting callers; `send` and `asend` use one that everybody shares."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Generator
from dataclasses import replace
from functools import cache
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import finalize

from whet.core.http.blocking import Blocking
from whet.core.http.guard import refuse_remote
from whet.core.http.message import HttpRequest, HttpResponse
from whet.core.http.proxy import Proxies
from whet.core.http.route import Route, route_of
from whet.errors import ConfigurationError, LMTransportError

if TYPE_CHECKING:
    import asyncio
    from ssl import SSLContext

    from whet.core.http.looping import Asker, Exchange, Looping

__all__ = ["Pool", "asend", "begin", "close_idle", "pieces", "send"]

_HOPS = 5
_ROUTES = 1024


class Pool:
    """Keeps connections alive between requests: any number of them (who limits calls does it above), idle ones for 30 s.

    Safe to use from any thread, from any number of event loops one after another or side by side, and after a fork. Proxies are read from
    the environment once, here; the trust store once, at the first https request. Redirects are followed only when they are 307 or 308 to
    the same scheme, host and port; others are handed to the caller as they are.
    """

    def __init__(self) -> None:
        self._proxies = Proxies.of(os.environ)
        self._secure = _Secure()
        self._routes: dict[str, Route] = {}
        self._blocking = Blocking(self._secure)
        self._loops: dict[asyncio.AbstractEventLoop, Looping] = {}
        self._inherited: list[object] = []
        self._lock = Lock()
        self._pid = os.getpid()
        finalize(self, self._blocking.close)

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and wait for the answer, whatever its status.

        Raises `ConfigurationError` before any I/O for a URL or header that cannot be sent, `LMTimeoutError` at the deadline,
        `LMTransportError` if no proper answer came back, `LMUnexpectedError` for one that is too large. A request is sent a second time
        only if a kept connection turned out to be dead before a byte of the answer came.
        """
        for _ in range(_HOPS):
            start = monotonic()
            response = self._blocking.send(request, self._enter(request))
            again = self._redirected(request, response, start)
            if again is None:
                return response
            request = again
        raise _lost_in_redirects(request)

    def pieces(self, request: HttpRequest) -> Generator[None, None, HttpResponse]:
        """The same, pausing after each piece of the answer; for a request with a `sink`. Closing the generator closes the connection."""
        for _ in range(_HOPS):
            start = monotonic()
            response = yield from self._blocking.pieces(request, self._enter(request))
            again = self._redirected(request, response, start)
            if again is None:
                return response
            request = again
        raise _lost_in_redirects(request)

    async def asend(self, request: HttpRequest) -> HttpResponse:
        """The same on the running event loop. Cancelling the task closes the connection."""
        for _ in range(_HOPS):
            start = monotonic()
            route = self._enter(request)
            response = await self._looping().send(request, route)
            again = self._redirected(request, response, start)
            if again is None:
                return response
            request = again
        raise _lost_in_redirects(request)

    def begin(self, request: HttpRequest, asker: Asker) -> Exchange | None:
        """Start what `asend` does, where no coroutine is needed for it (`Looping.begin`); `None` where one is."""
        return self._looping().begin(request, self._enter(request), asker)

    def close(self) -> None:
        """Close the idle connections. Requests under way go on, and the pool stays usable."""
        self._notice_fork()
        self._blocking.close()
        with self._lock:
            loops = list(self._loops.items())
        for loop, looping in loops:
            if not loop.is_closed():
                loop.call_soon_threadsafe(looping.close)

    def _enter(self, request: HttpRequest) -> Route:
        """Everything that can be refused before any I/O."""
        route = self._routes.get(request.url)
        if route is None:
            route = self._read(request.url)
        refuse_remote(route.host, route.port)
        if request.timeout is not None and not request.timeout > 0:
            raise ConfigurationError(f"The timeout is {request.timeout!r} seconds; expected a positive number, or None for no deadline.")
        if self._pid != os.getpid():
            self._notice_fork()
        return route

    def _read(self, url: str) -> Route:
        if len(self._routes) >= _ROUTES:
            self._routes.clear()
        return self._routes.setdefault(url, route_of(url, self._proxies))

    def _looping(self) -> Looping:
        import asyncio  # noqa: PLC0415 - the blocking path must not import it

        loop = asyncio.get_running_loop()
        return self._loops.get(loop) or self._new_looping(loop)

    def _new_looping(self, loop: asyncio.AbstractEventLoop) -> Looping:
        from whet.core.http.looping import Looping  # noqa: PLC0415 - the blocking path must not import asyncio

        with self._lock:
            # A plain dict, because a value holds its key: a weak one would free nothing. Closed loops go here.
            self._loops = {known: looping for known, looping in self._loops.items() if not known.is_closed()}
            return self._loops.setdefault(loop, Looping(loop, self._secure))

    def _notice_fork(self) -> None:
        """In a child process: let go of the parent's connections without a word to the servers."""
        if self._pid == os.getpid():
            return
        self._pid, self._lock = os.getpid(), Lock()
        self._secure.unlock()
        self._blocking.after_fork()
        # The parent's transports are kept, untouched: to close or collect one here would talk on the parent's connection.
        self._inherited.append(self._loops)
        self._loops = {}

    def _redirected(self, request: HttpRequest, response: HttpResponse, start: float) -> HttpRequest | None:
        """The request to send instead, or `None`."""
        followed = (301, 302, 303, 307, 308) if request.method == "GET" else (307, 308)
        location = response.headers.get("location") if response.status in followed else None
        if location is None:
            return None
        from urllib.parse import urljoin  # noqa: PLC0415 - few answers redirect

        url = urljoin(request.url, location)
        try:
            here, there = self._read(request.url), self._read(url)
        except ConfigurationError:
            return None
        if (here.tls, here.host, here.port) != (there.tls, there.host, there.port):
            return None
        left = None if request.timeout is None else max(request.timeout - (monotonic() - start), 0.001)
        return replace(request, url=url, timeout=left)


class _Secure:
    """The TLS context of a pool, made when first asked for."""

    __slots__ = ("_context", "_lock")

    def __init__(self) -> None:
        self._context: SSLContext | None = None
        self._lock = Lock()

    def __call__(self) -> SSLContext:
        from whet.core.http.tls import client_context  # noqa: PLC0415 - plain http must not import ssl

        with self._lock:
            if self._context is None:
                self._context = client_context()
            return self._context

    def unlock(self) -> None:
        """After a fork: no thread of this process holds the lock."""
        self._lock = Lock()


def _lost_in_redirects(request: HttpRequest) -> LMTransportError:
    return LMTransportError(f"{request!r} was redirected {_HOPS} times: is the server's own address set rightly?")


@cache
def _shared() -> Pool:
    return Pool()


def send(request: HttpRequest) -> HttpResponse:
    """`Pool.send` on the pool that the whole program shares."""
    return _shared().send(request)


def pieces(request: HttpRequest) -> Generator[None, None, HttpResponse]:
    """`Pool.pieces` on the pool that the whole program shares."""
    return _shared().pieces(request)


def close_idle() -> None:
    """`Pool.close` on the pool that the whole program shares."""
    _shared().close()


def asend(request: HttpRequest) -> Coroutine[Any, Any, HttpResponse]:
    """`Pool.asend` on the pool that the whole program shares."""
    return _shared().asend(request)


def begin(request: HttpRequest, asker: Asker) -> Exchange | None:
    """`Pool.begin` on the pool that the whole program shares."""
    return _shared().begin(request, asker)
