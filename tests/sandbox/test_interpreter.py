"""What every backend does alike: values in and out, state, errors, tools, SUBMIT, files, variables, threads."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import pytest

from whet.core.context import context
from whet.errors import CodeExecutionError, CodeInterpreterError, ConfigurationError, WhetError
from whet.sandbox import CodeInterpreter, FinalOutput, PythonInterpreter, SandboxSerializable, check_backends
from whet.sandbox.value import sent

READY = [status.name for status in check_backends() if status.ready]
Make = Callable[..., PythonInterpreter]


@pytest.fixture(params=READY)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes interpreters of one backend, and shuts them down."""
    made: list[PythonInterpreter] = []

    def make(*args: Any, **options: Any) -> PythonInterpreter:
        made.append(PythonInterpreter(*args, **{"backend": request.param, "timeout": 5.0} | options))
        return made[-1]

    yield make
    for interpreter in made:
        interpreter.shutdown()


class Point(pydantic.BaseModel):
    x: int
    y: float = 0.5


@dataclass
class Pair:
    left: int
    right: str


Triple = namedtuple("Triple", "a b c")


def test_the_default_works_at_once() -> None:
    assert PythonInterpreter({}).execute("9362158/1625") == pytest.approx(5761.328)
    assert "monty" in READY


def test_a_run_gives_what_was_printed_or_the_last_value(make: Make) -> None:
    interpreter = make()
    assert interpreter.execute("print('Hello'); x = 2") == "Hello\n"
    assert interpreter("x + 1") == 3
    assert interpreter.execute("y = x") is None
    assert interpreter.execute("print('shown')\nx") == "shown\n2\n"
    assert interpreter.execute("None") is None
    assert interpreter.execute("") is None


def test_state_stays_from_run_to_run(make: Make) -> None:
    interpreter = make()
    interpreter.execute("import json\ndef double(n):\n    return 2 * n\nkept = [1]")
    interpreter.execute("kept.append(double(21))")
    assert interpreter.execute("json.dumps(kept)") == "[1, 42]"


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (None, None), (True, True), (3, 3), (10**30, 10**30), (math.inf, math.inf), ("tèxt\n'\"\\", "tèxt\n'\"\\"), ([1, [2]], [1, [2]]),
        ((1, 2), [1, 2]), ({3, 1, 2}, [1, 2, 3]), ({"a": {"b": None}}, {"a": {"b": None}}), ({1: "x"}, {1: "x"}),
        (Point(x=1), {"x": 1, "y": 0.5}),
        (Pair(1, "r"), {"left": 1, "right": "r"}), (Triple(1, 2, 3), {"a": 1, "b": 2, "c": 3}), (Path("a/b"), "a/b"), (range(3), [0, 1, 2]),
    ],
    ids=repr,
)  # fmt: skip
def test_variables_go_in_as_plain_data(make: Make, given: Any, seen: Any) -> None:
    assert make().execute("v", {"v": given}) == seen


def test_not_a_number_goes_in(make: Make) -> None:
    assert make().execute("v != v", {"v": math.nan}) is True


def test_variables_are_there_in_later_runs_and_can_be_replaced(make: Make) -> None:
    interpreter = make()
    interpreter.execute("total = n + 1", {"n": 1})
    assert interpreter.execute("n, total") == [1, 2]
    assert interpreter.execute("n, total", {"n": 5}) == [5, 2]


@pytest.mark.parametrize("name", ["class", "a b", "1x", "", "a-b"])
def test_a_name_that_code_cannot_use_is_refused(make: Make, name: str) -> None:
    with pytest.raises(CodeInterpreterError, match="cannot be the name of a variable"):
        make().execute("1", {name: 1})


def test_what_has_no_plain_form_is_refused_with_its_name(make: Make) -> None:
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    for value in (object(), lambda: 1, [open], b"bytes", cyclic, {object(): 1}):
        with pytest.raises(CodeInterpreterError, match="The variable `thing` cannot go into the sandbox"):
            make().execute("1", {"thing": value})


