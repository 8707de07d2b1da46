"""An object that answers as a model does when it is called, and is none: a stand-in of a test, a client of somebody's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from whet.core.exchange import Capabilities
from whet.lm.base import BaseLM

__all__ = ["Borrowed", "as_model"]

_CLAIMS: Final = (
    ("supports_function_calling", "tools"),
    ("supports_reasoning", "reasoning"),
    ("supports_response_schema", "json_schema"),
)


class Borrowed(BaseLM):
    """Asks the object by calling it, as `model(messages=[...], **parameters)`; its `acall` from async code, where it has one.

    >>> Borrowed(lambda messages, **parameters: ["Hello " + messages[-1]["content"]])(messages=[{"role": "user", "content": "you"}])
    ['Hello you']
    """

    def __init__(self, lent: Any) -> None:
        name = getattr(lent, "model", "")
        super().__init__(name if isinstance(name, str) else "", cache=False, num_retries=0)
        own = getattr(lent, "kwargs", None)
        self.kwargs = dict(own) if isinstance(own, Mapping) else {}
        self.lent = lent

    @property
    def capabilities(self) -> Capabilities:
        """What the object says of itself, under the names that programs know."""
        said = {ours: getattr(self.lent, theirs, False) is True for theirs, ours in _CLAIMS}
        params = getattr(self.lent, "supported_params", None)
        return Capabilities(**said, params=frozenset(params) if isinstance(params, set | frozenset | list | tuple) else frozenset())

    def __call__(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """What the object answers."""
        return self.lent(messages=messages, **kwargs)

    async def acall(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """What its `acall` answers; without one, its call."""
        if (acall := getattr(self.lent, "acall", None)) is None:
            return self(prompt, messages, **kwargs)
        return await acall(messages=messages, **kwargs)


def as_model(lm: Any) -> Any:
    """The model itself; of anything else that can be called, a model that calls it."""
    kind = type(lm)
    return lm if hasattr(kind, "_calls") or hasattr(kind, "flow") else Borrowed(lm)
