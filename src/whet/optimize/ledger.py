"""Append-only files of JSON lines that survive a kill at any moment, and the answers of models kept in one."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from whet.core.context import current
from whet.core.exchange import Request, Response
from whet.core.flow import Flow
from whet.errors import ConfigurationError
from whet.lm.cache import Cached, CacheMode
from whet.optimize.budget import SpendMeter

__all__ = ["CallStore", "Lines", "Occurrences", "job_settings", "private_folder"]

# What a power cut may cost; a killed process loses nothing, because every line goes to the operating system at once.
_SYNC_EVERY = 0.5


def private_folder(path: str | os.PathLike[str], name: str = "run_dir") -> Path:
    """The folder, made with mode 0700 if it is not there. Raises `ConfigurationError`, which calls it `name`, where that cannot be."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise ConfigurationError(f"`{name}` is {path!r}; give the path of a folder, or `{name}=None` to keep nothing.")
    folder = Path(path).expanduser()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"`{name}` {str(folder)!r} cannot be used: {error}. Give a folder that can be written.") from error
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"`{name}` {str(folder)!r} cannot be written. Give another folder, or `{name}=None` to keep nothing.")
    return folder


class Lines:
    """A file of JSON objects, one a line: read once, then only appended to. A torn last line, as a kill leaves it, is dropped, and so are
    lines that are no objects, which `damaged` counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self.damaged = 0
        self._file: int | None = None
        self._synced = time.monotonic()

    def read(self) -> Iterator[dict[str, Any]]:
        """Every whole line, as JSON. Raises `ConfigurationError` where the file cannot be read."""
        self.damaged = 0
        if not self.path.exists():
            return
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise ConfigurationError(f"{str(self.path)!r} cannot be read: {error}. Give another folder.") from error
        with file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError):
                    value = None
                if isinstance(value, dict):
                    yield value
                else:
                    self.damaged += 1

    def append(self, value: Any) -> None:
        """Write one line, from any thread; it is the system's when this returns, and on the disk half a second later at most.

        Raises `ConfigurationError` where it cannot be written, say on a full disk; nothing of it is in the file then.
        """
        line = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            try:
                self._write(line)
            except OSError as error:
                raise _cannot_write(self.path, error) from error

    def _write(self, line: bytes) -> None:
        if self._file is None:
            self._file = self._open()
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError:  # what is torn must not swallow the next line
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise
        now = time.monotonic()
        if now - self._synced > _SYNC_EVERY:
            self._synced = now
            os.fsync(self._file)

    def _open(self) -> int:
        torn = self._torn_at()
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if torn is not None:
            os.ftruncate(file, torn)
        return file

    def _torn_at(self) -> int | None:
        """Where a last line without its end begins."""
        if not self.path.exists():
            return None
        data = self.path.read_bytes()
        return None if not data or data.endswith(b"\n") else data.rfind(b"\n") + 1

    def close(self) -> None:
        """Put everything on the disk."""
        with self._lock:
            if self._file is not None:
                try:
                    os.fsync(self._file)
                finally:
                    os.close(self._file)
                    self._file = None


def _cannot_write(path: Path, error: OSError) -> ConfigurationError:
    what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
    return ConfigurationError(
        f"{str(path)!r} cannot be written: {what}. Make room and run the same again: it goes on from what the folder holds, which is whole."
    )


class Occurrences:
    """The run's memory as one job sees it: how often the job made each request, so that a model whose cache is off may answer anew."""

    def __init__(self, store: CallStore, *, fresh: bool = False) -> None:
        self.store = store
        self.mode: CacheMode = "refresh" if fresh else "on"
        self.counts: dict[Any, int] = {}

    def around(self, engine: Any, lm: Any) -> Any:
        """The engine with the run's memory around it."""
        return _Remembered(engine, self, lm.identity())

    def numbered(self, request: Request) -> Request:
        """The request, told apart from equal ones that this job made before."""
        key = (request.messages, request.model, repr(request.options), request.rollout_id)
        number = self.counts[key] = self.counts.get(key, -1) + 1
        return request if not number else replace(request, rollout_id=f"{request.rollout_id}/{number}")  # type: ignore[arg-type]


