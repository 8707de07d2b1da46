"""Embedding models behind HTTP: OpenAI-compatible servers, Ollama and Gemini."""

from __future__ import annotations

import json
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whet.core.exchange import Usage
from whet.core.flow import Flow, Send
from whet.core.http import HttpRequest, HttpResponse
from whet.errors import LMConfigurationError, LMUnexpectedError
from whet.lm.budget import Metered, seconds_left
from whet.lm.facts import ModelFacts, facts_of, provider_of
from whet.lm.limit import Limited, limiter_of
from whet.lm.retry import Retrying
from whet.lm.site.access import ACCESS, access_of, place_of
from whet.lm.site.table import addressed, site_of
from whet.lm.wire.draft import MISSHAPEN
from whet.lm.wire.errors import error_from, unfollowed
from whet.lm.wire.openai_chat import HEADERS, json_bytes, read_json, usage_of

__all__ = ["HostedEmbedding", "Vectors", "packed", "unpacked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """One answer: a row per text, and what it cost."""

    rows: list[array[float]]
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    attempts: int = 1


def packed(row: array[float]) -> str:
    """A row as text, exactly.

    >>> unpacked(packed(array("f", [0.5, 2.0])))
    array('f', [0.5, 2.0])
    """
    return "f32:" + b64encode(row.tobytes()).decode("ascii")


def unpacked(text: str | None) -> array[float] | None:
    """The row again; `None` for text that is none."""
    if text is None or not text.startswith("f32:"):
        return None
    row = array("f")
    try:
        row.frombytes(b64decode(text[4:], validate=True))
    except ValueError:
        return None
    return row


class HostedEmbedding:
    """One embedding model at one address, with retries, limits and budgets around it as for every model."""

    # Batches under way at once.
    side_by_side = 8

    def __init__(self, model: str, options: Mapping[str, Any]) -> None:
        self.facts: ModelFacts = facts_of(model)
        self.provider = provider_of(self.facts.provider)
        if self.provider.wire not in ("openai", "ollama", "gemini"):
            raise LMConfigurationError(
                f"whet cannot ask `{self.provider.name}` for embeddings. Use an OpenAI-compatible, Ollama or Gemini model, or a function.",
                model=model,
            )
        self.access = access_of({name: value for name, value in options.items() if name in ACCESS})
        self.options = {name: value for name, value in options.items() if name not in ACCESS and name != "num_retries"}
        self.site = site_of(self.provider, self.facts, self.access)
        place = place_of(self.access.api_base) if self.access.api_base else ""
        self.identity = f"{model} @{place} {json.dumps(self.options, sort_keys=True, default=repr)}"
        self.limiter = limiter_of(f"embeddings {model} {self.access.api_base or ''}", self.access.max_concurrency)
        paid = Metered(_Exchange(self), self.facts.price, model)  # type: ignore[arg-type]
        self.engine = Retrying(Limited(paid, self.limiter), options.get("num_retries", 3), deadline=self.access.deadline, paced=True)

    def flow(self, texts: list[str]) -> Flow[Vectors]:
        """One row per text."""
        return self.engine.flow(texts)  # type: ignore[arg-type, return-value]

    def refused(self, what: str) -> LMUnexpectedError:
        """The error for rows that cannot be used."""
        return LMUnexpectedError(f"The server gave {what}.", model=self.facts.full_name, provider=self.facts.provider)


class _Exchange:
    def __init__(self, hosted: HostedEmbedding) -> None:
        self.hosted = hosted

    def flow(self, texts: list[str]) -> Flow[Vectors]:
        hosted = self.hosted
        path, body = _encode(hosted.provider.wire, hosted.facts.name, texts, hosted.options)
        raw = json_bytes(body)
        url, headers = yield from addressed(hosted.site, path, HEADERS, raw)
        limits = [s for s in (hosted.access.timeout, seconds_left()) if s is not None]
        timeout = max(0.001, min(limits)) if limits else None
        answer: HttpResponse = yield Send(HttpRequest(url=url, headers=headers, body=raw, timeout=timeout))
        hosted.limiter.observe(answer.headers)
        if 300 <= answer.status < 400:
            raise unfollowed(answer, hosted.facts, url)
        if answer.status >= 400:
            raise error_from(answer.status, answer.headers, answer.body, model=hosted.facts.full_name, provider=hosted.facts.provider)
        data = read_json(answer, hosted.facts)
        try:
            rows, usage = _decode(hosted.provider.wire, data)
        except MISSHAPEN as error:
            raise LMUnexpectedError(
                f"The answer holds no embeddings, only {sorted(data)!r}.", model=hosted.facts.full_name, provider=hosted.facts.provider
            ) from error
        if len(rows) != len(texts):
            name = hosted.facts.full_name
            raise LMUnexpectedError(f"The server gave {len(rows)} vectors for {len(texts)} texts.", model=name, usage=usage)
        price = hosted.facts.price
        return Vectors(rows=rows, usage=usage, cost=price.cost(usage) if price is not None else None)


def _encode(wire: str, name: str, texts: list[str], options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if wire == "ollama":
        return "/api/embed", {"model": name, "input": texts, **options}
    if wire == "gemini":
        own = {"outputDimensionality" if k == "dimensions" else k: v for k, v in options.items()}
        requests = [{"model": f"models/{name}", "content": {"parts": [{"text": text}]}, **own} for text in texts]
        return f"/models/{name}:batchEmbedContents", {"requests": requests}
    return "/embeddings", {"model": name, "input": texts, "encoding_format": "float", **options}


def _decode(wire: str, data: Mapping[str, Any]) -> tuple[list[array[float]], Usage]:
    if wire == "ollama":
        return [array("f", row) for row in data["embeddings"]], Usage(input_tokens=data.get("prompt_eval_count") or 0)
    if wire == "gemini":
        return [array("f", row["values"]) for row in data["embeddings"]], Usage()
    rows = sorted(data["data"], key=lambda row: row.get("index", 0))
    return [array("f", row["embedding"]) for row in rows], usage_of(data.get("usage"))
