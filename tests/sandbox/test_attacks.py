"""The corpus of attacks on every backend that can run here: contained, nothing leaked, the host awake."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.attacks import ATTACKS, Attack
from whet.errors import CodeExecutionError, CodeInterpreterError
from whet.sandbox import FinalOutput, PythonInterpreter, check_backends

READY = [status.name for status in check_backends() if status.ready]
STALL = 0.5


class Vault:
    """The object of the host whose secret the code is after."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def echo(self, value: Any) -> Any:
        return value if isinstance(value, (int, str)) and len(str(value)) < 100 else "something"

    def fail(self) -> None:
        raise LookupError(f"no luck{'' if self.secret else '!'}")


class Heartbeat:
    """A thread of the host that wants to run every few milliseconds; `worst` is the longest it had to wait."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.beat, daemon=True)
        self.thread.start()

    def beat(self) -> None:
        last = time.monotonic()
        while not self.stop.wait(0.005):
            now = time.monotonic()
            self.worst = max(self.worst, now - last)
            last = now


class Range:
    """One backend under fire, with everything planted that must not come out."""

    def __init__(self, backend: str, directory: Path) -> None:
        self.backend = backend
        self.secret = secrets.token_hex(16)
        self.vault = Vault(self.secret)
        self.canary, self.written = directory / "canary.txt", directory / "written.txt"
        self.canary.write_text(self.secret, encoding="utf-8")
        os.environ["WHET_TEST_CANARY"] = self.secret
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0)
        self.heartbeat = Heartbeat()
        self.interpreter = self.fresh()
        self.lost = 0

    def fresh(self) -> PythonInterpreter:
        tools = {"echo": self.vault.echo, "fail": self.vault.fail}
        return PythonInterpreter(tools, backend=self.backend, timeout=0.4, memory_mb=64, max_output_chars=10_000)

    def fire(self, attack: Attack) -> tuple[Any, float]:
        """The outcome (a value or an error) and how long the host was held up."""
        code = attack.code.replace("CANARY_FILE", str(self.canary)).replace("WRITTEN_FILE", str(self.written))
        code = code.replace("PORT", str(self.listener.getsockname()[1])).replace("PID", str(os.getpid()))
        self.heartbeat.worst = 0.0
        began = time.monotonic()
        try:
            outcome = self.interpreter.execute(code)
        except (CodeInterpreterError, SyntaxError) as error:
            outcome = error
        assert time.monotonic() - began < 8.0
        return outcome, self.heartbeat.worst

    def still_works(self) -> None:
        """A session that survived goes on; a lost one says so, and a new one takes its place."""
        try:
            assert self.interpreter.execute("1 + 1") == 2
        except CodeExecutionError:
            raise
        except CodeInterpreterError:
            self.lost += 1
            self.interpreter.shutdown()
            self.interpreter = self.fresh()

    def close(self) -> None:
        self.heartbeat.stop.set()
        self.heartbeat.thread.join()
        self.interpreter.shutdown()
        self.listener.close()
        del os.environ["WHET_TEST_CANARY"]


@pytest.fixture(scope="module", params=READY)
def field(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    field = Range(request.param, tmp_path_factory.mktemp(request.param))
    yield field
    field.close()


def texts(outcome: Any) -> str:
    """Everything that a caller could read out of an outcome."""
    if isinstance(outcome, FinalOutput):
        outcome = outcome.output
    if isinstance(outcome, BaseException):
        return f"{outcome} {outcome.args} {getattr(outcome, 'printed', '')} {outcome.__cause__} {outcome.__context__}"
    return str(outcome)


def test_the_corpus_is_large_and_has_no_name_twice() -> None:
    assert len(ATTACKS) >= 60
    assert len({a.name for a in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_attack(field: Range, attack: Attack) -> None:
    outcome, held_up = field.fire(attack)
    if held_up >= STALL:  # a busy machine stalls once, a hole stalls every time
        field.still_works()
        outcome, held_up = field.fire(attack)
    assert held_up < STALL
    said = texts(outcome)
    assert field.secret not in said
    assert len(said) < 5_000_000
    assert not field.written.exists()
    assert field.canary.read_text(encoding="utf-8") == field.secret
    with pytest.raises(BlockingIOError):
        field.listener.accept()
    if isinstance(outcome, CodeExecutionError):
        assert ": " in str(outcome)
    field.still_works()
