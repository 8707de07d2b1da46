"""A server on loopback that says, byte for byte, what a test tells it to."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


class Talk:
    """One accepted connection; `number` counts from 1."""

    def __init__(self, sock: socket.socket, number: int, server: Server) -> None:
        self.sock, self.number, self.server = sock, number, server
        self.held = b""

    def request(self) -> tuple[str, bytes] | None:
        """The next request as (head, body), `None` at the end of the stream."""
        while b"\r\n\r\n" not in self.held:
            if not self._more():
                return None
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        size = re.search(r"(?im)^content-length: (\d+)", text)
        wanted = int(size[1]) if size else 0
        while len(self.held) < wanted:
            if not self._more():
                return None
        body, self.held = self.held[:wanted], self.held[wanted:]
        self.server.requests.append((text, body))
        return text, body

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait_for_end(self) -> bool:
        """True when the client closes the connection; False if it says something instead."""
        self.sock.settimeout(10)
        ended = not self._more()
        self.server.ended.set()
        return ended

    def _more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return False
        self.held += data
        return bool(data)


@dataclass
class Server:
    """What a running server has seen."""

    port: int = 0
    connections: int = 0
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    scheme: str = "http"
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/v1/chat"


@contextlib.contextmanager
def serving(script: Callable[[Talk], None], tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Server]:
    """Run `script` in a thread for each connection; the connection is closed when it returns."""
    listener = socket.create_server((host, 0), backlog=1024)
    server = Server(port=listener.getsockname()[1], scheme="https" if tls else "http", host=host)
    threads: list[threading.Thread] = []
    open_now: set[socket.socket] = set()

    def handle(sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            if tls:
                sock = tls.wrap_socket(sock, server_side=True)
            open_now.add(sock)
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                script(Talk(sock, number, server))
        sock.close()

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            thread = threading.Thread(target=handle, args=(sock, server.connections), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for sock in list(open_now):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)


def answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole answer with a content length."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def echo(talk: Talk) -> None:
    """Answer each request with its body, for as long as the client likes."""
    while (request := talk.request()) is not None:
        talk.send(answer(request[1] or b"empty"))


def once(raw: bytes) -> Callable[[Talk], None]:
    """A script that reads one request, says `raw`, and closes."""

    def script(talk: Talk) -> None:
        if talk.request() is not None:
            talk.send(raw)

    return script
