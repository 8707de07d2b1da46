"""`Image`: a picture as a field value."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from whet.core.types.blob import Blob
from whet.core.types.media import Media, data_uri, deprecated, download, read_file, refuse
from whet.errors import InputError

__all__ = ["Image"]

_URL: Final = re.compile(r"(?:https?|gs)://\S+", re.IGNORECASE)
_FITS: Final = (
    "an http(s) or gs URL, a data URI, the bytes of a picture, a PIL image, `Image.from_path(...)` for a file, "
    "`Image.from_url(...)` to download"
)
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"<svg", "image/svg+xml"),
)


class Image(Media):
    """A picture: a URL, a data URI, bytes, or a PIL image. Making one never touches disk or network, but for `Image(url, download=True)` of
    programs written for DSPy, which warns: use `Image.from_url(url)`, or `Image.from_file(path)`.

    Raises `InputError` (a `ValueError`) for strings that are none of these (a local path, for example) and for bytes that are no picture.

    >>> Image("https://example.com/cat.png")
    Image(url='https://example.com/cat.png')
    """

    __slots__ = ()
    kind: ClassVar[Any] = "image"

    def __init__(self, *source: Any, url: Any = None, download: Any = None, verify: Any = None) -> None:
        if len(source) > 1 or (source and url is not None):
            raise TypeError("An Image takes one source, positional or as `url=`, not both.")
        if not source and (download is not None or verify is not None):
            raise TypeError("`download` and `verify` go with a positional source only.")
        given = source[0] if source else url
        if download is not None or verify is not None:
            deprecated("`Image(..., download=, verify=)`", "`Image.from_url(...)`")
            if download and isinstance(given, str) and _URL.fullmatch(given):
                given = Image.from_url(given, verify=verify is not False)
        self._take(given)

    def _take(self, given: Any) -> None:
        if isinstance(given, Mapping) and "url" in given:
            given = given["url"]
            if isinstance(given, Mapping):
                given = given.get("url")
        if isinstance(given, Mapping) and "digest" in given:
            given = Image._of_reference(given)
        if isinstance(given, Image):
            self._set(blob=given.blob, mime=given.mime, source=given.source)
        elif isinstance(given, str):
            self._take_text(given)
        elif isinstance(given, (bytes, bytearray)):
            self._set(blob=Blob(data=bytes(given)), mime=_sniffed(bytes(given)))
        elif hasattr(given, "save") and hasattr(given, "mode"):
            form = getattr(given, "format", None) or "PNG"
            target = io.BytesIO()
            given.save(target, format=form)
            self._set(blob=Blob(data=target.getvalue()), mime=f"image/{form.lower()}")
        else:
            refuse(given, "image", _FITS)

    def _take_text(self, text: str) -> None:
        if text[:5].lower() == "data:" and (found := data_uri(text)) is not None:
            self._set(mime=found[0], blob=found[1])
        elif _URL.fullmatch(text):
            self._set(source=text, mime="image/*")
        else:
            refuse(text, "image", _FITS)

    @property
    def url(self) -> str:
        """The URL, or the bytes as a data URI."""
        return self.uri

    def format(self) -> list[dict[str, Any]]:
        """The content block in OpenAI's form."""
        return [{"type": "image_url", "image_url": {"url": self.uri}}]

    @classmethod
    def validated(cls, value: Any) -> Image:
        """An image from an image, a URL, bytes, or a dict with `url`; no I/O."""
        return value if isinstance(value, Image) else cls(value)

    @classmethod
    def from_url(cls, url: str, verify: bool = True, timeout: float | None = 30.0) -> Image:
        """Download a picture (http and https only; `timeout` in seconds, `verify=False` skips the certificate check)."""
        data, mime = download(url, verify=verify, timeout=timeout)
        return cls._of_bytes(data, mime)

    @classmethod
    def from_path(cls, file_path: Any) -> Image:
        """Read a picture from a file. Raises `InputError` (a `ValueError`) where there is none."""
        return cls._of_bytes(*read_file(file_path, "image"))

    @classmethod
    def _of_bytes(cls, data: bytes, mime: str) -> Image:
        new = object.__new__(cls)
        new._set(blob=Blob(data=data), mime=mime or _sniffed(data))
        return new

    @classmethod
    def from_file(cls, file_path: Any) -> Image:
        """The old name of `from_path`."""
        deprecated("`Image.from_file`", "`Image.from_path`")
        return cls.from_path(file_path)

    @classmethod
    def from_PIL(cls, pil_image: Any) -> Image:
        """The old way for a PIL image: `Image(image)` takes one."""
        deprecated("`Image.from_PIL`", "`Image(pil_image)`")
        return cls(pil_image)

    def __repr__(self) -> str:
        if self.blob is None:
            return f"Image(url={self.source!r})"
        return f"Image(url=data:{self.mime};base64,<IMAGE_BASE_64_ENCODED({self.blob.size})>)"


def _sniffed(data: bytes) -> str:
    for magic, mime in _MAGIC:
        if data.startswith(magic):
            return mime
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return "image/avif" if data[8:12] == b"avif" else "image/heic"
    raise InputError(f"These {len(data)} bytes are no picture: they begin with {data[:12]!r}. PNG, JPEG, GIF, WEBP, BMP, TIFF, HEIC fit.")
