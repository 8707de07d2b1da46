"""Articles and plurals of messages, said in one place."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path

import pytest

import whet
from whet.core.wording import a_kind, a_word, counted

SOURCE = Path(whet.__file__).parent


def test_the_article_is_the_one_that_is_spoken() -> None:
    assert [a_kind(value) for value in (1, 1.5, [], {}, "x", OrderedDict(), whet.Example(), whet.LM("embedded"))] == [
        "an int", "a float", "a list", "a dict", "a str", "an OrderedDict", "an Example", "an LM",
    ]  # fmt: skip
    assert [a_word(word) for word in ("HTMLPage", "URL", "uint8", "ndarray", "UserDict", "_Entry", "Iterator", "LMs")] == [
        "an HTMLPage", "a URL", "a uint8", "an ndarray", "a UserDict", "an _Entry", "an Iterator", "an LMs",
    ]  # fmt: skip


@pytest.mark.parametrize(("count", "said"), [(0, "0 losses"), (1, "1 loss"), (2, "2 losses")])
def test_a_noun_agrees_with_its_number(count: int, said: str) -> None:
    assert counted(count, "loss", "losses") == said


def test_no_message_makes_an_article_or_a_plural_of_its_own() -> None:
    by_hand = re.compile(r"\ban? \{type\(|\{'s' \* |\{len\([^{}]*\)\} rows\b")
    found = [f"{path.relative_to(SOURCE)}: {line.strip()}" for path in SOURCE.rglob("*.py") for line in path.read_text("utf-8").splitlines()
             if by_hand.search(line)]  # fmt: skip
    assert not found
