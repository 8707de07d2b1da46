"""The names of DSPy 3.3's typed requests: whet's own values, sent as they are."""

from __future__ import annotations

import whet
from whet.testing import ScriptedLM


def test_a_conversation_written_with_them_is_what_the_model_gets() -> None:
    lm = ScriptedLM(["3"])
    call = whet.ToolCall(name="add", args={"x": 1}, id="1")
    turns = [
        whet.System("Be brief."),
        whet.User("1+2?", whet.Image("https://example.org/sum.png")),
        whet.Assistant(call),
        whet.ToolResult("3", call_id="1", name="add"),
    ]
    assert lm(messages=turns) == ["3"]
    sent = lm.requests[0].messages
    assert [m.role for m in sent] == ["system", "user", "assistant", "tool"]
    assert sent[0].content == "Be brief."
    assert [type(part).__name__ for part in sent[1].content] == ["TextPart", "MediaPart"]
    assert (sent[2].tool_calls[0].name, sent[3].tool_call_id, sent[3].text) == ("add", "1", "3")


def test_a_request_and_a_response_are_the_values_that_there_are() -> None:
    lm = ScriptedLM(["yes"])
    request = whet.LMRequest(messages=(whet.Developer("Answer."), whet.User("Well?")), options=whet.LMConfig(temperature=0.5, stop=None))
    assert lm(request) == ["yes"]
    assert (lm.requests[0].options["temperature"], "stop" in lm.requests[0].options) == (0.5, False)
    assert whet.LMResponse is whet.Response
    assert isinstance(whet.User("a"), whet.LMMessage)
