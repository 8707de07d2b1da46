"""The reader of answers, fed by hand: every split, every framing, every kind of nonsense."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings, strategies as st

from whet.core.http.parser import HEAD_LIMIT, AnswerReader
from whet.errors import LMTransportError, LMUnexpectedError, WhetError

CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nX-A:  b \r\n\r\n"
    b"4;ext=1\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\n"
)
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\nWikipedia in \r\n\r\nchunks."
TEXT = b"Wikipedia in \r\n\r\nchunks."


def read(pieces: list[bytes], **options: object) -> AnswerReader:
    reader = AnswerReader("host:80", **options)  # type: ignore[arg-type]
    done = [reader.feed(piece) for piece in pieces]
    assert done == [False] * (len(pieces) - 1) + [True], "complete exactly at the last byte"
    return reader


@pytest.mark.parametrize("raw", [CHUNKED, SIZED.replace(b"23", b"24")])
def test_every_size_of_pieces_gives_the_same_answer(raw: bytes) -> None:
    for size in range(1, len(raw) + 1):
        streamed: list[bytes] = []
        pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
        reader = read(pieces)
        assert (reader.response().status, reader.response().body, reader.keep) == (200, TEXT, True), size
        read(pieces, sink=streamed.append)
        assert b"".join(streamed) == TEXT


def test_every_single_cut_gives_the_same_answer() -> None:
    for cut in range(1, len(CHUNKED)):
        assert read([CHUNKED[:cut], CHUNKED[cut:]]).response().body == TEXT


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=300),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    packing=st.sampled_from(["gzip", "deflate", "raw", ""]),
)
def test_any_body_comes_back_through_any_chunks_and_packing(body: bytes, cuts: list[int], packing: str) -> None:
    packed = {"gzip": gzip.compress, "deflate": zlib.compress, "raw": lambda b: zlib.compress(b)[2:-4], "": bytes}[packing](body)
    raw, at = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n", 0
    raw += f"content-encoding: {packing.replace('raw', 'deflate')}\r\n".encode() + b"\r\n"
    for size in cuts * 400:
        if at < len(packed):
            raw += b"%x\r\n%b\r\n" % (len(packed[at : at + size]), packed[at : at + size])
            at += size
    raw += b"0\r\n\r\n"
    streamed: list[bytes] = []
    step = cuts[0]
    pieces = [raw[i : i + step] for i in range(0, len(raw), step)]
    assert read(pieces).response().body == body
    read(pieces, sink=streamed.append)
    assert b"".join(streamed) == body


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(min_size=1, max_size=80), place=st.integers(0, len(CHUNKED)), step=st.integers(1, 200))
def test_no_bytes_make_it_raise_anything_of_another_kind(junk: bytes, place: int, step: int) -> None:
    raw = CHUNKED[:place] + junk + CHUNKED[place:]
    reader = AnswerReader("host:80")
    try:
        for i in range(0, len(raw), step):
            if reader.feed(raw[i : i + step]):
                reader.response()
                return
        reader.end()
    except WhetError:
        pass


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * 5000,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 099 Low\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
    ],
)
def test_nonsense_is_refused(raw: bytes) -> None:
    reader = AnswerReader("host:80")
    with pytest.raises(LMTransportError, match="^host:80 sent no proper HTTP answer"):
        reader.feed(raw)
        reader.response()


def test_a_length_said_twice_alike_is_accepted() -> None:
    assert read([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"]).response().body == b"ok"


def test_a_body_framed_in_two_ways_is_read_by_its_chunks_and_ends_the_connection() -> None:
    reader = read([b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"])
    assert (reader.response().body, reader.keep) == (b"ok", False)


def test_the_limits_hold() -> None:
    head = b"HTTP/1.1 200 OK\r\n"
    with pytest.raises(LMUnexpectedError, match="headers of more than 65,536"):
        AnswerReader("h:1").feed(head + b"a: " + b"x" * HEAD_LIMIT + b"\r\n\r\n")
    for framed in (b"content-length: 11\r\n\r\n", b"transfer-encoding: chunked\r\n\r\nb\r\n", b"\r\n" + b"x" * 11):
        with pytest.raises(LMUnexpectedError, match="a body of more than 10"):
            AnswerReader("h:1", limit=10).feed(head + framed)
    endless = head + b"transfer-encoding: chunked\r\n\r\n0\r\n"
    with pytest.raises(LMUnexpectedError, match="trailers"):
        AnswerReader("h:1").feed(endless + b"trailer: 123456789\r\n" * 4000)


def test_a_small_answer_cannot_unpack_to_a_huge_one() -> None:
    bomb = gzip.compress(bytes(5_000_000))
    raw = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb
    with pytest.raises(LMUnexpectedError, match="a compressed body of more than 1,000,000"):
        read([raw], limit=1_000_000).response()


def test_a_sink_may_get_more_than_the_limit() -> None:
    sizes: list[int] = []
    read([b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n" + b"x" * 50], limit=10, sink=lambda piece: sizes.append(len(piece)))
    assert sizes == [50]


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(LMUnexpectedError, match="coding 'br'"):
        AnswerReader("h:1").feed(b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\nx")


@pytest.mark.parametrize("streaming", [True, False])
def test_a_packed_body_cut_short_is_an_error(streaming: bool) -> None:
    packed = gzip.compress(b"x" * 1000)[:-6]
    raw = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed
    reader = AnswerReader("h:1", sink=(lambda piece: None) if streaming else None)
    with pytest.raises(LMTransportError, match="in the middle"):
        reader.feed(raw)
        reader.response()


@pytest.mark.parametrize(
    "head, keep",
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\n", False),
        (b"HTTP/1.1 200\r\n", True),
    ],
)
def test_when_a_connection_can_be_kept(head: bytes, keep: bool) -> None:
    assert read([head + b"content-length: 2\r\n\r\nok"]).keep is keep
    assert read([head + b"content-length: 2\r\n\r\nok more"]).keep is False
    assert read([head + b"content-length: 0\r\n\r\n"]).keep is keep
    assert read([head + b"content-length: 0\r\n\r\nmore"]).keep is False
    assert read([head + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"]).keep is keep
    assert read([head + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\nmore"]).keep is False


def test_thousands_of_interim_answers_do_not_overflow_the_stack() -> None:
    assert read([b"HTTP/1.1 102 x\r\n\r\n" * 5000 + SIZED.replace(b"23", b"24")]).response().body == TEXT
