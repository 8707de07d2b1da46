"""What a model is told when something it asked for failed: short, and never more than it needs."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

from whet.errors import WhetError

__all__ = ["MOST_CHARACTERS", "error_text", "shortened"]

MOST_CHARACTERS: Final = 2_000
_HOME: Final = str(Path(__file__).resolve().parents[1])


def error_text(error: BaseException, traceback_frames: int = 0) -> str:
    """The error as text for a model: its message, or with `traceback_frames` the last frames and `Type: message`; at most 2,000 characters.

    >>> error_text(ValueError("no such city"))
    'no such city'
    """
    if not traceback_frames:
        return shortened(str(error) or type(error).__name__)
    # Errors of our own are sentences for whoever made the call; where in whet they were raised tells nothing.
    frames = [] if isinstance(error, WhetError) else traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_HOME)][-traceback_frames:]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(own)] if own else []
    return "\n" + shortened("".join(lines) + f"{type(error).__name__}: {error}")


def shortened(text: str, limit: int = MOST_CHARACTERS) -> str:
    """The text, or its beginning and end with a note of what was left out between them.

    >>> shortened("a" * 10 + "b" * 10, 6)
    'aaa\\n... [14 characters left out] ...\\nbbb'
    """
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... [{len(text) - 2 * half} characters left out] ...\n{text[-half:]}"
