"""Modules that run code: `ProgramOfThought`, `CodeAct`, `RLM`, with the real sandbox and with interpreters of one's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import whet
from whet.errors import (
    BudgetExceeded,
    CodeExecutionError,
    CodeInterpreterError,
    ConfigurationError,
    ContextWindowExceededError,
    InputError,
    WhetError,
)
from whet.modules.code_act import CodeAct
from whet.modules.code_running import code_in
from whet.modules.program_of_thought import ProgramOfThought
from whet.modules.rlm import RLM
from whet.sandbox import FinalOutput, PythonInterpreter, SandboxSerializable
from whet.testing.scripted import ScriptedLM
from whet.tools.tool import Tool

WORLDS = pytest.mark.parametrize("world", ["sync", "async"])


def run(program: Any, lm: Any, world: str = "sync", *args: Any, **inputs: Any) -> Any:
    with whet.context(lm=lm):
        return program(*args, **inputs) if world == "sync" else asyncio.run(program.acall(*args, **inputs))


def pot(*args: Any, **options: Any) -> ProgramOfThought[..., whet.Prediction]:
    with pytest.warns(DeprecationWarning, match="ProgramOfThought"):
        return ProgramOfThought(*args, **options)


def codeact(*args: Any, **options: Any) -> CodeAct[..., whet.Prediction]:
    with pytest.warns(DeprecationWarning, match="CodeAct"):
        return CodeAct(*args, **options)


def code(text: str, **more: Any) -> dict[str, Any]:
    return {"reasoning": "r", "generated_code": f"```python\n{text}\n```", **more}


class Counting(PythonInterpreter):
    """Counts what is made and what is shut down."""

    made: list[Any] = []

    def __init__(self) -> None:
        super().__init__()
        self.ended = False
        self.made.append(self)

    def shutdown(self) -> None:
        self.ended = True
        super().shutdown()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Counting.made.clear()


@WORLDS
def test_a_program_of_thought(world: str) -> None:
    lm = ScriptedLM([code("SUBMIT({'answer': 6 * 7})"), {"reasoning": "r", "answer": "42"}])
    result = run(pot("question -> answer: int", interpreter_factory=Counting), lm, world, question="6 * 7?")
    assert result.answer == 42 and [i.ended for i in Counting.made] == [True]
    shown = lm.requests[1].messages[-1].text
    assert '[[ ## code_output ## ]]\n{"answer": 42}' in shown and "[[ ## final_generated_code ## ]]\nSUBMIT" in shown


@WORLDS
def test_failing_code_is_written_again(world: str) -> None:
    script = [code("1 / 0"), code("print('a'"), code("print(3)"), {"reasoning": "r", "answer": 3}]
    lm = ScriptedLM(script)
    assert run(pot("question -> answer: int"), lm, world, question="q").answer == 3
    again = lm.requests[1].messages[-1].text
    assert "[[ ## previous_code ## ]]\n1 / 0" in again and "ZeroDivisionError" in again
    assert "syntax" in lm.requests[2].messages[-1].text
    with pytest.raises(RuntimeError, match="Max hops reached. Failed to run ProgramOfThought: ZeroDivisionError"):
        run(pot("question -> answer: int", max_iters=2, interpreter_factory=Counting), ScriptedLM([code("1 / 0")] * 2), world, question="q")
    assert [i.ended for i in Counting.made] == [True]


class Broken:
    """An interpreter that breaks down."""

    def __init__(self, error: Exception) -> None:
        self.error, self.tools, self.ended = error, {}, False

    def start(self) -> None: ...

    def execute(self, code: str, variables: Any = None) -> Any:
        raise self.error

    def shutdown(self) -> None:
        self.ended = True


def test_a_broken_interpreter_ends_the_run_at_once() -> None:
    for make, script in (
        (pot, [code("1")]),
        (lambda s, **o: codeact(s, [], **o), [code("1", finished=False)]),
        (RLM, [{"reasoning": "r", "code": "1"}]),
    ):
        broken = Broken(CodeInterpreterError("gone"))
        with pytest.raises(CodeInterpreterError, match="gone"):
            run(make("question -> answer", interpreter_factory=lambda broken=broken: broken), ScriptedLM(script), question="q")
        assert broken.ended


def test_where_interpreters_come_from() -> None:
    program = pot("question -> answer: int")
    for wrong in (PythonInterpreter(), 3, Broken(ValueError())):
        for kind in (pot, RLM):
            with pytest.raises(TypeError, match="interpreter_factory"):
                kind("question -> answer", interpreter_factory=wrong)
    with pytest.raises(TypeError, match="is no interpreter"):
        run(pot("question -> answer", interpreter_factory=lambda: 3), ScriptedLM([]), question="q")
    with pytest.raises(TypeError, match="first positional"):
        program(question="q", interpreter=PythonInterpreter())
    with pytest.raises(TypeError, match="one positional"):
        program("q")
    with PythonInterpreter() as own:
        own("x = 20")
        assert run(program, ScriptedLM([code("print(x + 1)"), {"reasoning": "r", "answer": 21}]), "sync", own, question="q").answer == 21
        assert run(program, ScriptedLM([code("print(x + 1)"), {"reasoning": "r", "answer": 21}]), "async", own, question="q").answer == 21
        assert own("x") == 20


def test_every_example_has_its_own_interpreter() -> None:
    program = RLM("text -> size: int", interpreter_factory=Counting)
    lm = ScriptedLM(lambda request: {"reasoning": "r", "code": "SUBMIT(len(text))"})
    rows = [whet.Example(text="x" * n, size=n).with_inputs("text") for n in range(1, 9)]
    with whet.context(lm=lm):
        result = whet.Evaluate(devset=rows, metric=lambda e, p: e.size == p.size, num_threads=4)(program)
    assert result.score == 100.0 and len(Counting.made) == 8 and all(i.ended for i in Counting.made)


def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


@WORLDS
def test_codeact(world: str) -> None:
    script = [
        code("y = double(4)\nprint(y)", finished=False),
        code("1 / 0", finished=False),
        {"generated_code": "```java\nint x;\n```", "finished": False},
        "what?",
        code("print(y + 1)", finished=True),
        {"reasoning": "r", "answer": 9},
    ]
    lm = ScriptedLM(script)
    result = run(codeact("question -> answer: int", [double], interpreter_factory=Counting), lm, world, question="q")
    seen = result.trajectory
    assert result.answer == 9 and result.stop_reason == "finish" and seen["code_output_0"] == '"8\\n"' and seen["code_output_4"] == '"9\\n"'
    assert seen["observation_1"].startswith("Failed to execute the generated code: ZeroDivisionError")
    assert seen["observation_2"].startswith("Failed to parse the generated code: ") and "could not be read" in seen["observation_3"]
    assert "(1) double, whose description is <desc>Twice as much.</desc>" in lm.requests[0].messages[0].text
    assert [i.ended for i in Counting.made] == [True]


def test_codeact_takes_functions_only() -> None:
    class Callable:
        def __call__(self) -> None: ...

    with pytest.warns(DeprecationWarning), pytest.raises(ValueError, match="CodeAct only accepts functions and not callable objects"):
        CodeAct("q -> a", [Callable()])
    extra = 5
    lm = ScriptedLM([code("print(plus(1))", finished=False), {"reasoning": "r", "answer": 6}])
    result = run(codeact("question -> answer: int", [Tool(lambda x: x + extra, name="plus")], max_iters=1), lm, question="q")
    assert result.trajectory["code_output_0"] == '"6\\n"' and result.stop_reason == "max_iters"


def act(text: str, reasoning: str = "r") -> dict[str, Any]:
    return {"reasoning": reasoning, "code": text}


@WORLDS
def test_rlm_explores_and_submits(world: str) -> None:
    document = "\n".join(f"line {n}" for n in range(5_000)) + "\nthe key is 7361\n"
    script = [
        act("```python\nhits = [l for l in document.split('\\n') if 'key' in l]\nprint(hits)\n```"),
        act("n = int(hits[0].split()[-1])"),
        act("SUBMIT(n)"),
        act("SUBMIT('many')"),
        act("SUBMIT(answer=n, why='seen')", "now I know"),
    ]
    lm = ScriptedLM(script)
    result = run(
        RLM("document, question -> answer: int, why", interpreter_factory=Counting), lm, world, document=document, question="which key?"
    )
    assert (result.answer, result.why, result.stop_reason, result.final_reasoning) == (7361, "seen", "submit", "now I know")
    outputs = [entry["output"] for entry in result.trajectory]
    assert outputs[0] == "['the key is 7361']\n" and outputs[1] == "(no output - did you forget to print?)"
    assert outputs[2].startswith("[Error]") and "why" in outputs[2] and outputs[4] == "FINAL: {'answer': 7361, 'why': 'seen'}"
    first = lm.requests[0].messages
    assert len(first[-1].text) < 2_500 and "Length: 48906" in first[-1].text and "line 0" in first[-1].text
    for piece in ("`document`", "llm_query_batched", "SUBMIT(answer, why)", "50 questions"):
        assert piece in first[0].text
    assert "the key is 7361" in lm.requests[1].messages[-1].text and Counting.made[0].ended


@WORLDS
def test_rlm_asks_a_model_within_its_budget(world: str) -> None:
    def answer(request: Any) -> Any:
        text = request.messages[-1].text
        if text == "bad":
            raise whet.LMServerError("down")
        return f"about {text}"

    sub = ScriptedLM(answer)
    script = [
        act("print(llm_query('one'))"),
        act("print(llm_query_batched(['two', 'bad', 'three']))"),
        act("print(llm_query_batched(['four', 'five']))"),
        act("SUBMIT(llm_query('five'))"),
    ]
    result = run(RLM("question -> answer", max_llm_calls=5, sub_lm=sub), ScriptedLM(script), world, question="q")
    outputs = [entry["output"] for entry in result.trajectory]
    assert outputs[0] == "about one\n" and "'about two'" in outputs[1] and "[ERROR]" in outputs[1] and "'about three'" in outputs[1]
    assert outputs[2].startswith("[Error]") and "5 calls" in outputs[2] and result.answer == "about five"
    with whet.context(lm=ScriptedLM(["the ambient one"])):
        assert (
            run(
                RLM("question -> answer"), ScriptedLM([act("x = llm_query('q')\nSUBMIT(x)"), "the ambient one"]), world, question="q"
            ).answer
            == "the ambient one"
        )


def test_rlm_ends_when_the_budget_is_used_up_whatever_the_code_catches() -> None:
    def stop(request: Any) -> Any:
        raise BudgetExceeded("used up")

    script = [act("try:\n    llm_query('x')\nexcept Exception:\n    pass\nSUBMIT('ok')")]
    with pytest.raises(BudgetExceeded):
        run(RLM("question -> answer", sub_lm=ScriptedLM(stop)), ScriptedLM(script), question="q")


@WORLDS
def test_rlm_limits_end_in_the_best_answer(world: str) -> None:
    lm = ScriptedLM([act("print('a' * 900)"), act("1 / 0"), {"answer": "so far"}])
    result = run(RLM("question -> answer", max_iters=2, max_output_chars=100), lm, world, question="q")
    assert result.answer == "so far" and result.stop_reason == "max_iters"
    assert "characters left out" in result.trajectory[0]["output"] and result.trajectory[1]["output"].startswith(
        "[Error] ZeroDivisionError"
    )
    result = run(RLM("question -> answer"), ScriptedLM(["?", "??", "???", {"answer": "x"}]), world, question="q")
    assert result.answer == "x" and result.stop_reason == "bad_steps"
    result = run(RLM("question -> answer", max_seconds=0), ScriptedLM([{"answer": "x"}]), world, question="q")
    assert result.stop_reason == "max_seconds" and result.trajectory == []


def test_rlm_with_a_small_context() -> None:
    def script(request: Any) -> Any:
        text = request.messages[-1].text
        if text.count("--- Turn") > 2:
            raise ContextWindowExceededError("m")
        return act("SUBMIT('done')" if "--- Turn 4" in text else "print(1)")

    result = run(RLM("question -> answer"), ScriptedLM(script), question="q")
    assert result.answer == "done" and len(result.trajectory) == 5


@WORLDS
def test_rlm_tools(world: str) -> None:
    async def look(name: str, deep: bool = False) -> list[str]:
        """Look it up."""
        return [name.upper(), str(deep)]

    lm = ScriptedLM([act("print(look('a', deep=True))\nprint(double('4'))"), act("print(double('x'))"), act("SUBMIT('ok')")])
    result = run(RLM("question -> answer", tools=[look, double]), lm, world, question="q")
    outputs = [entry["output"] for entry in result.trajectory]
    assert "['A', 'True']\n8\n" in outputs[0] and "Arg x is invalid" in outputs[1]
    assert "`look(name: str, deep: bool)`: Look it up." in lm.requests[0].messages[0].text


def test_rlm_mistakes_are_said_at_once() -> None:
    for wrong in ({"a": double}, [3], "double"):
        with pytest.raises(TypeError):
            RLM("q -> a", tools=wrong)  # type: ignore[arg-type]
    for tools in (
        [Tool(double, name="not ok")],
        [Tool(double, name="class")],
        [double, double],
        [Tool(double, name="llm_query")],
        [Tool(double, name="q")],
    ):
        with pytest.raises(ValueError):
            RLM("q -> a", tools=tools)
    for signature in ("print -> a", "SUBMIT -> a", "q -> trajectory", "q -> final_reasoning"):
        with pytest.raises(ConfigurationError):
            RLM(signature)
    for inputs in ({}, {"q": "x", "extra": 1}):
        with pytest.raises(ValueError):
            run(RLM("q -> a", interpreter_factory=Counting), ScriptedLM([]), **inputs)
    assert Counting.made == []


@WORLDS
def test_rlm_with_an_interpreter_of_the_callers(world: str) -> None:
    with PythonInterpreter({"mine": lambda: 5}) as own:
        for n in (1, 2):
            lm = ScriptedLM([act(f"kept = {n}\nSUBMIT(q + str(mine()))")])
            assert run(RLM("q -> a", tools=[double]), lm, world, own, q="x").a == "x5"
        assert own("kept") == 2 and list(own.tools) == ["mine"] and own.output_fields is None
    made = []

    def factory() -> Any:
        made.append(PythonInterpreter())
        return made[-1]

    assert run(RLM("q -> a"), ScriptedLM([act("SUBMIT(q)")]), world, q="x", interpreter_factory=factory).a == "x" and len(made) == 1


class Table(SandboxSerializable):
    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def sandbox_setup(self) -> str:
        return "import json"

    def to_sandbox(self) -> str:
        return json.dumps(self.rows)

    def sandbox_assignment(self, var_name: str, data_expr: str) -> str:
        return f"{var_name} = json.loads({data_expr})"

    def rlm_preview(self, max_chars: int = 500) -> str:
        return f"a table of {len(self.rows)} rows"


def test_values_that_bring_their_own_way() -> None:
    lm = ScriptedLM([act("SUBMIT(sum(row[1] for row in table))")])
    assert (
        run(
            RLM(
                whet.Signature({"table": whet.InputField(), "total": (int, whet.OutputField())}, "Add."),
            ),
            lm,
            table=Table([["a", 1], ["b", 2]]),
        ).total
        == 3
    )
    assert "a table of 2 rows" in lm.requests[0].messages[-1].text and "import json" in lm.requests[0].messages[-1].text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 1\n", "x = 1"),
        ("```\nx\n```", "x"),
        ("a\n```py\nx\ny\n```\nb", "x\ny"),
        ("```python\nx", "x"),
        ("  if x:\n    y", "  if x:\n    y"),
    ],
)
def test_code_is_taken_out_of_an_answer(text: str, found: str) -> None:
    assert code_in(text) == found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings about bad steps."""
    logger = logging.getLogger("whet")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@settings(max_examples=60)