@pytest.mark.parametrize(
    ("code", "value"),
    [("(1, 2)", [1, 2]), ("{2, 1}", [1, 2]), ("{'a': (1,)}", {"a": [1]}), ("1 == 1", True), ("'x'", "x"), ("10**30", 10**30),
     ("import datetime\ndatetime.date(2024, 5, 6)", "2024-05-06"),
     ("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nP(3)", {"x": 3})],
)  # fmt: skip
def test_values_come_out_as_plain_data(make: Make, code: str, value: Any) -> None:
    assert make().execute(code) == value


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x", "NameError: [\"name 'x' is not defined\"]"),
        ("1 / 0", "ZeroDivisionError: ['division by zero']"),
        ("raise ValueError('bad')", "ValueError: ['bad']"),
        ("raise ValueError()", "ValueError: "),
        ("{}['k']", "KeyError: ['k']"),
        ("raise SystemExit('bye')", "SystemExit: ['bye']"),
        ("raise KeyboardInterrupt('stop')", "KeyboardInterrupt: ['stop']"),
        ("raise SyntaxError('mine')", "SyntaxError: ['mine']"),
    ],
)
def test_what_the_code_raises_is_reported_and_the_session_goes_on(make: Make, code: str, message: str) -> None:
    interpreter = make()
    interpreter.execute("kept = 7")
    with pytest.raises(CodeExecutionError) as caught:
        interpreter.execute(code)
    assert str(caught.value) == message
    assert isinstance(caught.value, (RuntimeError, WhetError, CodeInterpreterError))
    assert interpreter.execute("kept") == 7


def test_an_error_carries_what_was_printed_before(make: Make) -> None:
    with pytest.raises(CodeExecutionError) as caught:
        make().execute("print('step 1')\n1 / 0")
    assert caught.value.printed == "step 1\n"


def test_code_that_cannot_be_read_is_a_syntax_error(make: Make) -> None:
    interpreter = make()
    with pytest.raises(SyntaxError, match=r"^Invalid Python syntax\. message: .+"):
        interpreter.execute("def f(:")
    assert interpreter.execute("1") == 1
    with pytest.raises(CodeInterpreterError, match="code to run is a str"):
        interpreter.execute(3)  # type: ignore[arg-type]


def test_limits_are_errors_of_the_code_and_leave_the_session(make: Make) -> None:
    interpreter = make(timeout=0.3, memory_mb=64, max_output_chars=50, max_recursion=200)
    interpreter.execute("kept = 7")
    for code, kind in (
        ("while True:\n    pass", "TimeoutError: ['the code ran longer than 0.3 s']"),
        ("x = [0] * 10**10", "MemoryError"),
        ("def f(n):\n    return 1 + f(n - 1)\nf(1000)", "RecursionError"),
    ):
        with pytest.raises(CodeExecutionError, match=kind.replace("[", r"\[")):
            interpreter.execute(code)
        assert interpreter.execute("kept") == 7
    assert interpreter.execute("def f(n):\n    return n and f(n - 1)\nf(100)") == 0
    text = interpreter.execute("print('x' * 80)")
    assert text == "x" * 50 + "\n... [31 more characters were cut]\n"


def test_limits_that_cannot_work_are_refused() -> None:
    for options in (
        {"timeout": 0},
        {"memory_mb": 1},
        {"max_output_chars": 0},
        {"max_recursion": 0},
        {"backend": "mont"},
        {"timeout": math.nan},
    ):
        with pytest.raises(ConfigurationError):
            PythonInterpreter(**options)  # type: ignore[arg-type]


def test_submit_ends_the_run(make: Make) -> None:
    interpreter = make()
    assert interpreter.execute("before = 1\nSUBMIT([1, (2,)])\nafter = 1") == FinalOutput({"output": [1, [2]]})
    assert interpreter.execute("before") == 1
    with pytest.raises(CodeExecutionError, match="NameError"):
        interpreter.execute("after")
    assert interpreter.execute("try:\n    SUBMIT('x')\nexcept Exception:\n    pass\n'not reached'") == FinalOutput({"output": "x"})
    assert FinalOutput({"output": 1}) != FinalOutput({"output": 2})
    assert FinalOutput(1) != 1


def test_submit_with_fields(make: Make) -> None:
    interpreter = make(output_fields=[{"name": "answer", "type": "str"}, {"name": "score", "type": "float"}])
    wanted = FinalOutput({"answer": "a", "score": 0.5})
    assert interpreter.execute("SUBMIT('a', 0.5)") == wanted
    assert interpreter.execute("SUBMIT(score=0.5, answer='a')") == wanted
    assert interpreter.execute("SUBMIT('a', score=0.5)") == wanted
    for wrong in ("SUBMIT()", "SUBMIT('a')", "SUBMIT('a', 1, 2)", "SUBMIT('a', 1, other=2)", "SUBMIT('a', answer='b', score=1)"):
        with pytest.raises(CodeExecutionError, match=r"TypeError: .*SUBMIT\(answer, score\)"):
            interpreter.execute(wrong)