class _Watched:
    """The run's memory, or that of the search around it, and how many calls are under way."""

    __slots__ = ("memory", "spend")

    def __init__(self, spend: SpendMeter, memory: Any) -> None:
        self.spend, self.memory = spend, memory

    def around(self, engine: Any, lm: Any) -> Any:
        """The engine with both around it."""
        return _Counted(engine if self.memory is None else self.memory.around(engine, lm), self.spend)


class _Counted:
    __slots__ = ("engine", "spend")

    def __init__(self, engine: Any, spend: SpendMeter) -> None:
        self.engine, self.spend = engine, spend

    def flow(self, request: Request) -> Flow[Response]:
        """Answer; a call that is cancelled stays under way, for it will be paid."""
        self.spend.ask()
        try:
            response: Response = yield from self.engine.flow(request)
        except Exception:
            self.spend.failed()
            raise
        return response


def job_settings(spend: SpendMeter, store: CallStore | None, purse: Any, *, fresh: bool = False) -> dict[str, Any]:
    """The settings of a job: its calls are counted here, kept in this store and paid from this purse; a `fresh` one asks anew."""
    settings: dict[str, Any] = {"cache_mode": "refresh"} if fresh else {}
    outer = current().call_store
    memory = Occurrences(store, fresh=fresh) if store is not None else outer.memory if isinstance(outer, _Watched) else outer
    settings["call_store"] = _Watched(spend, memory)
    if purse is not None:
        settings["budget"] = purse
    return settings


class _Remembered:
    __slots__ = ("endpoint", "engine", "memory")

    def __init__(self, engine: Any, memory: Occurrences, endpoint: str) -> None:
        self.engine, self.memory, self.endpoint = engine, memory, endpoint

    def flow(self, request: Request) -> Flow[Response]:
        """Answer as the first time, if this call was made in this run before."""
        if isinstance(self.engine, Cached):
            inner, asked = self.engine, request
        else:
            inner, asked = _Sent(self.engine, request.rollout_id), self.memory.numbered(request)  # type: ignore[assignment]
        return (yield from Cached(inner, self.memory.store, self.endpoint, self.memory.mode).flow(asked))  # type: ignore[arg-type]


class _Sent:
    """Gives a request its own rollout number back before it is sent."""

    __slots__ = ("inner", "rollout")

    def __init__(self, inner: Any, rollout: int | None) -> None:
        self.inner, self.rollout = inner, rollout

    def flow(self, request: Request) -> Flow[Response]:
        """Ask the model itself."""
        response: Response = yield from self.inner.flow(replace(request, rollout_id=self.rollout))
        return response


class CallStore:
    """Every answer of a model in this run, by the hash of its request; what `Cached` needs of a store.

    >>> store = CallStore(None)
    >>> store.put(b"k", "text")
    >>> store.get(b"k")
    'text'
    """

    def __init__(self, path: Path | None) -> None:
        self.lines = Lines(path) if path is not None else None
        self.texts: dict[bytes, str] = {}
        self.enabled = True
        self.key_of = None
        self.flights: dict[Any, Any] = {}
        self.flights_lock = threading.Lock()
        if self.lines is not None:
            for line in self.lines.read():
                with suppress(KeyError, TypeError, ValueError):  # a damaged line is a call that has to be made again
                    self.texts[bytes.fromhex(line["k"])] = str(line["t"])

    def get(self, key: bytes) -> str | None:
        """The text under this key."""
        return self.texts.get(key)

    def put(self, key: bytes, text: str) -> None:
        """Keep a text, and write it before anybody sees it."""
        if key not in self.texts:
            if self.lines is not None:
                self.lines.append({"k": key.hex(), "t": text})
            self.texts[key] = text

    def delete(self, key: bytes) -> None:
        """Forget one."""
        self.texts.pop(key, None)

    def close(self) -> None:
        """Put everything on the disk."""
        if self.lines is not None:
            self.lines.close()
