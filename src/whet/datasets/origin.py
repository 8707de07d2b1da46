"""Where a known data set comes from: a given path, the folder WHET_DATA, the hub, or the subset that ships with whet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whet.core.wording import counted
from whet.datasets.bundle import load_rows
from whet.datasets.files import Rows, read_rows, records
from whet.errors import ConfigurationError, MissingExtraError

__all__ = ["Origin", "load_from_hub"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A data set's names: its folder below WHET_DATA, its hub name, and which files may hold which split (first found wins).

    `needs` are the columns of its rows, each with its other names; `layout` says in words how else its files may lie.
    """

    title: str
    folder: str
    hub: str
    config: str | None = None
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hub_splits: Mapping[str, str] = field(default_factory=dict)
    bundled: bool = False
    needs: tuple[tuple[str, ...], ...] = ()
    layout: str = ""

    def rows(self, split: str, *, path: str | Path | None = None, source: str | None = None) -> tuple[Rows, str] | None:
        """The rows of a split and where they came from; `None` when a local copy was found that lacks the split.

        `source` forces one way: "local", "hub" or "bundled"; by default a `path` is used alone, else WHET_DATA, else the hub. Raises
        `ConfigurationError` or `MissingExtraError`, which name the ways that are left.
        """
        if source not in (None, "local", "hub", "bundled"):
            raise ConfigurationError(f"`source` is {source!r}; it can be 'local', 'hub', 'bundled', or None for the first that is there.")
        if source == "bundled":
            rows = load_rows(self.folder, split)
            return rows, f"the subset of {self.title} that ships with whet ({counted(len(rows), 'row')} of `{split}`)"
        if source != "hub" and (home := self.home(path)) is not None:
            found = self._file(home, split)
            return None if found is None else (self.checked(read_rows(found), str(found)), str(found))
        if path is not None or source == "local":
            raise ConfigurationError(f"{self.title} was not found in `{path or os.environ.get('WHET_DATA', '')}`. {self._ways()}")
        return self._from_hub(split)

    def checked(self, rows: Rows, where: str) -> Rows:
        """The rows, if they are those of this data set. Raises `ConfigurationError` where one lacks a column, or there is none."""
        if not rows:
            raise ConfigurationError(f"`{where}` holds no row of {self.title}; it is empty.")
        for number, row in enumerate(rows):
            if lacking := next((names for names in self.needs if not any(name in row for name in names)), None):
                raise ConfigurationError(
                    f"`{where}` does not hold {self.title}: row {number} has no `{' or '.join(lacking)}`; it has: {', '.join(row)}."
                )
        return rows

    def home(self, path: str | Path | None) -> Path | None:
        """The folder or file that holds a local copy, if there is one."""
        base = path if path is not None else os.environ.get("WHET_DATA")
        if not base:
            return None
        root = Path(base).expanduser()
        if path is not None and root.is_file():
            return root
        places = (root / self.folder, root) if path is not None else (root / self.folder,)
        return next((place for place in places if any(self._file(place, split) for split in self.files)), None)

    def _file(self, home: Path, split: str) -> Path | None:
        if home.is_file():
            return home if split == next(iter(self.files)) else None
        names = (*self.files.get(split, ()), *(f"{split}.{ending}" for ending in ("jsonl", "json", "csv", "parquet")))
        return next((home / name for name in names if (home / name).is_file()), None)

    def _from_hub(self, split: str) -> tuple[Rows, str]:
        try:
            rows = records(load_from_hub(self.hub, self.config, split=self.hub_splits.get(split, split)))
        except MissingExtraError:
            raise MissingExtraError(f"{self.title} is not here. {self._ways()} The hub", "datasets", "datasets") from None
        except (OSError, ValueError, RuntimeError) as error:
            what = f"{self.title} could not be loaded from the hub ({type(error).__name__}: {str(error).rstrip('.')})."
            raise ConfigurationError(f"{what} {self._ways()}") from error
        return self.checked(rows, self.hub), f"hub: {self.hub}"

    def _ways(self) -> str:
        files = ", ".join(names[0] for names in self.files.values())
        ways = [
            f"give `path=` a folder with {files}{self.layout}",
            f"or set the environment variable WHET_DATA to a folder that holds them in `{self.folder}/`",
            f"or install `datasets` and let it come from the hub (`{self.hub}`, needs network)",
        ]
        if self.bundled:
            ways.append("or say `source='bundled'` for the small subset that ships with whet")
        return f"Ways to get it: {', '.join(ways)}."


def load_from_hub(name: str, *args: Any, **kwargs: Any) -> Any:
    """`datasets.load_dataset`, imported now; `trust_remote_code` is accepted and never passed on, since no code is run for data.

    Raises `MissingExtraError` when the package is not installed.
    """
    try:
        from datasets import load_dataset  # noqa: PLC0415 - optional and heavy
    except ImportError:
        raise MissingExtraError("Loading from the Hugging Face hub", "datasets", "datasets") from None
    kwargs.pop("trust_remote_code", None)
    try:
        return load_dataset(name, *args, **kwargs)
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error) or "revision" in kwargs:
            raise
    # Of data sets that are a program the hub keeps a copy as plain files.
    return load_dataset(name, *args, revision="refs/convert/parquet", **kwargs)
