"""`ProgramOfThought`: the model writes a program, its output leads to the answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from whet.core.field import InputField, OutputField
from whet.core.flow import Flow
from whet.core.records import Prediction
from whet.core.signature import Signature
from whet.errors import CodeExecutionError, CodeInterpreterError
from whet.modules.answering import Coding, P, R, Untyped
from whet.modules.chain_of_thought import ChainOfThought
from whet.modules.code_running import checked_factory, code_in, executed, interpreter_for, output_text, taken_interpreter
from whet.modules.own_fields import check_fields, check_limit
from whet.modules.predict import _signature_of
from whet.sandbox import PythonInterpreter
from whet.tools.failure import shortened

__all__ = ["ProgramOfThought"]

_OWN = ("previous_code", "error", "generated_code", "final_generated_code", "code_output")


class ProgramOfThought(Coding[P, R]):
    """Has the model write Python for the task, runs it, has it corrected up to `max_iters` times, and answers from its output (Chen et al.
    2022, arXiv 2211.12588).

    Each call has an interpreter of its own, made by `interpreter_factory` and shut down afterwards; one passed as the first argument of
    the call is used instead and stays open. Raises `CodeInterpreterError` (a `RuntimeError`) when no program ran. `RLM` and `ReAct` with
    a tool for code are the modules to use in new programs: making one of these warns (`DeprecationWarning`).

    >>> import warnings, whet.testing
    >>> with warnings.catch_warnings(action="ignore"):
    ...     program = ProgramOfThought("question -> answer: int")
    >>> written = {"reasoning": "Multiply.", "generated_code": "SUBMIT({'answer': 417 * 23})"}
    >>> lm = whet.testing.ScriptedLM([written, {"reasoning": "The program says so.", "answer": 9591}])
    >>> with whet.context(lm=lm):
    ...     program(question="What is 417 * 23?").answer
    9591
    """

    def __init__(
        self,
        signature: Callable[P, R] | Untyped,
        max_iters: int = 3,
        interpreter_factory: Callable[[], Any] = PythonInterpreter,
    ) -> None:
        super().__init__()
        warnings.warn("`ProgramOfThought` is kept for older programs; use `RLM`, or `ReAct` with tools.", DeprecationWarning, stacklevel=2)
        self.signature: Signature = signature if isinstance(signature, Signature) else _signature_of(signature)
        check_fields("ProgramOfThought", self.signature, _OWN, _OWN)
        self.max_iters = check_limit("max_iters", max_iters, 1)
        self.interpreter_factory = checked_factory(interpreter_factory)
        self.code_generate = ChainOfThought(self._writing(again=False))
        self.code_regenerate = ChainOfThought(self._writing(again=True))
        self.generate_output = ChainOfThought(self._answering())

    def _writing(self, *, again: bool) -> Signature:
        outputs = ", ".join(f"`{name}`" for name in self.signature.output_fields)
        fit = ", ".join(f"{f.name!r}: ..." for f in self.signature.output_fields.values())
        lines = [
            self.signature.instructions,
            f"Write Python in `generated_code` that computes {outputs} from the inputs, and let it end with `SUBMIT({{{fit}}})`.",
            getattr(self.interpreter_factory, "execution_instructions", ""),
        ]
        if again:
            lines.insert(2, "The `previous_code` failed with `error`; correct it.")
        signature = Signature._make(self.signature.input_fields.values(), "\n\n".join(filter(None, lines)), "Writing")
        if again:
            signature = signature.append("previous_code", InputField(desc="code that failed"), str)
            signature = signature.append("error", InputField(desc="how it failed"), str)
        return signature.append("generated_code", OutputField(desc="Python in a code fence"), str)

    def _answering(self) -> Signature:
        told = f"{self.signature.instructions}\n\nA program was written and run for this; give what its output means."
        signature = Signature._make(self.signature.fields.values(), told, "Answering")
        signature = signature.append("final_generated_code", InputField(desc="the program"), str)
        return signature.append("code_output", InputField(desc="what it gave, as JSON"), str)

    def flow(self, /, *args: Any, **inputs: Any) -> Flow[Prediction]:
        """Write, run, correct, answer."""
        own = taken_interpreter("ProgramOfThought", self.signature, args, inputs)
        with interpreter_for(own, self.interpreter_factory) as interpreter:
            written = yield from self.code_generate.run_flow((), inputs)
            for tries_left in range(self.max_iters - 1, -1, -1):
                code, output, error = yield from self._tried(interpreter, written.generated_code)
                if not error:
                    shown = {**inputs, "final_generated_code": code, "code_output": output}
                    return (yield from self.generate_output.run_flow((), shown))  # type: ignore[no-any-return]
                if not tries_left:
                    raise CodeInterpreterError(f"Max hops reached. Failed to run ProgramOfThought: {error}")
                written = yield from self.code_regenerate.run_flow((), {**inputs, "previous_code": code, "error": error})
        raise CodeInterpreterError(f"Max hops reached. Failed to run ProgramOfThought: `max_iters` is {self.max_iters}.")

    def _tried(self, interpreter: Any, written: str) -> Flow[tuple[str, str, str]]:
        code = written
        try:
            code = code_in(written)
            if not code.strip():
                return code, "", "There is no code in the answer."
            return code, output_text((yield from executed(interpreter, code))), ""
        except (SyntaxError, CodeExecutionError) as error:
            return code, "", shortened(str(error))
