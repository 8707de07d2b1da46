"""The history of a model's calls: the newest ones, bounded by number and by what they hold."""

from __future__ import annotations

import copy

import whet
from whet.core.exchange import Choice, Request, Response
from whet.core.messages import Message
from whet.core.trace import CallRecord, History
from whet.testing import ScriptedLM


def record(text: str) -> CallRecord:
    request = Request(messages=(Message("user", text),))
    return CallRecord(request, Response(choices=(Choice(text="yes"),)), None, "m", 0.0, "chat")


def asked(history: History) -> list[str]:
    return [entry["messages"][-1]["content"][:8] for entry in history]


def test_the_oldest_calls_go_when_there_are_too_many() -> None:
    with whet.context(max_history_size=3):
        lm = ScriptedLM(lambda request: "yes")
        for i in range(5):
            lm(f"call {i}")
        assert asked(lm.history) == ["call 2", "call 3", "call 4"]
        with whet.context(max_history_size=0):
            lm("call 5")
        assert asked(lm.history) == ["call 2", "call 3", "call 4"]


def test_the_oldest_calls_go_when_they_hold_too_much_and_the_newest_always_stays() -> None:
    history = History(max_characters=3000)
    for i in range(4):
        history.keep(record(f"call {i} " + "x" * 1000), 100)
    assert asked(history) == ["call 2 x", "call 3 x"]
    history.keep(record("endless " + "x" * 9000), 100)
    assert asked(history) == ["endless "]
    history.keep(record("call 4"), 100)
    assert asked(history) == ["call 4"]


def test_a_copy_holds_the_same_and_is_bounded_too() -> None:
    history = History(max_characters=3000)
    history.keep(record("call 0 " + "x" * 2000), 100)
    for twin in (copy.copy(history), history.copy(), History(history, 3000)):
        assert asked(twin) == ["call 0 x"] and twin.max_characters == 3000
        twin.keep(record("call 1 " + "x" * 2000), 100)
        assert asked(twin) == ["call 1 x"]
    assert asked(history) == ["call 0 x"]
