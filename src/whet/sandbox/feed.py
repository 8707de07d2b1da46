"""One run of the `monty` backend: answers what the code asks for, one step at a time, until it is done."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from whet.errors import CodeInterpreterError
from whet.sandbox.protocol import Bridge, Limits, StopRun

__all__ = ["DIRECTORY", "Abandoned", "Feed"]

DIRECTORY = "/work"
# Seconds that all round trips of a run may take beside the code's own clock, which stands still during each.
ROUND_TRIPS = 2.0


class Abandoned(Exception):
    """The run is not going to end by itself."""


class Feed:
    """One feed: answers what the code asks for until it is done."""

    def __init__(self, monty: Any, limits: Limits, environment: Mapping[str, str], bridge: Bridge) -> None:
        self.monty = monty
        self.limits = limits
        self.environment = environment
        self.bridge = bridge
        self.pieces: list[str] = []
        self.size = 0
        self.slept = 0.0
        self.overslept = 0
        self.in_tools = 0.0
        self.stopped = 0
        self.worker: int | None = None
        self.in_python = False
        self.interrupt: BaseException | None = None
        self.began = time.monotonic()

    @property
    def printed(self) -> str:
        """What was printed so far, as far as it fits the limit."""
        text = "".join(self.pieces)
        return text if self.size <= len(text) else f"{text}\n... [{self.size - len(text)} more characters were cut]\n"

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C end the run: raised inside a callback it would be handed to the code, so it is caught at its source."""
        ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if ours:
            signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            yield
        finally:
            if ours:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def _on_interrupt(self, *_: Any) -> None:
        if self.in_python:
            raise KeyboardInterrupt
        self._stop(KeyboardInterrupt())

    def drive(self, session: Any, code: str, variables: dict[str, Any], mount: Any) -> Any:
        """Feed the code, answer until it is done, and return the value of its last expression. Raises what pydantic-monty raises."""
        monty = self.monty
        self.worker = session.worker_pid
        # The functions only mark the names as callable: each call is answered in `_answer`.
        names = {name: _never for name in self.bridge.names if name not in variables}
        step = session.feed_start(
            code, inputs=variables, external_lookup=names, print_callback=self._print, mount=mount, cwd=mount and DIRECTORY, os=self._os
        )
        while not isinstance(step, monty.MontyComplete):
            self._check_clock()
            is_call = isinstance(step, monty.FunctionSnapshot) and not step.is_os_function and step.object_id is None
            step = step.resume(self._answer(step)) if is_call and step.function_name in names else step.resume_auto()
        return step.output

    def _answer(self, step: Any) -> dict[str, Any]:
        began = time.monotonic()
        self.in_python = True
        try:
            return {"return_value": self.bridge.call(step.function_name, list(step.args), step.kwargs)}
        except StopRun:
            self.stopped += 1
            if self.stopped > 1:
                raise Abandoned("the code went on after its end") from None
            return {"exception": SystemExit("the run is over")}
        except Exception as error:  # noqa: BLE001 - shown to the code, which may handle it
            return {"exception": error}
        finally:
            self.in_python = False
            self.in_tools += time.monotonic() - began

    def _check_clock(self) -> None:
        spent = time.monotonic() - self.began - self.in_tools
        if self.overslept > 1 or spent > 2 * self.limits.timeout + ROUND_TRIPS:
            raise Abandoned(f"the code ran longer than {self.limits.timeout:g} s")

    def _print(self, _stream: str, text: str) -> None:
        room = self.limits.max_output_chars - self.size
        if room > 0:
            self.pieces.append(text[:room])
        self.size += len(text)

    def _stop(self, error: BaseException) -> None:
        """End the run from within a callback, where an exception would only reach the code."""
        self.interrupt = error
        self.kill()

    def kill(self) -> None:
        """End the worker's process, from any thread."""
        if self.worker is not None:
            with contextlib.suppress(OSError):
                os.kill(self.worker, getattr(signal, "SIGKILL", signal.SIGTERM))

    def _os(self, *, name: str, args: tuple[Any, ...], **_: Any) -> Any:
        try:
            self.in_python = True
            return self._os_call(name, args)
        except KeyboardInterrupt as error:
            self._stop(error)
            raise TimeoutError("the run was interrupted") from None
        finally:
            self.in_python = False

    def _os_call(self, name: str, args: tuple[Any, ...]) -> Any:
        if name in ("time.sleep", "asyncio.sleep"):
            self._sleep(float(args[0]))
            return args[1] if len(args) > 1 else None
        if name == "os.environ":
            return dict(self.environment)
        if name == "os.getenv":
            return self.environment.get(args[0], args[1] if len(args) > 1 else None)
        return self.monty.NOT_HANDLED

    def _sleep(self, seconds: float) -> None:
        left = self.limits.timeout - self.slept
        time.sleep(max(0.0, min(seconds, left)))
        self.slept += seconds
        if seconds > left:
            self.overslept += 1
            raise TimeoutError(f"the code slept longer than {self.limits.timeout:g} s")


def _never(*_: Any, **__: Any) -> None:
    raise CodeInterpreterError("A call of the sandbox went past its bridge.")
