"""What a session ran, so that it can be made again: a process cannot be written down, but the way to it can."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from whet.errors import CodeInterpreterError
from whet.sandbox.wire import decode, encode

__all__ = ["Entry", "Journal"]

HEADER = b"whet-sandbox journal 1\n"
LIMIT = 256 * 1024 * 1024
MOST = 64 * 1024 * 1024
Answer = tuple[dict[str, Any], bool]


@dataclass(slots=True)
class Entry:
    """One run: its code and variables, the names that it could call, each call with the reply that it got, and the error that ended it."""

    code: str
    variables: dict[str, Any]
    names: list[str]
    calls: list[list[Any]] = field(default_factory=list)
    ended: str = ""

    def recorded(self, answer: Callable[[dict[str, Any]], Answer]) -> Callable[[dict[str, Any]], Answer]:
        """The same way to answer calls, which leaves a note of each."""

        def noted(message: dict[str, Any]) -> Answer:
            reply, stopped = answer(message)
            self.calls.append([message["name"], message["args"], message["kwargs"], reply])
            return reply, stopped

        return noted

    def replayed(self) -> Callable[[dict[str, Any]], Answer]:
        """Answers calls with the replies of then. Raises `CodeInterpreterError` for a call that is not the one of then."""
        left = iter(self.calls)

        def answer(message: dict[str, Any]) -> Answer:
            name, args, kwargs, reply = next(left, (None, None, None, {}))
            if encode({"call": [message["name"], message["args"], message["kwargs"]]}) != encode({"call": [name, args, kwargs]}):
                raise CodeInterpreterError(
                    f"The session cannot be restored: its code calls `{message['name']}` otherwise than it did. Code whose calls depend on "
                    "the clock or on chance cannot be run again; take the snapshot before it."
                )
            return reply, "stop" in reply

        return answer

    def check(self, ended: str) -> None:
        """Compare how the run ended when it was made again. Raises `CodeInterpreterError` where that was otherwise."""
        if ended != self.ended:
            raise CodeInterpreterError(
                f"The session cannot be restored: a run of it ended with {ended or 'no error'}, then with {self.ended or 'no error'}. Give "
                f"this interpreter the files, packages and limits of the one that took the snapshot. The run: {self.code[:200]!r}"
            )


@dataclass(slots=True)
class Journal:
    """The runs of a session in order. `seed` is what its chance comes from; `gap` says why it cannot be made again, if it cannot."""

    seed: int = field(default_factory=lambda: secrets.randbelow(2**32))
    runs: list[Entry] = field(default_factory=list)
    gap: str = ""
    size: int = 0

    def add(self, entry: Entry, size: int, *, ended: str, overtime: bool) -> None:
        """Note a run that moved so many bytes. A session that goes on for ever does not grow for ever: past a limit nothing is kept."""
        self.size, entry.ended = self.size + size, ended
        if overtime:
            self.gap = self.gap or "a run was stopped by its time limit, and how far it came then cannot be repeated."
        if self.size > MOST:
            self.gap = self.gap or f"its code, variables and calls are more than {MOST // 2**20} MiB together."
        if self.gap:
            self.runs.clear()
        else:
            self.runs.append(entry)

    def to_bytes(self) -> bytes:
        """The journal as a snapshot. Raises `CodeInterpreterError` where it has a gap."""
        if self.gap:
            raise CodeInterpreterError(f"There is no snapshot of this session: {self.gap}")
        runs = [[run.code, run.variables, run.names, run.calls, run.ended] for run in self.runs]
        return HEADER + zlib.compress(encode({"seed": self.seed, "runs": runs})[4:], 1)

    @classmethod
    def from_bytes(cls, state: bytes) -> Journal:
        """The journal in a snapshot. Raises `CodeInterpreterError` for anything else."""
        if not isinstance(state, bytes) or not state.startswith(HEADER):
            raise CodeInterpreterError(f"This is no snapshot of the `bubblewrap` sandbox: it begins {bytes(state[:40])!r}.")
        try:
            unpacking = zlib.decompressobj()
            body = unpacking.decompress(state[len(HEADER) :], LIMIT)
            if not unpacking.eof:
                raise ValueError("it is cut off or too large")
            kept = decode(body)
            runs = [Entry(str(code), dict(given), list(names), list(calls), str(end)) for code, given, names, calls, end in kept["runs"]]
            return cls(seed=int(kept["seed"]) % 2**32, runs=runs, size=len(body))
        except (zlib.error, ValueError, TypeError, KeyError, RecursionError) as error:
            raise CodeInterpreterError(f"This snapshot cannot be read: {error}.") from None
