"""Programs watched while they run: `program.stream(...)`, and `streamify` with its listeners and status messages."""

from typing import TYPE_CHECKING

from whet.lazy import at_old_path
from whet.modules.streaming.event import Event
from whet.modules.streaming.listener import StreamListener, StreamResponse
from whet.modules.streaming.status import StatusMessage, StatusMessageProvider
from whet.modules.streaming.stream import Stream
from whet.modules.streaming.streamify import apply_sync_streaming, streamify, streaming_response

__all__ = [
    "Event",
    "StatusMessage",
    "StatusMessageProvider",
    "Stream",
    "StreamListener",
    "StreamResponse",
    "apply_sync_streaming",
    "streamify",
    "streaming_response",
]

# Programs written for DSPy import modules below this one (`whet.compat.paths`).
__path__: list[str] = []

if not TYPE_CHECKING:  # so that a checker knows the names above and no others

    def __getattr__(name: str) -> object:
        if (old := at_old_path(__name__, name)) is not None:
            return old
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
