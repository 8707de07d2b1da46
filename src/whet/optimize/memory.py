"""The memory: what programs did on rows, kept in one file by content, for all optimizers and later runs."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from whet.core.context import current
from whet.core.param import Learnt
from whet.core.records import Example
from whet.errors import ConfigurationError
from whet.lm.disk import Disk
from whet.optimize.candidate import Candidate, labels_of
from whet.optimize.fingerprint import Unstable, fingerprint
from whet.optimize.ledger import private_folder
from whet.optimize.store import Key, Result, Subject, plain_result, result_of

__all__ = ["Memory", "Recall", "memory_in"]

_logger = logging.getLogger(__name__)
FORMAT: Final = 1
FILE: Final = "results.sqlite3"
BYTES: Final = 2**30
WITHOUT: Final = "results are not shared with other runs. Give another folder as `memory`."
# Settings that what a program does may depend on; the others say who watches, counts and pays.
_SETTINGS: Final = ("lm", "adapter", "rm", "extra", "allow_tool_async_sync_conversion")


class Memory:
    """Results in `folder`, by key. Nothing in it is ever changed; the file holds at most 1 GB, and the oldest results go first.

    Many processes may use one. A search looks only at what was there when it began (up to `horizon`), so that what it decides does not
    depend on what others do meanwhile.
    """

    def __init__(self, folder: Any, horizon: int | None = None) -> None:
        self.disk = Disk(private_folder(folder, "memory"), BYTES, FILE, lasting=True, without=WITHOUT)
        self.horizon = self.disk.newest() if horizon is None else horizon

    def get(self, key: bytes, predictors: Mapping[str, Any]) -> Result | None:
        """The result under this key, if it was there when the search began and can be read."""
        text = self.disk.get(key, self.horizon)
        if text is None:
            return None
        try:
            line = json.loads(text)
        except ValueError:
            return None
        return result_of({**line, "reused": True}, predictors) if isinstance(line, dict) else None

    def put(self, key: bytes, result: Result) -> bool:
        """Keep a result; false for one with values that could not be made again from JSON, which is left out."""
        plain = plain_result(result)
        if "steps" not in plain:
            return False
        self.disk.put(key, json.dumps(plain, separators=(",", ":")))
        return True

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self.disk.close()


def memory_in(given: Any, horizon: int | None) -> Memory | None:
    """The memory that an optimizer, or else the settings in force, name; `None` for none.

    Raises `ConfigurationError` for a folder that cannot be used.
    """
    folder = given
    if given is None:
        # A program may keep something of its own under this name, as it may in DSPy.
        ambient = current().memory
        folder = ambient if isinstance(ambient, str | os.PathLike) else None
    if folder is None or folder is False:
        return None
    if not isinstance(folder, str | os.PathLike) or not str(folder):
        raise ConfigurationError(f"`memory` is {folder!r}; give the folder to keep results in, or False for none.")
    return Memory(folder, horizon)


class Recall:
    """What one search takes from the memory and puts there. `name` of a subject says which program, in which settings."""

    def __init__(self, memory: Memory | None, decide: Any) -> None:
        self.memory, self.decide = memory, decide
        self._scopes: dict[Any, bytes | None] = {}
        self._parts: dict[Any, bytes | None] = {}
        self._predictors: dict[str, dict[str, Any]] = {}
        self._own: dict[str, tuple[dict[str, Learnt], dict[str, str]]] = {}
        self._models: dict[int, tuple[Any, bytes]] = {}
        self._said: set[str] = set()

    @property
    def folder(self) -> Any:
        """The folder for those that this search runs as a part of it; False for none."""
        return self.memory.disk.directory if self.memory is not None else False

    def key(self, place: Key, candidate: Candidate, row: Any, subject: Subject, how: Mapping[str, Any]) -> bytes | None:
        """Under what a result is kept; `None` where there is no memory, or something has no content that lasts."""
        if self.memory is None:
            return None
        parts = (
            self._scope(subject, how),
            self._part(("candidate", subject.name, candidate.hash), lambda: self._learnt(candidate, subject)),
            self._part(("row", place.row), lambda: [dict(row), sorted(row._input_keys or ())] if isinstance(row, Example) else row),
        )
        if any(part is None for part in parts):
            return None
        words = b"".join(part for part in parts if part is not None)
        return blake2b(words + repr((place.sample, how.get("temperature") if place.sample else None)).encode(), digest_size=16).digest()

    def get(self, key: bytes | None, subject: Subject) -> Result | None:
        """What is known under this key."""
        if key is None or self.memory is None:
            return None
        if subject.name not in self._predictors:
            self._predictors[subject.name] = dict(subject.program.named_predictors())
        return self.memory.get(key, self._predictors[subject.name])

    def put(self, key: bytes | None, result: Result) -> None:
        """Let later runs know."""
        if key is not None and self.memory is not None and result.score is not None and not self.memory.put(key, result):
            self._say("a value in them came from no step of the program and is no plain data.")

    def close(self) -> None:
        """Close the file."""
        if self.memory is not None:
            self.memory.close()

    def _scope(self, subject: Subject, how: Mapping[str, Any]) -> bytes | None:
        """All that a result depends on beside the candidate, the row and the sample."""
        metric = how["metric"]
        name = (subject.name, id(metric))
        if name not in self._scopes:
            self._scopes[name] = self._lasting(lambda: _scope_of(subject, metric, how["failure_score"]))
        return self._scopes[name]

    def _part(self, name: Any, value: Any) -> bytes | None:
        if name not in self._parts:
            self._parts[name] = self._lasting(lambda: fingerprint(value(), name[0]))
        return self._parts[name]

    def _learnt(self, candidate: Candidate, subject: Subject) -> Any:
        """The learnt parts of a program with this candidate in it."""
        if subject.name not in self._own:
            self._own[subject.name] = subject.program.params(), labels_of(subject.program)
        own, labels = self._own[subject.name]
        ambient, parts = subject.settings.get("lm") or current().lm, {}
        for name, param in {**own, **candidate.params}.items():
            base = own.get(name, param)
            texts = param.instructions, {**base.descriptions, **param.descriptions}, {**base.tools, **param.tools}
            parts[name] = [*texts, [dict(d) if isinstance(d, Mapping) else d for d in param.demos], self._model(param.lm or ambient)]
        return [parts, {**labels, **candidate.values}]

    def _model(self, lm: Any) -> bytes:
        """Few models stand in many candidates."""
        if id(lm) not in self._models:
            self._models[id(lm)] = lm, fingerprint(lm, "model")
        return self._models[id(lm)][1]

    def _lasting(self, made: Callable[[], bytes]) -> bytes | None:
        try:
            return made()
        except Unstable as trouble:
            self._say(f"{trouble}. A method `memory_key()` of its class may say what it depends on.")
            return None

    def _say(self, why: str) -> None:
        if why not in self._said:
            self._said.add(why)
            self.decide("memory", None, f"results are not shared with other runs: {why}")
            _logger.warning("Results of this search are not shared with other runs: %s", why)


def _scope_of(subject: Subject, metric: Any, failure_score: float) -> bytes:
    now, program = current(), subject.program
    settings = {**{name: getattr(now, name) for name in _SETTINGS}, **subject.settings}
    hints = any(field.train_only for predictor in program.predictors() for field in predictor.signature.fields.values())
    # Making demos differs from judging only where somebody is told of it.
    training = subject.training and (hints or (metric is not None and metric.extra > 0))
    parts = (
        fingerprint(program, "program", learnt=program.predictors()),
        fingerprint(settings, "settings"),
        fingerprint(None if metric is None else metric.metric, "metric"),
        fingerprint([FORMAT, training, failure_score]),
    )
    return b"".join(parts)
