"""`Retrieve`: the ambient retriever (`settings.rm`) as a step of a program."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from whet.core.context import current
from whet.core.flow import Flow, Invoke
from whet.core.records import Prediction
from whet.core.wording import a_kind
from whet.errors import ConfigurationError, InputError, PreconditionError
from whet.modules.module import Module
from whet.retrieve.passage import check_k, checked_rankings

__all__ = ["Retrieve"]


class Retrieve(Module):
    """Asks `settings.rm` for the `k` passages that fit a query best; the prediction has them in `passages`, as texts.

    The retriever is anything that is called as `rm(query, k=k)`: `ColBERTv2`, `Embeddings`, `BM25`, or a function of yours that returns
    texts, passages, or something with `passages`; or anything with `search(queries, k)`. Without one, `PreconditionError`.

    >>> from whet.core.context import context
    >>> with context(rm=lambda query, k: ["first", "second", "third"][:k]):
    ...     Retrieve(k=2)("anything").passages
    ['first', 'second']
    """

    def __init__(self, k: int = 3, callbacks: Any = None) -> None:
        super().__init__(callbacks)
        self.k = k

    def reset(self) -> None:
        """Forget what was learnt: nothing, here."""

    def flow(self, query: str, k: int | None = None, **options: Any) -> Flow[Prediction]:
        """One search."""
        rm = current().rm
        if rm is None:
            raise PreconditionError("No retriever is loaded. Choose one with `whet.configure(rm=whet.ColBERTv2(url=...))`.")
        if not isinstance(query, str):
            raise InputError(f"A query is a text; this is {query!r:.80}, {a_kind(query)}. Ask for each of several by itself.")
        k = self.k if k is None else k
        check_k(k)
        found: Any = yield from _found(rm, query, {"k": k, **options})
        passages = getattr(found, "passages", found)
        if isinstance(passages, str | Mapping) or not isinstance(passages, Iterable):
            raise InputError(f"A retriever gives a list of passages; {type(rm).__name__} gave {passages!r:.80}, {a_kind(passages)}.")
        prediction = Prediction(passages=[_text(passage) for passage in passages])
        scores = getattr(found, "scores", None)
        if scores is not None and not callable(scores):
            prediction["scores"] = list(scores)
        return prediction


def _found(rm: Any, query: str, options: dict[str, Any]) -> Flow[Any]:
    """What a retriever that is called, or one that only searches, has for one query."""
    if isinstance(rm, type):
        raise ConfigurationError(f"`rm` is the class `{rm.__name__}`; give an object of it: `{rm.__name__}(...)`.")
    if callable(rm):
        try:
            return (yield Invoke(rm, (query,), options))
        except TypeError as error:
            if _takes(rm, query, options):
                raise
            shown = ", ".join(["query", *(f"{name}={name}" for name in options)])
            raise ConfigurationError(f"A retriever is called as `rm({shown})`; {rm!r:.80} cannot be: {error}.") from error
    if not callable(getattr(rm, "search", None)):
        kind = type(rm).__name__
        raise ConfigurationError(f"A retriever is called as `rm(query, k=k)`, or has `search(queries, k)`; {rm!r:.80} ({kind}) is neither.")
    rankings = yield Invoke(rm.search, ([query],), options)
    return checked_rankings(rm, [query], rankings)[0]


def _takes(rm: Any, query: str, options: dict[str, Any]) -> bool:
    """Whether it can be called so, as far as can be seen."""
    try:
        inspect.signature(rm).bind(query, **options)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _text(passage: Any) -> str:
    if isinstance(passage, str):
        return passage
    if isinstance(passage, Mapping):
        text = passage.get("long_text") or passage.get("text")
    else:
        text = getattr(passage, "long_text", None) or getattr(passage, "text", None)
    if text is None:
        raise InputError(f"A passage is a text, or has a `text`; this is {passage!r:.80}, {a_kind(passage)}.")
    return str(text)
