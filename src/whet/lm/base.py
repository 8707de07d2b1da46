"""`BaseLM`: what every language model is to the rest of whet, and the base for models of your own."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final

from whet.core.context import Settings, active_modules, current, meter
from whet.core.events import handlers_of, observed
from whet.core.exchange import Capabilities, Request, Response
from whet.core.flow import Flow, adrive, drive
from whet.core.trace import CallRecord, History, Outputs, Trace, message_dicts, plain_outputs, usage_dict
from whet.errors import ConfigurationError, LMError
from whet.lm.asking import merged_request, request_of
from whet.lm.cache import mode_of
from whet.lm.callable_identity import code_of
from whet.lm.facts import Price
from whet.lm.own import OwnMethod, asked_by_call, own_method
from whet.lm.patched import LITELLM, is_patched
from whet.lm.sampling import check_sampling
from whet.lm.spans import Spanned, tracer_in_use
from whet.lm.state import lm_state, restored_lm
from whet.lm.stream import AnswerStream
from whet.lm.wrapping import Terms, cache_mode, store_in_force, wrapped

__all__ = ["BaseLM", "answering"]

OTEL = "opentelemetry.trace"
_logger = logging.getLogger(__name__)


_UNKNOWN = Capabilities()
# What a subclass may say by a property of its own, and the capability that it is.
_CLAIMS: Final[Mapping[str, str]] = {
    "supports_function_calling": "tools",
    "supports_reasoning": "reasoning",
    "supports_response_schema": "json_schema",
    "supported_params": "params",
}


class BaseLM:
    """A language model. To write your own, define one method.

    `complete(request)` takes a `Request` and returns a `Response` or a string (it may be `async`); `forward(prompt, messages, **kwargs)`
    returning an OpenAI-style response works as well. Cache, retries, history, usage and callbacks come with the base class; answers of
    `forward` are not cached, since programs count on being asked each time.

    >>> class Echo(BaseLM):
    ...     def complete(self, request):
    ...         return request.messages[-1].text
    >>> Echo("echo")("Hello")
    ['Hello']
    """

    price: Price | None = None
    _inner_flow: ClassVar[Callable[..., Flow[Response]] | None] = None
    _claims: ClassVar[tuple[str, ...]] = ()
    # How the class is called as it was written; a test may put something else there.
    _calls: ClassVar[tuple[Any, Any]]

    def __init__(  # noqa: PLR0913 - the arguments that people know
        self,
        model: str = "",
        model_type: str = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool | str = True,
        callbacks: list[Any] | None = None,
        num_retries: int = 3,
        capabilities: Capabilities | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(num_retries, bool) or not isinstance(num_retries, int) or num_retries < 0:
            raise ConfigurationError(f"`num_retries` is an integer, 0 or more; got {num_retries!r}.")
        mode_of(cache)
        self.model = model
        self.model_type = model_type
        self.cache = cache
        self.callbacks = list(callbacks or ())
        self.num_retries = num_retries
        self.kwargs: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens, **kwargs}
        check_sampling(self.kwargs, endless=self._takes_endless())
        self.history = History()
        self._capabilities = capabilities
        self._engines: dict[tuple[Any, ...], Any] = {}
        self._source: Any = None
        self._warned = False

    # -- what it can do ------------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do; give `capabilities=` to say it yourself."""
        known = self._facts()
        return self._with_claims(known) if self._claims else known

    def _with_claims(self, known: Capabilities) -> Capabilities:
        return replace(known, **{_CLAIMS[name]: _stated(getattr(self, name)) for name in self._claims})

    def _facts(self) -> Capabilities:
        return self._capabilities or _UNKNOWN

    @property
    def _known(self) -> Capabilities:
        # What a property of a subclass's own reaches by `super()`; `capabilities` would ask it again.
        return self._facts() if self._claims else self.capabilities

    @property
    def supports_function_calling(self) -> bool:
        """Whether the model takes tools. A subclass may say so with a property of its own, here and in the three below."""
        return self._known.tools

    @property
    def supports_reasoning(self) -> bool:
        """Whether the model returns its reasoning apart from the answer."""
        return self._known.reasoning

    @property
    def supports_response_schema(self) -> bool:
        """Whether the model can be held to a JSON schema."""
        return self._known.json_schema

    @property
    def supported_params(self) -> set[str]:
        """The request parameters that the model is known to take, under their OpenAI names."""
        return set(self._known.params)

    # -- asking --------------------------------------------------------------------------------------------------------

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._claims = tuple(name for name in _CLAIMS if getattr(cls, name) is not getattr(BaseLM, name))
        cls._calls = (cls.__call__, cls.acall)
        if not cls.__dict__.keys().isdisjoint(("__call__", "acall")) and "flow" not in cls.__dict__:
            # A model whose `__call__` is its own is asked by it; what that `super().__call__` reaches is the flow it would have had.
            cls._inner_flow = cls._inner_flow or cls.flow
            cls.flow = asked_by_call  # type: ignore[method-assign]

    def __call__(self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> list[Any]:
        """Ask with a prompt or with messages; one entry per sample: a string, or a dict when an answer has more than text in it."""
        return plain_outputs(drive(self._ask(prompt, messages, kwargs)), self.model_type)

    async def acall(self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> list[Any]:
        """The same, from async code."""
        return plain_outputs(await adrive(self._ask(prompt, messages, kwargs)), self.model_type)

    def stream(self, prompt: str | Request | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> AnswerStream:
        """Ask, and get the answer as it comes: iterate over `StreamEvent`s with `for` or `async for`; then `.response` is the whole.

        An answer from the cache comes in the same events. A call is made again only as long as nothing of its answer was handed out.
        """
        return AnswerStream(lambda: self._ask(prompt, messages, dict(kwargs)))

    def astream(self, prompt: str | Request | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> AnswerStream:
        """The same as `stream`; it serves `async for` as well."""
        return self.stream(prompt, messages, **kwargs)

    def _ask(self, prompt: str | Request | None, messages: list[dict[str, Any]] | None, kwargs: dict[str, Any]) -> Flow[Response]:
        mode = kwargs.pop("cache", None)
        inner = type(self)._inner_flow
        flow = self.flow if inner is None else partial(inner, self)
        if isinstance(prompt, Request):
            return flow(replace(prompt, options={**prompt.options, **kwargs}) if kwargs else prompt, cache=mode)
        return flow(request_of(prompt, messages, kwargs), cache=mode)

    def flow(self, request: Request, *, cache: bool | str | None = None) -> Flow[Response]:
        """Answer a request, with everything around it: defaults, cache, retries, history, usage, callbacks."""
        if request.options:
            check_sampling(request.options, endless=self._takes_endless())
        request = merged_request(request, self.model, self.kwargs)
        if request.rollout_id is not None and request.options.get("temperature") == 0 and not self._warned:
            self._warn_of_rollout()
        answering = self._recorded_answer(request, cache)
        if self.callbacks or current().callbacks:
            asked = _asked(request) if handlers_of(self, "lm") else {}
            answering = observed("lm", self, asked, answering, partial(Outputs, model_type=self.model_type))
        return answering

    def _takes_endless(self) -> bool:
        # Whether -1 may stand for no limit on tokens; a model of one's own decides for itself.
        return True

    def _recorded_answer(self, request: Request, cache: bool | str | None) -> Flow[Response]:
        started, settings = time.time(), current()
        try:
            engine = self.engine(cache)
            if OTEL in sys.modules and (tracer := tracer_in_use()) is not None:
                engine = Spanned(engine, self.model, tracer)
            if settings.cassette is not None:
                engine = settings.cassette.around(engine, self)
            if settings.call_store is not None:
                engine = settings.call_store.around(engine, self)
            response: Response = yield from engine.flow(request)
        except LMError as error:
            error.model = error.model or self.model
            if _is_recorded(settings):
                self._record(CallRecord(request, None, error, self.model, started, self.model_type), settings)
            raise
        self._count(response, settings)
        if _is_recorded(settings):
            self._record(CallRecord(request, response, None, self.model, started, self.model_type), settings)
        if response.choices and response.choices[-1].finish_reason == "length":
            _logger.warning("The answer of `%s` was truncated at its token limit. Raise `max_tokens`, or ask for less.", self.model)
        return response

    def _warn_of_rollout(self) -> None:
        self._warned = True
        warnings.warn("rollout_id has no effect at temperature 0: the model gives the same answer each time.", UserWarning, stacklevel=2)

    def engine(self, cache: bool | str | None = None) -> Any:
        """What answers: an object with `flow(request)`, made once for each cache mode and kept."""
        settings = current()
        mode = cache_mode(self.cache if cache is None else cache, settings.cache_mode)
        store = None if mode == "off" else settings.cache or store_in_force()
        # A test may put another `forward` in the place of the model's, or `completion` in that of LiteLLM's, and take it away again.
        place = (mode, id(store), getattr(getattr(self, "forward", None), "__func__", None), LITELLM in sys.modules and is_patched())
        engine = self._engines.get(place)
        if engine is None:
            self._source = source = self.source()
            kept = None if isinstance(source, OwnMethod) and source.is_older_form else store
            engine = self._engines[place] = wrapped(source, self.terms(), mode, kept)
        return engine

    def _source_in_use(self) -> Any:
        if self._source is None:
            self._source = self.source()
        return self._source

    def source(self) -> Any:
        """The innermost engine, without cache and retries: here the model's own method."""
        return OwnMethod(self)

    def terms(self) -> Terms:
        """On which terms it is asked: cache identity, retries, price, pace."""
        return Terms(endpoint=self.identity(), model=self.model, num_retries=self.num_retries, price=self.price)

    def identity(self) -> str:
        """What tells this model's answers from another's in the cache: its name, and the code that answers or the server's address."""
        method = own_method(type(self), "complete", "stream_complete")
        return self.model if method is None else f"{self.model}#{code_of(method)}"

    def _count(self, response: Response, settings: Settings) -> None:
        if (counter := meter.get()) is not None:
            counter.add(response.usage.total_tokens, response.cost, response.cache_hit)
        if settings.usage_tracker is not None and (used := usage_dict(response)):
            settings.usage_tracker.add_usage(self.model, used)

    def _record(self, record: CallRecord, settings: Settings) -> None:
        if isinstance(settings.trace, Trace):
            settings.trace.calls.append(record)
        if settings.disable_history or settings.max_history_size <= 0:
            return
        most = settings.max_history_size
        self.history.keep(record, most)
        settings.history.keep(record, most)
        for module in active_modules.get():
            module.history.keep(record, most)

    # -- what subclasses may do ----------------------------------------------------------------------------------------

    def copy(self, **changes: Any) -> Any:
        """The same model with other attributes or request parameters (`None` removes one); its history is its own."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.history, new.callbacks, new.kwargs = History(), list(self.callbacks), dict(self.kwargs)
        new._engines, new._source, new._warned = {}, None, False
        for name, value in changes.items():
            if name in new.__dict__ and name != "kwargs":
                setattr(new, name, value)
            elif value is None:
                new.kwargs.pop(name, None)
            else:
                new.kwargs[name] = value
        check_sampling(new.kwargs, endless=new._takes_endless())
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> BaseLM:
        # Programs are copied structurally; the model behind them, its connections and its history stay one.
        return self

    def update_history(self, entry: Any) -> None:
        """Append an entry to this model's history."""
        self.history.append(entry)

    def inspect_history(self, n: int = 1, file: Any = None) -> None:
        """Print the last `n` calls of this model."""
        from whet.lm.inspect import print_history  # noqa: PLC0415 - only people who look need it

        print_history(self.history, n, file)

    def launch(self, launch_kwargs: Mapping[str, Any] | None = None) -> None:
        """Start the server of a local model; nothing to do for others."""

    def kill(self, launch_kwargs: Mapping[str, Any] | None = None) -> None:
        """Stop the server of a local model; nothing to do for others."""

    def dump_state(self) -> dict[str, Any]:
        """Class, name and parameters as plain data; never a key, a header or an endpoint."""
        return lm_state(self)

    @classmethod
    def load_state(cls, state: Mapping[str, Any], *, allow_custom_lm_class: bool = False) -> Any:
        """The model that `dump_state` described. Raises `StateError` for a class of your own, unless you say that you trust the state."""
        return restored_lm(cls, state, allow_custom=allow_custom_lm_class)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"


BaseLM._calls = (BaseLM.__call__, BaseLM.acall)


def answering(lm: Any, request: Request) -> Flow[Response]:
    """A model's answer as a flow; where a test put another `__call__` or `acall` in the place of the class's own, that is called."""
    kind = type(lm)
    written = getattr(kind, "_calls", None)
    if written is None or (kind.__call__ is written[0] and kind.acall is written[1]):
        return lm.flow(request)  # type: ignore[no-any-return]
    return asked_by_call(lm, request)


def _asked(request: Request) -> dict[str, Any]:
    """What handlers of a call are told of the question."""
    return {"prompt": None, "messages": message_dicts(request.messages), "kwargs": dict(request.options), **request.options}


def _is_recorded(settings: Settings) -> bool:
    return not settings.disable_history or isinstance(settings.trace, Trace)


def _stated(claim: Any) -> Any:
    return claim if isinstance(claim, bool) else frozenset(claim)
