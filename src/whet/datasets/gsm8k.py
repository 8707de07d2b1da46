"""GSM8K: word problems of primary school whose answer is one number (Cobbe et al. 2021)."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from whet.datasets.dataset import Dataset
from whet.datasets.files import Rows
from whet.datasets.origin import Origin

__all__ = ["GSM8K", "gsm8k_metric", "parse_integer_answer"]

_ORIGIN = Origin(
    title="GSM8K",
    folder="gsm8k",
    hub="openai/gsm8k",
    config="main",
    files={"train": ("train.jsonl",), "test": ("test.jsonl",)},
    bundled=True,
    needs=(("question",), ("answer",)),
)
_CALCULATION = re.compile(r"<<[^>]*>>")


class GSM8K(Dataset):
    """GSM8K with fields `question`, `gold_reasoning` and `answer` (the number, as text).

    A tenth of the official training rows, 300 at most, is dev; the rest is train; the official test rows are test. The rows come from
    `path`, the folder WHET_DATA, or the hub; `source="bundled"` takes the 150 rows that ship with whet. `.source` says what was used. Other
    arguments are those of `Dataset`; the input is `question`.

    >>> data = GSM8K(source="bundled")
    >>> len(data.train), len(data.dev), len(data.test), data.train[0].inputs().keys()
    (90, 10, 50, ['question'])
    """

    def __init__(self, *args: Any, path: str | Path | None = None, source: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{"input_keys": ["question"], **kwargs})
        train, test = _ORIGIN.rows("train", path=path, source=source), _ORIGIN.rows("test", path=path, source=source)
        rows, where = train or test or ([], "")
        official: Rows = [_row(row) for row in rows]
        random.Random(0).shuffle(official)
        dev = min(300, len(official) // 10)
        self._dev, self._train = official[:dev], official[dev:]
        self._test = [_row(row) for row in test[0]] if test and train else None
        self.source = where


def parse_integer_answer(answer: Any, only_first_line: bool = True) -> int:
    """The whole number in an answer: the last of its first line (or of all lines); 0 when there is none.

    >>> parse_integer_answer("She pays $1,250.00 for 3 days, so $3,750."), parse_integer_answer("none")
    (3750, 0)
    """
    text = str(answer).strip()
    if only_first_line:
        text = text.split("\n")[0]
    numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return int(float(numbers[-1].replace(",", ""))) if numbers else 0


def gsm8k_metric(gold: Any, pred: Any, trace: Any = None) -> bool:
    """Metric: `pred.answer` holds the number of `gold.answer`.

    >>> from whet.core.records import Example, Prediction
    >>> gsm8k_metric(Example(answer="72"), Prediction(answer="She sold 72 clips."))
    True
    """
    return parse_integer_answer(gold.answer) == parse_integer_answer(pred.answer)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    reasoning, _, answer = str(row["answer"]).rpartition("####")
    return {
        "question": row["question"],
        "gold_reasoning": row.get("gold_reasoning") or _CALCULATION.sub("", reasoning).strip(),
        "answer": answer.strip().replace(",", ""),
    }
