"""A data set: train, dev and test rows, shuffled by seed and cut to size."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from whet.core.records import Example
from whet.errors import ConfigurationError

__all__ = ["Dataset", "Draws"]


class Draws(NamedTuple):
    """The training sets that were drawn, and the rows that each is evaluated on."""

    train_sets: list[list[Example]]
    eval_sets: list[list[Example]]


class Dataset:
    """Base of data sets. A subclass sets `_train`, `_dev`, `_test` to rows (mappings or examples); all three are optional.

    `train`, `dev` and `test` are lists of examples: shuffled with `train_seed` or `eval_seed`, cut to their size (default: all), with
    `input_keys` as inputs. Each carries `dspy_uuid`, which depends on the row alone and so names it across seeds and sizes, and
    `dspy_split`.

    >>> class Colours(Dataset):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self._train = [{"name": "red", "hex": "f00"}, {"name": "lime", "hex": "0f0"}]
    >>> Colours(train_size=1, input_keys=["name"]).train[0].inputs().keys()
    ['name']
    """

    do_shuffle = True
    source = ""

    def __init__(
        self,
        train_seed: int = 0,
        train_size: int | None = None,
        eval_seed: int = 0,
        dev_size: int | None = None,
        test_size: int | None = None,
        input_keys: Sequence[str] | None = None,
    ) -> None:
        self.train_seed, self.train_size = train_seed, train_size
        self.dev_seed, self.dev_size = eval_seed, dev_size
        self.test_seed, self.test_size = eval_seed, test_size
        self.input_keys = list(input_keys or [])
        self.name = type(self).__name__
        self._ready: dict[str, list[Example]] = {}

    def reset_seeds(
        self,
        train_seed: int | None = None,
        train_size: int | None = None,
        eval_seed: int | None = None,
        dev_size: int | None = None,
        test_size: int | None = None,
    ) -> None:
        """Change the seeds and sizes that are given (0 counts as given); the splits are drawn anew."""
        changes = {
            "train_seed": train_seed,
            "train_size": train_size,
            "dev_seed": eval_seed,
            "dev_size": dev_size,
            "test_seed": eval_seed,
            "test_size": test_size,
        }
        for name, value in changes.items():
            if value is not None:
                setattr(self, name, value)
        self._ready.clear()

    @classmethod
    def prepare_by_seed(
        cls,
        train_seeds: Sequence[int] | None = None,
        train_size: int = 16,
        dev_size: int = 1000,
        divide_eval_per_seed: bool = True,
        eval_seed: int = 2023,
        **kwargs: Any,
    ) -> Draws:
        """Several training sets of one data set, a seed each (default 1 to 5), and what each is evaluated on.

        `divide_eval_per_seed` deals the `dev_size` dev rows out to the seeds; otherwise each seed gets all of them. Further keywords go
        to the data set's class. Raises `ConfigurationError` where there are fewer dev rows than seeds.
        """
        seeds = list(train_seeds or range(1, 6))
        data = cls(train_size=train_size, eval_seed=eval_seed, dev_size=dev_size, **kwargs)
        rows = data.dev
        share = len(rows) // len(seeds) if divide_eval_per_seed else len(rows)
        if share < 1:
            raise ConfigurationError(f"{len(rows)} dev rows cannot be dealt out to {len(seeds)} seeds; raise `dev_size`.")
        trains: list[list[Example]] = []
        evals: list[list[Example]] = []
        for place, seed in enumerate(seeds):
            data.reset_seeds(train_seed=seed)
            start = place * share if divide_eval_per_seed else 0
            trains.append(data.train)
            evals.append(rows[start : start + share])
        return Draws(trains, evals)

    @property
    def train(self) -> list[Example]:
        """The training rows."""
        return self._split("train", self.train_seed, self.train_size)

    @property
    def dev(self) -> list[Example]:
        """The rows to develop on: for choosing between programs."""
        return self._split("dev", self.dev_seed, self.dev_size)

    @property
    def test(self) -> list[Example]:
        """The rows to report on, once."""
        return self._split("test", self.test_seed, self.test_size)

    def _split(self, name: str, seed: int, size: int | None) -> list[Example]:
        if name not in self._ready:
            rows = getattr(self, f"_{name}", None)
            if rows is None:
                there = [split for split in ("train", "dev", "test") if getattr(self, f"_{split}", None) is not None]
                raise ConfigurationError(f"{type(self).__name__} has no `{name}` split; it has: {', '.join(there) or 'none'}.")
            self._ready[name] = self._drawn(name, rows, seed, size)
        return self._ready[name]

    def _drawn(self, split: str, rows: Iterable[Mapping[str, Any]], seed: int, size: int | None) -> list[Example]:
        if size is not None and (not hasattr(size, "__index__") or size < 0):
            raise ConfigurationError(f"The size of `{split}` is {size!r}; give a number of rows, or None for all.")
        chosen = list(rows)
        if self.do_shuffle:
            random.Random(seed).shuffle(chosen)
        seen: dict[str, int] = {}
        return [self._example(row, split, seen) for row in chosen[:size]]

    def _example(self, row: Mapping[str, Any], split: str, seen: dict[str, int]) -> Example:
        example = Example(row, dspy_uuid=_uuid(row, seen), dspy_split=split)
        if self.input_keys:
            return example.with_inputs(*self.input_keys)
        inputs = getattr(row, "_input_keys", None)
        return example.with_inputs(*inputs) if inputs else example


def _uuid(row: Mapping[str, Any], seen: dict[str, int]) -> str:
    """A UUID of the row's content; a row that stands there twice gets two."""
    content = repr(sorted((str(k), repr(v)) for k, v in row.items() if k not in ("dspy_uuid", "dspy_split")))
    times = seen[content] = seen.get(content, 0) + 1
    return str(UUID(bytes=hashlib.sha256(f"{times}{content}".encode()).digest()[:16], version=4))
