"""The program inside a `bubblewrap` sandbox: takes code from the host, runs it in one namespace, and answers.

It holds nothing worth stealing and is not what keeps the code in: the kernel is. So code that breaks it breaks only itself.
"""

from __future__ import annotations

import ast
import base64
import builtins
import contextlib
import gc
import inspect
import os
import random
import resource
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from whet.sandbox.wire import decode, encode

__all__ = ["main"]

# Nothing of this file runs in the host's own process: it evaluates code, and is safe only where the kernel keeps that code in.
if not __file__.startswith("/program/"):
    raise ImportError("`whet.sandbox.guest` runs inside of a sandbox only; take `whet.PythonInterpreter`.")

MEBIBYTE = 1024 * 1024
# What Python and numpy take of the address space before the code does anything.
OWN_SPACE_MB = 320
MAX_MESSAGE = 8 * MEBIBYTE
MAX_FILES = 48 * MEBIBYTE
MAX_DEPTH = 100
AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class _RunIsOver(BaseException):
    """The host took the final values."""


class _Overtime(BaseException):
    """The code ran too long; no `except Exception` of its own stops this."""


class _Printed:
    """Stands for stdout and stderr: keeps the beginning and counts the rest."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self) -> None:
        self.limit = 0
        self.clear()

    def clear(self) -> None:
        self.pieces: list[str] = []
        self.size = 0

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        room = self.limit - self.size
        if room > 0:
            self.pieces.append(text[:room])
        self.size += len(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def text(self) -> str:
        text = "".join(self.pieces)
        return text if self.size <= len(text) else f"{text}\n... [{self.size - len(text)} more characters were cut]\n"


class _Host:
    """The socket to the host, which takes the place of the standard output."""

    def __init__(self) -> None:
        self.channel = os.dup(1)
        nothing = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        self.lock = threading.Lock()

    def receive(self) -> dict[str, Any]:
        return decode(self._read(int.from_bytes(self._read(4), "big")))

    def _read(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = os.read(self.channel, min(size, MEBIBYTE))
            if not piece:
                os._exit(0)
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def send(self, message: dict[str, Any]) -> None:
        body = encode(message)
        if len(body) > MAX_MESSAGE:
            raise ValueError(f"the value is larger than {MAX_MESSAGE // MEBIBYTE} MiB as JSON: it cannot leave the sandbox")
        self.write(body)

    def write(self, body: bytes) -> None:
        view = memoryview(body)
        while view:
            view = view[os.write(self.channel, view) :]


class _Session:
    def __init__(self, host: _Host) -> None:
        self.host = host
        self.printed = _Printed()
        self.module = types.ModuleType("__main__")
        self.timeout = 30.0
        self.armed = self.overtime = False

    def prepare(self, setup: dict[str, Any]) -> None:
        self.timeout, self.printed.limit = setup["timeout"], setup["max_output_chars"]
        sys.path[:] = [*sys.path, *setup["paths"]]
        del os.environ["PYTHONHASHSEED"]
        os.environ.update(setup["environment"])
        random.seed(setup["seed"])
        for name, content in setup["files"].items():
            with open(name, "wb") as file:
                file.write(base64.b64decode(content))
        sys.stdout = sys.stderr = self.printed
        sys.modules["__main__"] = self.module
        self.module.__dict__["__builtins__"] = builtins
        sys.setrecursionlimit(setup["max_recursion"])
        signal.signal(signal.SIGALRM, self.on_alarm)
        space = (OWN_SPACE_MB + setup["memory_mb"]) * MEBIBYTE
        for what, limit in (
            (resource.RLIMIT_AS, space),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, 64),
            (resource.RLIMIT_FSIZE, MAX_FILES),
        ):
            resource.setrlimit(what, (limit, limit))
        for name in setup["names"]:
            self.module.__dict__[name] = self.proxy(name)
        self.names = set(setup["names"])

    def on_alarm(self, *_: Any) -> None:
        if self.armed:
            self.overtime = True
            raise _Overtime(f"the code ran longer than {self.timeout:g} s")

    def proxy(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return self.ask(name, args, kwargs)

        call.__name__ = call.__qualname__ = name
        call.__doc__ = "A function of the host."
        return call

    def ask(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        message = {"kind": "call", "name": name, "args": plain(args), "kwargs": plain(kwargs)}
        with self.host.lock:
            left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
            try:
                self.host.send(message)
                reply = self.host.receive()
            finally:
                signal.setitimer(signal.ITIMER_REAL, max(left, 0.001) if self.armed else 0, 0.2)
        if "stop" in reply:
            raise _RunIsOver
        if "error" in reply:
            raise getattr(builtins, reply["error"], RuntimeError)(reply["message"])
        return reply["value"]

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        self.printed.clear()
        for name in order["names"]:
            if name not in self.names:
                self.names.add(name)
                self.module.__dict__[name] = self.proxy(name)
        self.module.__dict__.update(order["variables"])
        try:
            parts = parsed(order["code"])
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return {"failure": {"type": "SyntaxError", "message": str(error), "syntax": True, "args": []}}
        try:
            with self.clock():
                value = self.evaluate(parts)
                answer = {"value": plain(value), "text": self.shown(value)}
        except _RunIsOver:
            answer = {}
        except BaseException as error:  # noqa: BLE001 - whatever the code raises is the answer
            answer = {"failure": failure(error)}
        return answer | {"overtime": self.overtime}

    @contextlib.contextmanager
    def clock(self) -> Iterator[None]:
        self.armed, self.overtime = True, False
        signal.setitimer(signal.ITIMER_REAL, self.timeout, 0.2)
        try:
            yield
        finally:
            self.armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def evaluate(self, parts: list[types.CodeType]) -> Any:
        value = None
        for part in parts:
            value = eval(part, self.module.__dict__)
            if inspect.iscoroutine(value) and part.co_flags & inspect.CO_COROUTINE:
                import asyncio  # noqa: PLC0415 - only code with a top-level await pays for it

                value = asyncio.run(value)
        return value

    def shown(self, value: Any) -> str:
        return "" if value is None or not self.printed.size else repr(value)[: self.printed.limit]


def parsed(code: str) -> list[types.CodeType]:
    """The statements, and a last bare expression apart from them."""
    tree = ast.parse(code, "<code>")
    parts: list[types.CodeType] = []
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if tree.body:
        parts.append(compile(tree, "<code>", "exec", AWAIT, dont_inherit=True))
    if isinstance(last, ast.Expr):
        parts.append(compile(ast.Expression(last.value), "<code>", "eval", AWAIT, dont_inherit=True))
    else:
        parts.append(compile("None", "<code>", "eval"))
    return parts


def failure(error: BaseException) -> dict[str, Any]:
    """What the host is told of an exception."""
    try:
        name = "TimeoutError" if isinstance(error, _Overtime) else type(error).__name__
        return {"type": name, "args": plain(error.args), "message": str(error)}
    except BaseException as second:  # noqa: BLE001 - an exception of the code may raise while it is read
        return {"type": str(type(error).__name__), "args": [], "message": f"(unreadable: {type(second).__name__})"}


def plain(value: Any, depth: int = 0) -> Any:
    """A value as plain data; what has no plain form becomes its text."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if depth > MAX_DEPTH:
        raise ValueError(f"the value is nested more than {MAX_DEPTH} deep or contains itself: it cannot leave the sandbox")
    value = simpler(value)
    if isinstance(value, dict):
        return {k if isinstance(k, (str, int, float, bool, type(None))) else str(k): plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, depth + 1) for v in value]
    base = next((b for b in (bool, int, float, str) if isinstance(value, b)), str)
    return base(value)


def simpler(value: Any) -> Any:
    """A record as a dict, a set as a list, an array as lists; anything else as it is."""
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    named = getattr(value, "_asdict", None) if isinstance(value, tuple) else None
    return value if named is None else named()


def file_frame(name: str) -> bytes:
    """One file as it is, after a byte that says whether there is such a file."""
    try:
        with open(name, "rb") as file:
            body = b"+" + file.read()
    except OSError:
        body = b"-"
    return len(body).to_bytes(4, "big") + body


def main() -> None:
    """Serve until the host closes its end."""
    host = _Host()
    session = _Session(host)
    session.prepare(host.receive())
    host.send({"kind": "ready", "python": sys.version.split()[0]})
    while True:
        order = host.receive()
        if order["op"] == "file":
            host.write(file_frame(order["name"]))
            continue
        answer = session.run(order)
        answer |= {"kind": "done", "run": order["run"], "printed": session.printed.text()}
        try:
            host.send(answer)
        except (ValueError, RecursionError, MemoryError) as error:
            gc.collect()
            host.send({"kind": "done", "run": order["run"], "printed": "", "failure": failure(error)})
