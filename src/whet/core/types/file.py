"""`File` and `Video`: documents of any type, and moving pictures, as field values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from whet.core.types.blob import Blob
from whet.core.types.media import Media, MediaContent, data_uri, download, read_file, refuse

__all__ = ["File", "Video"]

_FITS: Final = "a data URI, bytes, a dict with `file_data`, `file_id` or `filename`, or `File.from_path(...)`"
_KEYS: Final = ("file_data", "file_id", "filename")
_URL: Final = re.compile(r"(?:https?|gs)://\S+", re.IGNORECASE)


class File(Media):
    """A file for models that take documents: its bytes, a data URI, or its id at the provider. No I/O.

    >>> File.from_bytes(b"hello", filename="a.txt", mime_type="text/plain")
    File(file_data=<DATA_URI(text/plain, 31 chars)>, filename='a.txt')
    """

    __slots__ = ("filename",)
    kind: ClassVar[Any] = "file"
    filename: str | None

    def __init__(self, *source: Any, file_data: str | None = None, file_id: str | None = None, filename: str | None = None) -> None:
        if len(source) > 1:
            raise TypeError("A File takes one source.")
        given: dict[str, Any] = {"file_data": file_data, "file_id": file_id, "filename": filename}
        fields = self._fields(source[0]) if source else {}
        if fields.get("blob") is not None and file_data is not None:
            raise TypeError("`file_data` is given twice: in the source and as a keyword.")
        for name, value in fields.items():
            if value is not None and given.get(name) is not None:
                raise TypeError(f"`{name}` is given twice: in the source and as a keyword.")
            given[name] = value if value is not None else given.get(name)
        self._take(given)

    @classmethod
    def _fields(cls, source: Any) -> dict[str, Any]:
        if isinstance(source, File):
            return {"blob": source.blob, "mime": source.mime, "file_id": source.source, "filename": source.filename}
        if isinstance(source, (bytes, bytearray)):
            return {"blob": Blob(data=bytes(source)), "mime": "application/octet-stream"}
        if isinstance(source, str):
            if data_uri(source) is None:
                refuse(source, "file", _FITS)
            return {"file_data": source}
        if isinstance(source, Mapping) and "digest" in source:
            found = cls._of_reference(source)
            return {"blob": found.blob, "mime": found.mime, "filename": source.get("filename")}
        if not isinstance(source, Mapping) or not any(source.get(name) for name in _KEYS):
            refuse(source, "file", _FITS)
        return {name: source.get(name) for name in _KEYS}

    def _take(self, given: Mapping[str, Any]) -> None:
        blob, mime, data = given.get("blob"), given.get("mime") or "", given.get("file_data")
        if isinstance(data, str):
            mime, blob = data_uri(data) or ("application/octet-stream", Blob(text=data))
        if blob is None and not given["file_id"] and not given["filename"]:
            refuse(None, "file", _FITS)
        self._set(blob=blob, mime=mime or "application/octet-stream", source=given["file_id"])
        object.__setattr__(self, "filename", given["filename"])

    @property
    def file_data(self) -> str | None:
        """The bytes as a data URI."""
        return self.uri if self.blob is not None else None

    @property
    def file_id(self) -> str | None:
        """The file's id at the provider."""
        return self.source

    def media(self) -> MediaContent:
        """What a provider sends."""
        data = self.blob.base64 if self.blob is not None else None
        return MediaContent(mime=self.mime, data=data, file_id=self.source, filename=self.filename)

    def format(self) -> list[dict[str, Any]]:
        """The content block in OpenAI's form."""
        present = {"file_data": self.file_data, "file_id": self.file_id, "filename": self.filename}
        return [{"type": "file", "file": {name: value for name, value in present.items() if value is not None}}]

    def dumped(self) -> Any:
        """A reference: digest and type, or the id, with the name."""
        own: dict[str, Any] = {"digest": self.blob.digest, "mime": self.mime} if self.blob is not None else {"file_id": self.source}
        return {**own, "filename": self.filename} if self.filename else own

    @classmethod
    def validated(cls, value: Any) -> File:
        """A file from a file, a data URI, bytes, or a dict; no I/O."""
        return value if isinstance(value, File) else cls(value)

    @classmethod
    def from_path(cls, file_path: Any, filename: str | None = None, mime_type: str | None = None) -> File:
        """Read a file; its name and type are those of the path unless given. Raises `InputError` (a `ValueError`) where there is none."""
        data, guessed = read_file(file_path, "")
        return cls.from_bytes(data, filename or Path(file_path).name, mime_type or guessed or "application/octet-stream")

    @classmethod
    def from_bytes(cls, file_bytes: bytes, filename: str | None = None, mime_type: str = "application/octet-stream") -> File:
        """A file with these bytes."""
        new = object.__new__(cls)
        new._take({"blob": Blob(data=bytes(file_bytes)), "mime": mime_type, "file_id": None, "filename": filename})
        return new

    @classmethod
    def from_file_id(cls, file_id: str, filename: str | None = None) -> File:
        """A file that the provider has already."""
        return cls(file_id=file_id, filename=filename)

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self.filename)

    def __reduce__(self) -> Any:
        return _restored_file, (self.mime, self.source, self.filename, self.blob.bytes if self.blob is not None else None)

    def __repr__(self) -> str:
        shown = []
        if self.blob is not None:
            shown.append(f"file_data=<DATA_URI({self.mime}, {len(f'data:{self.mime};base64,') + self.blob.size} chars)>")
        if self.source:
            shown.append(f"file_id={self.source!r}")
        return f"File({', '.join([*shown, *([f'filename={self.filename!r}'] if self.filename else [])])})"


