"""Read one HTTP/1.1 answer from bytes that come in any pieces; knows no socket."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from whet.core.http import fault
from whet.core.http.inflate import Inflater
from whet.core.http.message import HttpResponse

__all__ = ["BODY_LIMIT", "ERROR_LIMIT", "HEAD_LIMIT", "AnswerReader"]

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 256 * 1024 * 1024
# Of an answer that is no success, so much is read: what it says is at its beginning.
ERROR_LIMIT = 1024 * 1024
_LINE_LIMIT = 4096
_OPENING = b"HTTP/1."
_HEX = re.compile(rb"[0-9a-fA-F]{1,15}")
_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)


class AnswerReader:
    """`feed` bytes until it says True, then take `response()`. At the end of the stream, `end()` says whether that was the end of the body.

    `started`: a byte has come. `keep`: the connection can carry another request. `where` names the other side in errors. Raises
    `LMTransportError` for what is no HTTP, `LMUnexpectedError` beyond the limits: `HEAD_LIMIT` for the headers, `limit` bytes for a
    collected body (decoded; a `sink` may get any amount). The body of an answer that is no success is cut at `ERROR_LIMIT` instead.

    >>> reader = AnswerReader("host:80")
    >>> reader.feed(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n"), reader.feed(b"\\r\\nhel"), reader.feed(b"lo")
    (False, False, True)
    >>> reader.response().body
    b'hello'
    """

    __slots__ = (
        "headers", "keep", "started", "status",
        "_held", "_inflater", "_left", "_limit", "_method", "_phase", "_pieces", "_refused", "_sink", "_size", "_step", "_where",
    )  # fmt: skip

    def __init__(self, where: str, method: str = "GET", sink: Callable[[bytes], None] | None = None, limit: int = BODY_LIMIT) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.keep = False
        self.started = False
        self._where = where
        self._method = method
        self._sink = sink  # cleared when the answer turns out not to be a 2xx
        self._limit = limit
        self._held = b""
        self._pieces: list[bytes] = []
        self._left = 0
        self._size = 0
        self._refused = 0
        self._phase = _SIZE
        self._inflater: Inflater | None = None
        # A plain function, not a bound method: that would be a reference cycle for each request.
        self._step: Callable[[AnswerReader, bytes], bool] = AnswerReader._read_head

    def feed(self, data: bytes) -> bool:
        """Take the next bytes (not empty); True when the answer is complete."""
        self.started = True
        done = self._step(self, data)
        if self._sink is not None:
            self._deliver(done)
        elif not done and self.status >= 300:
            self._refused += len(data)
            if self._refused > ERROR_LIMIT:
                self.keep = False
                return True
        return done

    def end(self) -> bool:
        """The stream ended: True if that is how this body ends, else `LMTransportError`."""
        if self._step is not AnswerReader._read_to_end:
            raise fault.early_end(self._where, started=self.started)
        if self._sink is not None:
            self._deliver(True)
        return True

    def response(self) -> HttpResponse:
        """The complete answer."""
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._inflater is not None and self._sink is None:
            body = self._inflater.feed(body) + self._inflater.finish() if body else body
        return HttpResponse(self.status, self.headers, body)

    def _deliver(self, done: bool) -> None:
        """Hand the pieces to the sink; before the head is read there are none."""
        sink, inflater = self._sink, self._inflater
        if self._pieces and sink is not None:
            data = b"".join(self._pieces)
            self._pieces.clear()
            if inflater is not None:
                data = inflater.feed(data)
            if data:
                sink(data)
        if done and inflater is not None:
            inflater.finish()

    def _read_head(self, data: bytes) -> bool:
        held = self._held
        if held:
            data = held + data
        while (end := data.find(b"\r\n\r\n", len(held) - 3 if len(held) > 3 else 0)) >= 0:
            held = b""
            if end > HEAD_LIMIT:
                raise fault.too_large(self._where, "headers", HEAD_LIMIT)
            lines = data[:end].decode("latin-1").split("\r\n")
            data = data[end + 4 :]
            newer = self._read_status(lines)
            if self.status >= 200:
                self._held = b""
                self._read_headers(lines)
                self._choose_body(newer)
                return self._step(self, data) if data or self._step is _nothing_more else False
            if self.status == 101:
                raise fault.garbage(self._where, "it wants to switch protocols (101), which was not asked for")
        if not data.startswith(_OPENING[: len(data)]):
            raise fault.garbage(self._where, f"the answer starts with {data[:16]!r}")
        if len(data) > HEAD_LIMIT:
            raise fault.too_large(self._where, "headers", HEAD_LIMIT)
        self._held = data
        return False

    def _read_status(self, lines: list[str]) -> bool:
        """Set `status`; True for HTTP/1.1, False for 1.0."""
        version, _, rest = lines[0].partition(" ")
        code = rest[:3]
        if version not in ("HTTP/1.1", "HTTP/1.0") or len(code) != 3 or not code.isdecimal() or rest[3:4] not in ("", " ") or code < "100":
            raise fault.garbage(self._where, f"the answer starts with {lines[0][:40]!r}")
        self.status = int(code)
        return version == "HTTP/1.1"

    def _read_headers(self, lines: list[str]) -> None:
        headers = self.headers
        for line in lines[1:]:
            name, value = _header_in(line)
            if not name:
                raise fault.garbage(self._where, "a header line without a name")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value

    def _choose_body(self, newer: bool) -> None:
        """Decide how the body is framed, and whether the connection lives on after it."""
        headers, status = self.headers, self.status
        if status >= 300:
            self._sink = None
        connection = headers.get("connection")
        self.keep = newer if connection is None else _keeps(connection.lower(), newer)
        if "content-encoding" in headers:
            self._inflater = Inflater.of(headers["content-encoding"], self._where, None if self._sink is not None else self._limit)
            if self._inflater is not None and status >= 300:
                self._inflater.cut_at(ERROR_LIMIT)
        if status == 204 or status == 304 or self._method == "HEAD" or self._method == "CONNECT":
            self._step, self._inflater = _nothing_more, None
        elif "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise fault.garbage(self._where, "a transfer encoding other than chunked")
            self.keep = self.keep and "content-length" not in headers
            self._step = AnswerReader._read_chunks
        elif "content-length" in headers:
            self._left = self._length(headers["content-length"])
            self._step = AnswerReader._read_sized if self._left else _nothing_more
        else:
            self.keep = False
            self._step = AnswerReader._read_to_end

    def _length(self, text: str) -> int:
        if not (text.isdecimal() and len(text) < 16):
            same = {part.strip() for part in text.split(",")}
            text = same.pop()
            if same or not (text.isdecimal() and len(text) < 16):
                raise fault.garbage(self._where, "a content length that is no number")
        size = int(text)
        self._count(size)
        return size

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._limit and self._sink is None and self.status < 300:
            raise fault.too_large(self._where, "a body", self._limit)

    def _read_sized(self, data: bytes) -> bool:
        left = self._left - len(data)
        if left < 0:
            data, left, self.keep = data[: self._left], 0, False
        self._left = left
        self._pieces.append(data)
        return left == 0

    def _read_to_end(self, data: bytes) -> bool:
        self._count(len(data))
        self._pieces.append(data)
        return False

    def _read_chunks(self, data: bytes) -> bool:
        if self._held:
            data, self._held = self._held + data, b""
        at, end = 0, len(data)
        while at < end:
            if self._phase == _DATA:
                piece = data[at : at + self._left]
                self._pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
                if self._left == 0:
                    self._phase = _DATA_END
                continue
            stop = data.find(b"\r\n", at)
            if stop < 0:
                self._hold(data[at:])
                return False
            if self._take_line(data[at:stop]):
                self.keep = self.keep and stop + 2 == end
                return True
            at = stop + 2
        return False

    def _hold(self, line: bytes) -> None:
        """Keep the beginning of a line until the rest comes."""
        if len(line) > _LINE_LIMIT:
            raise fault.garbage(self._where, "an endless line between chunks")
        if self._phase == _DATA_END and line != b"\r":
            raise fault.garbage(self._where, "a chunk longer than it said")
        self._held = line

    def _take_line(self, line: bytes) -> bool:
        """One line between the chunks; True for the one that ends the answer."""
        if self._phase == _DATA_END:
            if line:
                raise fault.garbage(self._where, "a chunk longer than it said")
            self._phase = _SIZE
        elif self._phase == _TRAILERS:
            self._left += len(line)
            if self._left > HEAD_LIMIT:
                raise fault.too_large(self._where, "trailers", HEAD_LIMIT)
            return not line
        else:
            text = line.partition(b";")[0].strip()
            if not _HEX.fullmatch(text):
                raise fault.garbage(self._where, "a chunk without a size")
            self._left = int(text, 16)
            self._count(self._left)
            self._phase = _DATA if self._left else _TRAILERS
        return False


@lru_cache(maxsize=512)
def _header_in(line: str) -> tuple[str, str]:
    """Name and value of a header line; no name where there is none. A server sends most of its lines with each answer."""
    name, colon, value = line.partition(":")
    return ("", "") if not colon or name[:1] in ("", " ", "\t") else (name.lower(), value.strip(" \t"))


def _nothing_more(reader: AnswerReader, data: bytes) -> bool:
    """The step of an answer without a body; what comes in spite of that spoils the connection."""
    if data:
        reader.keep = False
    return True


def _keeps(connection: str, newer: bool) -> bool:
    words = {word.strip() for word in connection.split(",")}
    return "close" not in words and (newer or "keep-alive" in words)
