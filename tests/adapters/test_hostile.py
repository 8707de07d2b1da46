"""Answers made to break a reader: every adapter gives values or an error of ours, and soon."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel

import whet
from effort import MOST_YARDS_PER_10_KB, within
from whet.core.exchange import Choice
from whet.errors import WhetError


class Node(BaseModel):
    name: str
    parts: list[Node] = []


SIGNATURE = whet.Signature({
    "q": whet.InputField(),
    "text": whet.OutputField(),
    "number": (int, whet.OutputField(default=0)),
    "words": (list[str], whet.OutputField()),
    "tree": (Node | None, whet.OutputField()),
    "table": (dict[str, float | list[int] | str], whet.OutputField()),
})  # fmt: skip
ADAPTERS = [
    (whet.ChatAdapter(), SIGNATURE),
    (whet.ChatAdapter(marker="### {name}"), SIGNATURE),
    (whet.JSONAdapter(), SIGNATURE),
    (whet.XMLAdapter(), SIGNATURE),
    (whet.BAMLAdapter(), SIGNATURE),
]
IDS = ["chat", "chat with other markers", "json", "xml", "baml"]
SIGNS = [
    "### words\n", "\n### ", "[[ ## text ## ]]", "[[ ## tree ## ]]\n", "[[ ## table ## ]]", "[[ ## completed ## ]]",
    "<text>", "</text>", "<tree>", "</tree>", "<name>",
    "<parts>", "<item>", "<tree/>", "<words", "/>", "&#99999999;", "&amp;",
    '"text": "', '"tree": {', '"words": [', "{", "}", "[", "]", ",", ":",
    '"', "'", "\\", "\\u", "\\ud800", "```", "```json\n", "\n", "null", "None", "True", "NaN", "1e999", "-", "9" * 50, "//", "/*", "#",
    "“", "\x00", "\ufeff", "\u2028",
]  # fmt: skip
answers = st.lists(st.sampled_from(SIGNS) | st.text(max_size=6), max_size=60).map("".join)


def read(adapter: Any, signature: Any, text: str) -> None:
    with contextlib.suppress(WhetError):
        adapter.read(signature, Choice(text=text))
    scanner = adapter.scanner(signature)
    scanner.feed(text)
    scanner.finish()


@pytest.mark.parametrize(("adapter", "signature"), ADAPTERS, ids=IDS)
@given(text=answers)
@settings(max_examples=250)
def test_only_our_errors(adapter: Any, signature: Any, text: str) -> None:
    read(adapter, signature, text)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("adapter", "signature"), ADAPTERS, ids=IDS)
@given(text=answers)
@settings(max_examples=25_000)
def test_only_our_errors_on_and_on(adapter: Any, signature: Any, text: str) -> None:
    assert soon(adapter, signature, text)


def soon(adapter: Any, signature: Any, text: str) -> bool:
    """Whether reading takes no more work than it may."""
    return within(MOST_YARDS_PER_10_KB * max(1.0, len(text) / 10_000), lambda: read(adapter, signature, text))


_UNITS = [
    "[", "{", '{"a":', "[[ ## text ## ]]", "[[ ## x ## ]]\n", "[[ ## ",
    "<text>", "<a>", "<item>", "</a>", "<a ", "&", "&#", "```", "```\n", "\\", '\\"', '"',
    "'", "\n", " ", "\t\n", ",", "a,", "{'a': [", "<text><item>", "<tree><parts>", '"tree": {"parts": [', "\\[[ ## text ## ]]\n", "-", "9",
    "[1],", '{"a": 1} ', "/*", "//\n", "«", "null ", "[[", "]]", "<words><item>a</item>", "<words><words>",
]  # fmt: skip
_STARTS = ["", "[[ ## table ## ]]\n", "[[ ## tree ## ]]\n", "<table>", "<tree>", '{"table": ', '{"tree": ', '{"text": "']


@pytest.mark.parametrize(("adapter", "signature"), ADAPTERS, ids=IDS)
def test_ten_kilobytes_of_anything_take_no_time(adapter: Any, signature: Any) -> None:
    texts = [(start + unit * (10_000 // len(unit)))[:10_000] for start in _STARTS for unit in _UNITS]
    assert not [text[:60] for text in texts if not soon(adapter, signature, text)]