def _restored_file(mime: str, source: str | None, filename: str | None, data: bytes | None) -> File:
    new = object.__new__(File)
    new._take({"blob": Blob(data=data) if data is not None else None, "mime": mime, "file_id": source, "filename": filename})
    return new


class Video(Media):
    """A video for models that take one: a URL, a data URI or bytes. No I/O.

    >>> Video("https://example.com/cat.mp4").format()
    [{'type': 'video_url', 'video_url': {'url': 'https://example.com/cat.mp4'}}]
    """

    __slots__ = ()
    kind: ClassVar[Any] = "video"

    def __init__(self, source: Any, mime: str = "video/mp4") -> None:
        if isinstance(source, Mapping):
            source = Video._of_reference(source) if "digest" in source else source.get("url")
        found = data_uri(source) if isinstance(source, str) else None
        if isinstance(source, Video):
            self._set(blob=source.blob, mime=source.mime, source=source.source)
        elif isinstance(source, (bytes, bytearray)):
            self._set(blob=Blob(data=bytes(source)), mime=mime)
        elif found is not None:
            self._set(mime=found[0], blob=found[1])
        elif isinstance(source, str) and _URL.fullmatch(source):
            self._set(source=source, mime=mime)
        else:
            refuse(source, "video", "an http(s) or gs URL, a data URI, bytes, `Video.from_path(...)`, `Video.from_url(...)`")

    def format(self) -> list[dict[str, Any]]:
        """The content block that video models behind OpenAI's form take."""
        return [{"type": "video_url", "video_url": {"url": self.uri}}]

    @classmethod
    def validated(cls, value: Any) -> Video:
        """A video from a video, a URL, bytes, or a dict with `url`; no I/O."""
        return value if isinstance(value, Video) else cls(value)

    @classmethod
    def from_path(cls, file_path: Any) -> Video:
        """Read a video from a file. Raises `InputError` (a `ValueError`) where there is none."""
        data, mime = read_file(file_path, "video")
        return cls(data, mime or "video/mp4")

    @classmethod
    def from_url(cls, url: str, verify: bool = True, timeout: float | None = 30.0) -> Video:
        """Download a video (http and https only)."""
        data, mime = download(url, verify=verify, timeout=timeout)
        return cls(data, mime or "video/mp4")

    def __repr__(self) -> str:
        shown = self.source if self.blob is None else f"data:{self.mime};base64,<VIDEO_BASE_64_ENCODED({self.blob.size})>"
        return f"Video(url={shown})"
