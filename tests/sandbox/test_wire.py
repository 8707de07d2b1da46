"""Values survive the border: the messages of the `bubblewrap` backend, and what is plain data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from whet.sandbox.value import received, sent, tool_result
from whet.sandbox.wire import decode, encode

keys = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
values = st.recursive(leaves, lambda v: st.lists(v, max_size=4) | st.dictionaries(keys, v, max_size=4), max_leaves=15)


@given(values)
@settings(max_examples=150, deadline=None)
def test_a_message_comes_back_as_it_was(value: Any) -> None:
    data = encode({"value": value})
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert repr(decode(data[4:])["value"]) == repr(value)


@given(values)
@settings(max_examples=100, deadline=None)
def test_plain_data_is_left_as_it_is(value: Any) -> None:
    assert repr(sent("v", value)) == repr(value)
    assert repr(received(value)) == repr(value)


@pytest.mark.parametrize("big", [10**4000, -(10**4001), 1 << 20_000], ids=["ten", "minus", "two"])
def test_integers_have_no_limit_of_digits_on_the_way_in(big: int) -> None:
    assert decode(encode({"n": big})[4:])["n"] == big


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b'{"\\u0000int": 3}', b'{"\\u0000pairs": [[[], 1]]}'])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError, TypeError)):
        decode(body)


def test_small_values_that_unfold_without_end_are_refused() -> None:
    shared: Any = [0]
    for _ in range(8):
        shared = [shared] * 100
    deep: Any = []
    for _ in range(1000):
        deep = [deep]
    for value in (shared, deep, ["x" * 1_000_000] * 1_000, 10**5000):
        with pytest.raises(ValueError, match="cannot leave the sandbox"):
            received(value)


def test_results_of_tools_are_copies() -> None:
    mine = {"a": [1]}
    theirs = tool_result(mine)
    theirs["a"].append(2)
    assert mine == {"a": [1]}
