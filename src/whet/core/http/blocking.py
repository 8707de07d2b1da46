"""The blocking driver: one socket per exchange, from any number of threads. Imports no asyncio, and ssl only for https."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Generator
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from whet.core.http import fault
from whet.core.http.dial import CONNECT_SECONDS, Tunnel, attempts, spelled_out
from whet.core.http.message import HttpRequest, HttpResponse, encode
from whet.core.http.parser import AnswerReader
from whet.core.http.route import Route
from whet.core.http.shelf import Shelf, idle_seconds
from whet.errors import LMTimeoutError, LMTransportError

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Blocking"]

# So long after an answer, few servers close a connection; one that did is noticed by the request, which then takes another.
WARM_SECONDS = 0.5
GLANCE_SECONDS = 0.1
_PIECE = 64 * 1024
_Waiter: TypeAlias = Callable[[float | None], bool]


class Blocking:
    """Sends requests over blocking sockets. `secure` gives the TLS context when one is needed."""

    def __init__(self, secure: Callable[[], SSLContext]) -> None:
        self._secure = secure
        self._shelf: Shelf[_Line] = Shelf()

    def send(self, request: HttpRequest, route: Route) -> HttpResponse:
        """One exchange. Whatever interrupts it, `KeyboardInterrupt` included, closes the connection."""
        now = monotonic()
        until = _Deadline(now, request.timeout, route.where, request.glance)
        payload = encode(request, route)
        line = self._shelf.take(route.key, now)
        fresh = line is None
        while True:
            if line is None:
                line = self._open(route, until)
            reader = AnswerReader(route.where, request.method, request.sink)
            try:
                line.exchange(payload, reader, until)
            except LMTransportError:
                line.close()
                if fresh or reader.started:
                    raise
                # The server had closed this kept connection just as we wrote to it: it never saw the request.
                line, fresh = None, True
                continue
            except BaseException:
                line.close()
                raise
            self._put_back(line, route.key, reader)
            return reader.response()

    def pieces(self, request: HttpRequest, route: Route) -> Generator[None, None, HttpResponse]:
        """The same exchange, pausing after each piece that came, so that who pulls it can look at what its sink got. Closing the
        generator closes the connection."""
        now = monotonic()
        until = _Deadline(now, request.timeout, route.where, request.glance)
        payload = encode(request, route)
        line = self._shelf.take(route.key, now)
        fresh = line is None
        while True:
            if line is None:
                line = self._open(route, until)
            reader = AnswerReader(route.where, request.method, request.sink)
            try:
                yield from line.pieces(payload, reader, until)
            except LMTransportError:
                line.close()
                if fresh or reader.started:
                    raise
                line, fresh = None, True
                continue
            except BaseException:
                line.close()
                raise
            self._put_back(line, route.key, reader)
            return reader.response()

    def close(self) -> None:
        """Close the idle connections."""
        self._shelf.clear()

    def after_fork(self) -> None:
        """In a child process: close its copies of the parent's idle sockets, which the parent does not notice."""
        idle, self._shelf = self._shelf, Shelf()
        idle.abandon()

    def _put_back(self, line: _Line, key: str, reader: AnswerReader) -> None:
        if not reader.keep:
            line.close()
            return
        now = monotonic()
        line.expires, line.warm_until = now + idle_seconds(reader), now + WARM_SECONDS
        self._shelf.give(key, line, now)

    def _open(self, route: Route, until: _Deadline) -> _Line:
        until = until.within(CONNECT_SECONDS)
        sock = None
        try:
            sock = _dial(*route.dial, until)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if route.tls:
                if route.proxy:
                    _Line(sock, route.where).exchange(route.tunnel(), Tunnel(route), until)
                sock.settimeout(until.left())
                sock = self._secure().wrap_socket(sock, server_hostname=route.host)
        except OSError as error:
            _drop(sock)
            raise fault.no_connection(error, route.where) from error
        except BaseException:
            _drop(sock)
            raise
        return _Line(sock, route.where)


