"""HotPotQA: questions that need two Wikipedia articles (Yang et al. 2018)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Literal

from whet.datasets.dataset import Dataset
from whet.datasets.origin import Origin

__all__ = ["HotPotQA"]

_ORIGIN = Origin(
    title="HotPotQA",
    folder="hotpotqa",
    hub="hotpotqa/hotpot_qa",
    config="fullwiki",
    files={
        "train": ("hotpot_train_v1.1.json", "train.json"),
        "validation": (
            "hotpot_dev_fullwiki_v1.json",
            "hotpot_dev_distractor_v1.json",
            "hotpot_dev_v1_simplified.json",
            "dev.json",
            "test.json",
        ),
    },
    hub_splits={"test": "validation"},
    bundled=True,
    needs=(("question",), ("answer",)),
)


class HotPotQA(Dataset):
    """HotPotQA with fields `question` and `answer`.

    The official training rows (only the hard ones, which are those that need two articles, unless `only_hard_examples` is false) are split
    3 to 1 into train and dev; the official development rows are the test rows. With `unofficial_dev=False` there is no dev split and all
    training rows are train. A local copy that has development rows only is cut into three parts.

    `keep_details="dev_titles"` adds `gold_titles` (the articles that support the answer) to dev and test; `True` keeps `id`, `type`,
    `context` and `gold_titles` everywhere; `False` keeps question and answer.

    The rows come from `path`, the folder WHET_DATA, or the hub; `source="bundled"` takes the 130 rows that ship with whet, of which the six
    that have `gold_titles` can be answered from `load_corpus("hotpotqa")` in two hops (for more of those there is "atlas"). `.source` says
    what was used. Other arguments are those of `Dataset`.

    >>> data = HotPotQA(source="bundled", train_seed=1, train_size=20)
    >>> len(data.train), "subset" in data.source
    (20, True)
    """

    def __init__(
        self,
        *args: Any,
        only_hard_examples: bool = True,
        keep_details: bool | Literal["dev_titles"] = "dev_titles",
        unofficial_dev: bool = True,
        path: str | Path | None = None,
        source: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        train, held_out, self.source = _official(path, source)
        if only_hard_examples:
            train = [row for row in train if row.get("level", "hard") == "hard"]
        random.Random(0).shuffle(train)
        cut = len(train) * 3 // 4 if unofficial_dev else len(train)
        titles = keep_details is not False
        self._train = [_row(row, bool(keep_details is True), keep_details is True) for row in train[:cut]]
        self._dev = [_row(row, titles, keep_details is True) for row in train[cut:]] if unofficial_dev else None
        self._test = [_row(row, titles, keep_details is True) for row in held_out]


def _official(path: str | Path | None, source: str | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
    if source == "bundled":
        train, test = _ORIGIN.rows("train", source=source), _ORIGIN.rows("test", source=source)
    else:
        train, test = _ORIGIN.rows("train", path=path, source=source), _ORIGIN.rows("validation", path=path, source=source)
    if train is not None and test is not None:
        return train[0], test[0], f"{train[1]}; test: {test[1]}"
    rows, where = train or test or ([], "")
    rows = list(rows)
    random.Random(1).shuffle(rows)
    cut = len(rows) * 4 // 5
    return rows[:cut], rows[cut:], f"{where} (one file, cut into train, dev and test)"


def _row(row: dict[str, Any], titles: bool, everything: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {"question": row["question"], "answer": row["answer"]}
    if titles and (found := _titles(row)):
        kept["gold_titles"] = found
    if everything:
        kept |= {name: row[key] for name, key in (("id", "id"), ("id", "_id"), ("type", "type"), ("context", "context")) if key in row}
    return kept


def _titles(row: dict[str, Any]) -> list[str]:
    facts = row.get("supporting_facts") or []
    titles = facts["title"] if isinstance(facts, dict) else [title for title, _ in facts]
    return list(dict.fromkeys(row.get("gold_titles") or titles))
