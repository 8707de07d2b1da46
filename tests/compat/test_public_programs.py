"""What programs that people published for DSPy do: models of their own, arguments of several versions, errors they catch."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import whet as dspy
from whet.compat.dummies import DummyLM

ANSWER = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"


class OfCommandLine(dspy.BaseLM):
    """A model behind another program: its answer is a namespace whose usage is a dict."""

    def __init__(self, tool: str, model: str, **kwargs: Any) -> None:
        super().__init__(model=f"{tool}/{model}", **kwargs)

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        message = SimpleNamespace(content=ANSWER)
        return SimpleNamespace(
            choices=[SimpleNamespace(message=message, logprobs=None)],
            usage={"prompt_tokens": 1, "completion_tokens": 2},
            model=self.model,
            _hidden_params={},
        )


class Loose(dict[str, Any]):
    """A dict read by attributes that raises `KeyError` for those it lacks, as many do."""

    __getattr__ = dict.__getitem__


class OfDicts(dspy.BaseLM):
    def __init__(self) -> None:
        super().__init__("databricks")

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        choice = Loose(index=0, finish_reason="stop", message=Loose(role="assistant", content=ANSWER))
        return Loose(object="chat.completion", model="m", choices=[choice], usage=Loose(prompt_tokens=0, completion_tokens=0))


class Around(dspy.BaseLM):
    """Knows no `super().__init__`, and hands everything on."""

    def __init__(self, lm: Any) -> None:
        self._lm = lm

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lm, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._lm(*args, **kwargs)


class EarlyAttributes(dspy.LM):
    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.history = []
        super().__init__(model="mine")

    def __call__(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        return [self.backend(messages)]


@pytest.mark.parametrize(
    "lm",
    [OfCommandLine("claude", "opus"), OfDicts(), Around(OfDicts()), EarlyAttributes(lambda messages: ANSWER)],
    ids=lambda lm: type(lm).__name__,
)
def test_models_that_people_wrote(lm: Any) -> None:
    with dspy.context(lm=lm):
        assert dspy.Predict("question -> answer")(question="q").answer == "yes"
        assert asyncio.run(dspy.Predict("question -> answer").acall(question="q")).answer == "yes"


def test_a_model_and_a_format_may_be_given_to_a_predictor_and_to_a_call() -> None:
    ambient, own = DummyLM([{"answer": "ambient"}] * 2), DummyLM([{"answer": "own"}] * 3)
    as_json = DummyLM([{"answer": "json"}], adapter=dspy.JSONAdapter())
    with dspy.context(lm=ambient):
        predict = dspy.Predict("question -> answer", lm=own)
        assert predict(question="q").answer == "own" and predict.lm is own and "lm" not in predict.config
        assert dspy.Predict("question -> answer")(question="q", lm=own).answer == "own"
        assert predict(question="q", lm=as_json, adapter=dspy.JSONAdapter()).answer == "json"
        assert "JSON" in as_json.history[-1]["messages"][0]["content"]
        with pytest.raises(dspy.ConfigurationError, match="adapter"):
            predict(question="q", adapter="json")
        assert dspy.Predict("adapter -> answer")(adapter="an input").answer == "ambient"


def test_agents_take_the_format_of_a_call() -> None:
    step = {"next_thought": "t", "next_tool_name": "finish", "next_tool_args": {"answer": "4"}}
    lm = DummyLM([step], adapter=dspy.XMLAdapter())
    with dspy.context(lm=lm):
        react = dspy.ReAct("question -> answer", tools=[])
        assert react.react(question="2+2?", trajectory={}, adapter=dspy.XMLAdapter()).next_tool_name == "finish"
    assert "<next_tool_name>" in str(lm.history[-1]["messages"])


class Whole(dspy.Type):
    """Filled from the answer as it came."""

    message: str

    @classmethod
    def adapt_to_native_lm_feature(cls, signature: Any, field_name: str, lm: Any, lm_kwargs: Any) -> Any:
        return signature.delete(field_name)

    @classmethod
    def parse_lm_response(cls, response: Any) -> Any:
        return cls(message=response.split("\n\n")[0])


def test_types_read_a_plain_answer_as_text() -> None:
    class Asked(dspy.Signature):
        question: str = dspy.InputField()
        answer: Whole = dspy.OutputField()

    lm = dspy.testing.ScriptedLM(["Hello World\n\nmore"])
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter(native_response_types=[Whole])):
        assert dspy.Predict(Asked)(question="q").answer.message == "Hello World"


class Session:
    """An interpreter that knows its answers beforehand."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.tools, self.open = list(answers), {}, True

    def start(self) -> None:
        pass

    def execute(self, code: str, variables: Any = None) -> Any:
        return self.answers.pop(0)

    def shutdown(self) -> None:
        self.open = False


def test_the_arguments_that_rlm_had_in_dspy_3_1() -> None:
    own = Session(*[dspy.FinalOutput({"answer": "4"})] * 2)
    rlm = dspy.RLM("context, query -> answer", max_iterations=3, interpreter=own, verbose=False)
    assert rlm.max_iters == 3
    with dspy.context(lm=DummyLM([{"reasoning": "r", "code": "SUBMIT(4)"}] * 2)):
        assert [rlm(context="c", query="q").answer, rlm(context="c", query="q").answer] == ["4", "4"]
    assert own.open
    for wrong in (Session, 5):
        with pytest.raises(TypeError, match="interpreter"):
            dspy.RLM("query -> answer", interpreter=wrong)


def test_errors_of_dspy_3_4_can_be_caught() -> None:
    from whet.utils.exceptions import LMStreamAssemblyError

    assert issubclass(LMStreamAssemblyError, dspy.LMUnexpectedError)
    for name in ("LMCollectionLimitError", "LMLockTimeoutError", "LMStreamAssemblyError"):
        error = getattr(dspy, name)
        assert issubclass(error, dspy.LMError) and not dspy.is_retryable_lm_error(error("x"))


def test_an_optimizer_without_a_recipe_says_so_first() -> None:
    class Mine(dspy.teleprompt.Teleprompter):
        pass

    for optimizer in (dspy.teleprompt.Teleprompter(), Mine()):
        with pytest.raises(NotImplementedError, match="steps"):
            optimizer.compile(dspy.Predict("question -> answer"), trainset=[])


def test_old_names_of_training() -> None:
    from whet.clients.databricks import DatabricksProvider, TrainingJobDatabricks

    assert DatabricksProvider is dspy.Provider and TrainingJobDatabricks is dspy.TrainingJob
