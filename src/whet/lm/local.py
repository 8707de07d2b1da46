"""The embedded model as the source of an `LM`."""

from __future__ import annotations

from typing import Any

from whet.core.exchange import Request, Response
from whet.core.flow import Flow, Invoke
from whet.lm.embedded import EmbeddedModel

__all__ = ["EmbeddedSource"]


class EmbeddedSource:
    """Answers in this process; `embedded:<directory>` loads trained weights."""

    def __init__(self, model: str) -> None:
        self.model = _model_of(model)

    def flow(self, request: Request) -> Flow[Response]:
        """One answer; about a millisecond, so it never leaves the thread it is asked on."""
        return (yield Invoke(self.model.respond, (request,), inline=True))  # type: ignore[no-any-return]


def _model_of(name: str) -> Any:
    _, _, directory = name.partition(":")
    if not directory:
        return EmbeddedModel()
    from whet.lm.embedded.weights import Weights  # noqa: PLC0415 - only finetuned models have weights

    return EmbeddedModel(Weights.load(directory))
