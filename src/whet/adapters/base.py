"""What all adapters share: the order of messages, demos, history, native features, defaults for missing outputs.

An adapter is two pure functions: `render` turns a signature, demos and inputs into messages, `parse` turns an answer's text into typed
values. A format is a subclass that says how fields are laid out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from whet.adapters.budget import Sections, Tokens
from whet.adapters.demos import Demo
from whet.adapters.layout import Layout
from whet.adapters.native import TOOL_OPTIONS, Native, offered
from whet.adapters.overflow import fitting
from whet.adapters.plan import Plan, make_plan
from whet.adapters.reading import Reader, Reading
from whet.adapters.style import Style, style_of
from whet.adapters.turns import as_content, beside, demo_messages, history_messages, parts_of
from whet.core.context import current
from whet.core.events import handlers_of, observing, with_callbacks
from whet.core.exchange import Capabilities, Request, ToolSpec, make_request
from whet.core.flow import Flow, adrive, drive
from whet.core.messages import Message, TextPart, make_message
from whet.core.signature import Signature
from whet.core.trace import message_dicts
from whet.lm.base import answering
from whet.lm.borrowed import as_model

__all__ = ["Adapter", "Plan", "Reading"]

# System text, demos, history, request, and how many demos are left out.
Pieces: TypeAlias = tuple[tuple[Message, ...], tuple[Message, ...], tuple[Message, ...], tuple[Message, ...], int]
_PLANS_KEPT = 256
_UNKNOWN = Capabilities()


class Adapter(Layout, Reader):
    """Base of all formats. Subclasses say how fields are laid out; any `format_*` part can be overridden on its own.

    `use_native_function_calling` lets a model with tools call them by itself; `parallel_tool_calls` allows several calls in one turn.
    `native_response_types` are the output types that the model may fill natively (`Reasoning` and `Citations` unless given). Further
    arguments replace parts of the prompt: `system`, `field`, `reminder`, `marker`, `demos`, `demo_tokens`, `overflow`
    (see `whet.adapters.Style`).

    >>> import whet.testing
    >>> class Shouting(whet.ChatAdapter):
    ...     def format_task_description(self, signature):
    ...         return signature.instructions.upper()
    >>> lm = whet.testing.ScriptedLM([{"answer": "4"}])
    >>> with whet.context(lm=lm, adapter=Shouting()):
    ...     _ = whet.Predict(whet.Signature("question -> answer", "Be brief."))(question="2+2?")
    >>> "BE BRIEF." in lm.requests[0].messages[0].text
    True
    """

    use_native_function_calling: bool = False
    _own_format_demos: ClassVar[bool] = False
    _own_format_conversation_history: ClassVar[bool] = False

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool | None = None,
        native_response_types: Sequence[type] | None = None,
        *,
        parallel_tool_calls: bool | None = None,
        **style: Any,
    ) -> None:
        self.callbacks = list(callbacks or ())
        if use_native_function_calling is not None:
            self.use_native_function_calling = use_native_function_calling
        self.native_response_types = None if native_response_types is None else list(native_response_types)
        self.parallel_tool_calls = parallel_tool_calls
        self.style: Style = style_of(style)
        self._plans: dict[int, Plan] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        # A `format` or `parse` of a user's own runs inside callbacks, and is what `Predict` uses.
        super().__init_subclass__(**options)
        for name in ("format", "parse"):
            if name in cls.__dict__:
                setattr(cls, name, with_callbacks(cls.__dict__[name]))
        for name in ("format_demos", "format_conversation_history"):
            if name in cls.__dict__:
                setattr(cls, f"_own_{name}", True)

    @property
    def _own_format(self) -> bool:
        # A subclass's own, or one that a test put there.
        return getattr(self.format, "__func__", None) is not Adapter.format

    def native_types(self) -> Sequence[type]:
        """The output types that a model may fill by itself."""
        if self.native_response_types is not None:
            return self.native_response_types
        from whet.core.types.document import Citations  # noqa: PLC0415 - only signatures with such types come here
        from whet.core.types.text import Reasoning  # noqa: PLC0415 - as above

        return (Citations, Reasoning)

    # -- rendering -----------------------------------------------------------------------------------------------------

    def render(self, signature: Signature, inputs: Mapping[str, Any], demos: Sequence[Mapping[str, Any]] = ()) -> tuple[Message, ...]:
        """The messages of one call. Pure: the same arguments always give the same messages, and no model is needed."""
        system, shown, history, request, _ = self._pieces(signature, inputs, demos, False)
        return (*system, *shown, *history, *request)

    def sections(
        self, signature: Signature, inputs: Mapping[str, Any], demos: Sequence[Mapping[str, Any]] = (), *, native: bool = False
    ) -> Sections:
        """The messages of one call by what they are for; `native` shows earlier tool calls as the model made them."""
        return Sections(*self._pieces(signature, inputs, demos, native))

    def _pieces(self, signature: Signature, inputs: Mapping[str, Any], demos: Sequence[Mapping[str, Any]], native: bool) -> Pieces:
        plan = self.plan(signature)
        shown: tuple[Message, ...] = ()
        left_out = 0
        if demos:
            shown, left_out = self._demos(plan, demos)
        history = () if plan.history is None else self._history(plan, inputs, native)
        content = self.format_user_message_content(signature, inputs, main_request=True)
        final = (make_message("user", content),) if content else ()
        if not shown or self.style.demos == "turns":
            return plan.system, shown, history, final, left_out
        return self._with_demos_inside((plan.system, shown, history, final, left_out))

    def _with_demos_inside(self, pieces: Pieces) -> Pieces:
        system, shown, history, request, left_out = pieces
        examples, between = parts_of(as_content(shown)), TextPart("\n\n")
        if self.style.demos == "system":
            system = (Message("system", beside([*parts_of(system[0].content), between, *examples])),)
        elif request:
            request = (Message("user", beside([*examples, between, *parts_of(request[0].content)])),)
        return system, (), history, request, left_out

    def request(
        self,
        signature: Signature,
        inputs: Mapping[str, Any],
        demos: Sequence[Mapping[str, Any]] = (),
        *,
        options: Mapping[str, Any] | None = None,
        capabilities: Capabilities | None = None,
        native: Native | None = None,
    ) -> Request:
        """The whole request of one call, for a model with these capabilities; `native` is what `native()` found for it.

        Raises `ContextWindowExceededError` where the prompt is too long and the style's `overflow` is not `"send"`.
        """
        can = capabilities or _UNKNOWN
        given: Mapping[str, Any] = options or {}
        tools: tuple[ToolSpec, ...] = ()
        if native is not None:
            signature, tools, given = native.signature, native.tools, {**native.options, **given}
        if not tools and not TOOL_OPTIONS.isdisjoint(given):
            given = {k: v for k, v in given.items() if k not in TOOL_OPTIONS}
        if self._own_format or handlers_of(self, "adapter_format") or self.style.overflow != "send":
            messages = self._messages(signature, inputs, demos, can, tools)
        else:
            system, shown, history, final, _ = self._pieces(signature, inputs, demos, bool(tools))
            messages = (*system, *shown, *history, *final)
        return make_request(messages, "", given, tools, None, self.response_schema(signature, can))

    def _messages(
        self, signature: Signature, inputs: Mapping[str, Any], demos: Sequence[Any], can: Capabilities, tools: tuple[ToolSpec, ...]
    ) -> tuple[Message, ...]:
        if self._own_format:
            from whet.lm.asking import messages_of  # noqa: PLC0415 - only adapters of users give dicts

            return messages_of(self.format(signature, demos, inputs))
        handlers = handlers_of(self, "adapter_format")
        with observing("adapter_format", self, {"signature": signature, "demos": demos, "inputs": inputs}, handlers) as call:
            if self.style.overflow != "send" and can.context_window:
                messages = fitting(self, signature, inputs, demos, can, tools)
            else:
                messages = self.sections(signature, inputs, demos, native=bool(tools)).messages
            call.outputs = message_dicts(messages) if handlers else None
        return messages

    def native(
        self, signature: Signature, inputs: Mapping[str, Any], options: Mapping[str, Any], capabilities: Capabilities, lm: Any = None
    ) -> Native | None:
        """What the model will do by itself in this call; `None` where the prompt does it all."""
        plan = self.plan(signature)
        return offered(self, plan, inputs, options, capabilities, lm) if plan.native or plan.likely else None

    def tokens(self, signature: Signature, inputs: Mapping[str, Any], demos: Sequence[Mapping[str, Any]] = ()) -> Tokens:
        """About how many tokens the prompt of a call is, by part."""
        return self.sections(signature, inputs, demos).tokens()

    def response_schema(self, signature: Signature, capabilities: Capabilities) -> Any:
        """The JSON schema that the model is asked to keep to; `None` where the format needs none."""
        return None

    def plan(self, signature: Signature) -> Plan:
        """The kept work for a signature."""
        plan = self._plans.get(id(signature))
        if plan is None or plan.signature is not signature:
            plan = make_plan(self, signature)
            while len(self._plans) >= _PLANS_KEPT:
                self._plans.pop(next(iter(self._plans)), None)
            self._plans[id(signature)] = plan
        return plan

    def _demos(self, plan: Plan, demos: Sequence[Mapping[str, Any]], usual: bool = False) -> tuple[tuple[Message, ...], int]:
        if self._own_format_demos and not usual:
            from whet.lm.asking import messages_of  # noqa: PLC0415 - only adapters of users give dicts

            return messages_of(self.format_demos(plan.signature, list(demos))), 0
        return plan.demos.messages(demos, lambda chosen: self._demo_messages(plan.signature, chosen), self.style.demo_tokens)

    def _history(self, plan: Plan, inputs: Mapping[str, Any], native: bool) -> tuple[Message, ...]:
        name = plan.history or ""
        if self._own_format_conversation_history:
            from whet.lm.asking import messages_of  # noqa: PLC0415 - only adapters of users give dicts

            return messages_of(self.format_conversation_history(plan.signature, name, dict(inputs)))
        return tuple(history_messages(self, plan.signature, inputs.get(name), native))

    def format_demos(self, signature: Signature, demos: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The demos as message dicts, a user and an assistant message each; those that cannot be shown are left out."""
        return message_dicts(self._demos(self.plan(signature), demos, usual=True)[0])

    def format_conversation_history(self, signature: Signature, history_field_name: str, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The earlier turns in `inputs[history_field_name]` as message dicts, with calls of tools in the form that the adapter asks for
        them; none where there is no history."""
        native = self.use_native_function_calling
        return message_dicts(tuple(history_messages(self, signature, inputs.get(history_field_name), native)))

    def _demo_messages(self, signature: Signature, demos: Iterable[Demo]) -> list[Message]:
        return demo_messages(self, signature, demos)

    def format(self, signature: Signature, demos: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The messages as dicts in OpenAI's form."""
        if (self.callbacks or current().callbacks) and not self._own_format:
            return message_dicts(self._messages(signature, inputs, demos, _UNKNOWN, ()))
        return message_dicts(self.render(signature, inputs, demos))

    # -- calling a model with it ---------------------------------------------------------------------------------------

    def format_finetune_data(
        self, signature: Signature, demos: Any, inputs: Mapping[str, Any], outputs: Mapping[str, Any]
    ) -> dict[str, list[dict[str, Any]]]:
        """A training row: the messages of a call and the answer wanted."""
        answer = {"role": "assistant", "content": self.format_assistant_message_content(signature, outputs)}
        return {"messages": [*self.format(signature, demos, inputs), answer]}

    def flow(
        self, lm: Any, lm_kwargs: Mapping[str, Any], signature: Signature, demos: Sequence[Any], inputs: Mapping[str, Any]
    ) -> Flow[Any]:
        """Render, ask, parse: one dict of outputs per completion, with `logprobs` where the model gave them."""
        lm = as_model(lm)
        native = self.native(signature, inputs, lm_kwargs, lm.capabilities, lm)
        request = self.request(signature, inputs, demos, options=lm_kwargs, capabilities=lm.capabilities, native=native)
        response = yield from answering(lm, request)
        read = []
        for choice in response.choices:
            values = self.read(signature, choice, native).values
            read.append(values if choice.logprobs is None else {**values, "logprobs": choice.logprobs})
        return read

    def __call__(
        self, lm: Any, lm_kwargs: Mapping[str, Any], signature: Signature, demos: Sequence[Any], inputs: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Render, ask the model, parse: one dict of outputs per completion."""
        return drive(self.flow(lm, lm_kwargs, signature, demos, inputs))

    async def acall(
        self, lm: Any, lm_kwargs: Mapping[str, Any], signature: Signature, demos: Sequence[Any], inputs: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The same as calling it, from async code."""
        return await adrive(self.flow(lm, lm_kwargs, signature, demos, inputs))
