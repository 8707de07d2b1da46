"""What a user writes, as a type checker sees it: what it must infer, and what it must refuse.

`# reveals: T` after a `reveal_type(...)` is the type both checkers must print. `# expect-error: pyright=rule mypy=code` is an error
that both must find on that line (one of the two when only one is named). Any other error fails the check.
Run by `check.py`; never imported.
"""

from __future__ import annotations

import whet


def errors_carry_their_details(error: whet.LMRateLimitError) -> float | None:
    """The attributes of an error are typed."""
    reveal_type(error.retry_after)  # reveals: float | None
    reveal_type(error.status)  # reveals: int | None
    reveal_type(error.attempts)  # reveals: int
    return error.retry_after


def a_misspelt_name_is_found() -> None:
    """The lazy root hides nothing from a checker."""
    whet.LMEror  # expect-error: pyright=reportAttributeAccessIssue mypy=attr-defined


def a_wrong_type_is_found(error: whet.WhetError) -> None:
    """What an error holds has one type."""
    text: int = error.message  # expect-error: pyright=reportAssignmentType mypy=assignment
    print(text)


def one_tree() -> None:
    """Every error is a WhetError, and some are also what Python programmers catch."""
    for kind in (whet.InputError("?"), whet.SignatureError("?")):
        as_value_error: ValueError = kind
        print(as_value_error)


def data_and_models_have_types() -> None:
    """What a user makes first is what the checker says it is."""
    example = whet.Example(question="2+2?", answer="4").with_inputs("question")
    reveal_type(example)  # reveals: Example
    reveal_type(whet.LM("embedded"))  # reveals: LM
    whet.LM(5)  # expect-error: pyright=reportArgumentType mypy=arg-type


class Answer(whet.Signature):
    """Answer the question."""

    question: str = whet.InputField()
    answer: float = whet.OutputField(desc="a number", ge=0)


def metric(example: whet.Example, prediction: whet.Prediction, trace: object = None) -> bool:
    """A metric in strict code."""
    return bool(example.answer == prediction.answer)


def a_signature_class_types_the_call() -> float:
    """Inputs and outputs of a class statement are what the call takes and gives."""
    ask = whet.Predict(Answer)
    found = ask(question="How many?")
    reveal_type(found)  # reveals: Answer
    reveal_type(found.answer)  # reveals: float
    found.answr  # expect-error: pyright=reportAttributeAccessIssue mypy=attr-defined
    ask()  # expect-error: pyright=reportCallIssue mypy=call-arg
    ask(question=5)  # expect-error: pyright=reportArgumentType mypy=arg-type
    ask(qestion="How many?")  # expect-error: pyright=reportCallIssue mypy=call-arg
    ask(question="How many?", answer=3.0)  # expect-error: pyright=reportCallIssue mypy=call-arg
    return found.answer


class Settings(whet.Signature):
    """Say what the settings are for: inputs may have the names of what a call takes besides."""

    config: dict[str, str] = whet.InputField()
    demos: int = whet.InputField(default=3)
    purpose: str = whet.OutputField()


async def a_call_takes_more_than_the_inputs(lm: whet.LM, demo: whet.Example) -> None:
    """Request parameters, a model, examples: for one call, and beside inputs that are checked as ever."""
    ask = whet.ChainOfThought(Answer)
    reveal_type(ask(question="How many?", config={"temperature": 0.5}))  # reveals: Answer
    reveal_type(await ask.acall(question="How many?", lm=lm, demos=[demo], config={"rollout_id": 1}))  # reveals: Answer
    ask(qestion="How many?", config={"temperature": 0.5})  # expect-error: pyright=reportCallIssue mypy=call-arg
    ask(question=5, lm=lm)  # expect-error: pyright=reportArgumentType mypy=arg-type
    ask(question="How many?", cofig={})  # expect-error: pyright=reportCallIssue mypy=call-arg
    whet.Predict(Settings)(config={"colour": "red"}, lm=lm)
    reveal_type(whet.ReAct(Answer, tools=[len])(question="How many?", max_iters=3))  # reveals: Answer
    own = whet.PythonInterpreter()
    reveal_type(whet.RLM(Answer)(own, question="How many?"))  # reveals: Answer
    reveal_type(await whet.RLM(Answer).acall(own, question="How many?"))  # reveals: Answer
    whet.RLM(Answer)(own, qestion="How many?")  # expect-error: pyright=reportCallIssue mypy=call-overload
    whet.Predict(Settings)(config=3)  # expect-error: pyright=reportArgumentType mypy=arg-type


