"""Cuts a body of JSON lines (NDJSON) from bytes that come in any pieces."""

from __future__ import annotations

from whet.core.sse import EVENT_LIMIT
from whet.errors import LMUnexpectedError

__all__ = ["Lines"]


class Lines:
    """`feed` bytes, get the lines they complete as `("line", bytes)`; empty lines are skipped.

    >>> lines = Lines()
    >>> lines.feed(b'{"a": 1}\\n{"b"'), lines.feed(b': 2}\\n')
    ([('line', b'{"a": 1}')], [('line', b'{"b": 2}')])
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """The lines that these bytes complete. Raises `LMUnexpectedError` for one that is larger than an event may be."""
        held = self._held
        whole: list[bytes] = []
        if b"\n" in chunk:
            first, *whole, chunk = chunk.split(b"\n")
            whole.insert(0, bytes(held) + first)
            held.clear()
        held += chunk
        if len(held) > EVENT_LIMIT:
            raise LMUnexpectedError(f"The server sent a line of more than {EVENT_LIMIT:,} bytes, the limit. Is it the right endpoint?")
        return [("line", line) for line in map(bytes.strip, whole) if line]

    def finish(self) -> list[tuple[str, bytes]]:
        """The last line, if the server left out its end."""
        last = bytes(self._held).strip()
        self._held.clear()
        return [("line", last)] if last else []
