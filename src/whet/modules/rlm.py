"""`RLM`: long inputs explored in a REPL, with sub-calls of a model (Zhang et al. 2025, arXiv 2512.24601)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.core.context import current
from whet.core.flow import Flow
from whet.core.records import Prediction
from whet.core.schema import type_name
from whet.core.signature import Signature
from whet.errors import AdapterParseError, CodeExecutionError, ConfigurationError, ContextWindowExceededError, SchemaError, WhetError
from whet.modules import rlm_prompt
from whet.modules.answering import Coding, P, R, Untyped
from whet.modules.calling import called
from whet.modules.code_running import checked_factory, code_in, executed, interpreter_for, own_interpreter, taken_interpreter
from whet.modules.own_fields import check_fields, check_limit
from whet.modules.predict import Predict, _signature_of, checked_inputs
from whet.modules.rlm_tools import RESERVED, Queries, injected, user_tools
from whet.sandbox import FinalOutput, PythonInterpreter
from whet.tools.failure import shortened

__all__ = ["RLM"]

_logger = logging.getLogger(__name__)
_OWN_OUTPUTS = ("trajectory", "final_reasoning", "stop_reason")
_NOTHING = "(no output - did you forget to print?)"
BAD_STEPS = 3


@dataclass(slots=True, kw_only=True)
class Session:
    """One run: the inputs, what was done, and how it ended."""

    inputs: dict[str, Any]
    queries: Queries
    deadline: float | None
    entries: list[dict[str, str]] = field(default_factory=list)
    hidden: int = 0
    bad: int = 0
    injected: bool = False
    outputs: dict[str, Any] | None = None

    def add(self, reasoning: str, code: str, output: str) -> None:
        """Note a turn."""
        self.entries.append({"reasoning": reasoning, "code": code, "output": output})


class RLM(Coding[P, R]):
    """Answers from inputs of any length: they become variables of a Python session that the model explores with code, in at most
    `max_iters` turns; the prompt has only their names, types, lengths and beginnings.

    The code may call `llm_query(prompt)` and `llm_query_batched(prompts)`, which ask `sub_lm` (else the model in force) and may be used
    `max_llm_calls` times together, the `tools` (functions or `Tool`s), and `SUBMIT(...)`, which takes the outputs and ends the run. Of
    each output `max_output_chars` characters are shown. The interpreter is as in `ProgramOfThought`; `interpreter_factory=` may also be
    given to a call. `max_seconds` is looked at between turns; `verbose` logs each turn. Programs written for DSPy 3.1 say `max_iterations`,
    and give an `interpreter` of their own, which serves all calls and stays open.

    The prediction has the outputs, `trajectory` (dicts with `reasoning`, `code`, `output`), `final_reasoning` and `stop_reason`:
    `submit`, or `max_iters`, `max_seconds`, `bad_steps`, `context_window`, after which `extract` makes the answer of what was found. An
    error of whet's that ends a run has the `trajectory` up to there. Raises `ConfigurationError` for an input named like a function of the
    session.

    >>> import whet.testing
    >>> text = "nothing here. " * 5000 + "The code is 417. " + "nothing here. " * 5000
    >>> lm = whet.testing.ScriptedLM([
    ...     {"reasoning": "Look for digits.", "code": "import re; print(re.findall('[0-9]+', text))"},
    ...     {"reasoning": "There is only one.", "code": "SUBMIT(417)"},
    ... ])
    >>> with whet.context(lm=lm):
    ...     found = RLM("text, question -> code_number: int")(text=text, question="What is the code?")
    >>> found.code_number, found.stop_reason, len(found.trajectory), len(lm.requests[0].messages[-1].text) < 2000
    (417, 'submit', 2, True)
    """

    def __init__(  # noqa: PLR0913 - the arguments are given by the behaviour specification
        self,
        signature: Callable[P, R] | Untyped,
        max_iters: int = 20,
        max_llm_calls: int = 50,
        max_output_chars: int = 10_000,
        verbose: bool = False,
        tools: Sequence[Any] | None = None,
        sub_lm: Any = None,
        interpreter_factory: Callable[[], Any] = PythonInterpreter,
        *,
        max_seconds: float | None = None,
        max_iterations: int | None = None,
        interpreter: Any = None,
    ) -> None:
        super().__init__()
        self.signature: Signature = signature if isinstance(signature, Signature) else _signature_of(signature)
        self.tools = user_tools(tools)
        self._check_names()
        self.max_iters = check_limit("max_iters", max_iters if max_iterations is None else max_iterations)
        self.max_llm_calls = check_limit("max_llm_calls", max_llm_calls)
        self.max_output_chars = check_limit("max_output_chars", max_output_chars, 1)
        self.max_seconds, self.verbose, self.sub_lm = max_seconds, verbose, sub_lm
        self.interpreter_factory, self.interpreter = checked_factory(interpreter_factory), own_interpreter("RLM", interpreter)
        instructions = getattr(interpreter_factory, "execution_instructions", "")
        self.generate_action = Predict(rlm_prompt.acting(self.signature, self.tools, max_llm_calls, instructions))
        self.extract = Predict(rlm_prompt.extracting(self.signature))

    def _check_names(self) -> None:
        check_fields("RLM", self.signature, (), _OWN_OUTPUTS)
        for name in self.signature.input_fields:
            if name in RESERVED or name in self.tools:
                raise ConfigurationError(f"An input of `RLM` cannot be called `{name}`: that is a function in its session.")

    def flow(self, /, *args: Any, **inputs: Any) -> Flow[Prediction]:
        """Turns of code until the answer is there or a limit is reached."""
        factory = self.interpreter_factory
        if "interpreter_factory" in inputs and "interpreter_factory" not in self.signature.input_fields:
            factory = checked_factory(inputs.pop("interpreter_factory"))
        own = taken_interpreter("RLM", self.signature, args, inputs) or self.interpreter
        session = Session(
            inputs=checked_inputs(self.signature, inputs, current()),
            queries=Queries(self.sub_lm, self.max_llm_calls),
            deadline=None if self.max_seconds is None else time.monotonic() + self.max_seconds,
        )
        try:
            return (yield from self._run(session, own, factory))
        except WhetError as error:
            # What was done is not lost with the error.
            error.trajectory = session.entries  # type: ignore[attr-defined]
            raise

    def _run(self, session: Session, own: Any, factory: Callable[[], Any]) -> Flow[Prediction]:
        with interpreter_for(own, factory) as interpreter, injected(interpreter, self._functions(session), self._fields()):
            stop = yield from self._turns(interpreter, session)
        if session.outputs is None:
            extracted = yield from self._asked(self.extract, session, {})
            return Prediction(
                {name: extracted[name] for name in self.signature.output_fields},
                trajectory=session.entries,
                final_reasoning="",
                stop_reason=stop,
            )
        final = session.entries[-1]["reasoning"]
        return Prediction(session.outputs, trajectory=session.entries, final_reasoning=final, stop_reason=stop)

    def _functions(self, session: Session) -> dict[str, Any]:
        return {**session.queries.functions(), **self.tools}

    def _fields(self) -> list[dict[str, str]]:
        return [{"name": f.name, "type": type_name(f.annotation)} for f in self.signature.output_fields.values()]

    def _turns(self, interpreter: Any, session: Session) -> Flow[str]:
        for turn in range(1, self.max_iters + 1):
            if session.deadline is not None and time.monotonic() >= session.deadline:
                return "max_seconds"
            try:
                step = yield from self._asked(self.generate_action, session, {"iteration": f"{turn} of {self.max_iters}"})
            except AdapterParseError as error:
                session.bad += 1
                said = shortened(error.lm_response or "")
                session.add(said, "", f"[Error] This step could not be read: {shortened(error.reason or error.message, 500)}")
                if session.bad >= BAD_STEPS:
                    return "bad_steps"
                continue
            except ContextWindowExceededError as error:
                _logger.warning("The session does not fit into the context of the model any more: %s", error)
                return "context_window"
            session.bad = 0
            yield from self._step(interpreter, session, step)
            if self.verbose:
                _logger.info("RLM turn %d: %s", turn, session.entries[-1])
            if session.outputs is not None:
                return "submit"
        return "max_iters"

    def _step(self, interpreter: Any, session: Session, step: Any) -> Flow[None]:
        code = step.code or ""
        try:
            code = code_in(code)
            result = yield from executed(interpreter, code, None if session.injected else session.inputs)
            session.injected = True
        except CodeExecutionError as error:
            session.injected = True
            output = f"{error.printed}[Error] {error}"
        except SyntaxError as error:
            output = f"[Error] {error}"
        else:
            output = self._submitted(session, result) if isinstance(result, FinalOutput) else _shown(result)
        session.queries.raise_if_stopped()
        session.add(str(step.reasoning or ""), code, shortened(output, self.max_output_chars))

    def _submitted(self, session: Session, final: FinalOutput) -> str:
        given = final.output if isinstance(final.output, Mapping) else {}
        outputs: dict[str, Any] = {}
        for name, output in self.signature.output_fields.items():
            if name not in given:
                return f"[Error] SUBMIT needs all of {', '.join(self.signature.output_fields)}; `{name}` is missing."
            try:
                outputs[name] = output.schema.coerce(given[name])
            except SchemaError as error:
                return f"[Type Error] `{name}`: {error}"
        session.outputs = outputs
        return f"FINAL: {outputs}"

    def _asked(self, module: Predict, session: Session, more: dict[str, Any]) -> Flow[Any]:
        while True:
            shown = {
                "variables_info": rlm_prompt.variables(self.signature, session.inputs),
                "repl_history": rlm_prompt.history(session.entries, session.hidden),
                **more,
            }
            try:
                return (yield from called(module, (), shown))
            except ContextWindowExceededError:
                if session.hidden + 1 >= len(session.entries):
                    raise
                # The trajectory keeps every turn; the prompt begins with a later one.
                session.hidden += 1


def _shown(result: Any) -> str:
    text = "" if result is None else result if isinstance(result, str) else str(result)
    return text if text.strip() else _NOTHING
