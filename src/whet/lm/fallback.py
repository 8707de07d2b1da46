"""`Fallback`: the next model answers where the one before it failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from whet.core.exchange import Request, Response
from whet.core.flow import Flow
from whet.errors import ConfigurationError, LMError
from whet.lm.delegate import Delegate

__all__ = ["Fallback"]


class Fallback(Delegate):
    """Asks the models in turn until one answers. Not after the beginning of an answer was streamed, and never past a spent budget.

    >>> from whet.lm.lm import LM
    >>> Fallback([LM("embedded"), LM("openai/gpt-4o-mini")]).model
    'embedded > openai/gpt-4o-mini'
    """

    def __init__(self, lms: Sequence[Any]) -> None:
        if not isinstance(lms, Sequence) or not lms:
            raise ConfigurationError("`Fallback([...])` needs a list of at least one model.")
        super().__init__(" > ".join(getattr(lm, "model", "?") for lm in lms), lms)

    def _delegate(self, request: Request, ask: Callable[[Any], Flow[Response]]) -> Flow[Response]:
        failed: list[str] = []
        for lm in self.lms:
            try:
                return (yield from ask(lm))
            except LMError as error:
                if error.streamed or lm is self.lms[-1]:
                    for earlier in failed:
                        error.add_note(f"Before it: {earlier}")
                    raise
                failed.append(f"{type(error).__name__}: {error}")
        raise AssertionError("the last model answers or raises")
