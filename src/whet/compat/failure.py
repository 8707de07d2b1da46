"""`format_error_for_lm`: an error as a model is shown it."""

from __future__ import annotations

import traceback

__all__ = ["format_error_for_lm"]


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
