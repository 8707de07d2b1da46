"""Split a stream of server-sent events (WHATWG HTML, section 9.2) from bytes that come in any pieces."""

from __future__ import annotations

from whet.errors import LMUnexpectedError

__all__ = ["EVENT_LIMIT", "EventStream"]

EVENT_LIMIT = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventStream:
    """`feed` bytes, get the events that they complete as (name, data): the name is `"message"` where the server gave none.

    Lines may end in LF, CR LF or CR; comments, `id`, `retry` and unknown fields are skipped, and so are events without data. Raises
    `LMUnexpectedError` for an event of more than `limit` bytes.

    >>> stream = EventStream()
    >>> stream.feed(b"event: delta\\ndata: {}\\n\\nda"), stream.feed(b"ta: [DONE]\\n\\n")
    ([('delta', b'{}')], [('message', b'[DONE]')])
    """

    __slots__ = ("_after_cr", "_begun", "_held", "_limit", "_seen")

    def __init__(self, limit: int = EVENT_LIMIT) -> None:
        self._held = bytearray()  # the beginning of an event, with LF line ends
        self._seen = 0  # so much of it holds no end of an event
        self._after_cr = False
        self._begun = False
        self._limit = limit

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """Take the next bytes; the events they complete, in order."""
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_lf(chunk)
        held = self._held
        if held:
            held += chunk
            if held.find(b"\n\n", self._seen) < 0:
                return self._wait()
            chunk = bytes(held)
            held.clear()
        if not self._begun:
            if len(chunk) < 3 and _BOM.startswith(chunk):
                held += chunk
                return []
            chunk, self._begun = chunk.removeprefix(_BOM), True
        blocks = chunk.split(b"\n\n")
        rest = blocks.pop()
        if rest:
            held += rest
            self._wait()
        return [event for block in blocks if (event := _event(block)) is not None]

    def finish(self) -> list[tuple[str, bytes]]:
        """The stream ended: the last event, from servers that leave out the empty line after it."""
        event = _event(bytes(self._held).removeprefix(_BOM))
        self._held.clear()
        return [] if event is None else [event]

    def _wait(self) -> list[tuple[str, bytes]]:
        size = len(self._held)
        if size > self._limit:
            raise LMUnexpectedError(f"The server sent an event of more than {self._limit:,} bytes, the limit. Is it the right endpoint?")
        self._seen = max(size - 1, 0)
        return []

    def _with_lf(self, chunk: bytes) -> bytes:
        """All line ends as LF. A CR at the end counts at once; the LF that may follow in the next piece is dropped then."""
        if self._after_cr and chunk:
            chunk, self._after_cr = chunk.removeprefix(b"\n"), False
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _event(block: bytes) -> tuple[str, bytes] | None:
    if block.startswith(b"data:") and b"\n" not in block:
        return "message", block[6:] if block[5:6] == b" " else block[5:]
    name, data = b"", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return (name.decode("utf-8", "replace") or "message", b"\n".join(data)) if data else None