def test_tools_are_called_by_name(make: Make) -> None:
    def area(width: float, height: float = 2.0, *, unit: str = "m") -> str:
        return f"{width * height} {unit}"

    tools = {"area": area}
    interpreter = make(tools)
    tools["later"] = area
    assert interpreter.execute("area(3)") == "6.0 m"
    assert interpreter.execute("area(3, height=1.5, unit='cm')") == "4.5 cm"
    assert interpreter.execute("[area(i) for i in (1, 2)]") == ["2.0 m", "4.0 m"]
    with pytest.raises(CodeExecutionError, match="NameError"):
        interpreter.execute("later(1)")


@pytest.mark.parametrize(
    ("result", "seen"),
    [
        (3, 3), (2.5, 2.5), (True, True), ([1, {"a": None}], [1, {"a": None}]), (None, ""), (Point(x=1), {"x": 1, "y": 0.5}),
        (Pair(1, "r"), {"left": 1, "right": "r"}), (Triple(1, 2, 3), {"a": 1, "b": 2, "c": 3}), (math.nan, "nan"), (Path("a"), "a"),
        (complex(1, 2), "(1+2j)"), ([Point(x=2)], [{"x": 2, "y": 0.5}]),
    ],
    ids=repr,
)  # fmt: skip
def test_results_of_tools_keep_their_json_type(make: Make, result: Any, seen: Any) -> None:
    assert make({"tool": lambda: result}).execute("tool()") == seen


