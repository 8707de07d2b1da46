"""The backend with all of Python: CPython in namespaces of its own, made by bubblewrap (Linux), under a system call filter and rlimits."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import platform
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from whet.errors import CodeInterpreterError
from whet.sandbox import jail, seccomp
from whet.sandbox.journal import Entry, Journal
from whet.sandbox.protocol import BackendStatus, Bridge, Failure, Limits, Offer, Outcome, StopRun
from whet.sandbox.wire import decode, encode

__all__ = ["INSTRUCTIONS", "NAME", "BubblewrapBackend", "status"]

NAME = "bubblewrap"
INSTALL = "apt install bubblewrap, or dnf install bubblewrap"
GRACE = 1.0
START_SECONDS = 20.0
CHUNK = 1024 * 1024
MAX_MESSAGE = 8 * CHUNK

# A shell between us and bubblewrap, which dies with its parent: with the shell, when our end of its input is closed or we are gone.
# (As our own child it would die with the *thread* that started it.) Its output is the channel, which only the sandbox keeps.
KEEPER = '"$@" </dev/null & exec >&- 2>&-; read -r _'

INSTRUCTIONS = """\
The code runs in a sandbox with full CPython and its standard library (numpy too where `import numpy` works): no network, no processes \
and no files unless named here, beside a small scratch directory; state is kept between runs. Nothing can be installed.
Print what you want to see; the value of a last bare expression is shown too."""
_GIVES = "CPython with its standard library and numpy, started in 0.1 s, with snapshots, Linux only"


def status() -> BackendStatus:
    """Whether a sandbox starts here: answered by starting one, once in a process."""
    found, machine = shutil.which("bwrap"), platform.machine()
    if not sys.platform.startswith("linux"):
        return BackendStatus(name=NAME, ready=False, missing="Linux", install="run it in a Linux container or machine", gives=_GIVES)
    if machine not in seccomp.MACHINES:
        return BackendStatus(name=NAME, ready=False, missing=f"a filter for {machine}", install="use x86_64 or aarch64", gives=_GIVES)
    if found is None:
        return BackendStatus(name=NAME, ready=False, missing="the program `bwrap`", install=INSTALL, gives=_GIVES)
    problem, release = _trial(found)
    return BackendStatus(
        name=NAME, ready=not problem, version=release, missing=problem, install="allow user namespaces" if problem else "", gives=_GIVES
    )


@lru_cache(maxsize=1)
def _trial(program: str) -> tuple[str, str]:
    """Why no sandbox starts here (empty when it does), and the release of bubblewrap."""
    release = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip().rpartition(" ")[2]
    backend = BubblewrapBackend(Limits(timeout=10.0), Offer())
    try:
        backend.start()
    except CodeInterpreterError as error:
        return str(error), release
    finally:
        backend.close()
    return "", release


class _Lost(Exception):
    """The process went away, or said something that makes no sense."""


class BubblewrapBackend:
    """One CPython process behind a socket; stopped by the kernel while no run is on, killed when it does not keep to its time."""

    name = NAME

    def __init__(self, limits: Limits, offer: Offer) -> None:
        self._limits = limits
        self._offer = offer
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._pidfd: int | None = None
        self._lifeline: int | None = None
        self._buffer = bytearray()
        self._run = self._moved = 0
        self._journal = Journal()

    def start(self) -> None:
        """Start the process and hand it its limits and files."""
        if self._process is not None:
            return
        machine = platform.machine()
        if shutil.which("bwrap") is None or machine not in seccomp.MACHINES:
            raise CodeInterpreterError(f"The `bubblewrap` sandbox cannot run here: {status().missing} is missing ({status().install}).")
        info = self._spawn(seccomp.program(machine, network=self._offer.network))
        try:
            self._send(self._setup())
            self._receive(time.monotonic() + START_SECONDS, "ready")
            os.set_blocking(info, False)
            with contextlib.suppress(ValueError, KeyError, OSError):
                self._pidfd = os.pidfd_open(json.loads(os.read(info, CHUNK))["child-pid"])
        except _Lost as error:
            said = self._last_words()
            self.close()
            raise CodeInterpreterError(f"The `bubblewrap` sandbox did not start: {said or error}") from None
        finally:
            os.close(info)
        self._signal(signal.SIGSTOP)

    def _setup(self) -> dict[str, Any]:
        limits, offer = self._limits, self._offer
        return {
            "timeout": limits.timeout, "memory_mb": limits.memory_mb, "max_output_chars": limits.max_output_chars,
            "max_recursion": limits.max_recursion, "paths": [jail.PACKAGES], "names": [],
            "seed": self._journal.seed, "environment": dict(offer.environment),
            "files": {name: base64.b64encode(content).decode("ascii") for name, content in offer.files.items()},
        }  # fmt: skip

    def _spawn(self, program: bytes) -> int:
        """Start it; the descriptor given back is where bubblewrap writes the process id."""
        filter_read, filter_write = os.pipe()
        info_read, info_write = os.pipe()
        life_read, self._lifeline = os.pipe()
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        jailed = jail.command(
            network=self._offer.network, packages=self._offer.packages, seed=self._journal.seed, filter_fd=filter_read, info_fd=info_write
        )  # fmt: skip
        try:
            os.write(filter_write, program)
            os.close(filter_write)
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "keeper", *jailed], stdin=life_read, stdout=theirs.fileno(), stderr=subprocess.PIPE,
                env={}, cwd="/", pass_fds=(filter_read, info_write), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            os.close(info_read)
            self.close()
            raise CodeInterpreterError(f"The `bubblewrap` sandbox did not start: {error}") from error
        finally:
            theirs.close()
            for descriptor in (filter_read, info_write, life_read):
                os.close(descriptor)
        return info_read

    def run(self, code: str, variables: Mapping[str, Any], bridge: Bridge) -> Outcome:
        """Run code in the process."""
        entry, before = Entry(code, dict(variables), list(bridge.names)), self._moved
        outcome = self._run_entry(entry, entry.recorded(lambda message: _answer(bridge, message)))
        self._journal.add(entry, self._moved - before, ended=_end_of(outcome), overtime=outcome.overtime)
        return outcome

    def _run_entry(self, entry: Entry, answer: Callable[[dict[str, Any]], tuple[dict[str, Any], bool]]) -> Outcome:
        self._run += 1
        self._signal(signal.SIGCONT)
        try:
            self._send({"op": "run", "run": self._run, "code": entry.code, "variables": entry.variables, "names": entry.names})
            return self._outcome(self._answers(answer))
        except _Lost as error:
            self.close()
            raise CodeInterpreterError(f"{error}. Its variables are gone.") from None
        finally:
            self._signal(signal.SIGSTOP)

    def _answers(self, answer: Callable[[dict[str, Any]], tuple[dict[str, Any], bool]]) -> dict[str, Any]:
        """Answer calls until the run is done."""
        deadline = time.monotonic() + self._limits.timeout + GRACE
        stopped = False
        while True:
            message = self._receive(deadline, "call", "done")
            if message["kind"] == "done":
                if message.get("run") != self._run:
                    raise _Lost("The sandbox answered out of turn")
                return message
            if stopped:
                raise _Lost("The code went on after its end and was stopped")
            began = time.monotonic()
            reply, stopped = answer(_checked_call(message))
            deadline += time.monotonic() - began
            self._send(reply)

    def _outcome(self, message: dict[str, Any]) -> Outcome:
        printed, failed, late = str(message.get("printed", "")), message.get("failure"), message.get("overtime") is True
        if not isinstance(failed, dict):
            return Outcome(printed=printed, value=message.get("value"), text=str(message.get("text", "")), overtime=late)
        args = failed.get("args")
        return Outcome(
            printed=printed,
            overtime=late,
            failure=Failure(
                type=str(failed.get("type")), args=tuple(args) if isinstance(args, list) else (), message=str(failed.get("message", "")),
                syntax=failed.get("syntax") is True,
            ),
        )  # fmt: skip

    def _send(self, message: dict[str, Any]) -> None:
        left, deadline = memoryview(encode(message)), time.monotonic() + START_SECONDS
        self._moved += len(left)
        channel = self._open_channel()
        try:
            while left:
                if not _ready(channel.fileno(), select.POLLOUT, deadline):
                    raise _Lost("The sandbox does not read what it is sent")
                left = left[channel.send(left[:CHUNK]) :]
        except OSError:
            raise _Lost("The sandbox's process has ended") from None

    def _open_channel(self) -> socket.socket:
        if self._channel is None:
            raise _Lost("The sandbox's process has ended")
        return self._channel

    def _receive(self, deadline: float, *kinds: str) -> dict[str, Any]:
        try:
            message = decode(self._frame(deadline, MAX_MESSAGE))
        except (ValueError, RecursionError, TypeError):
            raise _Lost("The sandbox sent something unreadable") from None
        if message.get("kind") not in kinds:
            raise _Lost("The sandbox sent something unexpected")
        return message

    def _frame(self, deadline: float, limit: int) -> bytes:
        size = int.from_bytes(self._read(4, deadline), "big")
        self._moved += size
        if size > limit:
            raise _Lost(f"The sandbox sent a message of {size} bytes")
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        channel = self._open_channel()
        while len(self._buffer) < size:
            if not _ready(channel.fileno(), select.POLLIN, deadline):
                raise _Lost(f"TimeoutError: the code ran longer than {self._limits.timeout:g} s and its process was killed")
            try:
                piece = channel.recv(CHUNK)
            except OSError:
                piece = b""
            if not piece:
                raise _Lost("The sandbox's process has ended")
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _last_words(self) -> str:
        assert self._process is not None and self._process.stderr is not None
        self._process.kill()
        return self._process.stderr.read(2000).decode("utf-8", "replace").strip()

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd is not None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._pidfd, number)

    def snapshot(self) -> bytes:
        """What was run here, with the replies to its calls: run again, it makes the same session."""
        return self._journal.to_bytes()

    def restore(self, state: bytes) -> None:
        """Run what a snapshot has in a new process; its calls get the replies of then, so no tool is called again."""
        journal = Journal.from_bytes(state)
        self.close()
        self._journal, self._buffer, self._run = journal, bytearray(), 0
        self.start()
        try:
            for entry in journal.runs:
                entry.check(_end_of(self._run_entry(entry, entry.replayed())))
        except CodeInterpreterError:
            self.close()
            raise

    def read_files(self) -> dict[str, bytes]:
        """The offered and new files of the scratch directory that the host knows by name."""
        names = list(self._offer.outgoing)
        if self._process is None or not names:
            return {}
        self._signal(signal.SIGCONT)
        try:
            return {name: content for name in names if (content := self._read_file(name)) is not None}
        except _Lost as error:
            self.close()
            raise CodeInterpreterError(f"The files could not be read back from the sandbox: {error}") from None
        finally:
            self._signal(signal.SIGSTOP)

    def _read_file(self, name: str) -> bytes | None:
        # Its bytes as they are, after one that says whether there is such a file: nothing to parse, whatever the code made of it.
        self._send({"op": "file", "name": name})
        body = self._frame(time.monotonic() + START_SECONDS, jail.SCRATCH_BYTES + 1)
        return body[1:] if body[:1] == b"+" else None

    def close(self) -> None:
        """Kill the process."""
        self._signal(signal.SIGKILL)
        for descriptor in (self._pidfd, self._lifeline):
            if descriptor is not None:
                os.close(descriptor)
        self._pidfd = self._lifeline = None
        channel, process = self._channel, self._process
        self._channel = self._process = None
        if channel is not None:
            channel.close()
        if process is not None:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()


def _ready(descriptor: int, event: int, deadline: float) -> bool:
    """Wait until a pipe can be used (`poll`, because `select` ends at descriptor 1024)."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _end_of(outcome: Outcome) -> str:
    return "" if outcome.failure is None else outcome.failure.type


def _checked_call(message: dict[str, Any]) -> dict[str, Any]:
    name, args, kwargs = message.get("name"), message.get("args"), message.get("kwargs")
    if not isinstance(name, str) or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise _Lost("The sandbox made a call that makes no sense")
    return message


def _answer(bridge: Bridge, message: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The reply to a call, and whether the run is over."""
    try:
        return {"value": bridge.call(message["name"], message["args"], message["kwargs"])}, False
    except StopRun:
        return {"stop": True}, True
    except Exception as error:  # noqa: BLE001 - shown to the code, which may handle it
        return {"error": type(error).__name__, "message": str(error)}, False
