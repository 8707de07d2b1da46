"""Undo `content-encoding: gzip` and `deflate`, piece by piece and within a limit."""

from __future__ import annotations

from typing import Any

from whet.core.http import fault
from whet.errors import LMUnexpectedError

__all__ = ["Inflater"]


class Inflater:
    """Feed compressed bytes, get plain ones. `limit` bounds the whole plain text (`None`: no bound), so that a small answer cannot fill
    the memory."""

    def __init__(self, gzip: bool, where: str, limit: int | None) -> None:
        self._gzip, self._where, self._limit = gzip, where, limit
        self._size = 0
        self._cut = False
        self._stream: Any = None

    @classmethod
    def of(cls, coding: str, where: str, limit: int | None) -> Inflater | None:
        """The decoder for a content-encoding, `None` for identity. Raises `LMUnexpectedError` for one that is not known."""
        coding = coding.lower()
        if coding in ("", "identity"):
            return None
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise LMUnexpectedError(f"{where} sent a body in the coding {coding[:40]!r}; whet reads gzip, deflate and identity only.")
        return cls(coding != "deflate", where, limit)

    def cut_at(self, limit: int) -> None:
        """Take the beginning of the plain text and leave out the rest, whole or not."""
        self._limit, self._cut = limit, True

    def feed(self, data: bytes) -> bytes:
        """The plain bytes that these add."""
        import zlib  # noqa: PLC0415 - few answers are compressed

        out: list[bytes] = []
        while data:
            if self._stream is None:
                # Some servers send deflate without the zlib envelope that the standard wants.
                self._stream = zlib.decompressobj(31 if self._gzip else 15 if data[0] & 15 == 8 else -15)
            room = 0 if self._limit is None else self._limit - self._size + 1
            try:
                plain = self._stream.decompress(data, room)
            except zlib.error as error:
                raise fault.garbage(self._where, "a compressed body that cannot be read") from error
            self._size += len(plain)
            if self._limit is not None and self._size > self._limit:
                if self._cut:
                    return b"".join([*out, plain])
                raise fault.too_large(self._where, "a compressed body", self._limit)
            out.append(plain)
            data = self._stream.unused_data
            if self._stream.eof and data:
                self._stream = None
        return b"".join(out)

    def finish(self) -> bytes:
        """Nothing, if the compressed stream was whole; else `LMTransportError`."""
        if self._stream is not None and not self._stream.eof and not self._cut:
            raise fault.early_end(self._where, started=True)
        return b""
