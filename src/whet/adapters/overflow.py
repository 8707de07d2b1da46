"""What happens to a prompt that is longer than the model's context, before the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from whet.core.exchange import Capabilities, ToolSpec
from whet.core.messages import Message
from whet.core.types.history import History
from whet.errors import ContextWindowExceededError

if TYPE_CHECKING:
    from whet.adapters.base import Adapter
    from whet.core.signature import Signature

__all__ = ["fitting"]

# Room that is left for the answer where the model's own limit is not known.
_ANSWER: Final = 1_024


def fitting(
    adapter: Adapter,
    signature: Signature,
    inputs: Mapping[str, Any],
    demos: Sequence[Any],
    can: Capabilities,
    tools: Sequence[ToolSpec] = (),
) -> tuple[Message, ...]:
    """The messages of a call that fit into the context: with `overflow="trim"` without the last demos, then without the oldest turns.

    Raises `ContextWindowExceededError`, which says how long each part is, where they do not.
    """
    window = can.context_window or 0
    room = window - min(can.max_output_tokens or _ANSWER, _ANSWER)
    sections = adapter.sections(signature, inputs, demos)
    kept, history = list(demos), adapter.plan(signature).history
    while (tokens := sections.tokens(tools=tools)).total > room:
        turns = History.of(inputs.get(history)).messages if history else []
        if adapter.style.overflow != "trim" or not (kept or turns):
            parts = ", ".join(f"{name} {count}" for name, count in tokens.items())
            raise ContextWindowExceededError(
                message=f"The prompt has about {tokens.total} tokens ({parts}); the model takes {window}, answer included. "
                "Shorten the inputs, use fewer demos, or take a model with a longer context."
            )
        if kept:
            kept = kept[: len(kept) // 2]
        elif history:
            inputs = {**inputs, history: History(messages=turns[1:])}
        sections = adapter.sections(signature, inputs, kept)
    return sections.messages
