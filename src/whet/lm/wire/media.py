"""Images, sounds and files of a message in one neutral form, from which every wire format makes its own blocks."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from whet.core.messages import Content, MediaPart, RawPart, TextPart
from whet.errors import LMUnsupportedFeatureError

__all__ = ["Kind", "Media", "media_of", "neutral_parts", "unsupported"]

Kind: TypeAlias = Literal["image", "audio", "video", "file"]
AUDIO: Mapping[str, str] = {"mp3": "audio/mpeg", "wav": "audio/wav"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One medium: its bytes in base64, or where they are (`url`, `file_id`).

    >>> Media(kind="image", mime="image/png", data="aGk=").data_url
    'data:image/png;base64,aGk='
    """

    kind: Kind
    mime: str
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    filename: str | None = None

    @property
    def data_url(self) -> str:
        """The URL, or the bytes as one."""
        return self.url or f"data:{self.mime};base64,{self.data or ''}"

    @property
    def format(self) -> str:
        """The short name of the format: `png`, `mp3`, `pdf`."""
        name = self.mime.partition("/")[2].partition(";")[0].removeprefix("x-")
        return {"jpg": "jpeg", "mpeg": "mp3" if self.kind == "audio" else "mpeg", "plain": "txt", "wave": "wav"}.get(name, name)


def neutral_parts(content: Content) -> Iterator[TextPart | Media | RawPart]:
    """Text and media of a message; blocks that are neither are handed on as they are.

    >>> [type(part).__name__ for part in neutral_parts("Hello")]
    ['TextPart']
    """
    if isinstance(content, str):
        if content:
            yield TextPart(content)
        return
    for part in content:
        if isinstance(part, TextPart):
            if part.text:
                yield part
        elif isinstance(part, MediaPart):
            yield from _of_source(part)
        else:
            yield _of_block(part.block)


def media_of(block: Mapping[str, Any]) -> Media | None:
    """The medium in a content block of OpenAI's forms (chat or responses); `None` for any other block."""
    kind = block.get("type")
    if kind in ("image_url", "input_image"):
        given = block.get("image_url")
        url = given.get("url") if isinstance(given, Mapping) else given
        return _of_url("image", url, "image/*") if url else Media(kind="image", mime="image/*", file_id=block.get("file_id"))
    if kind == "input_audio":
        sound = block["input_audio"]
        name = sound.get("format") or "wav"
        return Media(kind="audio", mime=AUDIO.get(name, f"audio/{name}"), data=sound["data"])
    if kind in ("file", "input_file"):
        return _of_file(block.get("file") or block)
    if kind == "video_url":
        return _of_url("video", block["video_url"]["url"], "video/*")
    return None


def unsupported(media: Media, model: str, taken: str) -> LMUnsupportedFeatureError:
    """The error for a medium that a wire format has no place for."""
    return LMUnsupportedFeatureError(
        f"This model's API takes no {media.kind} of type {media.mime!r} in this form. It takes {taken}.", model=model, features=[media.kind]
    )


def _of_source(part: MediaPart) -> Iterator[TextPart | Media | RawPart]:
    source = part.source
    kind: Kind = "file" if part.kind == "document" else part.kind
    if hasattr(source, "media"):
        found = source.media()
        raw = found.data
        data = base64.b64encode(raw).decode("ascii") if isinstance(raw, bytes | bytearray) else raw
        yield Media(
            kind=kind,
            mime=found.mime or f"{kind}/*",
            data=data,
            url=None if data else found.url,
            file_id=getattr(found, "file_id", None),
            filename=getattr(found, "filename", None),
        )
        return
    blocks = source.to_block() if hasattr(source, "to_block") else source.format()
    for block in blocks if isinstance(blocks, list) else [blocks]:
        yield _of_block(block)


def _of_block(block: dict[str, Any]) -> TextPart | Media | RawPart:
    if block.get("type") in ("text", "input_text", "output_text") and "cache_control" not in block:
        return TextPart(block.get("text") or "")
    return media_of(block) or RawPart(block)


def _of_url(kind: Kind, url: str, mime: str) -> Media:
    head, comma, data = url.partition(",")
    if url.startswith("data:") and comma and head.endswith(";base64"):
        return Media(kind=kind, mime=head[5:-7] or mime, data=data)
    return Media(kind=kind, mime=mime, url=url)


def _of_file(file: Mapping[str, Any]) -> Media:
    name = file.get("filename")
    if data := file.get("file_data"):
        found = _of_url("file", data, "application/pdf")
        plain = found.url if found.data is None else found.data
        return Media(kind="file", mime=found.mime, data=plain, filename=name)
    return Media(kind="file", mime="application/pdf", file_id=file.get("file_id"), url=file.get("file_url"), filename=name)
