"""Rows from files: CSV, JSON, JSON lines and Parquet, read with the standard library where it can."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from whet.errors import ConfigurationError, MissingExtraError

__all__ = ["read_rows"]

Rows = list[dict[str, Any]]


def read_rows(path: str | Path, *, kind: str = "") -> Rows:
    """The rows of one file as dicts. `kind` is "csv", "tsv", "json", "jsonl" or "parquet"; the default is the file's ending.

    Columns of a CSV file that hold only whole numbers, numbers or true/false become such (with `None` for an empty cell); a column where
    some number starts with a zero stays text. A JSON file holds a list of objects, an object whose one list is taken, an object of columns,
    or one object a line. Raises `ConfigurationError` for a file that is not there or holds no rows.
    """
    path = Path(path).expanduser()
    kind = kind or path.suffix.lstrip(".").lower()
    if kind not in ("csv", "tsv", "json", "jsonl", "ndjson", "parquet"):
        raise ConfigurationError(f"`{path.name}` ends in {path.suffix!r}; whet reads .csv, .tsv, .json, .jsonl and .parquet.")
    if not path.is_file():
        raise ConfigurationError(f"There is no file `{path}`. Check the path; it is looked up from `{Path.cwd()}`.")
    if kind == "parquet":
        return _parquet(path)
    if kind in ("csv", "tsv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _typed(list(csv.DictReader(file, delimiter="\t" if kind == "tsv" else ",")))
    return _json(path.read_text(encoding="utf-8-sig"), path)


def _typed(rows: Rows) -> Rows:
    for column in rows[0] if rows else ():
        convert = _column_type([row[column] for row in rows])
        if convert is not None:
            for row in rows:
                row[column] = convert(row[column]) if row[column] not in ("", None) else None
    return rows


def _column_type(cells: list[Any]) -> Any:
    """The type that all filled cells of a column have, or `None` for text."""
    filled = [cell for cell in cells if cell not in ("", None)]
    if not filled or not all(isinstance(cell, str) for cell in filled):
        return None
    if all(cell in ("True", "False", "true", "false") for cell in filled):
        return _truth
    if any(cell.lstrip("+-")[:1] == "0" and cell.lstrip("+-")[1:2].isdigit() for cell in filled):
        return None
    for convert in (int, float):
        if all(_fits(cell, convert) for cell in filled):
            return convert
    return None


def _truth(cell: str) -> bool:
    return cell in ("True", "true")


def _fits(cell: str, convert: Any) -> bool:
    if not cell.isascii() or "_" in cell or cell != cell.strip() or not any(c.isdigit() for c in cell):
        return False
    try:
        convert(cell)
    except ValueError:
        return False
    return True


def _json(text: str, path: Path) -> Rows:
    try:
        if path.suffix in (".jsonl", ".ndjson"):
            return _lines(text)
        return _objects(json.loads(text), path)
    except json.JSONDecodeError as error:
        try:
            return _lines(text)  # many files called .json hold one object a line
        except json.JSONDecodeError:
            raise ConfigurationError(f"`{path}` is no JSON: {error}.") from error


def _lines(text: str) -> Rows:
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _objects(value: Any, path: Path) -> Rows:
    if isinstance(value, dict):
        lists = {k: v for k, v in value.items() if isinstance(v, list)}
        tables = [v for v in lists.values() if v and all(isinstance(row, dict) for row in v)]
        if len(tables) == 1:
            value = tables[0]
        elif lists and len(lists) == len(value) and len({len(v) for v in lists.values()}) == 1:
            value = [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ConfigurationError(f"`{path}` holds no list of JSON objects, but {type(value).__name__}. One object per row is needed.")
    return value


def _parquet(path: Path) -> Rows:
    try:
        from datasets import Dataset  # noqa: PLC0415 - optional and heavy
    except ImportError:
        try:
            from pandas import read_parquet  # noqa: PLC0415 - optional and heavy
        except ImportError:
            raise MissingExtraError("Reading a Parquet file", "datasets", "datasets") from None
        try:
            return records(read_parquet(path).to_dict("records"))
        except ImportError:
            raise MissingExtraError("Reading a Parquet file with pandas alone", "pyarrow", "datasets") from None
    return records(Dataset.from_parquet(str(path)))


def records(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows of any kind of table as plain dicts."""
    return [dict(row) for row in rows]
