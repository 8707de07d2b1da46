"""What an interpreter is, what a run of one gives, and what a backend has to be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

__all__ = ["Backend", "BackendStatus", "Bridge", "CodeInterpreter", "Failure", "FinalOutput", "Limits", "Outcome", "StopRun"]


class FinalOutput:
    """What the code handed over with `SUBMIT`; compares by value.

    >>> FinalOutput({"output": 3}) == FinalOutput({"output": 3})
    True
    """

    __slots__ = ("output",)

    def __init__(self, output: Any) -> None:
        self.output = output

    def __eq__(self, other: object) -> bool:
        return self.output == other.output if isinstance(other, FinalOutput) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"FinalOutput({self.output!r})"


@runtime_checkable
class CodeInterpreter(Protocol):
    """Anything that runs code: it has `tools`, can be started, asked to `execute` and shut down.

    >>> from whet.sandbox import PythonInterpreter
    >>> isinstance(PythonInterpreter(), CodeInterpreter)
    True
    """

    @property
    def tools(self) -> dict[str, Callable[..., Any]]:
        """The functions that the code may call, by name."""
        ...

    def start(self) -> None:
        """Get ready; a second call does nothing."""

    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run the code and return what it printed, its last value, or a `FinalOutput`."""
        ...

    def shutdown(self) -> None:
        """End the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use: seconds of its own time (tools not counted), MiB of memory, characters of output, calls deep."""

    timeout: float = 30.0
    memory_mb: int = 256
    max_output_chars: int = 100_000
    max_recursion: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception of the code: its class, its arguments as plain values, its text.

    `syntax` means that nothing ran; `gap` says that this backend lacks something that ordinary Python has.
    """

    type: str
    args: tuple[Any, ...] = ()
    message: str = ""
    syntax: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run: the text printed, the value of a last bare expression with its `repr`, or the failure; `overtime` if it was stopped."""

    printed: str = ""
    value: Any = None
    text: str = ""
    failure: Failure | None = None
    overtime: bool = False


class StopRun(BaseException):
    """Raised by a bridge when the run is over although the code is not: `SUBMIT`, or an interrupt of the host."""


class Bridge(Protocol):
    """The host's side of a call from inside: plain values in, plain values out."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the code can call."""
        ...

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Do it. Any `Exception` is shown to the code; `StopRun` ends the run."""
        ...


class Backend(Protocol):
    """One isolated session; made for one interpreter and used by one thread at a time."""

    name: str

    def start(self) -> None:
        """Start the session. Raises `CodeInterpreterError` where it cannot run here."""

    def run(self, code: str, variables: Mapping[str, Any], bridge: Bridge) -> Outcome:
        """Run code with plain `variables`. Raises `CodeInterpreterError` when the session itself is lost."""
        ...

    def snapshot(self) -> bytes:
        """The state of the session, for `restore` in this or another process of the same version."""
        ...

    def restore(self, state: bytes) -> None:
        """Continue from a snapshot. It must come from a trusted place."""

    def read_files(self) -> dict[str, bytes]:
        """The files that the code may have written, by name."""
        ...

    def close(self) -> None:
        """End it; a second call does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStatus:
    """Whether a backend can run here, for `whet doctor`.

    >>> BackendStatus(name="bubblewrap", ready=False, missing="bwrap", install="apt install bubblewrap").ready
    False
    """

    name: str
    ready: bool
    version: str = ""
    missing: str = ""
    install: str = ""
    gives: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the host lets in besides tools, and the names of the files that it wants back; only full Python has network and packages."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    outgoing: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    packages: tuple[str, ...] = ()
