"""Fields found while an answer comes: the pieces joined are the field, however the answer is cut."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, strategies as st

import whet
from whet.adapters.base import Adapter
from whet.adapters.chat import ChatAdapter
from whet.adapters.json import JSONAdapter
from whet.adapters.xml import XMLAdapter

ADAPTERS = [ChatAdapter(), ChatAdapter(marker="## {name}"), JSONAdapter(), XMLAdapter()]
IDS = ["chat", "other markers", "json", "xml"]
SIGNATURE = whet.Signature({
    "q": whet.InputField(),
    "first": whet.OutputField(),
    "tags": (list[dict[str, str]], whet.OutputField()),
    "count": (int, whet.OutputField()),
    "second": whet.OutputField(),
})  # fmt: skip
texts = st.text(alphabet=st.sampled_from('ab \n\\"<>&;{}[]#,:é🙂/'), max_size=25) | st.sampled_from([
    "[[ ## second ## ]]\nx", "\n[[ ## first", "a\n[[ ", "[[ ## x ## ]] [[", "x\n\\[[ ## first ## ]]", "## second", "a\n## b c", "a\n#",
    "</first>", "a </fir", "&lt; &am", "<second>", '"}', '\\u00e9 \\n "', "end\n\\", "\\\nstart", "{[", "a\n\n\n",
])  # fmt: skip


def scan(adapter: Adapter, answer: str, cuts: list[str]) -> tuple[dict[str, str], dict[str, bool]]:
    scanner = adapter.scanner(SIGNATURE)
    assert scanner is not None
    found: dict[str, str] = {}
    done: dict[str, bool] = {}
    for piece in [*(p for cut in cuts for p in scanner.feed(cut)), *scanner.finish()]:
        assert not done.get(piece.field)
        found[piece.field] = found.get(piece.field, "") + piece.text
        done[piece.field] = piece.done
    return found, done


def cut(text: str, size: int, seed: int) -> list[str]:
    if size == 0:
        return [text]
    if size > 0:
        return [text[i : i + size] for i in range(0, len(text), size)]
    chance, parts, place = random.Random(seed), [], 0
    while place < len(text):
        step = chance.randint(1, 12)
        parts.append(text[place : place + step])
        place += step
    return parts


@pytest.mark.parametrize("adapter", ADAPTERS, ids=IDS)
@given(first=texts, second=texts, size=st.sampled_from([1, 2, 3, 5, 8, 0, -1]), seed=st.integers(0, 99))
def test_the_pieces_joined_are_the_fields(adapter: Adapter, first: str, second: str, size: int, seed: int) -> None:
    values: dict[str, Any] = {"first": first, "tags": [{"a": first, "b": 'x"}],'}, {}], "count": 7, "second": second}
    answer = adapter.format_assistant_message_content(SIGNATURE, values)
    found, done = scan(adapter, answer, cut(answer, size, seed))
    assert found["first"] == first
    assert found["second"] == second
    assert found["count"] == "7"
    assert all(done[name] for name in values)
    if not isinstance(adapter, XMLAdapter):
        assert json.loads(found["tags"]) == values["tags"]


@pytest.mark.parametrize("size", [1, 4, 0])
def test_what_stands_around_the_fields_is_no_part_of_them(size: int) -> None:
    answer = "Sure!\n\n[[ ## other ## ]]\nno\n\n[[ ## first ## ]] inline\n[[ ## count ## ]]\n 7 \n\n[[ ## first ## ]]\nagain"
    assert scan(ChatAdapter(), answer, cut(answer, size, 0))[0] == {"first": "inline", "count": "7"}
    answer = 'Here: ```json\n{"other": {"first": 1}, "first": "x\\u00e9\\ud83d\\ude42", "count" : 7 , "first": "y"}\n``` {"second": "no"}'
    assert scan(JSONAdapter(), answer, cut(answer, size, 0))[0] == {"first": "xé🙂", "count": "7"}
    answer = "Hm <b>x</b> <first>\n a <b>bold</b> &amp; x \n</first><count>7</count><first>y</first><second/>"
    assert scan(XMLAdapter(), answer, cut(answer, size, 0))[0] == {"first": "a <b>bold</b> & x", "count": "7", "second": ""}


def test_text_is_held_back_only_while_it_could_be_a_sign() -> None:
    scanner = ChatAdapter().scanner(SIGNATURE)
    assert scanner is not None
    scanner.feed("[[ ## first ## ]]\n")
    assert [p.text for p in scanner.feed("To")] == ["To"]
    assert [p.text for p in scanner.feed(" get\n")] == [" get"]
    assert scanner.feed("[[ #") == []
    assert [p.text for p in scanner.feed("x")] == ["\n[[ #x"]
    assert [(p.text, p.done) for p in scanner.feed(" side\n\n[[ ## count ## ]]")] == [(" side", True)]


def test_an_escape_is_told_as_soon_as_it_is_whole() -> None:
    scanner = JSONAdapter().scanner(SIGNATURE)
    assert scanner is not None
    scanner.feed('{"first": "')
    assert [p.text for p in scanner.feed("\\u00e9")] == ["é"]
    assert scanner.feed("\\ud83d") == [], "half of a pair waits for the other one"
    assert [p.text for p in scanner.feed("\\ude42")] == ["🙂"]
    assert scanner.feed("\\ud83d") == []
    assert "".join(p.text for p in scanner.feed("x")).endswith("x"), "no other half can come any more"
