"""The small subsets that ship with whet, so that examples and tests need no network; `bundled/NOTICE.md` says whose they are."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from whet.core.records import Example
from whet.errors import ConfigurationError

__all__ = ["load_bundled", "load_corpus", "load_rows"]

_FOLDER = Path(__file__).parent / "bundled"
_INPUTS = {"atlas": "question", "banking77": "text", "gsm8k": "question", "hotpotqa": "question"}


def load_bundled(name: str, split: str = "train") -> list[Example]:
    """The rows of a bundled subset as examples with their inputs set: "atlas", "banking77", "gsm8k" or "hotpotqa", "train" or "test".

    Rows stand in their fixed order. They are for trying things out, not for results to report. Licences: CC BY 4.0 (Banking77), MIT
    (GSM8K), CC BY-SA 4.0 (HotPotQA), CC0 (atlas). Raises `ConfigurationError` for another name or split.

    >>> row = load_bundled("banking77")[0]
    >>> row.keys(), row.inputs().keys()
    (['text', 'label'], ['text'])
    """
    return [Example(row).with_inputs(_INPUTS[name]) for row in load_rows(name, split)]


def load_corpus(name: str = "atlas") -> list[str]:
    """The passages of a bundled corpus as "title | text": "atlas" (invented places and people, all its questions answerable) or "hotpotqa".

    >>> [passage.split(" | ")[0] for passage in load_corpus("hotpotqa")][:1]
    ['Sir Syed Sani Syed Ali Shah Bukhari']
    """
    return [f"{row['title']} | {row['text']}" for row in load_rows(name, "corpus")]


def load_rows(name: str, split: str) -> list[dict[str, Any]]:
    """The rows of a bundled subset as fresh dicts."""
    if name not in _INPUTS:
        raise ConfigurationError(f"No data set {name!r} ships with whet; these do: {', '.join(_INPUTS)}.")
    splits = _read(name)
    if split not in splits:
        raise ConfigurationError(f"The bundled {name!r} has no split {split!r}; it has: {', '.join(splits)}.")
    rows: list[dict[str, Any]] = json.loads(splits[split])
    return rows


@lru_cache(maxsize=8)
def _read(name: str) -> dict[str, str]:
    """Each split as JSON text: callers get their own rows and cannot spoil those of others."""
    content = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {split: json.dumps(rows) for split, rows in content.items()}
