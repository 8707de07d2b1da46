"""`Predict`: one call of a model, as a signature says."""

from __future__ import annotations

import difflib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from whet.adapters.base import Adapter, Reading
from whet.adapters.native import Native
from whet.core.context import Settings, attempt, current
from whet.core.exchange import NO_USAGE, Capabilities, Request, Response
from whet.core.field import Field
from whet.core.flow import Flow, Invoke
from whet.core.messages import Message
from whet.core.param import Learnt
from whet.core.records import Completions, Prediction
from whet.core.replay import Record
from whet.core.signature import Signature, ensure_signature, make_signature as _make_signature
from whet.core.trace import Step, Trace, Unread, as_given
from whet.errors import AdapterParseError, ConfigurationError, InputError, SchemaError, SignatureError, TruncatedError
from whet.lm.base import answering
from whet.modules.answering import Answering, P, R, Untyped
from whet.modules.choosing import adapters_of, checked_special, model_of, sampling_options
from whet.modules.tool_texts import redescribed, retold, texts_of
from whet.tools.tool import Tool

__all__ = ["Predict"]

_logger = logging.getLogger(__name__)
# Under this name a signature keeps itself without the fields that are shown in training only.
_SHOWN = "without hints"
_UNKNOWN = Capabilities()
_RESERVED = frozenset({"config", "signature", "demos", "lm", "adapter", "prediction", "new_signature", "_trace"})
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Predict(Answering[P, R]):
    """Asks a model for the outputs of a signature, given its inputs. One call, unless more are asked for.

    `adapter` is a format, or several to try in turn when an answer cannot be read; `lm` is the model, else the one in force; both may be
    given to a call, too. `retries` is how often the model is shown its unreadable answer and the reason and asked again. Other keywords
    (`temperature`, `n`, ...) go to the model with each call.

    Raises `SignatureError` for a signature without outputs; a call `InputError` for inputs that do not fit, and `AdapterParseError` for an
    answer that no format can read.

    >>> import whet.testing
    >>> program = Predict("question -> answer: int", lm=whet.testing.ScriptedLM([{"answer": 4}]))
    >>> program(question="2+2?").answer
    4
    """

    # What models are told of tools instead of what these say themselves, and the tools that this predictor tells of.
    tool_descs: Mapping[str, str] = MappingProxyType({})
    known_tools: Mapping[str, Tool] = MappingProxyType({})
    _lists_tools: bool = False

    def __init__(
        self,
        signature: Callable[P, R] | Untyped,
        callbacks: Sequence[Any] | None = None,
        *,
        adapter: Adapter | Sequence[Adapter] | None = None,
        lm: Any = None,
        retries: int = 0,
        **config: Any,
    ) -> None:
        super().__init__(callbacks)
        self.signature: Signature = signature if isinstance(signature, Signature) else _signature_of(signature)
        if not self.signature.output_fields:
            raise SignatureError("A predictor asks for outputs, and this signature has none; name one: 'question -> answer'.")
        if type(retries) is not int or retries < 0:
            raise ConfigurationError(f"`retries` is how often an unreadable answer is asked for again, 0 or more; got {retries!r}.")
        self.config = config
        self.adapter = adapter
        self.retries = retries
        self.reset()
        self.lm: Any = lm

    def reset(self) -> None:
        """Forget demos and the bound model."""
        self.lm = None
        self.demos: list[Any] = []
        self.traces: list[Any] = []
        self.train: list[Any] = []

    def update_config(self, **changes: Any) -> None:
        """Change the request parameters sent with each call."""
        self.config = {**self.config, **changes}

    def get_config(self) -> dict[str, Any]:
        """The request parameters sent with each call."""
        return self.config

    # -- what can be learnt --------------------------------------------------------------------------------------------

    @property
    def param(self) -> Learnt:
        """The learnable part: instructions, descriptions of fields and tools, demos, model."""
        signature, descriptions = self.signature, {f.name: f.desc for f in self.signature.fields.values() if f.desc}
        tools = {**texts_of(self.known_tools.values()), **self.tool_descs}
        return Learnt(instructions=signature.instructions, demos=tuple(self.demos), descriptions=descriptions, lm=self.lm, tools=tools)

    @param.setter
    def param(self, param: Learnt) -> None:
        signature = self.signature
        if param.instructions != signature.instructions:
            signature = signature.with_instructions(param.instructions)
        for name, desc in param.descriptions.items():
            if name in signature.fields and signature.fields[name].desc != desc:
                signature = signature.with_updated_fields(name, desc=desc)
        own = texts_of(self.known_tools.values())
        self.signature, self.demos, self.lm = signature, list(param.demos), param.lm
        self.tool_descs = {name: text for name, text in param.tools.items() if own.get(name) != text}

    # -- calling -------------------------------------------------------------------------------------------------------

    def flow(self, /, *args: Any, **kwargs: Any) -> Flow[Prediction]:
        """One prediction: check the inputs, render, ask, parse."""
        run = attempt.get()
        if run is None:
            return self._predict(args, kwargs, self.signature)
        if not run.replaying:
            return self._predict(args, dict(kwargs), self.signature, (run, kwargs))
        return run.call(self, kwargs, partial(self._predict, args, dict(kwargs), self.signature))  # type: ignore[no-any-return]

    def flow_again(self, inputs: dict[str, Any], failures: Sequence[Any]) -> Flow[Prediction]:
        """One more prediction that is shown an earlier answer and what was wrong with it."""
        from whet.modules.assertion import with_failure  # noqa: PLC0415 - only after a failure

        signature = inputs.pop("signature", self.signature) if "signature" not in self.signature.input_fields else self.signature
        signature, shown = with_failure(ensure_signature(signature), failures[-1])
        return self._predict((), {**inputs, **shown}, signature)

    def _predict(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], signature: Signature, noted: tuple[Any, dict[str, Any]] | None = None
    ) -> Flow[Prediction]:
        settings = current()
        if args:
            fields = ", ".join(f"`{name}`" for name in self.signature.input_fields)
            raise InputError(f"Positional arguments are not allowed when calling `{type(self).__name__}`. Name the inputs: {fields}.")
        started = time.perf_counter()
        special = _NOTHING if _RESERVED.isdisjoint(kwargs) else self._take_special(kwargs)
        signature = special.get("signature", signature)
        if not settings.training and signature.plans.get(_SHOWN) is not signature:
            signature, kwargs = _without_hints(signature, kwargs)
        inputs = checked_inputs(signature, kwargs, settings)
        lm = None if settings.rendering else model_of(special.get("lm") or self.lm or settings.lm)
        options = sampling_options({**self.config, **(special.get("config") or _NOTHING)}, lm)
        demos = special.get("demos", self.demos)
        shown = inputs
        if self.tool_descs:
            signature = retold(signature, self.known_tools.values(), self.tool_descs, listing=self._lists_tools)
            shown = redescribed(inputs, self.tool_descs)
        try:
            adapters = self._adapters(settings, special.get("adapter"))
            prediction: Prediction = yield from self._ask(adapters, settings, lm, signature, demos, shown, options)
        except AdapterParseError as error:
            if isinstance(settings.trace, Trace) and error.lm_response:
                settings.trace.unread.append(Unread(self, as_given(inputs), error.lm_response, isinstance(error, TruncatedError)))
            raise
        if settings.trace is not None and special.get("_trace", True):
            self._trace(settings, inputs, prediction, time.perf_counter() - started)
        if noted is not None:
            noted[0].note(Record(self, as_given(noted[1]), prediction))
        return prediction

    def _take_special(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        # A field of the signature wins over a reserved word: `demos` or `config` may be inputs.
        special = {name: kwargs.pop(name) for name in _RESERVED if name in kwargs and name not in self.signature.input_fields}
        checked_special(special)
        if "prediction" in special:  # a guess at the answer, which some providers take
            special["config"] = {**(special.get("config") or {}), "prediction": special.pop("prediction")}
        if "new_signature" in special:
            special["signature"] = special.pop("new_signature")
        if "signature" in special:
            special["signature"] = ensure_signature(special["signature"])
        return special

    def _adapters(self, settings: Settings, given: Any = None) -> Sequence[Adapter]:
        return adapters_of(given or self.adapter or settings.adapter)

    def _ask(  # noqa: PLR0913 - all that one question is made of
        self, adapters: Sequence[Adapter], settings: Settings, lm: Any, signature: Signature, demos: Any, inputs: Any, options: Any
    ) -> Flow[Prediction]:
        if len(adapters) == 1:
            return self._ask_with(adapters[0], settings, lm, signature, demos, inputs, options)
        ask = partial(self._ask_with, now=settings, lm=lm, signature=signature, demos=demos, inputs=inputs, options=options)
        return _first_readable(map(ask, adapters), adapters)

    def _ask_with(  # noqa: PLR0913 - all that one question is made of
        self, adapter: Adapter, now: Settings, lm: Any, signature: Signature, demos: Sequence[Any], inputs: dict[str, Any], options: Any
    ) -> Flow[Prediction]:
        if _asks_itself(adapter) and not now.rendering:
            asking, watch = _own_way(adapter, lm, options, signature, demos, inputs), _watch(now, self, adapter, signature, None)
            completions = yield from (asking if watch is None else watch.around(asking))
            prediction = Prediction.from_completions(completions, signature=signature)
            return prediction if watch is None else watch.finished(prediction)
        capabilities = lm.capabilities if lm is not None else _UNKNOWN
        native = adapter.native(signature, inputs, options, capabilities, lm)
        request = adapter.request(signature, inputs, demos, options=options, capabilities=capabilities, native=native)
        if now.rendering:
            now.rendering(self, request, adapter.sections(native.signature if native else signature, inputs, demos))
        spent = NO_USAGE
        for tries_left in range(self.retries, -1, -1):
            watch = None if now.send_stream is None else _watch(now, self, adapter, signature, native)
            asking = answering(lm, request)
            response = yield from (asking if watch is None else watch.around(asking))
            try:
                prediction = prediction_of(adapter, signature, response, native)
                if "logprobs" in options:
                    _add_logprobs(prediction, response)
                return prediction if watch is None else watch.finished(prediction)
            except AdapterParseError as error:
                error.model, error.usage = error.model or getattr(lm, "model", None), (spent := spent + response.usage)
                if not tries_left or isinstance(error, TruncatedError):  # under the same limit it would be cut off again
                    raise
                request = _asking_again(request, error)
        raise AssertionError("the last try returns or raises")

    def _trace(self, settings: Settings, inputs: dict[str, Any], prediction: Prediction, seconds: float) -> None:
        trace = settings.trace
        if settings.max_trace_size <= 0:
            return
        trace.append(Step(self, as_given(inputs), prediction, seconds=seconds))
        if len(trace) > settings.max_trace_size:
            del trace[: len(trace) - settings.max_trace_size]

    # -- saving --------------------------------------------------------------------------------------------------------

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """Demos, signature texts and the model's name, as plain data."""
        from whet.modules.state import predictor_state  # noqa: PLC0415 - reads files, which most programs do not

        return predictor_state(self)  # type: ignore[arg-type]

    def load_state(self, state: Mapping[str, Any], **options: Any) -> Predict[P, R]:  # type: ignore[override]
        """Restore `dump_state()`; types stay those of the signature that the predictor has."""
        from whet.modules.state import restore_predictor  # noqa: PLC0415 - reads files, which most programs do not

        restore_predictor(self, state, **options)  # type: ignore[arg-type]
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.signature!r})"


