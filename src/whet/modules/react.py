"""`ReAct`: a model that thinks, calls tools, looks at what they give, and answers (Yao et al. 2022, arXiv 2210.03629)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from whet.adapters.base import Adapter
from whet.core.context import Settings, current
from whet.core.field import InputField, OutputField
from whet.core.flow import Flow
from whet.core.records import Prediction
from whet.core.signature import Signature
from whet.core.types.tools import ToolCalls
from whet.errors import AdapterParseError, ConfigurationError, ContextWindowExceededError, InputError, SchemaError, WhetError
from whet.modules import react_prompt
from whet.modules.answering import Answering, P, R, Untyped
from whet.modules.calling import called
from whet.modules.chain_of_thought import ChainOfThought
from whet.modules.native_tools import NativeTools
from whet.modules.own_fields import check_fields, check_limit
from whet.modules.predict import Predict, _signature_of, checked_inputs
from whet.modules.tool_running import run_tools
from whet.modules.tool_texts import retold, told
from whet.modules.trajectory import ToolUse, Trajectory
from whet.tools.failure import shortened
from whet.tools.tool import Tool

__all__ = ["ReAct", "StepPredict", "outputs_in"]

_logger = logging.getLogger(__name__)
FINISH: Final = "finish"
POLICIES: Final = ("drop_oldest", "summarize", "error")
TRUNCATIONS: Final = 3
_OWN_INPUTS: Final = ("trajectory", "next_thought", "next_tool_name", "next_tool_args")
# What a call takes beside the inputs.
_OPTIONS: Final = ("max_iters", "config", "lm")


@dataclass(slots=True, kw_only=True)
class Work:
    """One run of an agent: what it was given, what it did, and how it ended."""

    inputs: dict[str, Any]
    most_turns: int
    deadline: float | None
    trajectory: Trajectory = field(default_factory=Trajectory)
    bad: int = 0
    outputs: dict[str, Any] | None = None
    thought: str = ""


class ReAct(Answering[P, R]):
    """Answers a signature with the help of `tools` (functions or `Tool`s), in at most `max_iters` turns.

    A model that calls tools by itself is asked in its own way, and several calls of one turn run side by side; others write each call as
    fields. The tool `finish` takes the outputs, so that the finishing turn is the answer; where it leaves some out, and where a limit
    is reached, `extract` makes the best answer of what was found. What goes wrong in a step (an unknown tool, wrong arguments, a tool
    that raises, an answer that cannot be read) is shown to the model, `max_bad_steps` unreadable answers in a row end the run.

    The prediction has the outputs, `reasoning`, `trajectory` (`thought_0`, `tool_name_0`, `tool_args_0`, `observation_0`, ...) and
    `stop_reason`: `finish`, `answer` (given without `finish`), `max_iters`, `max_seconds`, `bad_steps` or `context_window`.

    `context_policy` says what happens when the prompt gets too long: `drop_oldest` leaves out the oldest turn, `summarize` replaces the
    older half by a summary (one call), each at most 3 times per step; `error` raises. `native=False` asks every model in text.
    `max_seconds` is looked at between turns.

    >>> import whet.testing
    >>> def people(city: str) -> int:
    ...     return {"Oslo": 717710}[city]
    >>> lm = whet.testing.ScriptedLM([
    ...     {"next_thought": "Ask the tool.", "next_tool_name": "people", "next_tool_args": {"city": "Oslo"}},
    ...     {"next_thought": "That is it.", "next_tool_name": "finish", "next_tool_args": {}},
    ...     {"reasoning": "The tool said so.", "answer": 717710},
    ... ])
    >>> with whet.context(lm=lm):
    ...     ReAct("question -> answer: int", tools=[people])(question="How many people live in Oslo?").answer
    717710
    """

    def __init__(  # noqa: PLR0913 - the arguments that people know, and limits with defaults
        self,
        signature: Callable[P, R] | Untyped,
        tools: Sequence[Any],
        max_iters: int = 20,
        *,
        native: bool | None = None,
        context_policy: Literal["drop_oldest", "summarize", "error"] = "drop_oldest",
        max_seconds: float | None = None,
        max_bad_steps: int = 3,
    ) -> None:
        super().__init__()
        if context_policy not in POLICIES:
            raise ConfigurationError(f"`context_policy` is {context_policy!r}; it can be: {', '.join(POLICIES)}.")
        self.signature: Signature = signature if isinstance(signature, Signature) else _signature_of(signature)
        check_fields("ReAct", self.signature, _OWN_INPUTS, ("trajectory", "stop_reason"))
        self.tools: dict[str, Tool] = {**Tool.named(tools, reserved=(FINISH,)), FINISH: _finish(self.signature)}
        self.max_iters, self.max_bad_steps = check_limit("max_iters", max_iters), check_limit("max_bad_steps", max_bad_steps, 1)
        self.max_seconds = max_seconds
        self.context_policy = context_policy
        self.react = StepPredict(self.signature, self.tools, native)
        taken = self.signature._with_fields(self.signature.fields.values(), react_prompt.extracting(self.signature.instructions))
        self.extract = ChainOfThought(taken.append("trajectory", InputField(desc=react_prompt.TRAJECTORY), Trajectory))
        if context_policy == "summarize":
            self.summarize = Predict(react_prompt.summarizing())

    def flow(self, /, *args: Any, **inputs: Any) -> Flow[Prediction]:
        """Turns until the answer is there or a limit is reached."""
        if args:
            raise InputError(f"Name the inputs of `ReAct`: {', '.join(f'`{name}`' for name in self.signature.input_fields)}.")
        options: dict[str, Any] = {
            name: inputs.pop(name) for name in _OPTIONS if name in inputs and name not in self.signature.input_fields
        }
        most = options.pop("max_iters", None)
        work = Work(
            inputs={**checked_inputs(self.signature, inputs, current()), **options},
            most_turns=self.max_iters if most is None else check_limit("max_iters", most),
            deadline=None if self.max_seconds is None else time.monotonic() + self.max_seconds,
        )
        try:
            stop_reason = yield from self._turns(work)
            outputs = work.outputs
            if outputs is None:
                extracted: Prediction = yield from self._asked(self.extract, work)
                outputs = dict(extracted)
            else:
                outputs = {"reasoning": work.thought, **outputs}
        except WhetError as error:
            # What was done is not lost with the error.
            error.trajectory = work.trajectory.as_dict()  # type: ignore[attr-defined]
            raise
        return Prediction(outputs, trajectory=work.trajectory.as_dict(), stop_reason=stop_reason)

    def _turns(self, work: Work) -> Flow[str]:
        for _ in range(work.most_turns):
            if work.deadline is not None and time.monotonic() >= work.deadline:
                return "max_seconds"
            try:
                step = yield from self._asked(self.react, work)
            except AdapterParseError as error:
                stop = self._unreadable(work, error)
            except ContextWindowExceededError as error:
                if self.context_policy == "error":
                    raise
                _logger.warning("The trajectory does not fit into the context of the model any more: %s", error)
                return "context_window"
            else:
                stop = yield from self._turn(work, step)
            if stop:
                return stop
        return "max_iters"

    def _turn(self, work: Work, step: Any) -> Flow[str]:
        thought = str(step.get("next_thought") or "")
        calls: ToolCalls | None = step.get("tool_calls")
        if calls is None:
            uses = [ToolUse(index=0, name=step.next_tool_name, args=dict(step.next_tool_args or {}))]
        else:
            uses = [ToolUse(index=0, name=call.name, args=dict(call.args), id=call.id, signed=call.signed) for call in calls.tool_calls]
        if not uses:
            return self._talked(work, thought)
        work.bad, work.thought = 0, thought
        work.trajectory.turn(thought, uses)
        if others := [use for use in uses if use.name != FINISH]:
            yield from run_tools(self.tools, others)
        ends = [self._finished(work, use) for use in uses if use.name == FINISH]
        return FINISH if any(ends) else ""

    def _finished(self, work: Work, use: ToolUse) -> bool:
        use.done, use.observation = True, "Completed."
        if not use.args and not use.damage and self.signature.output_fields:
            return True  # the outputs are extracted
        if use.damage:
            use.is_error, use.observation = True, f"The arguments of `{FINISH}` could not be read: {use.damage}"
            return False
        try:
            work.outputs = outputs_in(self.signature, use.args)
        except SchemaError as error:
            use.is_error, use.observation = True, f"The answer is not complete: {error}"
            return False
        return True

    def _talked(self, work: Work, text: str) -> str:
        """A model with tools that called none: its text may be the answer."""
        work.thought = text
        outputs = self._answer_in(text)
        if outputs is None and [f.schema.is_text for f in self.signature.output_fields.values()] == [True]:
            outputs = {next(iter(self.signature.output_fields)): text.strip()}
        if outputs is not None:
            work.outputs = outputs
            return "answer"
        return self._bad_step(
            work, text, f"No tool was called. Call a tool, or `{FINISH}` with: {', '.join(self.signature.output_fields)}."
        )

    def _unreadable(self, work: Work, error: AdapterParseError) -> str:
        outputs = self._answer_in(error.lm_response or "")
        if outputs is not None:
            work.outputs = outputs
            return "answer"
        reason = f"field `{error.field}`: {error.reason}" if error.field else error.reason or error.message
        return self._bad_step(
            work, error.lm_response or "", f"This step could not be read: {reason.rstrip('.')}. Write it again in the form asked for."
        )

    def _bad_step(self, work: Work, said: str, why: str) -> str:
        work.bad += 1
        use = ToolUse(index=0, name="", args={}, observation=shortened(why), is_error=True, done=True)
        work.trajectory.turn(shortened(said), [use])
        _logger.warning("A step of the agent could not be used: %s", shortened(why, 300))
        return "bad_steps" if work.bad >= self.max_bad_steps else ""

    def _answer_in(self, text: str) -> dict[str, Any] | None:
        try:
            return self.react.format_of(current()).parse(self.signature, text)
        except WhetError:
            return None

    # -- when the prompt is too long -----------------------------------------------------------------------------------

    def _asked(self, module: Any, work: Work) -> Flow[Any]:
        for truncations_left in range(TRUNCATIONS, -1, -1):
            try:
                return (yield from called(module, (), {**work.inputs, "trajectory": work.trajectory.copy()}))
            except ContextWindowExceededError:
                if self.context_policy == "error" or not truncations_left or len(work.trajectory) < 2:
                    raise
                yield from self._shorten(work)
        raise AssertionError("the last try returns or raises")

    def _shorten(self, work: Work) -> Flow[None]:
        if self.context_policy == "summarize":
            half = len(work.trajectory) // 2
            old = Trajectory(work.trajectory.turns[:half], work.trajectory.summary)
            made = yield from self.summarize.run_flow((), {"task": self.signature.instructions, "trajectory": old})
            work.trajectory = Trajectory(work.trajectory.turns[half:], made.summary)
            return
        left = Trajectory.of(self.truncate_trajectory(work.trajectory.as_dict()), work.trajectory)
        work.trajectory = Trajectory(left.turns, left.summary, work.trajectory.count)

    def truncate_trajectory(self, trajectory: dict[str, Any]) -> dict[str, Any]:
        """The trajectory without its oldest turn (the first four keys). Override it for a way of your own."""
        keys = list(trajectory)
        if len(keys) <= 4:
            raise ContextWindowExceededError(message="The prompt is too long for the model, and there is no turn left that could go.")
        return {key: trajectory[key] for key in keys[4:]}


class StepPredict(Predict):
    """The predictor of an agent's steps: thought, tool, arguments; as calls of tools where the model has them."""

    _lists_tools = True

    def __init__(self, task: Signature, tools: dict[str, Tool], native: bool | None) -> None:
        text = react_prompt.stepping(task, list(tools.values()))
        signature = Signature._make(task.input_fields.values(), text, "Step").append(
            "trajectory", InputField(desc=react_prompt.TRAJECTORY), Trajectory
        )
        for name, annotation in (("thought", str), ("tool_name", Literal[tuple(tools)]), ("tool_args", dict[str, Any])):
            signature = signature.append(f"next_{name}", OutputField(), annotation)
        super().__init__(signature)
        self.task, self.native = task, native
        self.known_tools = tools
        self.text = text
        self._calling: tuple[Any, Any, NativeTools] | None = None

    def format_of(self, settings: Settings) -> Adapter:
        """The format that fields are written in."""
        return super()._adapters(settings)[0]

    def _adapters(self, settings: Settings, given: Any = None) -> Sequence[Adapter]:
        formats = super()._adapters(settings, given)
        lm = self.lm or settings.lm
        can = getattr(lm, "capabilities", None)
        if self.native is False or not (self.native or (can is not None and can.tools)):
            return formats
        calling = self._calling
        if calling is None or calling[0] is not formats[0] or calling[1] is not self.tool_descs:
            calling = self._calling = formats[0], self.tool_descs, self._by_calls(formats[0])
        return (calling[2],)

    def _by_calls(self, base: Adapter) -> NativeTools:
        tools = self.known_tools.values()
        own = self.signature.with_instructions(self.text)
        # The text that tells of writing a call, as it was made and with other descriptions, gives way to the one for models with tools.
        texts = dict.fromkeys((self.text, retold(own, tools, self.tool_descs).instructions), react_prompt.calling(self.task))
        return NativeTools(base, self.task, [told(tool, self.tool_descs).spec for tool in tools], texts)


def _finish(signature: Signature) -> Tool:
    fields = signature.output_fields.values()
    made = Tool(
        lambda **outputs: "Completed.",
        name=FINISH,
        desc=react_prompt.finishing(signature),
        arg_types={f.name: f.annotation for f in fields},
    )
    for f in fields:
        if f.desc:
            made.args[f.name]["description"] = f.desc
        if not f.required:
            made.args[f.name]["default"] = f.default_value()
    made.required = tuple(f.name for f in fields if f.required)
    return made


def outputs_in(signature: Signature, given: dict[str, Any], tool: str = FINISH) -> dict[str, Any]:
    """The outputs in the arguments of the last tool. Raises `SchemaError` for what is missing or does not fit."""
    outputs: dict[str, Any] = {}
    for name, output in signature.output_fields.items():
        if name in given:
            try:
                outputs[name] = output.schema.coerce(given[name])
            except SchemaError as error:
                raise SchemaError(f"`{name}`: {error}", path=name, value=given[name]) from error
        elif not output.required:
            outputs[name] = output.default_value()
        elif output.schema.nullable:
            outputs[name] = None
        else:
            raise SchemaError(f"`{name}` is missing; `{tool}` needs: {', '.join(signature.output_fields)}.", path=name)
    return outputs
