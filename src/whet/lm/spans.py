"""OpenTelemetry spans of model calls, with the GenAI attribute names. Only where the program itself has set OpenTelemetry up."""

from __future__ import annotations

import sys
from typing import Any, Final

from whet.core.exchange import Request, Response
from whet.core.flow import Flow
from whet.errors import LMError
from whet.lm.facts import split_name

__all__ = ["Spanned", "tracer_in_use"]

# Semantic conventions for generative AI, version 1.38.
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CHOICES: Final = "gen_ai.request.choice.count"
ERROR: Final = "error.type"
CACHE_HIT: Final = "whet.cache_hit"
ATTEMPTS: Final = "whet.attempts"
COST: Final = "whet.cost_usd"
_NUMBERS: Final = ("temperature", "top_p", "top_k", "max_tokens", "seed", "frequency_penalty", "presence_penalty")
OPTIONS: Final = {**{name: f"gen_ai.request.{name}" for name in _NUMBERS}, "max_completion_tokens": "gen_ai.request.max_tokens"}
PROVIDERS: Final = {
    "gemini": "gcp.gemini", "vertex_ai": "gcp.vertex_ai", "bedrock": "aws.bedrock", "azure": "azure.ai.openai", "mistral": "mistral_ai",
    "xai": "x_ai",
}  # fmt: skip


def tracer_in_use() -> Any:
    """OpenTelemetry's tracer for whet, or `None`: it is never imported here, and not used before the program has set a provider."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None or getattr(api, "_TRACER_PROVIDER", None) is None:
        return None
    return api.get_tracer("whet")


class Spanned:
    """A model's engine whose calls are spans, children of the span that is current where they start."""

    __slots__ = ("engine", "model", "tracer")

    def __init__(self, engine: Any, model: str, tracer: Any) -> None:
        self.engine, self.model, self.tracer = engine, model, tracer

    def flow(self, request: Request) -> Flow[Response]:
        """Answer a request."""
        api: Any = sys.modules["opentelemetry.trace"]
        span = self.tracer.start_span(f"chat {self.model}", kind=api.SpanKind.CLIENT, attributes=_asked(request, self.model))
        try:
            response: Response = yield from self.engine.flow(request)
            span.set_attributes(_answered(response))
            return response
        except BaseException as error:
            span.set_attribute(ERROR, error.code if isinstance(error, LMError) else type(error).__name__)
            span.set_status(api.StatusCode.ERROR, str(error)[:200])
            raise
        finally:
            span.end()


def _asked(request: Request, model: str) -> dict[str, Any]:
    provider = split_name(model)[0]
    attributes: dict[str, Any] = {OPERATION: "chat", PROVIDER: PROVIDERS.get(provider, provider), REQUEST_MODEL: model}
    options = request.options
    attributes.update({known: options[name] for name, known in OPTIONS.items() if isinstance(options.get(name), int | float)})
    if request.n != 1:
        attributes[CHOICES] = request.n
    return attributes


def _answered(response: Response) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        RESPONSE_MODEL: response.model,
        FINISH_REASONS: [choice.finish_reason or "unknown" for choice in response.choices],
        CACHE_HIT: response.cache_hit,
        ATTEMPTS: response.attempts,
    }
    if response.usage.total_tokens:
        attributes |= {INPUT_TOKENS: response.usage.input_tokens, OUTPUT_TOKENS: response.usage.output_tokens}
    if response.cost is not None:
        attributes[COST] = response.cost
    if response.request_id is not None:
        attributes[RESPONSE_ID] = response.request_id
    return attributes