def _signature_of(signature: Any) -> Signature:
    if isinstance(signature, str):
        import sys  # noqa: PLC0415 - a name that only this line needs

        caller = sys._getframe(2)
        while caller.f_code.co_name == "__init__" and caller.f_back is not None:
            caller = caller.f_back  # a subclass's constructor passed the string on
        return _make_signature(signature, custom_types={**caller.f_globals, **caller.f_locals})
    if signature is None:
        raise ConfigurationError("There is no signature: give a string such as 'question -> answer', or a `whet.Signature`.")
    return ensure_signature(signature)  # type: ignore[no-any-return]


def _without_hints(signature: Signature, kwargs: dict[str, Any]) -> tuple[Signature, dict[str, Any]]:
    shown = signature.plans.get(_SHOWN)
    if shown is None:
        kept = [f for f in signature.fields.values() if not f.train_only]
        shown = signature.plans[_SHOWN] = signature if len(kept) == len(signature.fields) else signature._with_fields(kept)
    if shown is signature:
        return signature, kwargs
    return shown, {k: v for k, v in kwargs.items() if k in shown.fields or k not in signature.fields}


def checked_inputs(signature: Signature, given: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The inputs of a call, defaults filled in. Raises `InputError` for unknown and missing ones, and for broken constraints."""
    fields = signature.input_fields
    for name in given:
        if name not in fields:
            raise _unknown(signature, name)
    inputs: dict[str, Any] = {}
    for name, field in fields.items():
        if name in given:
            value = given[name]
            inputs[name] = value
            if type(value) is not field.annotation or field.constraints:
                _check(field, value, settings)
        elif not field.required:
            inputs[name] = field.default_value()
        elif field.train_only or field.schema.nullable:
            continue
        else:
            raise _missing(signature, name, given)
    return inputs


def _check(field: Field, value: Any, settings: Settings) -> None:
    if field.constraints:
        try:
            field.schema.coerce(value)
        except SchemaError as error:
            raise InputError(f"Input `{field.name}`: {error}") from error
    if settings.warn_on_type_mismatch and field.typed and not field.schema.accepts(value):
        _logger.warning(
            "Type mismatch for field '%s': expected %s based on given Signature, but the value is of type %s.",
            field.name,
            field.schema.name,
            type(value).__name__,
        )


def _unknown(signature: Signature, name: str) -> InputError:
    near = difflib.get_close_matches(name, signature.input_fields, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    inputs = ", ".join(f"`{n}`" for n in signature.input_fields)
    kind = "an output" if name in signature.output_fields else "not in signature"
    return InputError(f"`{name}` is {kind} of `{signature.signature}`; it cannot be given as an input.{hint} Inputs that fit: {inputs}.")


def _missing(signature: Signature, name: str, given: Mapping[str, Any]) -> InputError:
    missing = [n for n, f in signature.input_fields.items() if n not in given and f.required and not f.schema.nullable]
    field = signature.input_fields[name]
    return InputError(
        f"Not all input fields were provided to module. Present: {list(given)}. Missing: {missing}. "
        f"`{name}` needs a value of type {field.schema.name}, or a default in the signature."
    )


def _first_readable(asking: Iterator[Flow[Prediction]], adapters: Sequence[Adapter]) -> Flow[Prediction]:
    for adapter in adapters[:-1]:
        try:
            return (yield from next(asking))
        except TruncatedError:
            raise
        except AdapterParseError as error:
            _logger.info("`%s` could not read the answer (%s); trying the next format.", type(adapter).__name__, error.reason)
    return (yield from next(asking))


def _asks_itself(adapter: Any) -> bool:
    return type(adapter).__call__ is not Adapter.__call__ or type(adapter).flow is not Adapter.flow


def _add_logprobs(prediction: Prediction, response: Response) -> None:
    # Whoever asked for log-probabilities finds them beside the outputs.
    if response.choices[0].logprobs is not None and "logprobs" not in prediction:
        prediction["logprobs"] = response.choices[0].logprobs
        if prediction._completions is not None:
            prediction._completions._lists["logprobs"] = [choice.logprobs for choice in response.choices]


def _watch(settings: Settings, predictor: Any, adapter: Adapter, signature: Signature, native: Native | None) -> Any:
    # Somebody streams this program: the fields are told as they come. Other objects on `send_stream` are the user's own.
    outlet = settings.send_stream
    return outlet.watch(predictor, adapter, signature, native) if hasattr(outlet, "watch") else None


def _own_way(adapter: Any, lm: Any, options: Any, signature: Signature, demos: Any, inputs: Any) -> Flow[Any]:
    # An adapter that asks by itself: one of ours as a flow, a user's `__call__` as it is.
    if type(adapter).__call__ is Adapter.__call__:
        return (yield from adapter.flow(lm, options, signature, demos, inputs))
    named = {"lm_kwargs": options, "signature": signature, "demos": demos, "inputs": inputs}
    return (yield Invoke(adapter, (lm,), named, twin=adapter.acall))


def prediction_of(adapter: Adapter, signature: Signature, response: Response, native: Native | None = None) -> Prediction:
    """A response read as a prediction: the fields of the first sample, and all samples in `completions`.

    `native` is what the model was asked to fill by itself.
    """
    readings: list[Reading] = []
    for choice in response.choices:
        readings.append(adapter.read(signature, choice, native))
    first = readings[0]
    several = Completions([r.values for r in readings], signature=signature) if len(readings) > 1 else None
    return Prediction.of_response(first.values, response, first.repairs, several)


def _asking_again(request: Request, error: AdapterParseError) -> Request:
    from dataclasses import replace  # noqa: PLC0415 - only after a failure

    why = error.reason or "it does not have the required form"
    reason = f"Your answer could not be used: {why}. Give the whole answer again, in the form asked for."
    again = (*request.messages, Message("assistant", error.lm_response or ""), Message("user", reason))
    return replace(request, messages=again)
