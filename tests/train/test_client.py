"""Patience with a training service: which exchanges are made again, and after how long."""

from __future__ import annotations

import pytest

from whet.errors import LMInvalidRequestError, LMRateLimitError, LMServerError
from whet.testing import StubServer
from whet.train.client import TRIES, Client


def client(stub: StubServer, pauses: list[float]) -> Client:
    return Client(stub.lm(), pauses.append, delay=4.0)


def test_what_may_be_repeated_is_asked_again_after_longer_and_longer_waits() -> None:
    pauses: list[float] = []
    with StubServer(faults=["500", "429:2", "503", "500", "500"]) as stub:
        assert client(stub, pauses).patient("POST", "/chat/completions", b"{}")
        assert stub.count == TRIES
    assert pauses == [4.0, 2.0, 16.0, 30.0, 30.0]


def test_it_ends_with_the_error_of_the_last_try() -> None:
    pauses: list[float] = []
    with StubServer(faults=["500"] * 10) as stub:
        with pytest.raises(LMServerError):
            client(stub, pauses).patient("POST", "/chat/completions", b"{}")
        assert stub.count == TRIES and len(pauses) == TRIES - 1


def test_what_may_have_been_done_is_asked_again_only_where_it_was_turned_away() -> None:
    pauses: list[float] = []
    with StubServer(faults=["429:1", "429"]) as stub:
        assert client(stub, pauses).post("/chat/completions", {})
        assert pauses == [1.0, 8.0]
    for fault, error in (("500", LMServerError), ("400", LMInvalidRequestError)):
        with StubServer(faults=[fault]) as stub:
            with pytest.raises(error):
                client(stub, pauses).post("/chat/completions", {})
            assert stub.count == 1
    with StubServer(faults=["429"] * 10) as stub:
        with pytest.raises(LMRateLimitError):
            client(stub, pauses).post("/chat/completions", {})
        assert stub.count == TRIES
