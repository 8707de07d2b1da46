"""What happens to a prompt that is longer than the model's context, before the call."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from whet.adapters.budget import Sections, Tokens
from whet.core.exchange import Capabilities, ToolSpec
from whet.core.messages import Message
from whet.core.types.history import History
from whet.errors import ContextWindowExceededError

if TYPE_CHECKING:
    from whet.adapters.base import Adapter
    from whet.core.signature import Signature

__all__ = ["fitting"]

_logger = logging.getLogger(__name__)

# Room that is left for the answer where the model's own limit is not known.
_ANSWER: Final = 1_024


def fitting(
    adapter: Adapter,
    signature: Signature,
    inputs: Mapping[str, Any],
    demos: Sequence[Any],
    can: Capabilities,
    tools: tuple[ToolSpec, ...] = (),
) -> tuple[Message, ...]:
    """The messages of a call that fit into the context: with `overflow="trim"` without the last demos, then without the oldest turns.

    What is left out is said in a warning. Raises `ContextWindowExceededError`, which says how long each part is, where it is not enough.
    """
    room = (can.context_window or 0) - min(can.max_output_tokens or _ANSWER, _ANSWER)
    schema, history = adapter.response_schema(signature, can), adapter.plan(signature).history
    kept = list(demos)
    turns = before = History.of(inputs.get(history)).messages if history else []

    def shown() -> tuple[Sections, Tokens]:
        sections = adapter.sections(
            signature, {**inputs, history: History(messages=turns)} if history else inputs, kept, native=bool(tools)
        )
        return sections, sections.tokens(schema, tools)

    sections, tokens = shown()
    while tokens.total > room:
        if adapter.style.overflow != "trim" or not (kept or turns):
            parts = ", ".join(f"{name} {count}" for name, count in tokens.items())
            raise ContextWindowExceededError(
                message=f"The prompt has about {tokens.total} tokens ({parts}); the model takes {can.context_window}, answer included. "
                "Shorten the inputs, use fewer demos, or take a model with a longer context."
            )
        kept, turns = (kept[: len(kept) // 2], turns) if kept else (kept, turns[1:])
        sections, tokens = shown()
    if len(kept) < len(demos) or len(turns) < len(before):
        _logger.warning(
            "%d of %d demo(s) and %d of %d earlier turn(s) of `%s` are not shown: the prompt would not fit into the model's context.",
            len(demos) - len(kept), len(demos), len(before) - len(turns), len(before), signature.signature,
        )  # fmt: skip
    return sections.messages
