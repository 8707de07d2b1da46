"""Rows from anywhere as examples: the Hugging Face hub, CSV, JSON, Parquet, pandas, a retriever."""

from __future__ import annotations

import glob
import os
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from whet.core.context import settings
from whet.core.records import Example
from whet.core.wording import a_kind, counted
from whet.datasets.banking77 import hub_rows
from whet.datasets.dataset import Dataset
from whet.datasets.files import Rows, read_rows, records
from whet.datasets.origin import load_from_hub
from whet.errors import ConfigurationError, InputError, MissingExtraError, WhetError

__all__ = ["DataLoader"]

Paths = str | Path | Sequence[str | Path]


class DataLoader(Dataset):
    """Reads rows into lists of examples. `fields` picks columns (default or empty: all), `input_keys` says which of them are inputs.

    >>> import json, tempfile
    >>> path = Path(tempfile.mkdtemp(), "rows.jsonl")
    >>> _ = path.write_text("\\n".join(json.dumps({"question": f"{n}+1?", "answer": n + 1, "by": "me"}) for n in range(4)))
    >>> loader = DataLoader()
    >>> rows = loader.from_json(path, fields=("question", "answer"), input_keys=("question",))
    >>> halves = loader.train_test_split(rows, train_size=0.5, random_state=0)
    >>> rows[0].inputs(), len(halves["train"]), len(halves["test"])
    (Example({'question': '0+1?'}) (input_keys={'question'}), 2, 2)
    """

    def from_huggingface(
        self, dataset_name: str, *args: Any, input_keys: Sequence[str] = (), fields: Sequence[str] | None = None, **kwargs: Any
    ) -> list[Example] | dict[str, list[Example]]:
        """The rows of a hub data set: a list with `split=`, else one list per split.

        Further arguments are those of `datasets.load_dataset`; `trust_remote_code` is accepted and ignored. Where the package or the
        network is missing, a local copy is taken from the folder WHET_DATA: `{last part of the name}/{split}.csv` (or .json, .jsonl,
        .parquet). Raises `InputError` when `fields` or `input_keys` is no list or tuple, `MissingExtraError` or `ConfigurationError` when
        there is neither.
        """
        _check_names(fields, input_keys)
        loaded: Any
        try:
            loaded = load_from_hub(dataset_name, *args, **kwargs)
        except (MissingExtraError, OSError, ValueError, RuntimeError) as error:
            loaded = _local_copy(dataset_name, kwargs.get("split"), error)
        if isinstance(loaded, Mapping):
            return {split: _examples(rows, fields, input_keys) for split, rows in loaded.items()}
        split = kwargs.get("split")
        if isinstance(loaded, list) and isinstance(split, list):
            return {name: _examples(rows, fields, input_keys) for name, rows in zip(split, loaded, strict=True)}
        return _examples(loaded, fields, input_keys)

    def from_csv(
        self, file_path: Paths, fields: Sequence[str] | None = None, input_keys: Sequence[str] = (), *, encoding: str | None = None
    ) -> list[Example]:
        """The rows of one or more CSV files with a header line; columns of numbers become numbers. `data/*.csv` are all that fit.

        Text is UTF-8, or what the mark at its beginning says, unless `encoding` is given. Raises `ConfigurationError` for a file that is
        not there or cannot be read, `InputError` for a column that is not there.
        """
        return _from_files(file_path, "csv", fields, input_keys, encoding)

    def from_json(
        self, file_path: Paths, fields: Sequence[str] | None = None, input_keys: Sequence[str] = (), *, encoding: str | None = None
    ) -> list[Example]:
        """The rows of one or more files of JSON: a list of objects, or one object a line. Otherwise like `from_csv`."""
        return _from_files(file_path, "json", fields, input_keys, encoding)

    def from_parquet(self, file_path: Paths, fields: Sequence[str] | None = None, input_keys: Sequence[str] = ()) -> list[Example]:
        """The rows of one or more Parquet files. Raises `MissingExtraError` without pyarrow (which `datasets` brings)."""
        return _from_files(file_path, "parquet", fields, input_keys)

    def from_pandas(self, df: Any, fields: Sequence[str] | None = None, input_keys: Sequence[str] = ()) -> list[Example]:
        """The rows of a pandas data frame (or of anything with `to_dict("records")`), with `None` for what is missing (NaN, NaT, NA).

        Raises `InputError` for anything else.
        """
        try:
            read = df.to_dict("records")
        except (AttributeError, TypeError) as error:  # a list has no such method, and that of a series takes no such word
            raise InputError(
                f"`from_pandas` reads a data frame; this is {a_kind(df)}. Rows in a list are `[Example(row) for row in rows]`."
            ) from error
        rows = [{name: None if _is_missing(cell) else cell for name, cell in row.items()} for row in read]
        return _examples(rows, fields, input_keys)

    def from_rm(self, num_samples: int, fields: Sequence[str], input_keys: Sequence[str] = ()) -> list[Example]:
        """Rows that the configured retriever hands out by its method `get_objects(num_samples=, fields=)`, mappings with these fields.

        Raises `ConfigurationError` when no retriever is configured, or one without that method, `InputError` for what is no row.
        """
        if fields is None:
            raise InputError("`fields` is None; name the columns that the rows shall have.")
        _check_names(fields, input_keys)
        _check_count("num_samples", num_samples)
        rm = settings.rm
        if rm is None:
            raise ConfigurationError("No retriever is configured. Set one: `whet.configure(rm=...)`.")
        if not hasattr(rm, "get_objects"):
            raise ConfigurationError(
                f"The retriever {type(rm).__name__} has no method `get_objects(num_samples, fields)`: it gives no rows."
            )
        rows = rm.get_objects(num_samples=num_samples, fields=list(fields))
        if isinstance(rows, str | Mapping) or not isinstance(rows, Iterable):
            raise InputError(f"`{type(rm).__name__}.get_objects` gives a list of rows; it gave {rows!r:.80}, {a_kind(rows)}.")
        return _examples(rows, fields, input_keys)

    def sample(self, dataset: list[Example], n: int, *args: Any, seed: int | None = None, **kwargs: Any) -> list[Example]:
        """`n` rows drawn without replacement; the same `seed` draws the same rows. Further arguments are those of `random.sample`."""
        if not isinstance(dataset, list):
            raise InputError(f"`dataset` is {a_kind(dataset)}; give a list of examples.")
        _check_count("n", n)
        if n > len(dataset):
            raise InputError(f"{counted(n, 'row')} asked for, of a data set that has {len(dataset)}.")
        return random.Random(seed).sample(dataset, n, *args, **kwargs)

    def train_test_split(
        self,
        dataset: list[Example],
        train_size: int | float = 0.75,
        test_size: int | float | None = None,
        random_state: int | None = None,
    ) -> dict[str, list[Example]]:
        """Cut rows at random into `{"train": ..., "test": ...}`.

        Sizes are shares below 1 or numbers of rows; `test_size` defaults to the rest. The same `random_state` cuts the same way. Raises
        `InputError` for sizes that do not fit.
        """
        if not isinstance(dataset, list):
            raise InputError(f"`dataset` is {a_kind(dataset)}; give a list of examples.")
        shuffled = dataset[:]
        random.Random(random_state).shuffle(shuffled)
        train = _size("train_size", train_size, len(dataset))
        test = len(dataset) - train if test_size is None else _size("test_size", test_size, len(dataset))
        if train + test > len(dataset) or _shares(train_size, test_size) > 1 + 1e-9:
            raise InputError(
                f"`train_size` ({train_size}) and `test_size` ({test_size}) ask for more than the {counted(len(dataset), 'row')}."
            )
        return {"train": shuffled[:train], "test": shuffled[train : train + test]}


