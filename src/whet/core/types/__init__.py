"""Field types of whet's own: history, media, code, reasoning, documents."""

from __future__ import annotations

from whet.lazy import door, homes_of

_HOMES = homes_of(
    __name__,
    {
        "audio": "Audio",
        "custom": "Type",
        "document": "Citations Document",
        "file": "File",
        "history": "History",
        "image": "Image",
        "text": "Code Reasoning",
        "tools": "ToolCall ToolCallResults ToolCalls",
    },
)

__getattr__, __dir__ = door(__name__, _HOMES)
