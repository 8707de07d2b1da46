"""What is known about the model call behind a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whet.core.exchange import Response

__all__ = ["Meta", "meta_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What is known about the model call behind a prediction."""

    raw: str | None = None
    finish_reason: str | None = None
    reasoning: str | None = None
    logprobs: Any = None
    citations: tuple[Any, ...] = ()
    model: str = ""
    cost: float | None = None
    cache_hit: bool = False
    repairs: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()


def meta_of(response: Response | None, repairs: tuple[str, ...]) -> Meta:
    """What a response says about its first choice; nothing where there was none."""
    if response is None:
        return Meta()
    choice = response.choices[0]
    return Meta(
        raw=choice.text,
        finish_reason=choice.finish_reason,
        reasoning=choice.reasoning,
        logprobs=choice.logprobs,
        citations=choice.citations,
        model=response.model,
        cost=response.cost,
        cache_hit=response.cache_hit,
        repairs=repairs,
    )
