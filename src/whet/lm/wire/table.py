"""Which wire format speaks to which model; each is imported when it is first needed."""

from __future__ import annotations

from typing import Any, Final, Protocol

from whet.core.exchange import Request, Response, StreamEvent
from whet.core.http import HttpResponse
from whet.errors import LMConfigurationError
from whet.lm.facts import ModelFacts, Provider

__all__ = ["Decoder", "Wire", "wire_of"]


class Decoder(Protocol):
    """Reads one streamed answer."""

    @property
    def started(self) -> bool:
        """Whether the caller was given something: then the call must not be made again."""

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete."""

    def tail(self) -> list[StreamEvent]:
        """What was still to come when the connection ended."""

    def finish(self) -> Response:
        """The whole answer."""


class Wire(Protocol):
    """A format: encode, decode, and decode piece by piece."""

    def encode(self, request: Request, facts: ModelFacts, *, stream: bool = False) -> tuple[str, Any, bytes]:
        """Path below the base URL, headers (without the key) and body."""

    def decode(self, http: HttpResponse, facts: ModelFacts) -> Response:
        """The answer, or the `LMError` that it stands for."""

    def stream(self, facts: ModelFacts) -> Decoder:
        """A decoder of one streamed answer."""


# The version that Vertex wants in the body of a request to one of Anthropic's models.
VERTEX_ANTHROPIC: Final = "vertex-2023-10-16"


def wire_of(provider: Provider, facts: ModelFacts, model_type: str) -> Wire:
    """The wire format for a provider's model of this type. Raises `LMConfigurationError` for one that does not exist."""
    form = provider.wire
    hosted_at = None
    if "vertex" in provider.quirks:
        from whet.lm.site.vertex import publisher_of  # noqa: PLC0415 - only these models need it

        form = {"anthropic": "anthropic", "openapi": "openai"}.get(publisher_of(facts.name), "gemini")
        hosted_at = VERTEX_ANTHROPIC
    if form == "sagemaker" and model_type != "responses":
        from whet.lm.wire.sagemaker import SageMaker  # noqa: PLC0415 - a program needs one or two formats

        return SageMaker(model_type)
    wire = _openai(model_type) if form == "openai" else _native(form, hosted_at) if model_type == "chat" else None
    if wire is None:
        known = "'chat', 'responses' or 'text'" if form == "openai" else "'chat'"
        raise LMConfigurationError(f"Models of `{provider.name}` cannot be asked with `model_type={model_type!r}`. Use {known}.")
    return wire


def _openai(model_type: str) -> Wire | None:
    if model_type == "responses":
        from whet.lm.wire.openai_responses import OpenAIResponses  # noqa: PLC0415 - a program needs one or two formats

        return OpenAIResponses()
    if model_type == "text":
        from whet.lm.wire.openai_text import OpenAIText  # noqa: PLC0415 - a program needs one or two formats

        return OpenAIText()
    from whet.lm.wire.openai_chat import OpenAIChat  # noqa: PLC0415 - a program needs one or two formats

    return OpenAIChat()


def _native(form: str, hosted_at: str | None) -> Wire | None:
    if form == "anthropic":
        from whet.lm.wire.anthropic import Anthropic  # noqa: PLC0415 - a program needs one or two formats

        return Anthropic(hosted_at)
    if form == "gemini":
        from whet.lm.wire.gemini import Gemini  # noqa: PLC0415 - a program needs one or two formats

        return Gemini()
    if form == "ollama":
        from whet.lm.wire.ollama import Ollama  # noqa: PLC0415 - a program needs one or two formats

        return Ollama()
    if form == "bedrock":
        from whet.lm.wire.bedrock import Bedrock  # noqa: PLC0415 - a program needs one or two formats

        return Bedrock()
    return None
