"""`LM`: the one door to any language model, by name."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from whet.core.exchange import Capabilities
from whet.core.secret import Secret
from whet.errors import LMConfigurationError
from whet.lm.base import BaseLM
from whet.lm.endpoint import Endpoint
from whet.lm.facts import Price, facts_of, is_reasoning_name

__all__ = ["LM"]

EMBEDDED = "embedded"


class LM(BaseLM):
    """A language model by its name: `"openai/gpt-4o-mini"`, any OpenAI-compatible server with `api_base=`, or `"embedded"`.

    The key comes from `api_key` (a string or a function that returns one), else from the provider's environment variable, at each call.
    Nothing is sent that was not asked for: no temperature, no token limit. Other keywords are request parameters for every call.
    `price` and `capabilities` win over the built-in table. `"embedded"` is a small linear text reader that needs no key and no network: it
    is no neural language model, and it is there to try the machinery with.

    Raises `LMConfigurationError` for a name that cannot work, before anything is sent.

    >>> LM("embedded").model
    'embedded'
    """

    def __init__(
        self,
        model: str,
        model_type: str = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool | str = True,
        callbacks: list[Any] | None = None,
        num_retries: int = 3,
        *,
        api_key: Any = None,
        api_base: str | None = None,
        price: Price | None = None,
        capabilities: Capabilities | None = None,
        use_developer_role: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(model, str) or not model.strip():
            raise LMConfigurationError(f"A model is named by a string such as 'openai/gpt-4o-mini'; got {model!r}.")
        if model_type not in ("chat", "text", "responses"):
            raise LMConfigurationError(f"`model_type` is 'chat', 'responses' or 'text', not {model_type!r}.")
        self.embedded = model == EMBEDDED or model.startswith(EMBEDDED + ":")
        if is_reasoning_name(model) and not self.embedded:
            _check_reasoning_limits(temperature, max_tokens or kwargs.get("max_completion_tokens"))
        cache = False if self.embedded and cache is True else cache
        super().__init__(model, model_type, temperature, max_tokens, cache, callbacks, num_retries, capabilities, **kwargs)
        self.api_key = Secret(api_key) if isinstance(api_key, str) or callable(api_key) else api_key
        self.api_base = (api_base or kwargs.pop("base_url", None) or "").rstrip("/") or None
        self.kwargs.pop("base_url", None)
        self.price = price
        self.use_developer_role = use_developer_role

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do, from the built-in table or as the user said."""
        if self._capabilities is None:
            self._capabilities = EMBEDDED_CAPABILITIES if self.embedded else facts_of(self.model).capabilities
        return self._capabilities

    def source(self) -> Any:
        """What asks the server, or the embedded model itself."""
        if self.embedded:
            from whet.lm.local import EmbeddedSource  # noqa: PLC0415 - a few hundred lines that only this model needs

            return EmbeddedSource(self.model)
        return Endpoint(self)

    def identity(self) -> str:
        """The model's name and the address of its server, without credentials and query."""
        if self.api_base is None:
            return f"{self.model}#{self.model_type}"
        parts = urlsplit(self.api_base)
        return f"{self.model}#{self.model_type}@{parts.hostname}:{parts.port or ''}{parts.path}"


EMBEDDED_CAPABILITIES = Capabilities(json_schema=True, json_mode=True, tools=True, logprobs=True, native_n=True, streaming=False)


def _check_reasoning_limits(temperature: float | None, max_tokens: int | None) -> None:
    if (temperature is not None and temperature != 1.0) or (max_tokens is not None and max_tokens < 16_000):
        raise LMConfigurationError(
            "OpenAI's reasoning models require passing temperature=1.0 or None and max_tokens >= 16000 or None; "
            f"got temperature={temperature!r} and max_tokens={max_tokens!r}."
        )