def _shares(*sizes: int | float | None) -> float:
    return sum(size for size in sizes if isinstance(size, float))


def _size(name: str, size: int | float, n: int) -> int:
    # 0.29 of 100 rows are 29, though 100 * 0.29 is less by the last bit.
    count = int(n * size + 1e-9) if isinstance(size, float) and 0 < size < 1 else size
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= n:
        raise InputError(f"`{name}` is {size!r}; give a share between 0 and 1, or a number of rows up to {n}.")
    return count


def _check_count(name: str, count: Any) -> None:
    if not hasattr(count, "__index__") or isinstance(count, bool) or count < 0:
        raise InputError(f"`{name}` is {count!r}; give a number of rows, from 0 up.")


def _check_names(fields: Any, input_keys: Any) -> None:
    if fields is not None and not isinstance(fields, list | tuple):
        raise InputError(f"`fields` is {fields!r}; give a list or tuple of column names.")
    if not isinstance(input_keys, list | tuple):
        raise InputError(f"`input_keys` is {input_keys!r}; give a list or tuple of field names.")


def _from_files(
    paths: Paths, kind: str, fields: Sequence[str] | None, input_keys: Sequence[str], encoding: str | None = None
) -> list[Example]:
    files = [paths] if isinstance(paths, str | Path) else paths
    if not isinstance(files, list | tuple) or not all(isinstance(file, str | Path) for file in files):
        raise InputError(f"The files are {paths!r:.80}; give a path, or a list of paths.")
    found = [path for file in files for path in _matching(file)]
    return _examples([row for file in found for row in read_rows(file, kind=kind, encoding=encoding)], fields, input_keys)


