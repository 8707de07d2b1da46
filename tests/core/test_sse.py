"""Server-sent events out of bytes cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from whet.core.sse import EventStream
from whet.errors import LMUnexpectedError

STREAM = (
    b': hello\n\ndata: one\n\nevent: delta\ndata: {"a": 1}\nid: 7\n\nevent: ping\n\nretry: 5\ndata:two\ndata:  lines\ndata\n\n\n\n'
    b"data: caf\xc3\xa9\nunknown: x\n\ndata:\n\ndata: [DONE]\n\n"
)
EVENTS = [
    ("message", b"one"),
    ("delta", b'{"a": 1}'),
    ("message", b"two\n lines\n"),
    ("message", b"caf\xc3\xa9"),
    ("message", b""),
    ("message", b"[DONE]"),
]


def read(raw: bytes, step: int) -> list[tuple[str, bytes]]:
    stream = EventStream()
    return [event for i in range(0, len(raw), step) for event in stream.feed(raw[i : i + step])] + stream.finish()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_every_size_of_pieces_and_every_line_end_gives_the_same_events(end: bytes, start: bytes) -> None:
    raw = start + STREAM.replace(b"\n", end)
    for step in range(1, len(raw) + 1):
        assert read(raw, step) == EVENTS, step


@settings(max_examples=80, deadline=None)
@given(raw=st.text(alphabet="\n\r:da te", max_size=60).map(str.encode), step=st.integers(1, 20))
def test_the_cut_never_matters(raw: bytes, step: int) -> None:
    assert read(raw, step) == read(raw, len(raw) or 1)


def test_events_come_as_soon_as_they_are_complete() -> None:
    stream = EventStream()
    assert stream.feed(b"data: a\r\n\r") == [("message", b"a")]
    assert stream.feed(b"\ndata: b\n") == []
    assert stream.feed(b"\n") == [("message", b"b")]


def test_a_last_event_without_its_empty_line_is_not_lost() -> None:
    stream = EventStream()
    assert stream.feed(b"data: a\n\ndata: [DONE]") == [("message", b"a")]
    assert stream.finish() == [("message", b"[DONE]")]
    assert stream.finish() == []


def test_one_huge_event_is_read_and_an_endless_one_refused() -> None:
    stream = EventStream(limit=1_000_000)
    for _ in range(90):
        assert stream.feed(b"data: " + b"x" * 10_000 + b"\n") == []
    assert len(stream.feed(b"\n")[0][1]) == 90 * 10_001 - 1
    with pytest.raises(LMUnexpectedError, match="1,000,000"):
        for _ in range(200):
            stream.feed(b"x" * 10_000)


def test_the_space_after_the_colon_may_be_left_out() -> None:
    assert read(b"data:one\n\ndata: two\n\ndata:  three\n\n", 99) == [("message", b"one"), ("message", b"two"), ("message", b" three")]
