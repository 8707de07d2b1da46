"""Rows are checked one by one, written in the common forms and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whet.errors import ConfigurationError
from whet.train.data import ChatRow, Pair, Rewarded, TrainData, as_data, data_hash

USER = {"role": "user", "content": "2+2?"}
CHAT = {"messages": [USER, {"role": "assistant", "content": "4"}]}
PAIR = {"prompt": [USER], "chosen": [{"role": "assistant", "content": "4"}], "rejected": [{"role": "assistant", "content": "5"}]}
GROUP = {"prompt": "2+2?", "completions": ["4", "5"], "rewards": [1, 0]}


@pytest.mark.parametrize(("row", "kind"), [(CHAT, "chat"), (PAIR, "preference"), (GROUP, "rewarded")])
def test_common_forms_are_read_and_written(row: dict[str, Any], kind: str, tmp_path: Path) -> None:
    data = as_data([row, row])
    assert data.kind == kind and len(data) == 2 and data.tokens > 0
    assert TrainData.load(data.save(tmp_path / "rows.jsonl")) == data
    assert data_hash(data) == data_hash(as_data([row, row])) != data_hash(data, "other")


def test_preferences_in_openai_form() -> None:
    line = json.loads(as_data([PAIR]).lines("openai"))
    assert line == {
        "input": {"messages": [USER]},
        "preferred_output": [{"role": "assistant", "content": "4"}],
        "non_preferred_output": [{"role": "assistant", "content": "5"}],
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no row"),
        ([CHAT, PAIR], "Row 1 is a preference row"),
        ([{"text": "x"}], "unknown form"),
        ([CHAT, {"messages": []}], "Row 1 has no messages"),
        ([{"messages": [USER]}], "ends with `user`"),
        ([{"messages": [USER, {"role": "assistant", "content": ""}]}], "ends with"),
        ([{"messages": [{"role": "robot", "content": "x"}]}], "Row 0 holds"),
        ([{"messages": [{"role": "user", "content": 3}, CHAT["messages"][1]]}], "content is 3"),
        ([{**PAIR, "rejected": "4"}], "prefers an answer to itself"),
        ([{**GROUP, "rewards": [1]}], "2 answers and 1 rewards"),
        ([{**PAIR, "chosen": [1, 2]}], "an answer is a text"),
    ],
)
def test_a_row_that_nobody_can_learn_from_is_named(rows: list[Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        as_data(rows)


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(CHAT) + "\n{torn", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="Line 2"):
        TrainData.load(path)


def test_values_carry_where_they_come_from() -> None:
    row = ChatRow(messages=tuple(CHAT["messages"]), predictor="p", source="s", reward=1.0)
    assert row.plain() == CHAT
    assert Pair(prompt=(USER,), chosen="4", rejected="5", chosen_reward=1.0).plain()["chosen_reward"] == 1.0
    assert Rewarded(prompt=(USER,), answers=("4", "5"), rewards=(1.0, 0.0)).plain()["rewards"] == [1.0, 0.0]
    cut = Rewarded(prompt=(USER,), answers=("4", "I th"), rewards=(1.0, -1.0), cut=(1,))
    assert as_data([cut.plain()]).rows == (cut,)
