"""Amazon's binary event stream (application/vnd.amazon.eventstream), from bytes that come in any pieces."""

from __future__ import annotations

import struct
from zlib import crc32

from whet.core.sse import EVENT_LIMIT
from whet.errors import LMTransportError, LMUnexpectedError

__all__ = ["AwsEvents", "frame"]

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_STRING = 7
# Bytes of a header's value by its type; strings and byte arrays carry their length.
_WIDTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class AwsEvents:
    """`feed` bytes, get the events that they complete as (event type, payload). Checksums are verified.

    >>> events = AwsEvents()
    >>> data = frame("metadata", b"{}")
    >>> events.feed(data[:10]), events.feed(data[10:])
    ([], [('metadata', b'{}')])
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """The events that these bytes complete. Raises `LMTransportError` for bytes that are no such stream, `LMUnexpectedError` for an
        event that is larger than one may be."""
        held = self._held
        held += chunk
        events = []
        while len(held) >= _PRELUDE.size:
            total, head, check = _PRELUDE.unpack_from(held)
            if crc32(held[:8]) != check or total < 16 or head > total - 16:
                raise LMTransportError("The event stream is damaged: the frame of an event does not fit its checksum. Try again.")
            if total > EVENT_LIMIT:
                raise LMUnexpectedError(
                    f"The server sent an event of more than {EVENT_LIMIT:,} bytes, the limit. Is it the right endpoint?"
                )
            if len(held) < total:
                break
            block = bytes(held[:total])
            del held[:total]
            if crc32(block[:-4]) != _CRC.unpack_from(block, total - 4)[0]:
                raise LMTransportError("The event stream is damaged: an event does not fit its checksum. Try again.")
            try:
                headers = _headers(block[12 : 12 + head])
            except (IndexError, struct.error):
                raise LMTransportError("The event stream is damaged: the headers of an event cannot be read. Try again.") from None
            name = headers.get(":event-type") or headers.get(":exception-type") or headers.get(":error-code") or ""
            if headers.get(":message-type") in ("exception", "error") and not name.lower().endswith("exception"):
                name += "Exception"
            events.append((name, block[12 + head : -4]))
        return events

    def finish(self) -> list[tuple[str, bytes]]:
        """Nothing more comes; half an event is none."""
        return []


def frame(name: str, payload: bytes, message_type: str = "event") -> bytes:
    """One event as bytes, as a server writes it."""
    kind = ":event-type" if message_type == "event" else ":exception-type"
    fields = {kind: name, ":content-type": "application/json", ":message-type": message_type}
    headers = b"".join(
        bytes([len(key)]) + key.encode() + bytes([_STRING]) + struct.pack(">H", len(value)) + value.encode()
        for key, value in fields.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + _CRC.pack(crc32(prelude)) + headers + payload
    return head + _CRC.pack(crc32(head))


def _headers(data: bytes) -> dict[str, str]:
    found, place = {}, 0
    while place < len(data):
        size = data[place]
        name = data[place + 1 : place + 1 + size].decode("utf-8", "replace")
        place += 1 + size
        kind, place = data[place], place + 1
        width = _WIDTHS.get(kind)
        if width is None:
            width, place = struct.unpack_from(">H", data, place)[0], place + 2
        if kind == _STRING:
            found[name] = data[place : place + width].decode("utf-8", "replace")
        place += width
    return found
