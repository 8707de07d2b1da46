"""Functions that turn what people have into what images, sounds and files hold; the types themselves take the same things."""

from __future__ import annotations

from typing import Any

from whet.core.types.audio import Audio
from whet.core.types.file import File
from whet.core.types.image import Image

__all__ = ["encode_audio", "encode_file_to_dict", "encode_image", "is_audio", "is_image", "is_url"]


def encode_image(image: Any, download_images: bool = False, verify: bool = True) -> str:
    """The URL or data URI of a picture. Raises `ValueError` for what is none.

    >>> encode_image({"url": "https://example.com/cat.png"})
    'https://example.com/cat.png'
    """
    return (Image.from_url(image, verify=verify) if download_images and is_url(image) else Image.validated(image)).url


def encode_audio(audio: Any, sampling_rate: int = 16000, format: str = "wav") -> dict[str, str]:
    """Base64 text and format of a sound, as `Audio` holds them. Raises `ValueError` for what is none.

    >>> encode_audio(b"sound")
    {'data': 'c291bmQ=', 'audio_format': 'wav'}
    """
    if hasattr(audio, "shape"):
        audio = Audio.from_array(audio, sampling_rate, format)
    sound = Audio(audio, audio_format=format) if isinstance(audio, bytes | bytearray) else Audio.validated(audio)
    return {"data": sound.data, "audio_format": sound.audio_format}


def encode_file_to_dict(file: Any) -> dict[str, str]:
    """The parts of a file that are there: `file_data`, `file_id`, `filename`. Raises `ValueError` for what is none.

    >>> encode_file_to_dict("data:text/plain;base64,aGk=")
    {'file_data': 'data:text/plain;base64,aGk='}
    """
    parts: dict[str, str] = File.validated(file).format()[0]["file"]
    return parts


def is_url(text: Any) -> bool:
    """Whether this is the text of an http(s) or gs URL."""
    return isinstance(text, str) and text.lower().startswith(("http://", "https://", "gs://"))


def is_image(value: Any) -> bool:
    """Whether this is a picture, or a text that stands for one."""
    return _is(Image, value)


def is_audio(value: Any) -> bool:
    """Whether this is a sound, or a text that stands for one."""
    return _is(Audio, value)


def _is(kind: Any, value: Any) -> bool:
    try:
        kind.validated(value)
    except (ValueError, TypeError):
        return False
    return True
