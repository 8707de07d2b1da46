"""What is particular to the `monty` backend: state across stopped runs, snapshots, what it lacks."""

from __future__ import annotations

from typing import Any

import pytest

from whet.errors import CodeExecutionError, CodeInterpreterError
from whet.sandbox import PythonInterpreter, backends, check_backends
from whet.sandbox.protocol import BackendStatus

ready = {status.name: status.ready for status in check_backends()}


def monty(*args: Any, **options: Any) -> PythonInterpreter:
    return PythonInterpreter(*args, **{"backend": "monty", "timeout": 0.3, "memory_mb": 64} | options)


@pytest.mark.parametrize(
    "code", ["x = 2\nwhile True:\n    pass", "x = 2\ny = 9 ** 9 ** 8", "x = 2\ny = []\nwhile True:\n    y.append('z' * 1000)"]
)
def test_a_stopped_run_leaves_everything_as_it_was(code: str) -> None:
    with monty() as interpreter:
        interpreter.execute("x = 1\ndef double(n):\n    return 2 * n")
        with pytest.raises(CodeExecutionError, match="TimeoutError|MemoryError"):
            interpreter.execute(code)
        assert interpreter.execute("double(x)") == 2


def test_a_stopped_first_run_leaves_an_empty_session() -> None:
    with monty() as interpreter:
        with pytest.raises(CodeExecutionError, match="TimeoutError"):
            interpreter.execute("x = 1\nwhile True:\n    pass")
        with pytest.raises(CodeExecutionError, match="NameError"):
            interpreter.execute("x")


def test_sleep_counts() -> None:
    with monty() as interpreter:
        interpreter.execute("import time\ntime.sleep(0.05)")
        with pytest.raises(CodeExecutionError, match="TimeoutError: .*slept longer"):
            interpreter.execute("time.sleep(60)")


def test_a_snapshot_goes_on_in_another_interpreter() -> None:
    with monty({"tool": lambda: 5}) as first:
        first.execute("x = [1, 2]\ndef total():\n    return sum(x) + tool()")
        state = first.snapshot()
        first.execute("x.append(10)")
        first.restore(state)
        assert first.execute("total()") == 8
    with monty({"tool": lambda: 7}) as second:
        second.restore(state)
        assert second.execute("total()") == 10


def test_a_foreign_snapshot_is_refused() -> None:
    with monty() as interpreter:
        interpreter.execute("x = 1")
        for state in (b"", b"pickle", b"whet-sandbox monty 0.0.1\n" + b"x" * 100):
            with pytest.raises(CodeInterpreterError, match="no snapshot"):
                interpreter.restore(state)
        assert interpreter.execute("x") == 1


@pytest.mark.parametrize(
    "code", ["import enum", "def g():\n    yield 1", "class A:\n    pass\nclass B(A):\n    pass", "callable(1)", "raise ValueError(1, 2)"]
)
def test_what_it_lacks_is_said_with_the_backend_that_has_it(code: str) -> None:
    with monty() as interpreter, pytest.raises(CodeExecutionError, match=r"PythonInterpreter\(backend='bubblewrap'\)"):
        interpreter.execute(code)


@pytest.mark.parametrize("code", ["x", "raise NotImplementedError('later')", "(1).absent", "1 / 0"])
def test_an_ordinary_error_has_no_hint(code: str) -> None:
    with monty() as interpreter, pytest.raises(CodeExecutionError) as caught:
        interpreter.execute(code)
    assert "backend" not in str(caught.value)


def absent(name: str) -> BackendStatus:
    return BackendStatus(name=name, ready=name == "monty", missing="" if name == "monty" else "the program", install="get it")


def test_auto_stays_and_says_so_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "status", absent)
    with PythonInterpreter() as interpreter, pytest.raises(CodeExecutionError, match="ModuleNotFoundError.*\n.*needs the program: get it"):
        interpreter.execute("import enum")


def test_auto_says_what_to_install_where_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "status", lambda name: BackendStatus(name=name, ready=False, missing="all", install=f"get {name}"))
    with pytest.raises(CodeInterpreterError, match="get monty.*get bubblewrap"):
        PythonInterpreter()


@pytest.mark.skipif(not ready["bubblewrap"], reason="bubblewrap cannot start here: apt install bubblewrap")
def test_auto_changes_over_only_while_nothing_would_be_lost() -> None:
    calls: list[int] = []
    with PythonInterpreter({"tool": lambda: calls.append(1)}) as interpreter:
        assert interpreter.backend == "monty"
        assert interpreter.execute("def g():\n    yield n\nlist(g())", {"n": 3}) == [3]
        assert interpreter.backend == "bubblewrap"
        assert "full CPython" in interpreter.execution_instructions
        assert interpreter.execute("import enum; n") == 3
    with PythonInterpreter() as interpreter:
        interpreter.execute("x = 1")
        with pytest.raises(CodeExecutionError, match="ModuleNotFoundError"):
            interpreter.execute("import enum")
        assert interpreter.execute("x") == 1
    with PythonInterpreter({"tool": lambda: calls.append(1)}) as interpreter:
        with pytest.raises(CodeExecutionError, match="ModuleNotFoundError"):
            interpreter.execute("tool()\nimport enum")
        assert calls == [1]
