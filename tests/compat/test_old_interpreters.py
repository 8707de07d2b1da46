"""Interpreters and tools of agents under the names of DSPy 3.4 (sections 20 and 21)."""

from __future__ import annotations

from typing import Any

import pytest
from whet.primitives import resolve_interpreter_factory
from whet.primitives.local_interpreter import LocalInterpreter

import whet as dspy
from whet.sandbox import check_backends

ready = {status.name: status.ready for status in check_backends()}["bubblewrap"]


class Own(dspy.PythonInterpreter):
    pass


def test_the_factory_in_force() -> None:
    assert resolve_interpreter_factory() is dspy.PythonInterpreter
    assert resolve_interpreter_factory(Own) is Own
    with dspy.context(interpreter_factory=Own):
        assert resolve_interpreter_factory() is Own
        assert resolve_interpreter_factory(dspy.PythonInterpreter) is Own
        assert resolve_interpreter_factory(LocalInterpreter) is LocalInterpreter
    with pytest.raises(TypeError):
        resolve_interpreter_factory(Own())  # type: ignore[arg-type]


@pytest.mark.skipif(not ready, reason="bubblewrap cannot start here: apt install bubblewrap")
def test_a_local_interpreter_runs_all_of_python_and_keeps_its_state() -> None:
    with dspy.LocalInterpreter(tools={"add": lambda a, b: a + b}, execution_timeout=20.0) as interpreter:
        assert interpreter.execute("import fractions; x = add(a=1, b=2); print(fractions.Fraction(x, 6))") == "1/2\n"
        assert interpreter.execute("SUBMIT(x)") == dspy.FinalOutput({"output": 3})
        with pytest.raises(dspy.CodeExecutionError):
            interpreter.execute("open('/etc/hostname').read()")


def test_the_tool_that_ends_a_dialogue_gives_the_outputs_back() -> None:
    dialogue = dspy.ReActV2("question -> answer", tools=[])
    assert dialogue.tools["submit"](answer="Paris") == {"answer": "Paris"}


def test_a_tool_is_called_as_the_code_would_call_it() -> None:
    class Told(dspy.BaseCallback):
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def on_interpreter_tool_call_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            self.calls.append(inputs)

        def on_interpreter_tool_call_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            self.calls.append(outputs if exception is None else str(exception))

    told = Told()
    interpreter = dspy.PythonInterpreter(tools={"twice": lambda n: 2 * n}, callbacks=[told])
    assert interpreter.invoke_tool("twice", {"n": 2}) == 4
    with pytest.raises(dspy.CodeInterpreterError, match="Unknown tool: missing"):
        interpreter.invoke_tool("missing", {})
    assert told.calls[:3] == [{"tool_name": "twice", "kwargs": {"n": 2}}, 4, {"tool_name": "missing", "kwargs": {}}]