class _Line:
    """A connected socket that may be used again. It never blocks by itself; waiting is done here, with one system call and a deadline."""

    __slots__ = ("_decrypted", "_readable", "expires", "sock", "warm_until", "where")

    def __init__(self, sock: socket.socket, where: str) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.where = where
        self.expires = 0.0
        self.warm_until = 0.0
        self._readable = _waiter(sock)
        # Bytes that TLS has read from the socket already are invisible to poll.
        self._decrypted: Callable[[], int] | None = getattr(sock, "pending", None)

    def quiet(self) -> bool:
        # To look costs a system call, for which a thread lets all others go first; a line used just now is tried without.
        return monotonic() < self.warm_until or not self._readable(0.0)

    def close(self) -> None:
        self.sock.close()

    def exchange(self, payload: bytes, reader: AnswerReader, until: _Deadline) -> None:
        """Send a request and feed the answer to `reader`."""
        heard_all = self._write(payload, until)
        while data := self._read(until):
            if reader.feed(data):
                reader.keep = reader.keep and heard_all
                return
        reader.end()

    def pieces(self, payload: bytes, reader: AnswerReader, until: _Deadline) -> Generator[None, None, None]:
        """The same, pausing after each piece."""
        heard_all = self._write(payload, until)
        while data := self._read(until):
            if reader.feed(data):
                reader.keep = reader.keep and heard_all
                return
            yield
        reader.end()

    def _write(self, payload: bytes, until: _Deadline) -> bool:
        """Send it all; False if the other side stopped listening, which may have answered all the same (413)."""
        sent = 0
        while sent < len(payload):
            try:
                sent += self.sock.send(payload if sent == 0 else memoryview(payload)[sent:])
            except OSError as error:
                if isinstance(error, (BrokenPipeError, ConnectionResetError)):
                    return False
                self._wait_for(error, until, write=True)
        return True

    def _read(self, until: _Deadline) -> bytes:
        if self._decrypted is None or not self._decrypted():
            self._wait(self._readable, until)
        while True:
            try:
                return self.sock.recv(_PIECE)
            except OSError as error:
                self._wait_for(error, until, write=False)

    def _wait_for(self, error: OSError, until: _Deadline, *, write: bool) -> None:
        """Wait for what an operation said it needs (under TLS a read may need to write, too); any other error ends the exchange."""
        name = type(error).__name__
        if name == "SSLWantReadError":
            write = False
        elif name == "SSLWantWriteError":
            write = True
        elif not isinstance(error, BlockingIOError):
            raise fault.broken(error, self.where) from error
        self._wait(_waiter(self.sock, write=True) if write else self._readable, until)

    def _wait(self, ready: _Waiter, until: _Deadline) -> None:
        if until.glance is not None:
            while not ready(min(until.left() or GLANCE_SECONDS, GLANCE_SECONDS)):
                until.glance()
            return
        left = until.left()
        if not ready(left):
            raise until.passed()


class _Deadline:
    """The end of an exchange on the monotonic clock."""

    __slots__ = ("_at", "_seconds", "glance", "where")

    def __init__(self, start: float, seconds: float | None, where: str, glance: Callable[[], None] | None = None) -> None:
        self._at = None if seconds is None else start + seconds
        self._seconds = seconds
        self.where = where
        self.glance = glance

    def left(self) -> float | None:
        """Seconds left, `None` for no end. Raises `LMTimeoutError` when none are."""
        if self._at is None:
            return None
        left = self._at - monotonic()
        if left <= 0:
            raise self.passed()
        return left

    def within(self, seconds: float) -> _Deadline:
        """The earlier of this one and `seconds` from now."""
        left = self.left()
        return self if left is not None and left <= seconds else _Deadline(monotonic(), seconds, self.where, self.glance)

    def passed(self) -> LMTimeoutError:
        """The error that says so."""
        return fault.no_time(self.where, self._seconds)


def _dial(host: str, port: int, until: _Deadline) -> socket.socket:
    addresses = spelled_out(host, port) or list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    failed = OSError("the name has no address")
    for (family, kind, protocol, _, address), seconds in attempts(addresses, until.left() or CONNECT_SECONDS):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(seconds, until.left() or seconds))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failed = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failed


def _drop(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()


def _waiter(sock: socket.socket, *, write: bool = False) -> _Waiter:
    """Waits so many seconds (`None`: for ever) until the socket can be read (the end of the stream counts) or written; False if not."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLOUT if write else select.POLLIN)
        return lambda seconds: bool(poll.poll(None if seconds is None else seconds * 1000))
    read, written = ([], [sock]) if write else ([sock], [])
    return lambda seconds: any(select.select(read, written, [], seconds))
