"""`LM`: the one door to any language model, by name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from whet.core import http
from whet.core.context import context
from whet.core.exchange import Capabilities, Request, Response
from whet.core.flow import Flow, adrive, drive
from whet.core.wording import a_kind
from whet.errors import LMConfigurationError
from whet.lm.asking import merged_request, request_of
from whet.lm.base import BaseLM
from whet.lm.endpoint import Endpoint
from whet.lm.facts import Price, facts_of, is_reasoning_name, provider_of, split_name
from whet.lm.home import find_model
from whet.lm.limit import limiter_of
from whet.lm.own import OWN_METHODS, OwnMethod, own_method
from whet.lm.patched import LITELLM, is_patched, told
from whet.lm.provider import Provider, ReinforceJob, TrainingJob
from whet.lm.site.access import ACCESS, access_of, place_of
from whet.lm.wrapping import Terms

__all__ = ["LM"]

EMBEDDED = "embedded"
LOCAL = "local:"
EMBEDDED_CAPABILITIES = Capabilities(json_schema=True, json_mode=True, tools=True, logprobs=True, native_n=True, streaming=False)
FREE = Price(input=0.0, output=0.0)
# How many copies with other access (a timeout for one call, say) an LM keeps.
MAX_VARIANTS = 16


class LM(BaseLM):
    """A language model by its name: `"openai/gpt-4o-mini"`, any OpenAI-compatible server with `api_base=`, or `"embedded"`.

    The key comes from `api_key` (a string or a function that returns one), else from the provider's environment variable, at each call.
    Nothing is sent that was not asked for: no temperature, no token limit. `model_type` is "chat", "responses" or "text" (completions).
    `cache` is true, false, "read" (keeps nothing new) or "refresh" (asks anew); a call that fails on the way is repeated up to
    `num_retries` times. Keywords about the way to the server (`api_base`, `headers`, `timeout`, `deadline`, `max_concurrency`,
    `api_version`, `aws_region_name`, ...) are kept apart and never saved or logged; all others are request parameters for every call.
    `price` and `capabilities` win over the built-in table. `"embedded"` is a small linear text reader that needs no key and no network: it
    is no neural language model, and it is there to try the machinery with.

    `provider` trains and serves the model; `train_kwargs` and `launch_kwargs` go to it, and `finetuning_model` is trained in the place of
    `model`. `use_developer_role` sends system messages of "responses" as a developer's. `engine="litellm"` asks through LiteLLM where it is
    installed.

    Raises `LMConfigurationError` for a name that cannot work, before anything is sent.

    >>> LM("embedded").model
    'embedded'
    """

    server: Any = None

    def __init__(  # noqa: PLR0913 - the arguments that people know
        self,
        model: str,
        model_type: str = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool | str = True,
        callbacks: list[Any] | None = None,
        num_retries: int = 3,
        provider: Provider | None = None,
        finetuning_model: str | None = None,
        launch_kwargs: Mapping[str, Any] | None = None,
        train_kwargs: Mapping[str, Any] | None = None,
        use_developer_role: bool = False,
        *,
        price: Price | None = None,
        capabilities: Capabilities | None = None,
        engine: Any = "auto",
        **kwargs: Any,
    ) -> None:
        model = _named(model)
        if model_type not in ("chat", "text", "responses"):
            raise LMConfigurationError(f"`model_type` is 'chat', 'responses' or 'text', not {model_type!r}.")
        self.embedded = model == EMBEDDED or model.startswith(EMBEDDED + ":")
        if model.startswith((EMBEDDED + ":", LOCAL)):
            find_model(model.partition(":")[2])
        if is_reasoning_name(model) and not self.embedded:
            _check_reasoning_limits(temperature, max_tokens or kwargs.get("max_completion_tokens"))
        self.access = access_of({name: kwargs.pop(name) for name in ACCESS & kwargs.keys()})
        cache = False if self.embedded and cache is True else cache
        super().__init__(model, model_type, temperature, max_tokens, cache, callbacks, num_retries, capabilities, **kwargs)
        _name_limit(model, self.kwargs)
        self.through_litellm = _is_litellm(engine)
        self._variants: dict[Any, LM] = {}
        self._server: LM | None = None
        self.price = FREE if price is None and (self.embedded or model.startswith(LOCAL)) else _priced(price)
        self.use_developer_role = use_developer_role
        self.provider = provider or Provider()
        self.finetuning_model = finetuning_model
        self.launch_kwargs, self.train_kwargs = dict(launch_kwargs or {}), dict(train_kwargs or {})

    def _facts(self) -> Capabilities:
        # From the built-in table, or as the user said.
        if self._capabilities is None:
            local = Capabilities() if self.model.startswith(LOCAL) else None
            self._capabilities = EMBEDDED_CAPABILITIES if self.embedded else local or facts_of(self.model).capabilities
        return self._capabilities if LITELLM not in sys.modules else told(self.model, self._capabilities)

    def _takes_endless(self) -> bool:
        # As llama.cpp, LM Studio and Ollama do; whoever is paid by the token refuses it, and would be asked again without any limit.
        provider = provider_of(split_name(self.model)[0])
        return self.access.api_base is not None or (provider.key_optional and provider.wire in ("openai", "ollama"))

    def flow(self, request: Request, *, cache: bool | str | None = None) -> Flow[Response]:
        """Answer a request. What it says about the way to the server (`timeout`, `headers`, `api_key`, ...) holds for this call."""
        if not ACCESS.isdisjoint(request.options):
            access = {name: value for name, value in request.options.items() if name in ACCESS}
            options = {name: value for name, value in request.options.items() if name not in ACCESS}
            return self._variant(access).flow(replace(request, options=options), cache=cache)
        return super().flow(request, cache=cache)

    def forward(self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> Response:
        """Ask the server, with cache and retries but without history and callbacks: for `super().forward(...)` of a subclass."""
        with context(budget=None):  # the call of the subclass's own `forward` is paid for already
            return drive(self._beneath(prompt, messages, kwargs))

    async def aforward(self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> Response:
        """The same, from async code."""
        with context(budget=None):
            return await adrive(self._beneath(prompt, messages, kwargs))

    def _beneath(self, prompt: str | None, messages: list[dict[str, Any]] | None, kwargs: dict[str, Any]) -> Flow[Response]:
        mode = kwargs.pop("cache", None)
        if self._server is None:
            self._server = object.__new__(LM)
            self._server.__dict__.update(self.__dict__, _engines={}, _source=None, _server=None)
        request: Request = merged_request(request_of(prompt, messages, kwargs), self.model, self.kwargs)
        return self._server.engine(mode).flow(request)  # type: ignore[no-any-return]

    def copy(self, **changes: Any) -> LM:
        """The same model with other attributes, access or request parameters (`None` removes one); its history is its own."""
        if access := {name: changes.pop(name) for name in ACCESS & changes.keys()}:
            changes["access"] = access_of({**self.access.given(), **access})
        new: LM = super().copy(**changes)
        new._variants, new._server = {}, None
        _name_limit(new.model, new.kwargs)
        if "model" in changes:
            new.server = None
            new._capabilities = changes.get("capabilities")
        return new

    def source(self) -> Any:
        """What asks the server, the embedded model itself, or the method of a subclass that answers on its own."""
        if own_method(self, *OWN_METHODS) is not None:
            return super().source()
        if self.embedded:
            from whet.lm.local import EmbeddedSource  # noqa: PLC0415 - a few hundred lines that only this model needs

            return EmbeddedSource(self.model)
        if self.server is not None:
            from whet.lm.server import ServerSource  # noqa: PLC0415 - only a model that was launched has one

            return ServerSource(self.server, self.price, self.capabilities)
        if self.model.startswith(LOCAL):
            from whet.lm.inprocess import TransformersSource  # noqa: PLC0415 - only models in this process need it

            return TransformersSource(self.model)
        facts = facts_of(self.model, self.price, self.capabilities)
        if self.through_litellm or provider_of(facts.provider).wire == LITELLM or (LITELLM in sys.modules and is_patched()):
            from whet.lm.lite import LiteSource  # noqa: PLC0415 - only the long tail needs it

            return LiteSource(facts, self.access, self.model_type)
        endpoint = Endpoint(facts, self.access, self.model_type, developer=self.use_developer_role and self.model_type == "responses")
        endpoint.limiter = limiter_of(self.identity().partition("#")[0] + (self.access.api_base or ""), self.access.max_concurrency)
        return endpoint

    def terms(self) -> Terms:
        """On which terms it is asked: cache identity, retries, price, pace."""
        source = self._source_in_use()
        return Terms(
            endpoint=self.identity(),
            model=self.model,
            num_retries=0 if isinstance(source, OwnMethod) and source.is_older_form else self.num_retries,  # `super().forward` retries
            deadline=self.access.deadline,
            price=self.price or (source.facts.price if hasattr(source, "facts") else None),
            limiter=getattr(source, "limiter", None),
            split=not self.capabilities.native_n and not self.embedded,
        )

    def identity(self) -> str:
        """The model's name and type and the address of its server, without credentials and query."""
        if self.access.api_base is None:
            return f"{self.model}#{self.model_type}"
        return f"{self.model}#{self.model_type}@{place_of(self.access.api_base)}"

    def launch(self, launch_kwargs: Mapping[str, Any] | None = None) -> None:
        """Start a server for a `local:` model and ask it there from now on; nothing to do for others, unless their provider does it.

        `launch_kwargs`: `server` (`"vllm"`, `"sglang"` or `"transformers"`; default: the first one on PATH), `port`, `args` (more words for
        its command line), `timeout` (seconds until it must answer). Returns when it answers. Copies of this LM made from now on use
        it, too; it ends with `kill`, with the last LM that uses it, and with this program. `lm.server` has its address and log.

        Raises `LMNotConfiguredError` where no server is installed, or it does not come up; `ConfigurationError` for wrong options.
        """
        self.provider.launch(self, {**self.launch_kwargs, **(launch_kwargs or {})})

    def kill(self, launch_kwargs: Mapping[str, Any] | None = None) -> None:
        """Stop the server that `launch` started; the model is asked in this process again."""
        self.provider.kill(self, {**self.launch_kwargs, **(launch_kwargs or {})})

    def close(self) -> None:
        """Close the connections of this program that lie idle, those of other models among them; calls under way go on, and the model can
        be asked again. Nothing needs it: what lies idle for 30 seconds is closed anyway.
        """
        http.close_idle()

    async def aclose(self) -> None:
        """The same from async code."""
        http.close_idle()

    def serve_from(self, server: Any) -> None:
        """Ask the model at this server from now on, or, for `None`, in this process."""
        self.server = server
        self._engines, self._source = {}, None

    def finetune(
        self, train_data: list[dict[str, Any]], train_data_format: Any = None, train_kwargs: Mapping[str, Any] | None = None
    ) -> TrainingJob:
        """Train this model's weights in the background; the job's result is the new LM, or the exception that ended it.

        Raises `LMUnsupportedFeatureError` at once for a provider that cannot.
        """
        return self.provider.start_finetuning(self, train_data, train_data_format, {**self.train_kwargs, **(train_kwargs or {})})

    def reinforce(self, train_kwargs: Mapping[str, Any] | None = None) -> ReinforceJob:
        """Train this model's weights by reward, step by step. Raises `LMUnsupportedFeatureError` for a provider that cannot."""
        return self.provider.start_reinforcing(self, {**self.train_kwargs, **(train_kwargs or {})})

    def _variant(self, access: dict[str, Any]) -> LM:
        """This model with another access, sharing its history; the last few are kept."""
        try:
            key = tuple(sorted(access.items()))
            variant = self._variants.get(key)
        except TypeError:  # values that cannot be compared or hashed, such as headers
            key, variant = None, None
        if variant is None:
            variant = self.copy(**access)
            variant.history, variant.callbacks = self.history, self.callbacks
            if key is not None:
                if len(self._variants) >= MAX_VARIANTS:
                    self._variants.clear()
                self._variants[key] = variant
        return variant


