"""The default backend: pydantic-monty, a small Python of its own in a worker process, with no way out but the tools it is given."""

from __future__ import annotations

import builtins
import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from whet.errors import CodeInterpreterError, ConfigurationError
from whet.sandbox.feed import DIRECTORY, Abandoned, Feed
from whet.sandbox.protocol import BackendStatus, Bridge, Failure, Limits, Offer, Outcome

__all__ = ["INSTRUCTIONS", "MontyBackend", "status"]

NAME = "monty"
GRACE = 0.5
SUSPENSIONS = 1_000_000
STATE_HEADER = b"whet-sandbox monty "

INSTRUCTIONS = """\
The code runs in a sandbox with a subset of Python: no files, network, environment or processes unless named here; state is kept between \
runs.
Importable: asyncio, base64, binascii, bisect, collections, copy, csv, dataclasses, datetime, decimal, functools, hashlib, itertools, \
json, math, os, pathlib, random, re, sys, time, typing, unicodedata. Nothing can be installed.
Not available: numpy and other packages; class inheritance (plain classes and dataclasses work), generators (`yield`), `del`, `super`, \
`callable`, `globals`, `input`, OrderedDict, `re.sub` with a function. Use lists, comprehensions and plain functions.
Print what you want to see; the value of a last bare expression is shown too."""


def status() -> BackendStatus:
    """Whether pydantic-monty is installed here."""
    try:
        found = version("pydantic-monty")
    except PackageNotFoundError:
        return BackendStatus(
            name=NAME, ready=False, missing="the package `pydantic-monty`", install="pip install 'pydantic-monty>=1.4'", gives=_GIVES
        )
    return BackendStatus(name=NAME, ready=True, version=found, gives=_GIVES)


_GIVES = "a subset of Python, started in 20 ms, with snapshots"


