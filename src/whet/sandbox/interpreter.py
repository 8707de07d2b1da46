"""`PythonInterpreter`: runs code of a model in a sandbox that works right after installation."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from whet.core.events import handlers_of, observing
from whet.errors import CodeExecutionError, CodeInterpreterError, ConfigurationError
from whet.sandbox import backends, monty
from whet.sandbox.bridge import ToolBridge, call_tool
from whet.sandbox.files import Shared, environment
from whet.sandbox.protocol import Backend, Failure, Limits, Offer, Outcome
from whet.sandbox.serializable import SandboxSerializable, assembly
from whet.sandbox.value import check_name, received, sent

__all__ = ["PythonInterpreter"]

T = TypeVar("T")
HANDOVER_SECONDS = 0.05


class PythonInterpreter:
    """Runs Python apart from this process: no files, network, environment or processes but what is let in here.

    `tools` are the host functions that the code may call (sync or async); values cross by copy, as plain data. State is kept from one
    execution to the next. It starts on first use; end it with `shutdown()` or a `with` block.

    `output_fields` (`[{"name": "answer", "type": "str"}]`) are what `SUBMIT` takes; without them it takes one value, called `output`.
    `enable_read_paths` and `enable_write_paths` are single files, there under their base names; changed ones are copied back after each
    run unless `sync_files=False`. `enable_env_vars` names variables. `enable_network_access=True` opens the network as a whole, in the
    `bubblewrap` backend only; a list of hosts is refused, because no backend could hold the code to it: offer a tool that fetches.

    `backend` is `monty` (a subset of Python, everywhere), `bubblewrap` (all of Python, with the installed `packages` named, on Linux), or
    `auto`: monty, and bubblewrap instead where monty lacks something in the first execution, nothing would be lost and it can run here.
    One execution may use `timeout` seconds (time in tools not counted), `memory_mb` MiB, calls `max_recursion` deep; output past
    `max_output_chars` characters is cut, and says so.

    One interpreter belongs to the thread that first uses it, until that thread ends or calls `hand_over()`.

    >>> with PythonInterpreter({"double": lambda x: 2 * x}) as interpreter:
    ...     interpreter("total = double(21)")
    ...     interpreter("total + extra", {"extra": 0.5})
    42.5
    """

    execution_instructions: str = monty.INSTRUCTIONS
    """What a model has to know to write code for it; an instance's names its backend and files."""

    def __init__(  # noqa: PLR0913 - the arguments are given by the behaviour specification
        self,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        output_fields: list[dict[str, Any]] | None = None,
        enable_read_paths: Iterable[str | os.PathLike[str]] | None = None,
        enable_write_paths: Iterable[str | os.PathLike[str]] | None = None,
        enable_env_vars: Iterable[str] | None = None,
        enable_network_access: Any = None,
        sync_files: bool = True,
        callbacks: Iterable[Any] | None = None,
        *,
        backend: str = "auto",
        timeout: float = 30.0,
        memory_mb: int = 256,
        max_output_chars: int = 100_000,
        max_recursion: int = 1000,
        packages: Iterable[str] = ("numpy",),
    ) -> None:
        self.tools: dict[str, Callable[..., Any]] = _by_name(tools)
        self.output_fields = output_fields
        self.callbacks = list(callbacks or ())
        self.sync_files = sync_files
        self._limits = _checked(
            Limits(timeout=timeout, memory_mb=memory_mb, max_output_chars=max_output_chars, max_recursion=max_recursion)
        )
        self._shared = Shared(enable_read_paths, enable_write_paths)
        self._env_names = tuple(enable_env_vars or ())
        self._network = _whole_network(enable_network_access)
        self._packages = tuple(packages)
        self._wanted = backend
        self._name = backends.choose(backend, self._offer({}))
        self.execution_instructions = self._describe()
        self._backend: Backend | None = None
        self._closer: weakref.finalize[Any, Any] | None = None
        self._ended = ""
        self._owner: weakref.ref[threading.Thread] | None = None
        self._claim = threading.Lock()
        self._running = False
        self._runs = 0
        self._carried: dict[str, SandboxSerializable] = {}

    def _offer(self, files: Mapping[str, bytes]) -> Offer:
        return Offer(
            files=files, outgoing=tuple(self._shared.names[1]), environment=environment(self._env_names), network=self._network,
            packages=self._packages,
        )  # fmt: skip

    def _describe(self) -> str:
        readable, writable = self._shared.names
        lines = [backends.instructions(self._name)]
        if readable:
            lines.append(f"Files in the current directory: {', '.join(readable)}; changes are kept of: {', '.join(writable) or 'none'}.")
        if self._env_names:
            lines.append(f"Environment variables: {', '.join(self._env_names)}.")
        return "\n".join(lines)

    @property
    def backend(self) -> str:
        """The name of the backend in use."""
        return self._name

    def start(self) -> None:
        """Start the session; does nothing when it runs already. Raises `CodeInterpreterError` where it cannot start or has ended."""
        self._watched("interpreter_startup", {}, self._start)

    def _watched(self, kind: str, inputs: Mapping[str, Any], work: Callable[[], T]) -> T:
        """Do some work between the start and the end that callbacks are told of."""
        handlers = handlers_of(self)
        if not handlers:
            return work()
        with observing(kind, self, inputs, handlers) as call:
            call.outputs = result = work()
        return result

    def _start(self) -> None:
        self._own()
        if self._backend is not None:
            return
        backend = backends.make(self._name, self._limits, self._offer(self._shared.load()))
        backend.start()
        self._backend = backend
        self._closer = weakref.finalize(self, backend.close)

    def _own(self) -> None:
        """Check that the calling thread may use this interpreter."""
        if self._ended:
            raise CodeInterpreterError(self._ended)
        me = threading.current_thread()
        with self._claim:
            owner = self._owner() if self._owner is not None else None
            if owner is not None and owner is not me and not self._running:
                # The thread that made the last call may be just about to end.
                owner.join(HANDOVER_SECONDS)
            if owner is not None and owner is not me and owner.is_alive():
                raise CodeInterpreterError(
                    f"This interpreter belongs to thread `{owner.name}` and was used from `{me.name}`. "
                    "Take one interpreter for each thread, or call `hand_over()` in the thread that is done with it."
                )
            self._owner = weakref.ref(me)

    def hand_over(self) -> None:
        """Let the next thread that uses this interpreter become its owner."""
        self._owner = None

    def execute(self, code: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Run code, with `variables` set before it.

        Returns the text that it printed, or the value of a bare last expression as plain data where nothing was printed (both, as text,
        where it did both), or None; or `FinalOutput` when the code called `SUBMIT`.
        Raises `SyntaxError` for code that cannot be read, `CodeExecutionError` for what the code raised (the session goes on; a run that
        hit a limit of time or memory is one of these, `TimeoutError: [...]`), and `CodeInterpreterError` when the session is lost.

        >>> PythonInterpreter({}).execute("9362158/1625")
        5761.328
        """
        inputs = {"code": code, "variables": variables}
        return self._watched("interpreter_execute", inputs, lambda: self._execute(code, dict(variables or {})))

    def __call__(self, code: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The same as `execute`."""
        return self.execute(code, variables)

    def _execute(self, code: str, variables: dict[str, Any]) -> Any:
        self._own()
        if self._running:
            raise CodeInterpreterError("This interpreter is running code just now: one of its own tools cannot use it too.")
        if not isinstance(code, str):
            raise CodeInterpreterError(f"The code to run is a str, but this is a `{type(code).__name__}`.")
        for name in variables:
            check_name(name)
        for name in self.tools:
            check_name(name, "tool")
        plain = {name: sent(name, value) for name, value in variables.items() if not isinstance(value, SandboxSerializable)}
        if self._backend is None:
            self.start()
        self._running = True
        try:
            self._carry({name: value for name, value in variables.items() if isinstance(value, SandboxSerializable)})
            return self._run(code, plain)
        finally:
            self._running = False

    def _carry(self, values: Mapping[str, SandboxSerializable]) -> None:
        """Rebuild values that bring their own code, each once."""
        for name, value in values.items():
            if self._carried.get(name) is not value:
                setup, payload = assembly(name, value)
                self._run(setup, payload)
                self._carried[name] = value

    def _run(self, code: str, variables: dict[str, Any]) -> Any:
        bridge, outcome = self._attempt(code, variables)
        if outcome.failure is not None and outcome.failure.gap and bridge.calls == 0 and self._change_backend():
            bridge, outcome = self._attempt(code, variables)
        if bridge.interrupt is not None:
            raise bridge.interrupt
        if outcome.failure is None or not outcome.failure.syntax:
            self._runs += 1
        self._sync()
        if bridge.final is not None:
            return bridge.final
        if outcome.failure is not None:
            raise self._error(outcome.failure, outcome.printed)
        return self._result(outcome)

    def _attempt(self, code: str, variables: dict[str, Any]) -> tuple[ToolBridge, Outcome]:
        fields = None if self.output_fields is None else [field["name"] for field in self.output_fields]
        bridge = ToolBridge(self.tools, fields, self._call_tool)
        assert self._backend is not None
        try:
            return bridge, self._backend.run(code, variables, bridge)
        except CodeInterpreterError as error:
            if bridge.final is None and bridge.interrupt is None:
                self._end(f"The session of this interpreter was lost: {error}")
                raise
            self._end("The session of this interpreter was lost when the code did not stop after its end.")
            return bridge, Outcome()
        except BaseException:
            self._end("The session of this interpreter was lost: an execution was interrupted.")
            raise

    def invoke_tool(self, name: str, kwargs: Mapping[str, Any]) -> Any:
        """Call one of the `tools` as code in the session does, callbacks included. Raises `CodeInterpreterError` for an unknown one."""

        def unknown(**_: Any) -> Any:
            raise CodeInterpreterError(f"Unknown tool: {name}. The tools are: {', '.join(self.tools) or 'none'}.")

        return self._call_tool(name, self.tools.get(name, unknown), [], dict(kwargs))

    def _call_tool(self, name: str, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        inputs = {"tool_name": name, **({"args": args} if args else {}), "kwargs": kwargs}
        return self._watched("interpreter_tool_call", inputs, lambda: call_tool(function, args, kwargs))

    def _change_backend(self) -> bool:
        """Take full Python instead, where `auto` may, and where the session holds nothing yet."""
        other = backends.NAMES[-1]
        return not self._runs and self._switch_to(other)

    def _switch_to(self, other: str) -> bool:
        """A session of another backend instead of this one, where `auto` may choose."""
        if self._wanted != "auto" or self._name == other or not backends.status(other).ready:
            return False
        changed = backends.make(other, self._limits, self._offer(self._shared.load()))
        try:
            changed.start()
        except CodeInterpreterError:
            return False
        self._close()
        self._backend, self._name = changed, other
        self._closer = weakref.finalize(self, changed.close)
        self.execution_instructions = self._describe()
        return True

    def _sync(self) -> None:
        if self.sync_files and self._shared and self._backend is not None:
            self._shared.store(self._backend.read_files())

    def _error(self, failure: Failure, printed: str) -> Exception:
        if failure.syntax:
            return SyntaxError(f"Invalid Python syntax. message: {failure.message}")
        try:
            args = [self._cut(a) if isinstance(a, str) else a for a in received(failure.args)]
            text = f"{failure.type}: {args!r}" if args else f"{failure.type}: {self._cut(failure.message)}"
        except ValueError:
            text = f"{failure.type}: {self._cut(failure.message)}"
        error = CodeExecutionError(self._cut(text) + (self._hint() if failure.gap else ""))
        error.printed = printed
        return error

    def _hint(self) -> str:
        other = backends.status(backends.NAMES[-1])
        if self._name == other.name:
            return ""
        state = "can run here" if other.ready else f"needs {other.missing}: {other.install}"
        return (
            f"\n(The `{self._name}` sandbox runs a subset of Python; PythonInterpreter(backend={other.name!r}) has all of it and {state}.)"
        )

    def _result(self, outcome: Outcome) -> Any:
        try:
            value = received(outcome.value)
        except ValueError as error:
            raise CodeExecutionError(f"ValueError: {[str(error)]!r}") from None
        if value is None:
            return outcome.printed or None
        if not outcome.printed:
            return value
        return self._cut(f"{outcome.printed}{outcome.text or repr(value)}\n")

    def _cut(self, text: str) -> str:
        limit = self._limits.max_output_chars
        return text if len(text) <= limit else f"{text[:limit]}\n... [{len(text) - limit} more characters were cut]\n"

    def snapshot(self) -> bytes:
        """The session as it is, to go on from later with `restore`: variables, functions, classes.

        `monty` writes them down. `bubblewrap` notes what was run and what tools answered, and runs it again: chance (`random`, the order of
        sets) and files come out as they were, what depends on the clock does not; after a run that hit its time limit there is none.
        """
        self.start()
        assert self._backend is not None
        return self._backend.snapshot()

    def restore(self, state: bytes) -> None:
        """Go on from a snapshot, in this interpreter or another (`auto` takes the backend that made it); no tool is called.

        Raises `CodeInterpreterError` for what is none. Only restore what comes from a place you trust.
        """
        self.start()
        if (maker := backends.maker_of(state)) and maker != self._name:
            self._switch_to(maker)
        assert self._backend is not None
        self._backend.restore(state)
        self._runs += 1
        self._carried.clear()

    def shutdown(self) -> None:
        """End the session, from any thread; afterwards this interpreter cannot be used. A second call does nothing."""
        self._watched("interpreter_shutdown", {}, lambda: self._end("This interpreter was shut down. Make a new one."))

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._close()

    def _close(self) -> None:
        self._backend = None
        self._carried.clear()
        if self._closer is not None:
            self._closer()

    def __enter__(self) -> PythonInterpreter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.shutdown()

    def __repr__(self) -> str:
        return f"PythonInterpreter(tools={list(self.tools)}, backend={self._name!r})"


def _by_name(tools: Mapping[str, Callable[..., Any]] | None) -> dict[str, Callable[..., Any]]:
    if not isinstance(tools or {}, Mapping):
        raise ConfigurationError(
            f"`tools` is a dict of functions by the names that the code calls, but this is a `{type(tools).__name__}`."
        )
    for name, tool in (tools or {}).items():
        if not callable(tool):
            raise ConfigurationError(f"The tool `{name}` is a `{type(tool).__name__}`, which cannot be called.")
    return dict(tools or {})


def _checked(limits: Limits) -> Limits:
    for name, least, most in (
        ("timeout", 0.01, 86_400),
        ("memory_mb", 16, 1_000_000),
        ("max_output_chars", 1, 1_000_000_000),
        ("max_recursion", 10, 100_000),
    ):
        if not least <= getattr(limits, name) <= most:
            raise ConfigurationError(f"`{name}` is {getattr(limits, name)!r}, but it has to be between {least} and {most}.")
    return limits


def _whole_network(access: Any) -> bool:
    if not access or access is True:
        return bool(access)
    raise ConfigurationError(
        f"`enable_network_access={access!r}` names hosts, but no backend can hold code to some hosts only. "
        "Offer a tool that fetches from them, or open the whole network with enable_network_access=True."
    )
