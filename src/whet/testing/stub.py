"""`StubServer`: a real server on loopback that answers in a provider's format and fails on demand."""

from __future__ import annotations

import json
import re
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast
from zlib import crc32

from whet.core.exchange import Choice, Response, Usage
from whet.core.flow import start_thread
from whet.errors import ConfigurationError
from whet.lm.lm import LM
from whet.testing.aws_formats import FORMATS
from whet.testing.formats import Format

__all__ = ["Received", "StubServer"]

FAULTS: Final = ("drop", "drop_early", "slow", "garbage", "html", "huge", "endless", "duplicate", "empty")
ENDLESS: Final = 10**10
# How the LM of each format is named and typed.
NAMES: Final = {
    "openai": ("openai/stub", "chat"),
    "text": ("openai/stub", "text"),
    "responses": ("openai/stub", "responses"),
    "anthropic": ("anthropic/stub", "chat"),
    "gemini": ("gemini/stub", "chat"),
    "ollama": ("ollama_chat/stub", "chat"),
    "bedrock": ("bedrock/stub", "chat"),
    "sagemaker": ("sagemaker/stub", "chat"),
}
USAGE: Final = Usage(input_tokens=12, output_tokens=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived.

    >>> with StubServer("openai", lambda received: f"{received.path} {received.body['model']}") as stub:
    ...     stub.lm()("Hi")
    ['/v1/chat/completions stub']
    """

    path: str
    headers: dict[str, str]
    body: Any
    at: float


class StubServer:
    """A server for a `with` block, in the format `openai` (chat), `responses`, `text`, `anthropic`, `gemini`, `ollama`, `bedrock` or
    `sagemaker`.

    `answer` is a text, a `Response`, or a function of what was `Received`. `faults` are spent one per request, in order: `"429"` or
    `"429:0.5"` (with Retry-After), `"500"` or any other status, `"drop"` (closes in the middle), `"drop_early"` (closes before the first
    token), `"slow"` (a piece every 20 ms), `"garbage"` (damaged JSON), `"html"` (wrong content type), `"huge"` (20 MB in one piece),
    `"endless"` (10 GB are announced and begun), `"duplicate"` (the last piece twice), `"empty"`; `None` is no fault. `delay` in seconds
    comes before each answer.

    >>> with StubServer("openai", "Hello") as stub:
    ...     stub.lm()("Hi")
    ['Hello']
    """

    def __init__(
        self,
        format: str = "openai",
        answer: str | Response | Callable[[Received], str | Response] = "Hello from the stub server",
        *,
        faults: Iterable[str | None] = (),
        delay: float = 0.0,
    ) -> None:
        if format not in FORMATS:
            raise ConfigurationError(f"There is no stub for {format!r}. There is one for {', '.join(sorted(FORMATS))}.")
        self.format: Format = FORMATS[format]
        self.received: list[Received] = []
        self.most_at_once = 0
        self.delay = delay
        self._name, self._model_type = NAMES[format]
        self._answer = answer
        self._faults: Iterator[str | None] = iter(faults)
        self._lock = threading.Lock()
        self._under_way = 0
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> StubServer:
        self._server = _Server(self)
        start_thread(Future(), lambda: self._server.serve_forever(0.02) if self._server else None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def api_base(self) -> str:
        """The base URL."""
        if self._server is None:
            raise ConfigurationError("The stub server runs inside its `with` block only.")
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.format.base}"

    @property
    def count(self) -> int:
        """How many requests came."""
        return len(self.received)

    def lm(self, **options: Any) -> LM:
        """An LM that asks this server; without cache and retries unless `options` say otherwise."""
        here = {"api_base": self.api_base, "model_type": self._model_type}
        signed = {"aws_access_key_id": "stub", "aws_secret_access_key": "sk-stub"}
        keys = signed if self._name.startswith("sagemaker") else {"api_key": "sk-stub"}
        given = {**here, **keys, "cache": False, "num_retries": 0, **options}
        return LM(given.pop("model", self._name), **given)

    # -- for the handler -----------------------------------------------------------------------------------------------

    def take(self, received: Received) -> tuple[Response, str | None]:
        """Note a request; its answer and fault."""
        with self._lock:
            self.received.append(received)
            fault = next(self._faults, None)
        given = self._answer(received) if callable(self._answer) else self._answer
        if isinstance(given, Response):
            return given, fault
        wanted = received.body.get("n", 1) if isinstance(received.body, dict) else 1
        return Response(choices=(Choice(text=given),) * wanted, usage=USAGE), fault

    def enter(self) -> None:
        """A request begins."""
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)

    def leave(self) -> None:
        """A request is over."""
        with self._lock:
            self._under_way -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, stub: StubServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stub = stub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    disable_nagle_algorithm = True

    @property
    def stub(self) -> StubServer:
        """Whose server this is."""
        return cast(_Server, self.server).stub

    def do_POST(self) -> None:
        """Answer."""
        self.stub.enter()
        try:
            self._answer()
        finally:
            self.stub.leave()

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(path=self.path, headers=headers, body=json.loads(raw or b"null"), at=time.monotonic())
        response, fault = self.stub.take(received)
        if fault == "huge":
            response = replace(response, choices=(Choice(text="x" * 20_000_000),))
        if self.stub.delay:
            time.sleep(self.stub.delay)
        if fault and fault[0].isdigit():
            self._refuse(fault)
        elif _wants_stream(received):
            self._stream(response, fault)
        else:
            self._whole(response, fault)

    def _refuse(self, fault: str) -> None:
        status, _, patience = fault.partition(":")
        body = json.dumps(self.stub.format.error(int(status), f"the stub answers {status}")).encode()
        self._send(int(status), body, **({"retry-after": patience} if patience else {}))

    def _whole(self, response: Response, fault: str | None) -> None:
        body = json.dumps(self.stub.format.whole(response)).encode()
        if fault in ("garbage", "empty"):
            body = body[: len(body) // 2] if fault == "garbage" else b""
        if fault == "endless":
            self._send(200, body, **{"content-length": str(ENDLESS)})
            self._babble(len(body))
        elif fault == "html":
            self._send(200, b"<html><body>Bad gateway</body></html>", **{"content-type": "text/html"})
        elif fault in ("drop", "drop_early"):
            self._send(200, body[: len(body) // 2], **{"content-length": str(len(body))})
            self.close_connection = True
        else:
            self._send(200, body)

    def _stream(self, response: Response, fault: str | None) -> None:
        if fault in ("html", "empty"):
            body = b"" if fault == "empty" else b"<html><body>Bad gateway</body></html>"
            self._send(200, body, **{"content-type": "text/html"})
            return
        self.send_response(200)
        self.send_header("content-type", self.stub.format.media)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        pieces = _faulty(list(self.stub.format.pieces(response)), fault)
        for piece in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if fault == "endless":
                begun = _begun(self.stub.format.media)
                self.wfile.write(b"%x\r\n%b" % (ENDLESS, begun))
                self._babble(len(begun))
                return
            if fault == "slow":
                time.sleep(0.02)
        if fault in ("drop", "drop_early"):
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _babble(self, sent: int) -> None:
        """The rest of what was announced, for as long as somebody listens."""
        self.close_connection = True
        piece = b"x" * 65536
        with suppress(OSError):
            while sent < ENDLESS:
                self.wfile.write(piece)
                sent += len(piece)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _wants_stream(received: Received) -> bool:
    if re.search(r"streamGenerateContent|converse-stream|response-stream|streamRawPredict", received.path):
        return True
    return isinstance(received.body, dict) and received.body.get("stream") is True


def _begun(media: str) -> bytes:
    """The beginning of an event that has no end."""
    if media == "application/vnd.amazon.eventstream":
        prelude = struct.pack(">II", 2**31, 32)
        return prelude + struct.pack(">I", crc32(prelude))
    return b"data: " if media == "text/event-stream" else b""


def _faulty(pieces: list[bytes], fault: str | None) -> list[bytes]:
    if fault == "drop":
        return pieces[: max(2, len(pieces) - 3)]
    if fault == "drop_early":
        return []
    if fault == "duplicate":
        return [*pieces, pieces[-1]]
    if fault == "garbage":
        middle = len(pieces) // 2
        return [*pieces[:middle], pieces[middle].replace(b'"', b"", 3), *pieces[middle + 1 :]]
    return pieces
