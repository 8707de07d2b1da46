"""What was started is found again: one small JSON file per training under the home, keyed by everything that decides its result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whet.core.whole import write_whole
from whet.errors import LMNotConfiguredError, StateError
from whet.lm.home import find_model, home_folder, verify

try:
    import fcntl
except ImportError:  # not on every system
    fcntl = None  # type: ignore[assignment]

__all__ = ["Memory", "holding", "known_model"]


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Wait until no other process holds this file, and hold it."""
    with path.open("w", encoding="utf-8") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Memory:
    """The notes of one training: which file was uploaded, which job was made, which model came out. Survives a kill at any moment."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.path: Path = home_folder("jobs", f"{key}.json")
        self.notes: dict[str, Any] = {}
        if self.path.is_file():
            try:
                found = json.loads(self.path.read_text(encoding="utf-8"))
            except ValueError:
                found = {}
            self.notes = found if isinstance(found, dict) else {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out while this training is started or waited for; what they noted before is read again."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with holding(self.path.with_suffix(".lock")):
            self.notes = Memory(self.key).notes
            yield

    def get(self, name: str) -> Any:
        """A note, or `None`."""
        return self.notes.get(name)

    def put(self, **notes: Any) -> None:
        """Write notes down before going on; `None` takes one away."""
        self.notes = {name: value for name, value in {**self.notes, **notes}.items() if value is not None}
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self.path, json.dumps(self.notes, indent=1))


def known_model(notes: Mapping[str, Any] | Memory) -> str | None:
    """The name of the model that an earlier training with the same key put into the home, if it is still there and whole."""
    name = notes.get("model")
    if not isinstance(name, str):
        return None
    try:
        return name if verify(find_model(name)) else None
    except (LMNotConfiguredError, StateError):
        return None
