"""The embedded model as the source of an `LM`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from whet.core.context import current
from whet.core.exchange import Request, Response
from whet.core.flow import Flow, Invoke
from whet.lm.embedded import EmbeddedModel
from whet.lm.home import find_model, manifest_of
from whet.lm.replay import replay

__all__ = ["EmbeddedSource"]


class EmbeddedSource:
    """Answers in this process; `embedded:<name>` and `embedded:<folder>` load trained weights, from the model home or from there."""

    def __init__(self, model: str) -> None:
        self.model = _model_of(model)

    def flow(self, request: Request) -> Flow[Response]:
        """One answer; about a millisecond, so it never leaves the thread it is asked on."""
        response: Response = yield Invoke(self.model.respond, (request,), inline=True)
        if (listener := current().listener) is not None:
            replay(response, listener)
        return response


def _model_of(name: str) -> Any:
    _, _, directory = name.partition(":")
    if not directory:
        return EmbeddedModel()
    folder = find_model(directory)
    manifest_of(folder)  # the name promises a content; the files' checksums are compared when they are read
    times = [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
    return EmbeddedModel(_weights_of(str(folder), tuple(times)))


@lru_cache(maxsize=16)
def _weights_of(folder: str, times: tuple[int, ...]) -> Any:
    """The weights in a folder, read once: an LM is copied for each sample of a search, and each copy asks for them."""
    from whet.lm.embedded.weights import Weights  # noqa: PLC0415 - only finetuned models have weights

    return Weights.load(folder)
