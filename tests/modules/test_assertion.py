"""Assertions: the predictor to blame is asked again, nothing before it is, and it all ends."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import whet
from whet.modules.assertion import Assert, Suggest
from whet.testing.scripted import ScriptedLM
from whet.tools.tool import Tool


def answers(**fields: Any) -> dict[str, Any]:
    return fields


class Two(whet.Module):
    """Asks for a query, searches, asks for an answer."""

    def __init__(self, check: Any = Assert, blamed: str = "query", backtracks: int = 2) -> None:
        self.query = whet.ChainOfThought("question -> query")
        self.answer = whet.Predict("question, passage -> answer")
        self.searched: list[str] = []
        self.search = Tool(self._search, name="search")
        self.check, self.blamed, self.backtracks = check, blamed, backtracks
        self.runs = 0

    def _search(self, query: str) -> str:
        self.searched.append(query)
        return f"about {query}"

    def forward(self, question: str) -> whet.Prediction:
        self.runs += 1
        first = self.query(question=question)
        if self.blamed == "query":
            self.check(len(first.query) < 10, "The query must be short.", on=self.query, backtracks=self.backtracks)
        passage = self.search(query=first.query)
        second = self.answer(question=question, passage=passage)
        if self.blamed != "query":
            self.check("short" in second.answer, "The answer must be short.", backtracks=self.backtracks)
        return whet.Prediction(answer=second.answer, query=first.query)


def called(lm: ScriptedLM) -> list[str]:
    return [request.messages[-1].text for request in lm.requests]


LONG = answers(reasoning="r", query="a very long query")
GOOD = answers(reasoning="r", query="short")


@pytest.mark.parametrize("world", ["sync", "async"])
def test_the_blamed_predictor_sees_its_past_output_and_the_message(world: str) -> None:
    lm = ScriptedLM([LONG, GOOD, answers(answer="yes")])
    program = Two()
    with whet.context(lm=lm):
        result = program(question="q?") if world == "sync" else asyncio.run(program.acall(question="q?"))
    assert result.answer == "yes" and result.query == "short" and program.runs == 2
    again = called(lm)[1]
    assert "a very long query" in again and "The query must be short." in again
    assert "[[ ## past_query ## ]]" in again and "[[ ## feedback ## ]]" in again
    assert program.searched == ["short"] and lm.calls == 3


def test_earlier_predictors_and_tools_are_not_called_again() -> None:
    lm = ScriptedLM([GOOD, answers(answer="long"), answers(answer="longer"), answers(answer="short one")])
    program = Two(blamed="answer")
    with whet.context(lm=lm), whet.trace() as steps:
        result = program(question="q?")
    assert result.answer == "short one" and program.runs == 3
    assert program.searched == ["short"] and lm.calls == 4
    # The trace holds what led to the result, each predictor once.
    assert [step.prediction.get("answer") or step.prediction.query for step in steps] == ["short", "short one"]
    assert "longer" in called(lm)[3] and called(lm)[3].count("The answer must be short.") == 1


def test_a_hard_failure_raises_with_every_attempt() -> None:
    lm = ScriptedLM([answers(reasoning="r", query=f"too long a query {i}") for i in range(9)])
    with whet.context(lm=lm), pytest.raises(whet.AssertionFailed, match="must be short") as caught:
        Two(backtracks=3)(question="q?")
    assert lm.calls == 4
    assert [attempt.outputs.query[-1] for attempt in caught.value.attempts] == ["0", "1", "2", "3"]
    assert caught.value.attempts[0].inputs == {"question": "q?"}


def test_a_soft_failure_is_recorded_and_goes_on() -> None:
    lm = ScriptedLM([LONG, LONG, LONG, answers(answer="yes")])
    with whet.context(lm=lm):
        result = Two(check=Suggest)(question="q?")
    assert result.answer == "yes" and result.meta.suggestions == ("The query must be short.",)
    assert lm.calls == 4


def test_outside_of_a_program_there_is_nothing_to_go_back_to() -> None:
    Assert(True, "fine")
    assert Suggest(False, "no") is False
    with pytest.raises(AssertionError, match="no"):
        Assert(False, "no")


class Loop(whet.Module):
    """One prediction per item; each may be sent back."""

    def __init__(self) -> None:
        self.one = whet.Predict("item -> size: int")

    def forward(self, items: list[str]) -> list[int]:
        sizes = []
        for item in items:
            found = self.one(item=item)
            Assert(found.size > 0, f"{item} must be positive", on=found)
            sizes.append(found.size)
        return sizes


def test_in_a_loop_only_the_failing_item_is_repeated() -> None:
    lm = ScriptedLM([{"size": n} for n in (1, -2, 2, -3, -3, 3)])
    with whet.context(lm=lm):
        assert Loop()(items=["a", "b", "c"]) == [1, 2, 3]
    assert lm.calls == 6
    assert [("feedback" in text, text.split("\n")[1]) for text in called(lm)] == [
        (False, "a"), (False, "b"), (True, "b"), (False, "c"), (True, "c"), (True, "c"),
    ]  # fmt: skip


class Outer(whet.Module):
    """A program around a program, which blames what is inside of it."""

    def __init__(self) -> None:
        self.before = whet.Predict("x -> y")
        self.inner = Two(check=lambda *a, **k: None)

    def forward(self, question: str) -> str:
        before = self.before(x=question)
        result = self.inner(question=before.y)
        Assert("!" not in result.query, "no shouting", on=self.inner.query)
        return str(result.answer)


def test_an_outer_program_can_blame_an_inner_predictor() -> None:
    script = [{"y": "z"}, answers(reasoning="r", query="hey!"), {"answer": "a"}, answers(reasoning="r", query="hey"), {"answer": "b"}]
    lm = ScriptedLM(script)
    program = Outer()
    with whet.context(lm=lm), whet.trace() as steps:
        assert program(question="q") == "b"
    assert lm.calls == 5 and program.inner.searched == ["hey!", "hey"] and len(steps) == 3


def test_error_handling_of_the_program_does_not_swallow_it() -> None:
    class Careful(whet.Module):
        def __init__(self) -> None:
            self.p = whet.Predict("x -> y: int")

        def forward(self, x: str) -> int:
            try:
                found = self.p(x=x)
                Assert(found.y > 1, "more")
                return int(found.y)
            except Exception:  # noqa: BLE001 - what careless programs do
                return -1

    with whet.context(lm=ScriptedLM([{"y": 1}, {"y": 2}])):
        assert Careful()(x="a") == 2
    with whet.context(lm=ScriptedLM([{"y": 1}] * 3)):
        assert Careful()(x="a") == -1


def test_many_at_once_do_not_mix() -> None:
    def script(request: Any) -> Any:
        text = request.messages[-1].text
        item = text.split("\n")[1]
        return {"size": int(item) if "feedback" in text else -1}

    lm = ScriptedLM(script)
    program = Loop()
    items = [[str(n), str(n + 1000)] for n in range(1, 40)]

    def one(pair: list[str]) -> list[int]:
        with whet.context(lm=lm):
            return program(items=pair)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, items)) == [[int(a), int(b)] for a, b in items]

    async def go() -> Any:
        with whet.context(lm=lm):
            return await asyncio.gather(*(program.acall(items=pair) for pair in items))

    assert asyncio.run(go()) == [[int(a), int(b)] for a, b in items]


def test_parallel_parts_inside_of_a_program() -> None:
    class Split(whet.Module):
        def __init__(self) -> None:
            self.one = whet.Predict("item -> size: int")

        def forward(self, items: list[str]) -> list[int]:
            found = whet.Parallel(num_threads=4)([(self.one, {"item": item}) for item in items])
            for item, prediction in zip(items, found, strict=True):
                Assert(prediction.size > 0, f"{item} must be positive", on=prediction)
            return [p.size for p in found]

    def script(request: Any) -> Any:
        text = request.messages[-1].text
        item = int(text.split("\n")[1])
        return {"size": item if item % 2 or "feedback" in text else -1}

    lm = ScriptedLM(script)
    with whet.context(lm=lm):
        assert Split()(items=["1", "2", "3", "4"]) == [1, 2, 3, 4]
    # Each of the two is repeated; what was asked beside it is not.
    assert sum("feedback" in text for text in called(lm)) == 2 and lm.calls == 6


def test_settings_are_no_obstacle() -> None:
    lm = ScriptedLM([LONG, GOOD, answers(answer="yes")])
    with whet.context(lm=lm, track_usage=True, callbacks=[whet.BaseCallback()]):
        result = Two()(question="q?")
    assert result.get_lm_usage()["scripted"]["total_tokens"] > 0


def test_an_async_forward_with_parts_side_by_side() -> None:
    class Both(whet.Module):
        def __init__(self) -> None:
            self.left, self.right = whet.Predict("x -> size: int"), whet.Predict("x -> size: int")

        async def aforward(self, x: str) -> int:
            a, b = await asyncio.gather(self.left.acall(x=x), self.right.acall(x=x + "!"))
            Assert(a.size > 0, "left must be positive", on=self.left)
            Assert(b.size > 0, "right must be positive", on=b)
            return int(a.size + b.size)

    def script(request: Any) -> Any:
        text = request.messages[-1].text
        return {"size": 5 if "feedback" in text else -1}

    lm = ScriptedLM(script)
    with whet.context(lm=lm):
        assert asyncio.run(Both().acall(x="a")) == 10 and lm.calls == 4
        assert Both()(x="a") == 10 and lm.calls == 8


def test_the_replayed_trace_is_what_an_optimizer_learns_from() -> None:
    rows = [whet.Example(question="q", answer="yes").with_inputs("question")]
    lm = ScriptedLM([LONG, GOOD, answers(answer="yes")])
    with whet.context(lm=lm):
        made = whet.BootstrapFewShot(metric=lambda e, p: e.answer == p.answer, max_labeled_demos=0).compile(Two(), trainset=rows)
    demos = made.query.predict.demos
    assert [demo.query for demo in demos] == ["short"] and made.answer.demos[0].answer == "yes"
    with whet.context(lm=ScriptedLM([GOOD, answers(answer="yes")])):
        rendered = made.render(question="next?")
    assert "past_query" not in str(rendered)


def test_programs_with_assertions_of_dspy_2_run_as_they_are() -> None:
    from whet.primitives.assertions import DSPyAssertionError, assert_transform_module, backtrack_handler

    class WriteQuery(whet.Signature):
        """Write a query."""

        question: str = whet.InputField()
        query: str = whet.OutputField()

    class Hop(whet.Module):
        def __init__(self) -> None:
            self.write = whet.ChainOfThought(WriteQuery)
            self.answer = whet.Predict("query -> answer")

        def forward(self, question: str) -> whet.Prediction:
            query = self.write(question=question).query
            answer = self.answer(query=query)
            whet.Suggest(len(query) <= 10, "Be short.", target_module=WriteQuery)
            whet.Assert(query != "no", "Never no.", target_module=self.write)
            return answer

    script = [{"reasoning": "r", "query": "much too long a query"}, {"answer": "a"}, {"reasoning": "r", "query": "short"}, {"answer": "b"}]
    lm = ScriptedLM(script)
    program = assert_transform_module(Hop().activate_assertions(), backtrack_handler, max_backtracks=1)
    with whet.context(lm=lm):
        assert program(question="q").answer == "b"
    assert "Be short." in lm.requests[2].messages[-1].text and lm.calls == 4
    with whet.context(lm=ScriptedLM(lambda r: {"reasoning": "r", "query": "no", "answer": "a"})), pytest.raises(DSPyAssertionError):
        Hop().activate_assertions(max_backtracks=2)(question="q")


def test_a_program_that_gives_no_prediction_may_suggest_too() -> None:
    class Shout(whet.Module):
        def forward(self, text: str) -> str:
            whet.Suggest(len(text) < 3, "Be short.")
            return text.upper()

    assert Shout()(text="hello") == "HELLO"
