"""Asking a model for text: one call per text, side by side, in the run's journal, at a temperature of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from whet.adapters.chat import ChatAdapter
from whet.core.flow import Flow
from whet.core.records import Prediction
from whet.core.signature import Signature
from whet.modules.predict import Predict
from whet.optimize.candidate import Candidate
from whet.optimize.proposers.guard import Guard
from whet.optimize.search import Search
from whet.optimize.strand import Handle

__all__ = ["Writer", "clean", "clipped", "joined"]

# Room for what is shown in one field of a request for a proposal, in characters; about 6000 tokens.
ROOM = 24_000


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Asks `model` at `temperature`; each text has a rollout number, so that equal questions get different answers where a cache is on."""

    search: Search
    model: Any
    temperature: float = 1.0

    def ask(self, name: str, signature: Any, rollout: int, *, n: int = 1, **inputs: Any) -> Handle:
        """Start one question; the handle's value is the `Prediction`, or the exception that it ended with."""
        return self.search.ask(name, lambda: self._asked(signature, rollout, n, inputs))

    def usable(self, text: str, before: str, about: Candidate | None = None, where: str = "") -> bool:
        """Whether a proposed text, in the place of the one `before`, is not too long and copies no row; if not, that is on record."""
        if trouble := self._guard.trouble(text, before):
            self.search.decide("refuse", about, where + trouble)
        return not trouble

    @cached_property
    def _guard(self) -> Guard:
        return Guard(search=self.search)

    def _asked(self, signature: Signature, rollout: int, n: int, inputs: dict[str, Any]) -> Flow[Prediction]:
        settings: dict[str, Any] = {"temperature": self.temperature, "rollout_id": rollout}
        # A model that refuses several answers at once is asked for one.
        config = {"n": n} if n > 1 else {}
        predictor = Predict(signature, adapter=ChatAdapter())
        prediction: Prediction = yield from predictor.run_flow((), {**inputs, "lm": self.model.copy(**settings), "config": config})
        return prediction


def clean(text: Any) -> str:
    """A proposal without the quotes, fences and labels that models put around it.

    >>> clean('"Answer briefly."')
    'Answer briefly.'
    """
    found = str(text or "").strip()
    if found.startswith("```") and found.endswith("```") and "\n" in found:
        found = found.split("\n", 1)[1].removesuffix("```")
    return found.strip().strip('"`').strip()


def clipped(text: str, room: int = ROOM) -> str:
    """A text that fits: its beginning, with a sign where the rest was.

    >>> clipped("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= room else text[: room - 1] + "…"


def joined(parts: Iterable[str], room: int = ROOM) -> str:
    """As many of the parts, in order, as there is room for, with an empty line between them; one part takes a third of it at most."""
    chosen: list[str] = []
    for part in parts:
        short = clipped(part, room // 3)
        if sum(map(len, chosen)) + len(short) > room:
            break
        chosen.append(short)
    return "\n\n".join(chosen)
