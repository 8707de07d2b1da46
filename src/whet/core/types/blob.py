"""Bytes by reference: named by their SHA-256, encoded once per process, read from disk only when they are sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from whet.errors import InputError, StateError

__all__ = ["SHELF", "Blob", "Shelf"]


class Blob:
    """Some bytes, known as such, as base64 text, or by digest only (then the shelf finds them); the other forms are made when asked for."""

    __slots__ = ("__weakref__", "_base64", "_bytes", "_digest")

    def __init__(self, *, data: bytes | None = None, text: str | None = None, digest: str | None = None) -> None:
        self._bytes, self._base64, self._digest = data, text, digest

    @property
    def digest(self) -> str:
        """`sha256:` and the hash of the bytes; of the text where it is no base64."""
        if self._digest is None:
            try:
                raw = self.bytes
            except InputError:
                raw = (self._base64 or "").encode()
            self._digest = "sha256:" + hashlib.sha256(raw).hexdigest()
            SHELF.know(self)
        return self._digest

    @property
    def bytes(self) -> bytes:
        """The bytes. Raises `InputError` where the text is no base64, `StateError` where nobody has the bytes of the digest."""
        if self._bytes is None:
            if self._base64 is None:
                self._bytes = SHELF.find(str(self._digest)).bytes
            else:
                try:
                    return base64.b64decode(self._base64, validate=False)
                except binascii.Error as error:
                    raise InputError(f"The data is no base64 text ({error}); it begins with {self._base64[:40]!r}.") from None
        return self._bytes

    @property
    def base64(self) -> str:
        """The bytes in base64, encoded once: equal bytes share the text."""
        if self._base64 is None:
            other = SHELF.encoded(self)
            self._base64 = other if other is not None else base64.b64encode(self.bytes).decode("ascii")
        return self._base64

    @property
    def is_encoded(self) -> bool:
        """Whether the base64 text is there already."""
        return self._base64 is not None

    @property
    def size(self) -> int:
        """Characters of the base64 text, without making it."""
        if self._base64 is not None:
            return len(self._base64)
        return 4 * ((len(self._bytes) + 2) // 3) if self._bytes is not None else 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Blob):
            return NotImplemented
        return self is other or self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


class Shelf:
    """Who has the bytes of a digest: blobs that are alive in this process, and folders of saved programs."""

    def __init__(self) -> None:
        self._alive: weakref.WeakValueDictionary[str, Blob] = weakref.WeakValueDictionary()
        self._folders: list[Path] = []
        self._lock = threading.Lock()

    def know(self, blob: Blob) -> None:
        """Remember a blob while it lives; the first of equal ones."""
        with self._lock:
            known = self._alive.get(blob.digest)
            if known is None or (blob.is_encoded and not known.is_encoded):
                self._alive[blob.digest] = blob

    def encoded(self, blob: Blob) -> str | None:
        """The base64 text of equal bytes, if somebody has encoded them."""
        known = self._alive.get(blob.digest)
        return known.base64 if known is not None and known is not blob and known.is_encoded else None

    def look_in(self, folder: Path) -> None:
        """Look for bytes in this folder too."""
        with self._lock:
            if folder not in self._folders:
                self._folders.append(folder)

    def find(self, digest: str) -> Blob:
        """The blob of a digest. Raises `StateError` where nobody has it."""
        known = self._alive.get(digest)
        if known is not None and (known._bytes is not None or known.is_encoded):
            return known
        for folder in self._folders:
            path = folder / digest.removeprefix("sha256:")
            if path.is_file():
                data = path.read_bytes()
                if "sha256:" + hashlib.sha256(data).hexdigest() == digest:
                    return Blob(data=data, digest=digest)
        raise StateError(
            f"The bytes of the media {digest[:19]}… are not here. They are saved beside the program, in its `.media` folder: "
            "keep the two together, or give the media anew."
        )

    def save(self, blobs: Iterable[Blob], folder: Path) -> None:
        """Write blobs into a folder, as readable as the program that it belongs to, each under its hash, and look there from now on."""
        for blob in blobs:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / blob.digest.removeprefix("sha256:")
            if not path.is_file():
                partial = path.with_suffix(f".{os.getpid()}")
                partial.write_bytes(blob.bytes)
                partial.replace(path)
        if folder.is_dir():
            self.look_in(folder)


SHELF: Final = Shelf()


def blobs_in(value: Any, depth: int = 0) -> Iterator[Blob]:
    """The blobs of all media inside a value."""
    blob = getattr(value, "blob", None)
    if isinstance(blob, Blob):
        yield blob
    elif isinstance(value, Mapping) and depth < 32:
        for part in value.values():
            yield from blobs_in(part, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)) and depth < 32:
        for part in value:
            yield from blobs_in(part, depth + 1)
    elif hasattr(type(value), "model_fields") and depth < 32:
        for name in type(value).model_fields:
            yield from blobs_in(getattr(value, name), depth + 1)
