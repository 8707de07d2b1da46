"""Programs watched while they run: `program.stream(...)`, and `streamify` with its listeners and status messages."""

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
