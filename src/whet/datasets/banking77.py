"""Banking77: short customer questions with one of 77 intents (Casanueva et al. 2020)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from whet.datasets.dataset import Dataset
from whet.datasets.files import Rows
from whet.datasets.origin import Origin

__all__ = ["ORIGIN", "Banking77", "hub_rows"]

ORIGIN = Origin(
    title="Banking77",
    folder="banking77",
    hub="mteb/banking77",
    files={"train": ("train.csv",), "test": ("test.csv",)},
    bundled=True,
    needs=(("text",), ("category", "label_text", "label")),
)


class Banking77(Dataset):
    """Banking77 with fields `text` and `label` (the intent's name); `labels` lists all names, sorted.

    A tenth of the official training rows is dev, the rest train; the official test rows are test. The rows come from `path`, the folder
    WHET_DATA, or the hub; `source="bundled"` takes the subset of 20 intents that ships with whet. `.source` says what was used. Other
    arguments are those of `Dataset`; the input is `text`.

    >>> data = Banking77(source="bundled")
    >>> len(data.labels), len(data.train), len(data.dev), len(data.test)
    (20, 720, 80, 400)
    """

    def __init__(self, *args: Any, path: str | Path | None = None, source: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{"input_keys": ["text"], **kwargs})
        train, test = ORIGIN.rows("train", path=path, source=source), ORIGIN.rows("test", path=path, source=source)
        rows, where = train or test or ([], "")
        official = _named(rows)
        random.Random(0).shuffle(official)
        cut = len(official) // 10
        self._dev, self._train = official[:cut], official[cut:]
        self._test = _named(test[0]) if test and train else None
        self.labels: list[str] = sorted({row["label"] for row in official})
        self.source = where


def hub_rows(rows: Rows) -> Rows:
    """Rows as the hub's copy has them: `label` is the number of the intent among all names, sorted without regard to case."""
    names = sorted({row["label"] for row in _named(rows)}, key=str.lower)
    numbers = {name: number for number, name in enumerate(names)}
    return [{"text": row["text"], "label": numbers[row["label"]]} for row in _named(rows)]


def _named(rows: Rows) -> Rows:
    """Rows with the intent's name as `label`, whichever column holds it."""
    return [{"text": str(row["text"]).strip(), "label": str(row.get("category") or row.get("label_text") or row["label"])} for row in rows]