def _matching(file: str | Path) -> list[str | Path]:
    """The files that a pattern such as `data/*.csv` stands for, in the order of their names, or the file itself."""
    pattern = str(Path(file).expanduser())
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return [file]
    found: list[str | Path] = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise ConfigurationError(f"No file fits `{pattern}`. Check the path; it is looked up from `{Path.cwd()}`.")
    return found


def _examples(rows: Iterable[Mapping[str, Any]], fields: Sequence[str] | None, input_keys: Sequence[str]) -> list[Example]:
    _check_names(fields, input_keys)
    examples = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping | Example):
            raise InputError(f"A row is a mapping of columns; row {number} is {row!r:.80}, {a_kind(row)}.")
        unnamed = [name for name in row if not isinstance(name, str)]
        if unnamed:
            raise InputError(f"Row {number} has a column named {unnamed[0]!r}, {a_kind(unnamed[0])}; name columns by texts.")
        chosen = row if not fields else {name: row[name] if name in row else _missing(name, row, number) for name in fields}
        examples.append(Example(dict(chosen)).with_inputs(*input_keys))
        for name in input_keys:
            if name not in chosen:
                _missing(name, chosen, number)
    return examples


def _is_missing(cell: Any) -> bool:
    return type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def _missing(name: str, row: Mapping[str, Any], number: int) -> NoReturn:
    where = f" in row {number}" if number else ""
    raise InputError(f"There is no column `{name}`{where}; the columns are: {', '.join(map(str, row.keys()))}.")


def _local_copy(name: str, split: Any, error: Exception) -> Any:
    """The rows below WHET_DATA, shaped as the hub would give them; without a copy there, `error` is raised with what would help."""
    folder = Path(os.environ.get("WHET_DATA") or ".") / name.split("/")[-1].lower()
    if os.environ.get("WHET_DATA") and folder.is_dir():
        if split is None:
            return {s: _local_split(folder, s) for s in ("train", "validation", "test") if _local_file(folder, s)}
        return [_local_split(folder, str(s)) for s in split] if isinstance(split, list) else _local_split(folder, str(split))
    way = f"Put `train.csv` (.json, .jsonl, .parquet) into a folder `{folder.name}` and set WHET_DATA to the folder above."
    if isinstance(error, MissingExtraError):
        raise MissingExtraError(f"{name!r} is not in the folder WHET_DATA. {way} Loading it from the hub", "datasets", "datasets") from None
    if isinstance(error, WhetError):
        raise error
    raise ConfigurationError(
        f"{name!r} could not be loaded from the hub: {type(error).__name__}: {str(error).rstrip('.')}. {way}"
    ) from error


def _local_file(folder: Path, split: str) -> Path | None:
    names = {"validation": ("validation", "valid", "dev")}.get(split, (split,))
    files = (folder / f"{name}.{ending}" for name in names for ending in ("parquet", "jsonl", "json", "csv", "tsv"))
    return next((file for file in files if file.is_file()), None)


def _local_split(folder: Path, split: str) -> Rows:
    """The rows of "train", "train[:100]" or "train[10%:20%]"."""
    found = re.fullmatch(r"(\w+)(?:\[(\d*)(%?):(\d*)(%?)\])?", split)
    file = _local_file(folder, found[1]) if found else None
    if found is None or file is None:
        there = sorted(file.name for file in folder.iterdir())
        raise ConfigurationError(f"`{folder}` has no split {split!r}; it holds: {', '.join(there)}.")
    rows = records(read_rows(file))
    if folder.name == "banking77":
        rows = hub_rows(rows)
    return rows[_bound(found[2], found[3], len(rows)) : _bound(found[4], found[5], len(rows))]


def _bound(number: str | None, percent: str | None, n: int) -> int | None:
    if not number:
        return None
    return int(number) * n // 100 if percent else int(number)
