"""Which wire format speaks to which provider; each is imported when it is first needed."""

from __future__ import annotations

from typing import Any

from whet.errors import LMConfigurationError
from whet.lm.facts import Provider

__all__ = ["wire_of"]


def wire_of(provider: Provider, model_type: str) -> Any:
    """The wire format for a provider's models of this type. Raises `LMConfigurationError` for one that does not exist."""
    if provider.wire == "openai" and model_type == "chat":
        from whet.lm.wire.openai_chat import OpenAIChat  # noqa: PLC0415 - a program needs one or two formats

        return OpenAIChat()
    raise LMConfigurationError(f"Models of `{provider.name}` cannot be asked with `model_type={model_type!r}` yet. Use 'chat'.")