@given(
    script=st.lists(
        st.one_of(
            st.text(max_size=60),
            st.text(max_size=60).map(act),
            st.sampled_from(
                ["SUBMIT()", "SUBMIT(1, 2, 3)", "SUBMIT(None)", "exit()", "q = ", "llm_query(3)", "raise KeyboardInterrupt", "print(q)"]
            ).map(act),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_anything_a_model_may_say_stays_inside_the_error_tree(script: list[Any]) -> None:
    program = RLM("q -> a: int", max_iters=4)

    def outcome(world: str) -> Any:
        try:
            return dict(run(program, ScriptedLM(list(script)), world, q="x"))
        except WhetError as error:
            return type(error), str(error)

    with quiet():
        assert outcome("sync") == outcome("async")


def test_nothing_is_left_behind() -> None:
    before = threading.active_count()
    program = RLM("q -> a", interpreter_factory=Counting)

    async def go() -> Any:
        with whet.context(lm=ScriptedLM(lambda request: act("SUBMIT(q)"))):
            return await asyncio.gather(*(program.acall(q=str(i)) for i in range(10)))

    assert [r.a for r in asyncio.run(go())] == [str(i) for i in range(10)]
    assert all(i.ended for i in Counting.made) and threading.active_count() <= before + 1


def test_final_output_and_errors_are_what_interpreters_of_others_may_give() -> None:
    class Own(Broken):
        def execute(self, code: str, variables: Any = None) -> Any:
            if code == "fail":
                raise CodeExecutionError("NameError: x")
            return FinalOutput({"a": variables["q"]}) if variables else FinalOutput({"a": 1})

    result = run(RLM("q -> a"), ScriptedLM([act("fail"), act("go")]), "sync", Own(InputError("")), q="x")
    assert result.a == "1" and result.trajectory[0]["output"] == "[Error] NameError: x"


def test_cancelling_holds_up_nobody() -> None:
    lm = ScriptedLM(lambda request: {"reasoning": "r", "code": "while True:\n    pass"})

    async def go() -> None:
        # The code may run for longer than this test may.
        task = asyncio.create_task(whet.RLM("q -> a", interpreter_factory=lambda: PythonInterpreter(timeout=600)).acall(q="x"))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with whet.context(lm=lm):
        asyncio.run(go())
