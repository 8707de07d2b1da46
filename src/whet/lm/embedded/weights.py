"""Trained weights: a softmax over hashed n-grams of the query, one table per (field, options); and the file they live in."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from whet.errors import StateError
from whet.lm.embedded.shape import Option
from whet.lm.embedded.text import Features

__all__ = ["Table", "Weights", "hashed", "table_key"]

BUCKETS: Final = 1 << 20
_FORMAT: Final = "whet.embedded.weights/1"
_HEADER: Final = "weights.json"
_NUMBERS: Final = "weights.f32"


def hashed(features: Features) -> list[tuple[int, float]]:
    """The features as (bucket, weight) pairs, scaled to length 1; the hash is CRC-32, the same on every machine."""
    norm = sum(weight * weight for weight in features.values()) ** 0.5 or 1.0
    return [(zlib.crc32(feature.encode()) % BUCKETS, weight / norm) for feature, weight in features.items()]


def table_key(name: str, options: Iterable[Option]) -> str:
    """What a table is found by: the field's name and a hash of its option names, sorted; an open field has no option names.

    >>> table_key("label", ["b", "a"]) == table_key("label", ["a", "b"])
    True
    """
    joined = "\x1f".join(sorted(str(option) for option in options))
    return f"{name}:{hashlib.sha256(joined.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Table:
    """One trained softmax: `rows[bucket][i]` is added to the score of `options[i]`, times the bucket's weight in the query."""

    options: tuple[Option, ...]
    rows: Mapping[int, array[float]]


@dataclass(frozen=True, slots=True)
class Weights:
    """All trained tables. Starts empty, which is the same as all zeros. A value: training gives a new one."""

    tables: Mapping[str, Table] = field(default_factory=dict)

    def options(self, name: str) -> tuple[Option, ...]:
        """The labels that were learnt for an open text field of this name; none if it was not trained."""
        table = self.tables.get(table_key(name, ())) if self.tables else None
        return table.options if table else ()

    def add_to(self, scores: list[float], name: str, options: tuple[Option, ...], buckets: list[tuple[int, float]]) -> None:
        """Adds what was learnt to the scores of the options, in place."""
        if not self.tables:
            return
        table = self.tables.get(table_key(name, options)) or self.tables.get(table_key(name, ()))
        if table is None:
            return
        learnt = [0.0] * len(table.options)
        for bucket, weight in buckets:
            row = table.rows.get(bucket)
            if row is not None:
                learnt = [value + weight * entry for value, entry in zip(learnt, row, strict=True)]
        by_option = dict(zip(table.options, learnt, strict=True))
        for position, option in enumerate(options):
            scores[position] += by_option.get(option, 0.0)

    def save(self, folder: str | Path) -> None:
        """Writes `weights.json` (what is where, and a checksum) and `weights.f32` (little-endian 32-bit floats) into a folder.

        The folder is written beside its place, flushed to disk and then renamed, so a half-written one is never found there. A folder
        that holds something else is refused.

        Raises:
            StateError: the folder exists and holds no weights of this kind.
        """
        target = Path(folder)
        if target.exists() and not (target / _HEADER).is_file():
            raise StateError(f"`{target}` exists and holds no embedded weights, so it is left alone. Give a folder that is not there yet.")
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            header, numbers = _packed(self)
            _write(fresh / _NUMBERS, numbers)
            _write(fresh / _HEADER, json.dumps(header).encode())
            _swap(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | Path) -> Weights:
        """Reads a folder written by `save`.

        Raises:
            StateError: it is missing, of another format, cut short, or its checksum does not match.
        """
        source = Path(folder)
        try:
            header = json.loads((source / _HEADER).read_bytes())
            numbers = (source / _NUMBERS).read_bytes()
        except (OSError, ValueError) as error:
            raise StateError(f"`{source}` holds no readable embedded weights: {error}. Train them again or give another folder.") from error
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise StateError(f"`{source}` is not in the format `{_FORMAT}`. Save the weights again with this version of whet.")
        if hashlib.sha256(numbers).hexdigest() != header.get("sha256") or _digest(header.get("tables")) != header.get("tables_sha256"):
            raise StateError(f"`{source}` is damaged: its checksum does not match its content. Restore it from a copy or train again.")
        return _unpacked(header, numbers)


def _digest(tables: Any) -> str:
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def _packed(weights: Weights) -> tuple[dict[str, Any], bytes]:
    numbers: array[float] = array("f")
    tables = []
    for key, table in sorted(weights.tables.items()):
        buckets = sorted(table.rows)
        tables.append({"key": key, "options": list(table.options), "start": len(numbers), "buckets": buckets})
        for bucket in buckets:
            numbers.extend(table.rows[bucket])
    if sys.byteorder == "big":
        numbers.byteswap()
    data = numbers.tobytes()
    sums = {"sha256": hashlib.sha256(data).hexdigest(), "tables_sha256": _digest(tables)}
    return {"format": _FORMAT, "dtype": "<f4", "count": len(numbers), **sums, "tables": tables}, data


def _unpacked(header: Mapping[str, Any], data: bytes) -> Weights:
    numbers: array[float] = array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    tables = {}
    for entry in header["tables"]:
        width, start = len(entry["options"]), entry["start"]
        rows = {bucket: numbers[start + width * place : start + width * (place + 1)] for place, bucket in enumerate(entry["buckets"])}
        tables[entry["key"]] = Table(tuple(entry["options"]), rows)
    return Weights(tables)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _swap(fresh: Path, target: Path) -> None:
    """Puts the new folder in place; an old one steps aside first and is removed after."""
    _sync_folder(fresh)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent)) if target.exists() else None
    if aside:
        target.rename(aside / "weights")
    fresh.rename(target)
    _sync_folder(target.parent)
    if aside:
        shutil.rmtree(aside, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
