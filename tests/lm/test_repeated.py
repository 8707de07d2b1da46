"""Messages that come again: written once, whatever is asked at their end."""

from __future__ import annotations

from whet.core.messages import Message, RawPart, ToolCallPart
from whet.lm.repeated import LONGEST_KEPT, Repeated

SYSTEM = Message("system", "Be brief.")


def test_what_comes_again_is_written_once_and_the_last_each_time() -> None:
    seen: list[Message] = []

    def write(message: Message) -> str:
        seen.append(message)
        return str(message.content)

    texts = Repeated(write)
    first, second = Message("user", "first"), Message("user", "second")
    assert texts((SYSTEM, first)) == ["Be brief.", "first"]
    assert texts((Message("system", "Be brief."), second)) == ["Be brief.", "second"]
    assert texts((SYSTEM, second)) == ["Be brief.", "second"]
    assert seen == [SYSTEM, first, second, second]


def test_messages_that_differ_in_anything_have_texts_of_their_own() -> None:
    texts = Repeated(repr)
    alike = [Message("user", "a"), Message("assistant", "a"), Message("user", "a", name="Ann"), Message("user", "a", (), "7"), SYSTEM]
    assert texts(alike) == texts(alike) == [repr(message) for message in alike]


def test_long_messages_blocks_and_tool_calls_are_not_kept() -> None:
    texts = Repeated(repr)
    called = Message("assistant", "", (ToolCallPart(id="1", name="f", arguments="{}"),))
    texts((Message("user", "a" * (LONGEST_KEPT + 1)), Message("user", (RawPart({"type": "text"}),)), called, SYSTEM))
    assert texts.kept.cache_info().currsize == 0
    assert texts(()) == []
