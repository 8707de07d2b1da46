"""Rows from files: CSV, JSON, JSON lines and Parquet, read with the standard library where it can."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import math
import re
import sys
import zlib
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from whet.core.wording import counted
from whet.errors import ConfigurationError, MissingExtraError, WhetError

__all__ = ["read_rows"]

Rows = list[dict[str, Any]]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip

_GZIP = b"\x1f\x8b"


def read_rows(path: str | Path, *, kind: str = "", encoding: str | None = None) -> Rows:
    """The rows of one file as dicts. `kind` is "csv", "tsv", "json", "jsonl" or "parquet"; the default is the file's ending.

    Columns of a CSV file that hold only whole numbers, numbers or true/false become such (with `None` for an empty cell); a column where
    some number starts with a zero, or is too large for a float, stays text. A header without a comma may be divided by semicolons or tabs;
    a second column of the same name is called `name.1`. A JSON file holds a list of objects, an object whose one list is taken, an object
    of columns, or one object a line. Text is UTF-8, or what the mark at its beginning says, unless `encoding` is given. Text may be packed
    by gzip (`rows.csv.gz`).

    Raises `ConfigurationError` for a file that is not there, or that cannot be read as what it should be.
    """
    path = Path(path).expanduser()
    kind = kind or Path(path.name.removesuffix(".gz")).suffix.lstrip(".").lower()
    if kind not in ("csv", "tsv", "json", "jsonl", "ndjson", "parquet"):
        raise ConfigurationError(f"`{path.name}` ends in {path.suffix!r}; whet reads .csv, .tsv, .json, .jsonl and .parquet.")
    if not path.is_file():
        raise _no_file(path)
    if kind == "parquet":
        return _parquet(path)
    text = _text(path, encoding)
    if kind in ("csv", "tsv"):
        return _typed(_table(text, "\t" if kind == "tsv" else _delimiter(text), path))
    return _json(text, path)


def _no_file(path: Path) -> ConfigurationError:
    if path.is_dir():
        held = sorted(file.name for file in path.iterdir())
        shown = ", ".join(held[:8]) + (", ..." if len(held) > 8 else "")
        return ConfigurationError(f"`{path}` is a folder; give the files in it. It holds: {shown or 'nothing'}.")
    if re.match(r"\w+:/", str(path)):
        return ConfigurationError(f"`{path}` is no file on this machine, and whet fetches none: download it first.")
    return ConfigurationError(f"There is no file `{path}`. Check the path; it is looked up from `{Path.cwd()}`.")


def _text(path: Path, encoding: str | None) -> str:
    raw = path.read_bytes()
    if raw.startswith(_GZIP):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigurationError(f"`{path}` is packed by gzip, and damaged: {error}.") from error
    chosen = encoding or next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(chosen).removeprefix("\ufeff")
    except LookupError:
        raise ConfigurationError(f"There is no encoding {chosen!r}; usual ones are 'utf-8', 'cp1252' and 'utf-16'.") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"`{path}` is no text in {chosen} (byte {error.start} is {raw[error.start]:#04x}). Save it as UTF-8, or say what it is: "
            "`encoding='cp1252'` is usual for files of old spreadsheets."
        ) from error


def _delimiter(text: str) -> str:
    header = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return next((sign for sign in ",;\t" if sign in header), ",")


def _table(text: str, delimiter: str, path: Path) -> Rows:
    # The limit of the standard library is 131,072 characters a cell and belongs to the process; documents are longer.
    csv.field_size_limit(sys.maxsize)
    # Strict: a quote that is never closed would take all rows after it for one cell.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ConfigurationError(f"Line {reader.line_num} of `{path}` is no line of CSV: {error}.") from error
    names = _named_apart(lines[0][1] if lines else [])
    rows = []
    for number, cells in lines[1:]:
        if len(cells) > len(names):
            raise ConfigurationError(
                f"Line {number} of `{path}` has {counted(len(cells), 'cell')}, but the header names {counted(len(names), 'column')}. "
                "A cell that holds the delimiter stands in double quotes."
            )
        rows.append(dict(zip(names, [*cells, *[None] * (len(names) - len(cells))], strict=True)))
    return rows


def _named_apart(header: list[str]) -> list[str]:
    names: dict[str, None] = {}
    for name in header:
        free = (f"{name}.{number}" for number in count(1) if f"{name}.{number}" not in header)
        names[name if name not in names else next(other for other in free if other not in names)] = None
    return list(names)


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
        return math.isfinite(convert(cell)) if convert is float else convert(cell) is not None
    except ValueError:
        return False


def _json(text: str, path: Path) -> Rows:
    lines = path.suffix in (".jsonl", ".ndjson")
    try:
        return _lines(text, path) if lines else _objects(json.loads(text), path)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            return _lines(text, path)  # many files called .json hold one object a line
        raise ConfigurationError(f"`{path}` is no JSON: {error}.") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nesting as deep
        if isinstance(error, WhetError):
            raise
        raise ConfigurationError(f"`{path}` holds JSON that cannot be read: {error}.") from error


def _lines(text: str, path: Path) -> Rows:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ConfigurationError(f"Line {number} of `{path}` is no JSON: {error.msg} (column {error.colno}).") from error
        if not isinstance(row, dict):
            raise ConfigurationError(f"Line {number} of `{path}` holds {line[:40]!r}; one object per line is needed.")
        rows.append(row)
    return rows


def _objects(value: Any, path: Path) -> Rows:
    if isinstance(value, dict):
        value = _table_in(value, path)
    if not isinstance(value, list):
        raise ConfigurationError(f"`{path}` holds no list of JSON objects, but {type(value).__name__}. One object per row is needed.")
    for number, row in enumerate(value):
        if not isinstance(row, dict):
            raise ConfigurationError(f"`{path}` holds no list of JSON objects: row {number} is {row!r:.40}. One object per row is needed.")
    return value


def _table_in(value: dict[str, Any], path: Path) -> Any:
    """The rows in an object: its one list of objects, its lists as columns, or itself, if it holds no list."""
    lists = {k: v for k, v in value.items() if isinstance(v, list)}
    tables = [k for k, v in lists.items() if v and all(isinstance(row, dict) for row in v)]
    even = bool(lists) and len(lists) == len(value) and len({len(v) for v in lists.values()}) == 1
    if even and len(tables) < len(lists):
        return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    if len(tables) > 1:
        held = ", ".join(tables)
        raise ConfigurationError(f"`{path}` holds several lists of rows: {held}. Save the one that is wanted in a file of its own.")
    if tables:
        return value[tables[0]]
    return value if lists or any(isinstance(v, dict) for v in value.values()) else [value]


def _parquet(path: Path) -> Rows:
    try:
        from pyarrow.parquet import read_table  # noqa: PLC0415 - optional and heavy; `datasets` and pandas bring it
    except ImportError:
        raise MissingExtraError("Reading a Parquet file", "pyarrow", "datasets") from None
    try:
        rows: Rows = read_table(path).to_pylist()
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"`{path}` is no Parquet file: {error}") from error
    return rows


def records(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows of any kind of table as plain dicts."""
    return [dict(row) for row in rows]