class Longer(Answer):
    """Answer the question, and say how sure you are."""

    context: list[str] = whet.InputField(default=[])
    sure: bool = whet.OutputField()


async def other_modules_are_typed_too() -> None:
    """Reasoning, agents, code: all take and give what the signature says."""
    thought = whet.ChainOfThought(Longer)(question="How many?")
    reveal_type(thought)  # reveals: Longer
    reveal_type(thought.sure)  # reveals: bool
    print(thought.reasoning)
    reveal_type(await whet.ReAct(Longer, tools=[len]).acall(question="How many?", context=["a"]))  # reveals: Longer
    reveal_type(whet.RLM(Longer)(question="How many?").answer)  # reveals: float
    whet.ReAct(Longer, tools=[len])(context=[])  # expect-error: pyright=reportCallIssue mypy=call-arg
    print(Longer.instructions, Longer.with_instructions("Be quick.").fields)


def a_string_gives_a_prediction() -> None:
    """What a checker cannot read is open."""
    ask = whet.Predict("question -> answer")
    reveal_type(ask(question="How many?"))  # reveals: Prediction
    reveal_type(whet.Predict(whet.Signature("q -> a"))(q="?"))  # reveals: Prediction
    reveal_type(whet.ChainOfThought("q -> a", temperature=0.5)(q="?"))  # reveals: Prediction


class Program(whet.Module):
    """A program in strict code: no ignore is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.ask = whet.Predict("question -> answer")
        self.typed = whet.ChainOfThought(Answer)

    def forward(self, question: str, times: int = 1) -> whet.Prediction:
        """Ask twice."""
        whet.Assert(self.typed(question=question).answer > times, "More!", on=self.typed)
        return self.ask(question=question)


class Around(whet.Module):
    """A program around a program: the call of a module is its `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Program()

    def forward(self, question: str) -> whet.Prediction:
        """Ask the inner one."""
        self.inner(qestion=question)  # expect-error: pyright=reportCallIssue mypy=call-arg
        return self.inner(question=question, times=2)


async def a_program_gives_what_its_forward_gives(program: whet.Module) -> None:
    """Known programs are typed, unknown ones open."""
    reveal_type(Around()(question="?"))  # reveals: Prediction
    reveal_type(await Around().acall(question="?"))  # reveals: Prediction
    reveal_type(program(anything=3))  # reveals: Any
    reveal_type(Program().named_predictors()[0][0])  # reveals: str


@whet.predict
def capital(country: str) -> str:
    """Name the capital."""
    raise NotImplementedError


@whet.cot(temperature=0.5)
def population(city: str, year: int = 2020) -> dict[str, int]:
    """How many lived there, by source."""
    raise NotImplementedError


async def functions_keep_their_types() -> None:
    """A typed function stays one."""
    reveal_type(capital("France"))  # reveals: str
    reveal_type(await population.acall(city="Paris"))  # reveals: dict[str, int]
    reveal_type(capital.prediction("France"))  # reveals: Prediction
    capital(5)  # expect-error: pyright=reportArgumentType mypy=arg-type
    capital()  # expect-error: pyright=reportCallIssue mypy=call-arg


def tools_are_typed() -> None:
    """A tool from any callable."""
    tool = whet.Tool(len, timeout=3.0)
    reveal_type(tool.name)  # reveals: str
    with whet.mcp_tools(["server"]) as tools:
        reveal_type(tools[0])  # reveals: Tool
    whet.Tool("len")  # expect-error: pyright=reportArgumentType mypy=arg-type