class MontyBackend:
    """One session in one worker process.

    Before each run the state is kept, so a run that is stopped (time, memory, a crash of the worker) leaves the variables as they were.
    """

    name = NAME

    def __init__(self, limits: Limits, offer: Offer) -> None:
        if offer.network:
            raise ConfigurationError(
                "The `monty` backend has no network. Offer a tool that fetches what the code may see, or take "
                "`PythonInterpreter(backend='bubblewrap', enable_network_access=True)`."
            )
        self._limits = limits
        self._offer = offer
        self._pool: Any = None
        self._session: Any = None
        self._mount: Any = None
        self._staging: str | None = None
        self._kept: bytes | None = None
        self._fresh = True
        self._feed: Feed | None = None
        self._closed = False

    def start(self) -> None:
        """Start the worker and stage the files."""
        if self._session is not None:
            return
        try:
            import pydantic_monty as monty  # noqa: PLC0415 - only who runs code pays for it
        except ImportError as error:
            raise CodeInterpreterError(
                "The `monty` sandbox needs the package `pydantic-monty`. Install it with: pip install 'pydantic-monty>=1.4'"
            ) from error
        self._monty = monty
        try:
            self._pool = monty.Monty(max_processes=1, feed_duration_limit_grace=GRACE)
            self._pool.__enter__()
            self._open_session()
        except (monty.MontyError, OSError, RuntimeError) as error:
            self.close()
            raise CodeInterpreterError(f"The `monty` sandbox did not start: {error}") from error
        if self._offer.files:
            self._stage()

    def _open_session(self, state: bytes | None = None) -> None:
        limits = self._limits
        self._session = self._pool.checkout(
            limits={
                "max_feed_duration_secs": limits.timeout,
                "max_memory": limits.memory_mb * 1024 * 1024,
                "max_recursion_depth": limits.max_recursion,
                "max_suspensions": SUSPENSIONS,
            },
            os_policy={"sleep": "call_host"},
        )
        self._session.__enter__()
        if state is not None:
            self._session.load_session(state)
        self._fresh = state is None

    def _stage(self) -> None:
        self._staging = tempfile.mkdtemp(prefix="whet-sandbox-")
        for name, content in self._offer.files.items():
            Path(self._staging, name).write_bytes(content)
        limit = self._limits.memory_mb * 1024 * 1024
        self._mount = self._monty.MountDir(
            host_path=self._staging, virtual_path=DIRECTORY, mode="read-write", write_bytes_limit=limit, memory_usage_limit=limit
        )

    def run(self, code: str, variables: Mapping[str, Any], bridge: Bridge) -> Outcome:
        """Run code in the session."""
        self._keep()
        self._feed = run = Feed(self._monty, self._limits, self._offer.environment, bridge)
        try:
            with run.interruptible():
                outcome = self._outcome(run, code, dict(variables))
        finally:
            self._feed = None
            if run.interrupt is not None:
                raise run.interrupt
        return outcome

    def _outcome(self, run: Feed, code: str, variables: dict[str, Any]) -> Outcome:
        monty = self._monty
        try:
            value = run.drive(self._session, code, variables, self._mount)
        except monty.MontySyntaxError as error:
            failure = self._syntax(error)
        except monty.MontyConversionError as error:
            raise CodeInterpreterError(f"A value could not go into the sandbox: {error}") from None
        except monty.MontyCrashedError as error:
            failure = self._after_crash(error)
        except monty.MontyRuntimeError as error:
            failure = self._failure(error.exception())
        except Abandoned as error:
            self._roll_back()
            failure = Failure(type="TimeoutError", args=(str(error),))
        except RuntimeError as error:
            raise CodeInterpreterError(f"The `monty` sandbox failed: {error}") from error
        else:
            self._fresh = False
            return Outcome(printed=run.printed, value=value)
        return Outcome(printed=run.printed, failure=failure)

    def _keep(self) -> None:
        self._kept = None if self._fresh else self._session.dump()

    def _roll_back(self) -> None:
        """Go on in a new session as it was before the run."""
        if self._closed:
            raise CodeInterpreterError("The `monty` sandbox was shut down while it ran.")
        with contextlib.suppress(self._monty.MontyError, RuntimeError):
            self._session.__exit__(None, None, None)
        try:
            self._open_session(self._kept)
        except (self._monty.MontyError, RuntimeError, OSError) as error:
            raise CodeInterpreterError(f"The `monty` sandbox could not be started again: {error}") from error

    def _after_crash(self, error: Any) -> Failure:
        self._roll_back()
        if error.timed_out:
            return Failure(type="TimeoutError", args=(f"the code ran longer than {self._limits.timeout:g} s",))
        return Failure(type="MemoryError", args=("the sandbox's process died; its variables are as they were before this run",))

    def _syntax(self, error: Any) -> Failure:
        """Code that cannot be read, or that raised such an error of its own while it ran (then a frame has a name)."""
        frames, text = error.traceback(), str(error.exception())
        if any(frame.function_name for frame in frames):
            self._fresh = False
            return Failure(type="SyntaxError", args=(text,))
        return Failure(type="SyntaxError", message=f"{text} (line {frames[-1].line})" if frames else text, syntax=True)

    def _failure(self, error: BaseException) -> Failure:
        kind, text = type(error).__name__, str(error.args[0]) if error.args else ""
        if isinstance(error, TimeoutError) and "time limit exceeded" in text:
            self._roll_back()
            return Failure(type=kind, args=(f"the code ran longer than {self._limits.timeout:g} s",))
        if isinstance(error, MemoryError) and "memory limit" in text:
            self._roll_back()
            return Failure(type=kind, args=(f"the code needs more than {self._limits.memory_mb} MiB of memory",))
        self._fresh = False
        if text.startswith("Internal error in monty"):
            return Failure(type="NotImplementedError", args=(text,), gap=True)
        args = tuple(error.args) if text else ()
        return Failure(type=kind, args=args, message=text, gap=_is_gap(error, text))

    def snapshot(self) -> bytes:
        """The variables and functions of the session."""
        dump: bytes = self._session.dump()
        return STATE_HEADER + version("pydantic-monty").encode() + b"\n" + dump

    def restore(self, state: bytes) -> None:
        """Continue from a snapshot of the same version of pydantic-monty."""
        header, _, dump = state.partition(b"\n")
        if header != STATE_HEADER + version("pydantic-monty").encode():
            raise CodeInterpreterError(
                f"This is no snapshot that the installed sandbox can read: it begins {state[:40]!r}. Take it again with this version."
            )
        self._kept = dump
        self._roll_back()

    def read_files(self) -> dict[str, bytes]:
        """The files in the code's directory."""
        return _plain_files(self._staging) if self._staging else {}

    def close(self) -> None:
        """Return the session and end the worker; a run that is on in another thread ends at once, so that nobody waits for it."""
        self._closed = True
        if self._feed is not None:
            self._feed.kill()
        session, pool, self._session, self._pool = self._session, self._pool, None, None
        for opened in (session, pool):
            if opened is not None:
                with contextlib.suppress(self._monty.MontyError, RuntimeError, OSError):
                    opened.__exit__(None, None, None)
        if self._mount is not None:
            self._mount.close()
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
        self._mount = self._staging = None


def _is_gap(error: BaseException, text: str) -> bool:
    """Whether ordinary Python would not have raised this."""
    if isinstance(error, (NotImplementedError, ModuleNotFoundError)):
        return isinstance(error, ModuleNotFoundError) or "monty" in text
    if isinstance(error, NameError):
        return any(hasattr(builtins, part) for part in text.split("'")[1::2])
    return isinstance(error, (AttributeError, ImportError)) and ("module '" in text or "cannot import name" in text)


def _plain_files(directory: str) -> dict[str, bytes]:
    """The regular files of a directory; links are not followed."""
    found = {}
    for entry in os.scandir(directory):
        if entry.is_file(follow_symlinks=False):
            descriptor = os.open(entry.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
            with open(descriptor, "rb") as file:
                found[entry.name] = file.read()
    return found
