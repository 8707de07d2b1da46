"""Whether a test has put another function in the place of one of LiteLLM's; nothing is imported to find out."""

from __future__ import annotations

import sys
from dataclasses import replace

from whet.core.exchange import Capabilities

__all__ = ["LITELLM", "is_patched", "told"]

LITELLM = "litellm"
NAMES = ("completion", "acompletion", "text_completion", "atext_completion", "responses", "aresponses")

ABOUT = {"supports_function_calling": "tools", "supports_reasoning": "reasoning", "supports_response_schema": "json_schema"}
PARAMS = "get_supported_openai_params"


def is_patched(*names: str) -> bool:
    """Whether one of these functions of LiteLLM (default: any that asks a model) is not LiteLLM's own: a mock, or a function of a test."""
    there = getattr(sys.modules.get(LITELLM), "__dict__", {})
    found = [there[name] for name in names or NAMES if name in there]
    return any(str(getattr(one, "__module__", "")).partition(".")[0] != LITELLM for one in found)


def told(model: str, known: Capabilities) -> Capabilities:
    """What a model can do, as far as a test's own functions in LiteLLM's place say it."""
    litellm = sys.modules[LITELLM]
    said = {field: bool(getattr(litellm, name)(model=model)) for name, field in ABOUT.items() if is_patched(name)}
    known = replace(known, **said)  # type: ignore[arg-type]
    if is_patched(PARAMS):
        params = frozenset(getattr(litellm, PARAMS)(model=model) or ())
        has_format = "response_format" in params
        known = replace(known, params=params, json_mode=has_format, json_schema=has_format and known.json_schema)
    return known
