"""What is particular to the `bubblewrap` backend: all of Python, numpy, and a process that the host can rely on being rid of."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from whet.errors import CodeExecutionError, CodeInterpreterError
from whet.sandbox import PythonInterpreter, bubblewrap, check_backends, jail, journal
from whet.sandbox.journal import HEADER
from whet.sandbox.seccomp import MACHINES, program

ready = {status.name: status.ready for status in check_backends()}["bubblewrap"]
needs_bubblewrap = pytest.mark.skipif(not ready, reason="bubblewrap cannot start here: apt install bubblewrap")


def jailed(*args: Any, **options: Any) -> PythonInterpreter:
    return PythonInterpreter(*args, **{"backend": "bubblewrap", "timeout": 5.0} | options)


@pytest.fixture(scope="module")
def shared() -> Iterator[PythonInterpreter]:
    with jailed() as interpreter:
        yield interpreter


@needs_bubblewrap
@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("def g():\n    yield from range(3)\nlist(g())", [0, 1, 2]),
        ("import re\nre.sub('a', lambda m: m[0].upper(), 'banana')", "bAnAnA"),
        ("import statistics\nstatistics.median([1, 5, 2])", 2),
        ("class A:\n    def x(self):\n        return 1\nclass B(A):\n    def x(self):\n        return super().x() + 1\nB().x()", 2),
        ("import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return n\nawait asyncio.gather(f(1), f(2))", [1, 2]),
        ("import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('select 1 + 1').fetchone()", [2]),
        ("from concurrent.futures import ThreadPoolExecutor\nlist(ThreadPoolExecutor(2).map(abs, [-1, 2]))", [1, 2]),
        ("import tempfile, os\nwith tempfile.TemporaryDirectory() as d:\n    r = os.listdir(d)\nr", []),
        ("try:\n    raise ExceptionGroup('g', [ValueError(1)])\nexcept* ValueError as e:\n    n = len(e.exceptions)\nn", 1),
    ],
    ids=lambda v: str(v).splitlines()[0][:20],
)  # fmt: skip
def test_the_whole_language_runs(shared: PythonInterpreter, code: str, value: Any) -> None:
    assert shared.execute(code) == value


@needs_bubblewrap
@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy is not installed")
def test_numpy_is_there_and_other_packages_are_not(shared: PythonInterpreter) -> None:
    assert shared.execute("import numpy as np\n{'m': np.eye(2) @ [1, 2], 's': np.float64(0.5), 'i': np.arange(3).sum()}") == {
        "m": [1.0, 2.0], "s": 0.5, "i": 3,
    }  # fmt: skip
    with pytest.raises(CodeExecutionError, match="ModuleNotFoundError"):
        shared.execute("import pydantic")
    with jailed(packages=()) as bare, pytest.raises(CodeExecutionError, match="No module named 'numpy'"):
        bare.execute("import numpy")


@needs_bubblewrap
def test_a_process_that_does_not_keep_its_time_is_killed_and_the_session_lost() -> None:
    interpreter = jailed(timeout=0.2)
    with pytest.raises(CodeInterpreterError, match="its process was killed. Its variables are gone"):
        interpreter.execute("while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass")
    with pytest.raises(CodeInterpreterError, match="was lost"):
        interpreter.execute("1")


@needs_bubblewrap
def test_threads_left_behind_do_not_run_between_runs() -> None:
    with jailed() as interpreter:
        interpreter.execute(
            "import threading\ncount = 0\ndef spin():\n    global count\n    while True:\n        count += 1\n"
            "threading.Thread(target=spin, daemon=True).start()"
        )
        descriptor = interpreter._backend._pidfd  # type: ignore[union-attr]
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="utf-8") as file:
            pid = next(line.split()[1] for line in file if line.startswith("Pid:"))
        time.sleep(0.1)  # until the signal has reached every thread
        states = set()
        for _ in range(10):
            states.add(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0])
            time.sleep(0.01)
        assert states == {"T"}
        assert interpreter.execute("count") > 0


@needs_bubblewrap
def test_nothing_of_it_is_left_on_the_host() -> None:
    def mine() -> tuple[set[str], int, int]:
        children = set()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] == str(os.getpid()):
                children.add(stat.parent.name)
        return children, len(os.listdir("/proc/self/fd")), threading.active_count()

    before = mine()
    for _ in range(3):
        with jailed() as interpreter:
            interpreter.execute("import threading\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()")
    assert mine() == before


@needs_bubblewrap
def test_scratch_files_have_a_limit(shared: PythonInterpreter) -> None:
    with pytest.raises(CodeExecutionError, match="OSError"):
        shared.execute("for i in range(100):\n    with open(f'f{i}', 'wb') as f:\n        n = f.write(b'x' * 2_000_000)")
    shared.execute("import os\nfor name in os.listdir():\n    os.remove(name)")
    assert shared.execute("with open('f', 'w') as f:\n    n = f.write('x')\nn") == 1
    with pytest.raises(CodeExecutionError, match="Read-only"):
        shared.execute("open('/new', 'w')")


@needs_bubblewrap
def test_the_network_opens_only_as_a_whole() -> None:
    code = "import socket\nsocket.create_server(('127.0.0.1', 0)).getsockname()[0]"
    with jailed(enable_network_access=True) as interpreter:
        assert interpreter.execute(code) == "127.0.0.1"
        with pytest.raises(CodeExecutionError, match="PermissionError"):
            interpreter.execute("socket.socket(socket.AF_UNIX)")
    with PythonInterpreter(enable_network_access=True) as interpreter:
        assert interpreter.backend == "bubblewrap"
    with jailed() as interpreter, pytest.raises(CodeExecutionError, match="PermissionError"):
        interpreter.execute(code)


@needs_bubblewrap
def test_large_values_go_in_and_large_ones_stay_in(shared: PythonInterpreter) -> None:
    text = "é" * 3_000_000
    assert shared.execute("len(text)", {"text": text}) == 3_000_000
    assert shared.execute("n == 10**5000", {"n": 10**5000}) is True
    with pytest.raises(CodeExecutionError, match="larger than 8 MiB"):
        shared.execute("text")
    with pytest.raises(CodeExecutionError, match="integer of"):
        shared.execute("n")
    assert shared.execute("1") == 1


@needs_bubblewrap
def test_a_snapshot_makes_the_same_session_again_and_calls_no_tool_twice() -> None:
    asked: list[Any] = []

    def ask(value: Any, times: float = 1.0) -> Any:
        asked.append(value)
        if value == "no":
            raise KeyError(value)
        return {"got": value, "n": len(asked), "big": 10**30}

    with jailed({"ask": ask}) as interpreter:
        interpreter.execute(
            "import random\nclass Node:\n    def __init__(self, x):\n        self.x = x\ndef count():\n    n = 0\n    while True:\n"
            "        n += 1\n        yield n\ncounter = count()\nnext(counter)\nme = Node(first)\nme.me = me",
            {"first": {1: "é", "inf": float("inf")}},
        )
        with pytest.raises(CodeExecutionError, match="KeyError"):
            interpreter.execute("a = ask('yes', times=float('nan'))\nkept = a['big']\nask('no')")
        with pytest.raises(SyntaxError):
            interpreter.execute("x =")
        interpreter.execute("open('note.txt', 'w').write('kept')\nSUBMIT(1)\nnever = 1")
        state = interpreter.snapshot()
        expected = interpreter.execute(PROBE)
        assert len(asked) == 2 and interpreter.execute(PROBE) != expected
    with jailed({"ask": ask}) as other:
        other.execute("gone = 1")
        other.restore(state)
        assert len(asked) == 2
        assert other.execute(PROBE) == expected
        with pytest.raises(CodeExecutionError, match="NameError"):
            other.execute("gone")
        assert other.execute("ask('again')['n']") == 3
        assert jailed().restore(other.snapshot()) is None


PROBE = (
    "[next(counter), me.me.x['inf'] > 9, me.x[1], a['n'], kept, random.random(), list({'a', 'b', 'c', 'd', 'e'}), "
    "open('note.txt').read(), 'never' in globals()]"
)


@needs_bubblewrap
def test_what_cannot_be_made_again_says_so() -> None:
    with jailed({"tell": lambda x: x}, timeout=0.3) as interpreter:
        interpreter.execute("import time\ntell(time.time_ns())")
        changing = interpreter.snapshot()
        with pytest.raises(CodeExecutionError, match="TimeoutError"):
            interpreter.execute("n = 0\nwhile True:\n    n += 1")
        with pytest.raises(CodeInterpreterError, match="stopped by its time limit"):
            interpreter.snapshot()
        assert interpreter.execute("n > 0") is True
    with jailed({"tell": lambda x: x}) as other:
        with pytest.raises(CodeInterpreterError, match="calls `tell` otherwise than it did"):
            other.restore(changing)
        with pytest.raises(CodeInterpreterError, match="ended|lost"):
            other.execute("1")


@needs_bubblewrap
@pytest.mark.parametrize(
    "state",
    [b"", b"x" * 100, b"whet-sandbox monty 1.4.0\n..", HEADER, HEADER + zlib.compress(b"[]"), HEADER + zlib.compress(b'{"runs":[[1]]}')],
)
def test_a_snapshot_that_is_none_leaves_the_session_as_it_was(shared: PythonInterpreter, state: bytes) -> None:
    shared.execute("here = 5")
    with pytest.raises(CodeInterpreterError, match="snapshot"):
        shared.restore(state)
    assert shared.execute("here") == 5


@needs_bubblewrap
def test_a_snapshot_needs_the_files_that_its_session_had(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("1 2", encoding="utf-8")
    with jailed(enable_read_paths=[tmp_path / "rows.txt"]) as interpreter:
        interpreter.execute("rows = open('rows.txt').read().split()")
        state = interpreter.snapshot()
    with jailed() as without, pytest.raises(CodeInterpreterError, match="ended with FileNotFoundError, then with no error.*rows.txt"):
        without.restore(state)
    with jailed(enable_read_paths=[tmp_path / "rows.txt"]) as again:
        again.restore(state)
        assert again.execute("rows") == ["1", "2"]


@needs_bubblewrap
def test_a_session_without_end_keeps_a_bounded_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST", 100_000)
    with jailed({"tell": lambda x: x}) as interpreter:
        interpreter.execute("n = len(text)", {"text": "x" * 30_000})
        assert len(interpreter.snapshot()) < 5_000
        interpreter.execute("for i in range(20):\n    tell('y' * 5_000)")
        with pytest.raises(CodeInterpreterError, match="no snapshot of this session: its code, variables and calls are more than"):
            interpreter.snapshot()
        assert not interpreter._backend._journal.runs  # type: ignore[union-attr]
        assert interpreter.execute("n") == 30_000


@needs_bubblewrap
def test_auto_goes_on_in_the_backend_that_took_the_snapshot() -> None:
    with PythonInterpreter() as first, PythonInterpreter() as second, PythonInterpreter(backend="monty") as other:
        first.execute("def g():\n    yield 5\nkept = list(g())")
        assert first.backend == "bubblewrap"
        second.execute("kept = 1")
        second.restore(first.snapshot())
        assert second.backend == "bubblewrap" and second.execute("kept") == [5]
        other.execute("kept = 3")
        second.restore(other.snapshot())
        assert second.backend == "monty" and second.execute("kept") == 3
        with pytest.raises(CodeInterpreterError, match="no snapshot"):
            other.restore(first.snapshot())
        assert other.execute("kept") == 3


def test_the_program_in_the_jail_is_not_to_be_had_outside() -> None:
    with pytest.raises(ImportError, match="inside of a sandbox only"):
        importlib.import_module("whet.sandbox.guest")


def test_a_library_below_usr_lib_is_not_mounted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    libc = next(Path("/usr/lib").glob("**/libc.so*"))
    monkeypatch.setattr(jail.sysconfig, "get_config_var", {"LIBDIR": str(libc.parent), "LDLIBRARY": "libc.so"}.get)
    words = jail.command(network=False, packages=(), seed=0, filter_fd=0, info_fd=0)
    assert str(libc) not in words


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("network", [False, True])
def test_the_filter_is_well_formed(machine: str, network: bool) -> None:
    import struct

    lines = list(struct.iter_unpack("=HBBI", program(machine, network=network)))
    assert 50 < len(lines) < 4096
    for at, (code, yes, no, _) in enumerate(lines):
        assert code in (0x20, 0x15, 0x35, 0x45, 0x06)
        assert at + 1 + max(yes, no) < len(lines) or code in (0x06, 0x20)
    assert lines[-1][0] == 0x06


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_bubblewrap
@pytest.mark.parametrize(
    "code", ["1", "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True:\n    pass"], ids=["idle", "busy"]
)
def test_it_ends_with_its_host_however_that_ends(code: str) -> None:
    program = (
        "from whet.sandbox import PythonInterpreter\n"
        "i = PythonInterpreter(backend='bubblewrap', timeout=60)\ni.execute('1')\n"
        "with open(f'/proc/self/fdinfo/{i._backend._pidfd}') as f:\n"
        "    print([line.split()[1] for line in f if line.startswith('Pid:')][0], flush=True)\n"
        f"i.execute({code!r})\nprint('ready', flush=True)\ninput()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as host:
        assert host.stdout is not None
        inner = int(host.stdout.readline())
        if code == "1":
            assert host.stdout.readline() == b"ready\n"
        assert alive(inner)
        time.sleep(0.2)
        host.kill()
    for _ in range(100):
        if not alive(inner):
            break
        time.sleep(0.02)
    assert not alive(inner)


@needs_bubblewrap
def test_it_does_not_end_with_the_thread_that_started_it() -> None:
    with jailed() as interpreter:
        thread = threading.Thread(target=interpreter.execute, args=("x = 1",))
        thread.start()
        thread.join()
        time.sleep(0.1)
        assert interpreter.execute("x") == 1


@needs_bubblewrap
@pytest.mark.parametrize(
    "words", [["bwrap", "--no-such-option"], ["/bin/sh", "-c", "echo no user namespaces >&2; exit 1"], ["/no/such/program"]]
)
def test_one_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(jail, "command", lambda **_: words)
    monkeypatch.setattr(bubblewrap, "START_SECONDS", 600.0)  # longer than this test may take: it does not wait for one that has ended
    with pytest.raises(CodeInterpreterError, match="did not start: .*(no-such-option|no user namespaces|not found)"):
        jailed().execute("1")
