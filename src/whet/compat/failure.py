"""`format_error_for_lm`: an error as a model is shown it; and errors of DSPy 3.4 that programs catch and nothing here raises."""

from __future__ import annotations

import traceback

from whet.errors import LMError, LMUnexpectedError

__all__ = ["LMCollectionLimitError", "LMLockTimeoutError", "LMStreamAssemblyError", "format_error_for_lm"]


class LMLockTimeoutError(LMError):
    """Of DSPy's locks for credentials, which do not exist here: never raised."""

    code = "lock_timeout"


class LMCollectionLimitError(LMError):
    """Of DSPy's limits on collected streams, which do not exist here: never raised."""

    code = "collection_limit"


class LMStreamAssemblyError(LMUnexpectedError):
    """Never raised: a stream that breaks off is an `LMTransportError` here, and `streamed` says whether something had been shown."""

    code = "stream_assembly"


def format_error_for_lm(error: BaseException, traceback_frames: int = 0) -> str:
    """The message of an error, or a newline and a traceback of at most so many frames, the innermost ones.

    >>> format_error_for_lm(ValueError("too big"))
    'too big'
    """
    if traceback_frames <= 0:
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)[-traceback_frames:]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames), *traceback.format_exception_only(error)]
    return "\n" + "".join(lines).rstrip("\n")
