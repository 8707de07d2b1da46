"""Embeddings through LiteLLM: for providers that whet does not ask itself, and where a test has replaced its function."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from whet.core.exchange import Usage
from whet.core.flow import Flow, Invoke
from whet.errors import LMError, MissingExtraError
from whet.lm.facts import ModelFacts
from whet.lm.lite import access_arguments, error_of_litellm, imported_litellm
from whet.lm.patched import LITELLM, is_patched
from whet.lm.site.access import Access
from whet.lm.vectors import Vectors, vectors_of
from whet.lm.wire.openai_chat import usage_of

__all__ = ["LiteEmbedding"]

NAMES = ("embedding", "aembedding")


class LiteEmbedding:
    """Asks `litellm.embedding`, with whet's own cache, retries, limits and budgets around it."""

    def __init__(self, facts: ModelFacts, access: Access, options: Mapping[str, Any]) -> None:
        if not is_patched(*NAMES) and find_spec(LITELLM) is None:
            raise MissingExtraError(f"Embeddings of `{facts.full_name}`", "litellm", "litellm")
        self.facts, self.access, self.options = facts, access, options

    def flow(self, texts: list[str]) -> Flow[Vectors]:
        """One row per text."""
        litellm = imported_litellm()
        name = self.facts.full_name.removeprefix("litellm/")
        arguments = {"model": name, "input": texts, "caching": False, **access_arguments(self.access), **self.options}
        try:
            answer = yield Invoke(litellm.embedding, (), arguments, twin=getattr(litellm, "aembedding", None))
        except Exception as error:
            raise error if isinstance(error, LMError) else error_of_litellm(error, self.facts) from error
        return vectors_of(lambda: _read(answer), len(texts), self.facts)


def _read(answer: Any) -> tuple[list[tuple[Any, array[float]]], Usage]:
    rows = _part(answer, "data")
    usage = _part(answer, "usage")
    plain = usage.model_dump() if hasattr(usage, "model_dump") else usage
    return [(_part(row, "index"), array("f", _part(row, "embedding"))) for row in rows], usage_of(plain if isinstance(plain, dict) else {})


def _part(of: Any, name: str) -> Any:
    return of.get(name) if isinstance(of, Mapping) else getattr(of, name, None)
