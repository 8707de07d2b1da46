"""`Audio`: a sound as a field value."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from whet.core.types.blob import Blob
from whet.core.types.media import Media, data_uri, deprecated, download, read_file, refuse
from whet.errors import InputError, MissingExtraError

__all__ = ["Audio"]

_FITS: Final = (
    "a data URI, bytes, an array with `sampling_rate`, `Audio(data=<base64>, audio_format='wav')`, `Audio.from_path(...)`, "
    "`Audio.from_url(...)`"
)


class Audio(Media):
    """A sound: base64 text with its format, a data URI, bytes, or an array with its sampling rate. No I/O.

    >>> Audio(data="UklGRg==", audio_format="wav").format()
    [{'type': 'input_audio', 'input_audio': {'data': 'UklGRg==', 'format': 'wav'}}]
    """

    __slots__ = ()
    kind: ClassVar[Any] = "audio"

    def __init__(self, *source: Any, data: Any = None, audio_format: str | None = None, sampling_rate: int | None = None) -> None:
        if len(source) > 1 or (source and data is not None):
            raise TypeError("An Audio takes one source, positional or as `data=`, not both.")
        given = source[0] if source else data
        array = hasattr(given, "shape") or (isinstance(given, (list, tuple)) and bool(given))
        if sampling_rate is not None and not array:
            raise TypeError("`sampling_rate` goes with an array of samples only.")
        if array and sampling_rate is not None:
            given, audio_format = _encoded(given, sampling_rate, audio_format or "wav"), audio_format or "wav"
        if data is not None and isinstance(given, str) and not given.startswith("data:"):
            self._set(blob=Blob(text=given), mime=f"audio/{_short(audio_format or 'wav')}")
            return
        self._take(given, audio_format)

    def _take(self, given: Any, form: str | None) -> None:
        if isinstance(given, Mapping):
            given = Audio._of_mapping(given)
        if isinstance(given, (bytes, bytearray)):
            self._set(blob=Blob(data=bytes(given)), mime=f"audio/{_short(form or 'wav')}")
            return
        if isinstance(given, str) and data_uri(given) is None:
            refuse(given, "audio", _FITS)
        if form is not None:
            raise TypeError("`audio_format` goes with bytes or base64 text; this source carries its own.")
        if isinstance(given, Audio):
            self._set(blob=given.blob, mime=given.mime)
            return
        found = data_uri(given) if isinstance(given, str) else None
        if found is None or not found[0].startswith("audio/"):
            refuse(given, "audio", _FITS)
        self._set(blob=found[1], mime="audio/" + _short(found[0].partition("/")[2]))

    @classmethod
    def _of_mapping(cls, value: Mapping[str, Any]) -> Audio:
        if "digest" in value:
            return cls._of_reference(value)
        if not isinstance(value.get("data"), str):
            refuse(value, "audio", _FITS)
        return cls(data=value["data"], audio_format=value.get("audio_format") or value.get("format") or "wav")

    @property
    def data(self) -> str:
        """The sound in base64."""
        return self.blob.base64 if self.blob is not None else ""

    @property
    def audio_format(self) -> str:
        """The short name of the format: `wav`, `mp3`."""
        return self.mime.partition("/")[2]

    def format(self) -> list[dict[str, Any]]:
        """The content block in OpenAI's form."""
        return [{"type": "input_audio", "input_audio": {"data": self.data, "format": self.audio_format}}]

    @classmethod
    def validated(cls, value: Any) -> Audio:
        """A sound from a sound, a data URI, bytes, or a dict with `data`; no I/O."""
        return value if isinstance(value, Audio) else cls(value)

    @classmethod
    def from_url(cls, url: str, verify: bool = True, timeout: float | None = 30.0) -> Audio:
        """Download a sound (http and https only). Raises `InputError` when the server says that it is none."""
        data, mime = download(url, verify=verify, timeout=timeout)
        if not mime.startswith("audio/"):
            raise InputError(f"{url[:80]!r} is of the type {mime or 'unknown'!r}, not audio.")
        return cls(data, audio_format=mime.partition("/")[2])

    @classmethod
    def from_path(cls, file_path: Any) -> Audio:
        """Read a sound from a file. Raises `InputError` (a `ValueError`) where there is none."""
        data, mime = read_file(file_path, "audio")
        if not mime.startswith("audio/"):
            raise InputError(f"The file {str(file_path)!r} is of the type {mime or 'unknown'!r}, not audio.")
        return cls(data, audio_format=mime.partition("/")[2])

    @classmethod
    def from_array(cls, array: Any, sampling_rate: int, format: str = "wav") -> Audio:
        """Encode samples (mono or channels last) at so many per second; needs `soundfile`."""
        return cls(array, sampling_rate=sampling_rate, audio_format=format)

    @classmethod
    def from_file(cls, file_path: Any) -> Audio:
        """The old name of `from_path`."""
        deprecated("`Audio.from_file`", "`Audio.from_path`")
        return cls.from_path(file_path)

    def __repr__(self) -> str:
        size = self.blob.size if self.blob is not None else 0
        return f"Audio(data=<AUDIO_BASE_64_ENCODED({size})>, audio_format='{self.audio_format}')"


def _short(form: str) -> str:
    return form.lower().removeprefix("x-")


def _encoded(samples: Any, rate: int, form: str) -> bytes:
    try:
        import soundfile  # type: ignore[import-untyped, import-not-found, unused-ignore]  # noqa: PLC0415 - an optional package
    except ImportError:
        raise MissingExtraError("Audio from an array", "soundfile", "audio") from None
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=form.upper(), subtype="PCM_16" if form == "wav" else None)
    return target.getvalue()
