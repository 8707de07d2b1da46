"""Field types of whet's own: history, media, code, reasoning, documents."""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "Audio": "audio",
    "Citations": "document",
    "Code": "text",
    "Document": "document",
    "File": "file",
    "History": "history",
    "Image": "image",
    "Reasoning": "text",
    "ToolCall": "tools",
    "ToolCallResults": "tools",
    "ToolCalls": "tools",
    "Type": "custom",
}


def __getattr__(name: str) -> object:
    """Import a type from its module, once (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'whet.core.types' has no attribute {name!r}")
    value: object = getattr(import_module(f"whet.core.types.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
