"""Tracebacks of whet's own errors, without the frames between the user's code and where the error was raised."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Final

from whet.errors import WhetError

__all__ = ["shorten"]

# The folder of the package, with its last separator.
_HERE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def shorten(error: WhetError) -> None:
    """Leave whet's own frames out of the traceback, but for the last, where the error was raised; those of its causes too.

    The sentence of such an error says what to do, and the frames of the two drivers say nothing of it (docs/decisions/023). With
    `WHET_FULL_TRACEBACKS=1` in the environment all of them stay.
    """
    if os.environ.get("WHET_FULL_TRACEBACKS"):
        return
    cause: BaseException | None = error
    while isinstance(cause, WhetError):
        cause.__traceback__ = _without_ours(cause.__traceback__)
        cause = cause.__cause__


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    shown: TracebackType | None = None
    for index in range(len(frames) - 1, -1, -1):
        one = frames[index]
        if index == len(frames) - 1 or not one.tb_frame.f_code.co_filename.startswith(_HERE):
            shown = TracebackType(shown, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return shown
