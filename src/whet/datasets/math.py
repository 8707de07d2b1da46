"""MATH: competition problems with worked solutions (Hendrycks et al. 2021)."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from whet.core.mathematics import final_answer, math_equal
from whet.datasets.dataset import Dataset
from whet.datasets.files import Rows
from whet.datasets.origin import Origin
from whet.errors import ConfigurationError

__all__ = ["MATH", "SUBSETS"]

SUBSETS = (
    "algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra", "precalculus",
)  # fmt: skip
_ORIGIN = Origin(
    title="MATH",
    folder="math",
    hub="DigitalLearningGmbH/MATH-lighteval",
    config="default",
    files={"train": ("train.jsonl",), "test": ("test.jsonl",)},
    needs=(("problem",), ("solution",)),
    layout=" (or the official folders, `train/algebra/1.json` and so on)",
)


class MATH(Dataset):
    """MATH with fields `question`, `reasoning` (the solution) and `answer` (what stands in its box).

    `subset` is one subject, such as "algebra", or `None` for all. Half of the official training rows, 350 at most, are dev; as many of the
    rest are train; the official test rows are test. The rows come from `path` (with `train.jsonl`, `test.jsonl`, or the official folders of
    one JSON file per problem), the folder WHET_DATA, or the hub. `MATH.metric` compares answers by meaning; the input is `question`.

    >>> import json, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> row = {"problem": "What is $1+1$?", "solution": "It is $\\\\boxed{2}$.", "type": "Algebra", "level": "Level 1"}
    >>> for name in ("train.jsonl", "test.jsonl"):
    ...     _ = (folder / name).write_text("\\n".join([json.dumps(row)] * 2))
    >>> data = MATH("algebra", path=folder)
    >>> len(data.train), data.test[0].answer
    (1, '2')
    """

    def __init__(
        self, subset: str | None = None, *args: Any, path: str | Path | None = None, source: str | None = None, **kwargs: Any
    ) -> None:
        if subset is not None and subset not in SUBSETS:
            raise ConfigurationError(f"MATH has no subset {subset!r}; it has: {', '.join(SUBSETS)}.")
        super().__init__(*args, **{"input_keys": ["question"], **kwargs})
        train, where = _load("train", subset, path, source)
        test, _ = _load("test", subset, path, source)
        random.Random(0).shuffle(train)
        size = min(350, len(train) // 2)
        self._train, self._dev, self._test = train[:size], train[size : 2 * size], test
        self.source = where

    def metric(self, example: Any, pred: Any, trace: Any = None) -> bool:
        """Whether `pred.answer` means the same as `example.answer` (see `math_equal`)."""
        return math_equal(final_answer(example["answer"]), final_answer(pred["answer"]))


def _load(split: str, subset: str | None, path: str | Path | None, source: str | None) -> tuple[Rows, str]:
    folder = _official(split, path) if source in (None, "local") else None
    if folder is not None:
        files = sorted(folder.glob(f"{subset or '*'}/*.json"))
        problems = [row for file in files for row in _problem(file)]
        rows, where = _ORIGIN.checked(problems, str(folder)) if problems else [], str(folder)
    else:
        rows, where = _ORIGIN.rows(split, path=path, source=source) or ([], "")
        rows = [row for row in rows if subset is None or _subject(row) == subset]
    if where and not rows:
        raise ConfigurationError(f"`{where}` has no problem{f' of {subset!r}' if subset else ''}.")
    return [_row(row) for row in rows], where


def _official(split: str, path: str | Path | None) -> Path | None:
    """The folder of a split as the authors laid it out, with a folder for each subject in it."""
    base = path if path is not None else os.environ.get("WHET_DATA")
    if not base:
        return None
    root = Path(base).expanduser()
    homes = [root / name for name in ("MATH", "math")] + ([root] if path is not None else [])
    return next((home / split for home in homes if next((home / split).glob("*/*.json"), None) is not None), None)


def _problem(file: Path) -> Rows:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"`{file}` is no JSON: {error}.") from error
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows):
        raise ConfigurationError(f"`{file}` holds no problem of MATH, but {file.read_text(encoding='utf-8')[:40]!r}.")
    return rows


def _subject(row: dict[str, Any]) -> str:
    return str(row.get("type", "")).lower().replace("&", "and").replace(" ", "_")


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {"question": row["problem"], "reasoning": row["solution"], "answer": row.get("answer") or final_answer(row["solution"])}
