"""Embedding models behind HTTP: OpenAI-compatible servers, Ollama and Gemini; those of others through LiteLLM."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Mapping
from typing import Any

from whet.core.exchange import Usage
from whet.core.flow import Flow, Send
from whet.core.http import HttpRequest, HttpResponse
from whet.errors import LMConfigurationError, LMUnexpectedError
from whet.lm.budget import Metered, seconds_left
from whet.lm.facts import ModelFacts, facts_of, provider_of
from whet.lm.limit import Limited, limiter_of
from whet.lm.patched import LITELLM, is_patched
from whet.lm.retry import Retrying
from whet.lm.site.access import ACCESS, access_of, place_of
from whet.lm.site.table import addressed, site_of
from whet.lm.vectors import Vectors, vectors_of
from whet.lm.wire.errors import error_from, unfollowed
from whet.lm.wire.openai_chat import HEADERS, json_bytes, read_json, usage_of

__all__ = ["HostedEmbedding", "asks_litellm"]

# The forms in which whet itself asks for embeddings; others go through LiteLLM.
WIRES = ("openai", "ollama", "gemini")


def asks_litellm() -> bool:
    """Whether a test has put a function of its own in the place of LiteLLM's."""
    return LITELLM in sys.modules and is_patched("embedding", "aembedding")


class HostedEmbedding:
    """One embedding model at one address, with retries, limits and budgets around it as for every model."""

    # Batches under way at once.
    side_by_side = 8

    def __init__(self, model: str, options: Mapping[str, Any]) -> None:
        self.facts: ModelFacts = facts_of(model)
        self.provider = provider_of(self.facts.provider)
        self.access = access_of({name: value for name, value in options.items() if name in ACCESS})
        self.options = {name: value for name, value in options.items() if name not in ACCESS and name != "num_retries"}
        place = place_of(self.access.api_base) if self.access.api_base else ""
        self.identity = f"{model} @{place} {json.dumps(self.options, sort_keys=True, default=repr)}"
        self.limiter = limiter_of(f"embeddings {model} {self.access.api_base or ''}", self.access.max_concurrency)
        paid = Metered(self._source(), self.facts.price, model)
        self.engine = Retrying(
            Limited(paid, self.limiter), options.get("num_retries", 3), deadline=self.access.deadline, limiter=self.limiter
        )

    def flow(self, texts: list[str]) -> Flow[Vectors]:
        """One row per text."""
        return self.engine.flow(texts)  # type: ignore[arg-type, return-value]

    def _source(self) -> Any:
        if self.provider.wire in WIRES and not asks_litellm():
            return _Exchange(self)
        if self.provider.wire == "anthropic" and not asks_litellm():
            raise LMConfigurationError(
                f"`{self.provider.name}` has no embedding models. Use an OpenAI-compatible, Ollama or Gemini one, or a function of yours.",
                model=self.facts.full_name,
            )
        from whet.lm.lite_embedding import LiteEmbedding  # noqa: PLC0415 - only the long tail needs it

        return LiteEmbedding(self.facts, self.access, self.options)

    def refused(self, what: str) -> LMUnexpectedError:
        """The error for rows that cannot be used."""
        return LMUnexpectedError(f"The server gave {what}.", model=self.facts.full_name, provider=self.facts.provider)


class _Exchange:
    def __init__(self, hosted: HostedEmbedding) -> None:
        self.hosted = hosted
        self.site = site_of(hosted.provider, hosted.facts, hosted.access)

    def flow(self, texts: list[str]) -> Flow[Vectors]:
        hosted = self.hosted
        path, body = _encode(hosted.provider.wire, hosted.facts.name, texts, hosted.options)
        raw = json_bytes(body)
        url, headers = yield from addressed(self.site, path, HEADERS, raw)
        limits = [s for s in (hosted.access.timeout, seconds_left()) if s is not None]
        timeout = max(0.001, min(limits)) if limits else None
        answer: HttpResponse = yield Send(HttpRequest(url=url, headers=headers, body=raw, timeout=timeout))
        hosted.limiter.observe(answer.headers)
        if 300 <= answer.status < 400:
            raise unfollowed(answer, hosted.facts, url)
        if answer.status >= 400:
            raise error_from(answer.status, answer.headers, answer.body, model=hosted.facts.full_name, provider=hosted.facts.provider)
        data = read_json(answer, hosted.facts)
        return vectors_of(lambda: _decode(hosted.provider.wire, data), len(texts), hosted.facts)


def _encode(wire: str, name: str, texts: list[str], options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if wire == "ollama":
        return "/api/embed", {"model": name, "input": texts, **options}
    if wire == "gemini":
        own = {"outputDimensionality" if k == "dimensions" else k: v for k, v in options.items()}
        requests = [{"model": f"models/{name}", "content": {"parts": [{"text": text}]}, **own} for text in texts]
        return f"/models/{name}:batchEmbedContents", {"requests": requests}
    return "/embeddings", {"model": name, "input": texts, "encoding_format": "float", **options}


def _decode(wire: str, data: Mapping[str, Any]) -> tuple[list[tuple[Any, array[float]]], Usage]:
    if wire == "ollama":
        return [(None, array("f", row)) for row in data["embeddings"]], Usage(input_tokens=data.get("prompt_eval_count") or 0)
    if wire == "gemini":
        return [(None, array("f", row["values"])) for row in data["embeddings"]], Usage()
    return [(row.get("index"), array("f", row["embedding"])) for row in data["data"]], usage_of(data.get("usage"))
