"""The files and environment variables that a user lets into a sandbox, and bringing changed files back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from whet.errors import ConfigurationError

__all__ = ["Shared", "environment"]


class Shared:
    """The files let in, by base name; `writable` ones go back to their place."""

    def __init__(self, read: Iterable[str | os.PathLike[str]] | None, write: Iterable[str | os.PathLike[str]] | None) -> None:
        readable = [Path(p) for p in read or ()]
        writable = [Path(p) for p in write or ()]
        self._read = {p.name: p for p in readable}
        self._write = {p.name: p for p in writable}
        places: dict[str, Path] = {}
        for path in (*readable, *writable):
            if not path.name:
                raise ConfigurationError(f"{str(path)!r} names no file.")
            if places.setdefault(path.name, path.absolute()) != path.absolute():
                raise ConfigurationError(f"Two files would both be `{path.name}` inside: {places[path.name]} and {path.absolute()}.")
        self._seen: dict[str, bytes] = {}

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """The names that can be read, and those that can be written."""
        return sorted({*self._read, *self._write}), sorted(self._write)

    def load(self) -> dict[str, bytes]:
        """The contents, read now. Raises `FileNotFoundError` for a file that is to be read and is not there."""
        for path in self._read.values():
            if not path.is_file():
                raise FileNotFoundError(f"`enable_read_paths` names {str(path)!r}, where there is no file.")
        both = {**self._read, **self._write}
        self._seen = {name: path.read_bytes() for name, path in both.items() if path.is_file()}
        return self._seen

    def store(self, found: Mapping[str, bytes]) -> None:
        """Write the writable files that differ from what was last seen to their places."""
        for name, path in self._write.items():
            if name in found and found[name] != self._seen.get(name):
                path.write_bytes(found[name])
                self._seen[name] = found[name]

    def __bool__(self) -> bool:
        return bool(self._read or self._write)


def environment(names: Iterable[str] | None) -> dict[str, str]:
    """The named variables, as far as they are set."""
    return {name: os.environ[name] for name in names or () if name in os.environ}
