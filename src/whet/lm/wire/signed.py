"""What a provider wants back with a tool call, unchanged: the signed reasoning that led to it. It travels in `ToolCallPart.signed`."""

from __future__ import annotations

import json
from typing import Any

from whet.core.messages import ToolCallPart

__all__ = ["sealed", "unsealed"]


def sealed(maker: str, content: Any) -> str | None:
    """The content under its maker's name, since no other provider understands it; `None` for nothing.

    >>> sealed("gemini", "c2ln"), sealed("anthropic", [])
    ('{"gemini":"c2ln"}', None)
    """
    return json.dumps({maker: content}, separators=(",", ":"), ensure_ascii=False) if content else None


def unsealed(call: ToolCallPart, maker: str) -> Any:
    """What this maker sealed into the call; `None` where it is another's, or nothing.

    >>> call = ToolCallPart(id="1", name="f", arguments="{}", signed='{"gemini":"c2ln"}')
    >>> unsealed(call, "gemini"), unsealed(call, "anthropic")
    ('c2ln', None)
    """
    try:
        content = json.loads(call.signed) if call.signed else None
    except ValueError:
        return None
    return content.get(maker) if isinstance(content, dict) else None
