"""What images, sounds, videos and files share. Making and validating them does no I/O; only `from_path` and `from_url` do."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from whet.core.messages import MediaPart
from whet.core.types.blob import Blob
from whet.core.types.kind import Blocks, FieldType
from whet.core.wording import a_kind
from whet.errors import InputError

__all__ = ["Media", "MediaContent", "data_uri", "download"]

M = TypeVar("M", bound="Media")
_DATA_URI: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_LARGEST: Final = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaContent:
    """What a provider needs to send a medium: its type, and its bytes in base64 (`data`), its URL, or its id at the provider."""

    mime: str
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    filename: str | None = None


def data_uri(text: str) -> tuple[str, Blob] | None:
    """The type and bytes of a `data:` URI; None for any other text."""
    found = _DATA_URI.match(text)
    if not found:
        return None
    mime, body = found.group(1) or "text/plain", text[found.end() :]
    return mime.lower(), Blob(text=body) if found.group(3) else Blob(data=body.encode())


def refuse(value: Any, what: str, fits: str) -> NoReturn:
    """Raise the error for a value that is no such medium."""
    shown = f"{value[:60]!r}" if isinstance(value, str) else f"{a_kind(value)}"
    raise InputError(f"{shown} is no {what}. What fits: {fits}.")


class Media(FieldType):
    """A medium, held by reference. Frozen; equal when the bytes (or the URLs) are.

    `media()` gives what a provider sends, `format()` the content block in OpenAI's form.
    """

    __slots__ = ("_hash", "blob", "mime", "source")
    __whet_parts__ = True
    kind: ClassVar[Literal["image", "audio", "video", "file"]]
    blob: Blob | None
    mime: str
    source: str | None

    def _set(self, *, blob: Blob | None = None, mime: str = "", source: str | None = None) -> None:
        put = object.__setattr__
        put(self, "blob", blob)
        put(self, "mime", mime)
        put(self, "source", source)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A {type(self).__name__} cannot be changed; make a new one.")

    @property
    def digest(self) -> str:
        """What names the content: the hash of the bytes, or of the URL or id."""
        return self.blob.digest if self.blob is not None else "sha256:" + hashlib.sha256(f"ref:{self.source}".encode()).hexdigest()

    def media(self) -> MediaContent:
        """What a provider sends; the base64 text is made once per process."""
        return MediaContent(mime=self.mime, data=self.blob.base64 if self.blob is not None else None, url=self.source)

    @property
    def uri(self) -> str:
        """The URL, or the bytes as a `data:` URI."""
        return f"data:{self.mime};base64,{self.blob.base64}" if self.blob is not None else str(self.source)

    def whet_parts(self) -> Blocks:
        """The medium as a message part."""
        return [MediaPart(kind=self.kind, source=self, digest=self.digest)]

    def dumped(self) -> Any:
        """A reference: the URL, or digest and type. The bytes are never in JSON."""
        return self.source if self.blob is None else {"digest": self.blob.digest, "mime": self.mime}

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """All of it as plain data, the bytes too; `model_validate` reads it back, also elsewhere."""
        block: dict[str, Any] = self.format()[0]
        return dict(block[block["type"]])

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """A URL or a `data:` URI."""
        return {"type": "string", "description": f"The URL of {cls._said()}, or a data URI."}

    @classmethod
    def _said(cls) -> str:
        return ("an " if cls.kind in ("image", "audio") else "a ") + cls.kind

    @classmethod
    def _of_reference(cls: type[M], value: Mapping[str, Any]) -> M:
        digest, mime = value.get("digest"), value.get("mime")
        if not (isinstance(digest, str) and _DIGEST.fullmatch(digest) and isinstance(mime, str)):
            refuse(value, cls.kind, "a reference with `digest` and `mime`, as whet saves it")
        new = object.__new__(cls)
        new._set(blob=Blob(digest=digest), mime=mime)
        return new

    def _key(self) -> tuple[Any, ...]:
        return (type(self), self.mime, self.digest)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Media) and self._key() == other._key())

    def __hash__(self) -> int:
        return hash(self._key())

    def __copy__(self: M) -> M:
        return self

    def __deepcopy__(self: M, memo: Any) -> M:
        return self

    def __str__(self) -> str:
        return repr(self)

    def __reduce__(self) -> Any:
        state = {name: getattr(self, name) for name in ("mime", "source")}
        return _restored, (type(self), state, self.blob.bytes if self.blob is not None else None)


def _restored(cls: type[Media], state: dict[str, Any], data: bytes | None) -> Media:
    new = object.__new__(cls)
    new._set(blob=Blob(data=data) if data is not None else None, **state)
    return new


def deprecated(what: str, instead: str) -> None:
    """Warn that an old way still works."""
    warnings.warn(f"{what} is deprecated; use {instead}.", DeprecationWarning, stacklevel=3)


def read_file(path: Any, what: str) -> tuple[bytes, str]:
    """The bytes of a file and the type that its name tells. Raises `InputError` (a `ValueError`) where there is none."""
    found = Path(path)
    if not found.is_file():
        raise InputError(f"There is no {what} file {str(path)!r}.")
    return found.read_bytes(), mimetypes.guess_type(found.name)[0] or ""


def download(url: str, *, verify: bool = True, timeout: float | None = 30.0) -> tuple[bytes, str]:
    """The bytes behind an HTTP(S) URL and their content type (`""` if unknown). The user's own act: nothing else downloads.

    Raises `InputError` for other schemes and for answers that are no 2xx.
    """
    import ssl  # noqa: PLC0415 - only downloads need it
    import urllib.error  # noqa: PLC0415 - as above
    import urllib.request  # noqa: PLC0415 - as above

    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"Only http and https URLs are downloaded, not {url[:80]!r}.")
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"User-Agent": "whet"})
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _StayOnTheWeb())
    try:
        with opener.open(request, timeout=timeout) as answer:
            data = answer.read(_LARGEST + 1)
            kind = answer.headers.get_content_type() if answer.headers.get("content-type") else ""
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise InputError(f"{url[:80]!r} could not be downloaded: {error}") from error
    if len(data) > _LARGEST:
        raise InputError(f"{url[:80]!r} holds more than {_LARGEST // 1_000_000} MB.")
    return data, kind or mimetypes.guess_type(urlsplit(url).path)[0] or ""


def _StayOnTheWeb() -> Any:
    import urllib.request  # noqa: PLC0415 - only downloads need it

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *given: Any) -> Any:
            if urlsplit(given[-1]).scheme not in ("http", "https"):
                raise InputError(f"The server redirects to {given[-1][:80]!r}, which is no http or https URL.")
            return super().redirect_request(*given)

    return Redirects()


def encoded(data: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")
