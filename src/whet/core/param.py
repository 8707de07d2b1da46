"""What may be learnt in one predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Param"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """The learnable part of one predictor: instructions, field descriptions, demos, the model's name, registered texts.

    A value; `evolve` makes a changed one. `lm` is `None` where the ambient model is used.
    """

    instructions: str
    demos: tuple[Any, ...] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)
    lm: Any = None
    texts: Mapping[str, Any] = field(default_factory=dict)

    def evolve(self, **changes: Any) -> Param:
        """A changed copy."""
        return replace(self, **changes)