def _named(model: Any) -> str:
    """The name of a model, that of one on this machine as we write it; DSPy writes `openai/local:...`."""
    if not isinstance(model, str) or not model.strip():
        raise LMConfigurationError(f"A model is named by a string such as 'openai/gpt-4o-mini'; got {model!r}.")
    provider, slash, name = model.partition("/")
    if slash and not (provider.strip() and name.strip(" /")):
        missing = "the name of a model" if provider.strip() else "a provider"
        raise LMConfigurationError(f"{model!r} lacks {missing}. Write `provider/name`, such as 'openai/gpt-4o-mini'.")
    return model.removeprefix("openai/") if model.startswith("openai/" + LOCAL) else model


def _priced(price: Any) -> Price | None:
    if price is None or isinstance(price, Price):
        return price
    raise LMConfigurationError(f"`price` is a `whet.Price(input=..., output=...)`, USD per million tokens; got {price!r}.")


def _is_litellm(engine: Any) -> bool:
    """Whether DSPy's option `engine` asks for LiteLLM, and it is installed; the others are whet's own clients."""
    if not isinstance(engine, str) and engine is not None:
        raise LMConfigurationError(
            f"`engine` is a name, not {a_kind(engine)}; a client of yours is a subclass of `BaseLM` with `complete(request)`."
        )
    return engine == LITELLM and find_spec(LITELLM) is not None


def _name_limit(model: str, parameters: dict[str, Any]) -> None:
    """The token limit of a reasoning model goes by a name of its own."""
    if not is_reasoning_name(model):
        return
    limit = parameters.pop("max_tokens", None)
    if limit is not None or "max_completion_tokens" not in parameters:
        parameters["max_completion_tokens"] = limit


def _check_reasoning_limits(temperature: float | None, max_tokens: int | None) -> None:
    if (temperature is not None and temperature != 1.0) or (max_tokens is not None and max_tokens < 16_000):
        raise LMConfigurationError(
            "OpenAI's reasoning models require passing temperature=1.0 or None and max_tokens >= 16000 or None; "
            f"got temperature={temperature!r} and max_tokens={max_tokens!r}."
        )
