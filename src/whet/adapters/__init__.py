"""Adapters: how a signature becomes messages, and an answer becomes values."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from whet.lazy import at_old_path

if TYPE_CHECKING:
    from whet.adapters.baml import BAMLAdapter
    from whet.adapters.base import Adapter
    from whet.adapters.chat import ChatAdapter
    from whet.adapters.json import JSONAdapter
    from whet.adapters.reading import Reading
    from whet.adapters.style import Style
    from whet.adapters.template import TemplateAdapter
    from whet.adapters.two_step import TwoStepAdapter
    from whet.adapters.xml import XMLAdapter

__all__ = [
    "Adapter",
    "BAMLAdapter",
    "ChatAdapter",
    "JSONAdapter",
    "Reading",
    "Style",
    "TemplateAdapter",
    "TwoStepAdapter",
    "XMLAdapter",
]


# Field types that programs written for DSPy import from here.
_TYPES = frozenset("Audio Code File History Image Reasoning Tool ToolCallResults ToolCalls Type".split())


def __getattr__(name: str) -> object:
    """Import an adapter when it is first asked for: most programs use one."""
    if name == "Reading":
        from whet.adapters.reading import Reading  # noqa: PLC0415 - see above

        return Reading
    if name == "Style":
        from whet.adapters.style import Style  # noqa: PLC0415 - see above

        return Style
    if name not in __all__ and name not in _TYPES:
        if (old := at_old_path(__name__, name)) is not None:
            return old
        raise AttributeError(f"module 'whet.adapters' has no attribute {name!r}")
    # The root, which is always there before its parts, knows where each adapter lives.
    found: object = getattr(sys.modules["whet"], name)
    return found