def test_async_tools_work_also_under_a_running_loop(make: Make) -> None:
    async def fetch(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    interpreter = make({"fetch": fetch})
    assert interpreter.execute("fetch(1)") == 2

    async def inside() -> Any:
        return interpreter.execute("fetch(2)")

    assert asyncio.run(inside()) == 3


def test_an_error_of_a_tool_is_one_the_code_can_catch(make: Make) -> None:
    def lookup(key: str) -> str:
        raise KeyError(key)

    interpreter = make({"lookup": lookup})
    assert (
        interpreter.execute("try:\n    lookup('k')\nexcept RuntimeError as error:\n    text = str(error)\ntext")
        == "Error in tool `lookup`: KeyError: 'k'"
    )
    with pytest.raises(CodeExecutionError, match="RuntimeError: .*lookup"):
        interpreter.execute("lookup('k')")


def test_an_interrupt_in_a_tool_goes_on_to_the_host(make: Make) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    interpreter = make({"stop": stop})
    with pytest.raises(KeyboardInterrupt):
        interpreter.execute("try:\n    stop()\nexcept Exception:\n    pass")
    assert interpreter.execute("1") == 1


def test_a_tool_cannot_use_its_own_interpreter(make: Make) -> None:
    interpreter = make({"again": lambda: interpreter.execute("1")})
    with pytest.raises(CodeExecutionError, match="running code just now"):
        interpreter.execute("again()")


def test_a_tool_whose_name_code_cannot_use_is_refused(make: Make) -> None:
    with pytest.raises(CodeInterpreterError, match="cannot be the name of a tool"):
        make({"my tool": print}).execute("1")


def test_tools_can_be_added_before_a_run(make: Make) -> None:
    interpreter = make()
    interpreter.execute("1")
    interpreter.tools["late"] = lambda: "here"
    interpreter.output_fields = [{"name": "a"}]
    assert interpreter.execute("late()") == "here"
    assert interpreter.execute("SUBMIT(1)") == FinalOutput({"a": 1})


def test_time_in_a_tool_is_not_the_codes_time(make: Make) -> None:
    gate = threading.Event()
    interpreter = make({"wait": lambda: gate.wait(0.6)}, timeout=0.3)
    assert interpreter.execute("wait()") is False


def test_files_are_there_under_their_base_names(make: Make, tmp_path: Path) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "out.txt"
    data.write_text("a,b\n1,2\n", encoding="utf-8")
    interpreter = make(enable_read_paths=[str(data)], enable_write_paths=[out])
    assert interpreter.execute("open('data.csv').read()") == "a,b\n1,2\n"
    interpreter.execute(
        "with open('out.txt', 'w') as f:\n    n = f.write('result')\nwith open('data.csv', 'w') as f:\n    n = f.write('changed')"
    )
    assert out.read_text(encoding="utf-8") == "result"
    assert data.read_text(encoding="utf-8") == "a,b\n1,2\n"
    assert "data.csv" in interpreter.execution_instructions
    with pytest.raises(CodeExecutionError):
        interpreter.execute("open('other.txt').read()")


def test_files_are_not_copied_back_unless_asked(make: Make, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    out.write_text("old", encoding="utf-8")
    interpreter = make(enable_write_paths=[out], sync_files=False)
    interpreter.execute("with open('out.txt', 'w') as f:\n    n = f.write('new')")
    assert interpreter.execute("open('out.txt').read()") == "new"
    assert out.read_text(encoding="utf-8") == "old"


def test_a_file_to_read_has_to_be_there(make: Make, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent.txt"):
        make(enable_read_paths=[tmp_path / "absent.txt"]).execute("1")
    with pytest.raises(ConfigurationError, match="Two files"):
        make(enable_read_paths=[tmp_path / "a" / "x", tmp_path / "b" / "x"])


def test_only_named_environment_variables_are_seen(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOWN", "yes")
    monkeypatch.setenv("HIDDEN", "no")
    interpreter = make(enable_env_vars=["SHOWN", "ABSENT"])
    assert interpreter.execute("import os\n[os.getenv('SHOWN'), os.getenv('HIDDEN'), os.getenv('ABSENT', 'x')]") == ["yes", None, "x"]


def test_hosts_cannot_be_opened_one_by_one() -> None:
    with pytest.raises(ConfigurationError, match="Offer a tool"):
        PythonInterpreter(enable_network_access=["example.com"])
    with pytest.raises(ConfigurationError, match="no network"):
        PythonInterpreter(enable_network_access=True, backend="monty").execute("1")


def test_a_session_that_has_ended_says_so(make: Make) -> None:
    interpreter = make()
    interpreter.start()
    interpreter.start()
    interpreter.shutdown()
    interpreter.shutdown()
    for use in (interpreter.start, lambda: interpreter.execute("1")):
        with pytest.raises(CodeInterpreterError, match="shut down"):
            use()
    with make() as another:
        assert another.execute("1") == 1
    with pytest.raises(CodeInterpreterError):
        another.execute("1")


def test_another_thread_is_refused_until_it_is_handed_over(make: Make) -> None:
    interpreter = make()
    interpreter.execute("x = 1")
    caught: list[Any] = []

    def use() -> None:
        try:
            caught.append(interpreter.execute("x"))
        except RuntimeError as error:
            caught.append(error)

    def in_thread() -> Any:
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        return caught.pop()

    assert "belongs to thread" in str(in_thread())
    interpreter.hand_over()
    assert in_thread() == 1
    assert interpreter.execute("x") == 1  # the thread that had it has ended


def test_the_protocol_is_recognised(make: Make) -> None:
    class Mine:
        tools: dict[str, Any] = {}

        def start(self) -> None: ...
        def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any: ...
        def shutdown(self) -> None: ...

    assert isinstance(make(), CodeInterpreter)
    assert isinstance(Mine(), CodeInterpreter)
    assert not isinstance(object(), CodeInterpreter)


class Table(SandboxSerializable):
    """A table that becomes a list of dicts inside."""

    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = rows
        self.sent = 0

    def sandbox_setup(self) -> str:
        return "import json"

    def to_sandbox(self) -> str | bytes:
        self.sent += 1
        return str(self.rows).encode()

    def sandbox_assignment(self, var_name: str, data_expr: str) -> str:
        return f"{var_name} = json.loads({data_expr}.decode())"

    def rlm_preview(self, max_chars: int = 500) -> str:
        return str(self.rows)[:max_chars]


def test_a_value_can_bring_its_own_way_in(make: Make) -> None:
    interpreter, table = make(), Table([[1, 2], [3, 4]])
    assert interpreter.execute("len(table), n", {"table": table, "n": 5}) == [2, 5]
    assert interpreter.execute("table.append([5, 6]); len(table)", {"table": table}) == 3
    assert table.sent == 1
    assert interpreter.execute("table", {"table": Table([[7]])}) == [[7]]

    class Half(SandboxSerializable):
        def sandbox_setup(self) -> str:
            return ""

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


class Watcher:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_interpreter"):
            raise AttributeError(name)
        return lambda **details: self.seen.append((name, details["call_id"], details.get("inputs", details.get("outputs"))))


def test_callbacks_hear_of_it(make: Make) -> None:
    local, everywhere = Watcher(), Watcher()
    interpreter = make({"pair": lambda: Pair(1, "x")}, callbacks=[local])
    with context(callbacks=[everywhere]):
        interpreter.execute("pair()", {"v": 1})
        interpreter.start()
    interpreter.shutdown()
    names = [name.removeprefix("on_interpreter_") for name, _, _ in local.seen]
    assert names == ["execute_start", "startup_start", "startup_end", "tool_call_start", "tool_call_end", "execute_end",
                     "startup_start", "startup_end", "shutdown_start", "shutdown_end"]  # fmt: skip
    assert [n for n, _, _ in everywhere.seen] == [n for n, _, _ in local.seen[:8]]
    assert local.seen[0][2] == {"code": "pair()", "variables": {"v": 1}}
    assert local.seen[4][2] == Pair(1, "x")
    assert local.seen[0][1] == local.seen[5][1]


def test_a_callback_that_fails_disturbs_nothing(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    class Bad:
        def on_interpreter_execute_start(self, **details: Any) -> None:
            raise ValueError("watching is hard")

    assert make(callbacks=[Bad()]).execute("1") == 1
    assert "watching is hard" in caplog.text


def test_many_sessions_in_threads_do_not_mix(make: Make) -> None:
    results: dict[int, Any] = {}

    def work(n: int) -> None:
        with make({"me": lambda: n}) as interpreter:
            interpreter.execute(f"x = {n}")
            results[n] = interpreter.execute("[x, me()]")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [n, n] for n in range(6)}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_forgotten_interpreter_leaves_no_process(make: Make) -> None:
    import gc

    def children() -> set[int]:
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                _, _, after_name = (folder / "stat").read_text().rpartition(")")
                if after_name.split()[1] == str(os.getpid()):
                    found.add(int(folder.name))
        return found

    before = children()
    PythonInterpreter(backend=make().backend).execute("1")
    gc.collect()
    assert children() <= before


def test_nothing_is_imported_before_it_is_used() -> None:
    heavy = "{'pydantic_monty', 'asyncio', 'pydantic', 'ssl'}"
    code = f"import sys, whet.sandbox; whet.sandbox.PythonInterpreter({{}}); print(sorted({heavy} & set(sys.modules)))"
    path = str(Path(__file__).parents[2] / "src")
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=True)
    assert said.stdout.strip() == "[]"


def test_the_doctor_is_told_what_is_ready() -> None:
    for status in check_backends():
        assert status.ready == (not status.missing)
        assert status.version if status.ready else status.install
        assert status.gives


def test_tools_are_a_dict_of_functions() -> None:
    for tools in ([print], {"x": 3}):
        with pytest.raises(ConfigurationError, match="tool"):
            PythonInterpreter(tools)  # type: ignore[arg-type]


def test_an_interrupt_while_the_code_runs_ends_the_session(make: Make) -> None:
    import signal

    interpreter = make(timeout=3.0)
    interpreter.execute("1")
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        interpreter.execute("for i in range(30):\n    x = sum(range(10**6)) if i else print(i)\nwhile True:\n    print(i)")
    timer.join()
    with pytest.raises(CodeInterpreterError, match="interrupted"):
        interpreter.execute("1")


def test_a_flow_uses_one_interpreter_on_an_event_loop_too(make: Make) -> None:
    from whet.core.flow import Flow, Invoke, adrive, drive

    def steps(interpreter: PythonInterpreter) -> Flow[Any]:
        for n in range(5):
            yield Invoke(interpreter.execute, (f"x = {n}",))
        result = yield Invoke(interpreter.execute, ("x",))
        yield Invoke(interpreter.shutdown)
        return result

    assert drive(steps(make())) == 4
    assert asyncio.run(adrive(steps(make()))) == 4


def test_shutting_down_ends_a_run_at_once_that_is_on_in_another_thread(make: Make) -> None:
    interpreter = make(timeout=600.0)  # longer than this test may take
    interpreter.execute("x = 1")
    interpreter.hand_over()
    ended: list[BaseException] = []

    def spin() -> None:
        try:
            interpreter.execute("while True:\n    x += 1")
        except CodeInterpreterError as error:
            ended.append(error)

    thread = threading.Thread(target=spin)
    thread.start()
    time.sleep(0.3)
    interpreter.shutdown()
    thread.join()
    assert not isinstance(ended[0], CodeExecutionError)
    with pytest.raises(CodeInterpreterError, match="shut down|lost"):
        interpreter.execute("x")


def test_what_unfolds_is_refused_before_it_is_unfolded() -> None:
    value: Any = ["x" * 50]
    for _ in range(8):
        value = {"a": [value] * 50, "b": (value,) * 50}
    with pytest.raises(CodeInterpreterError, match="more than 1000000 parts|longer than"):
        sent("x", value)
    twice = [1]
    copied = sent("x", {"a": [twice, twice], "b": (twice, [])})
    assert copied == {"a": [[1], [1]], "b": [[1], []]}
    assert copied["a"][0] is copied["a"][1] is copied["b"][0] is not twice  # copied once, so the work is that of the distinct parts
