"""`LM` and `BaseLM`: parameters, copies, state, warnings, outputs, hooks for training."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from tests.integration.server import completion, serving

import whet
from whet.core.exchange import Choice, Request, Response
from whet.core.flow import drive
from whet.core.messages import Message, ToolCallPart
from whet.errors import ConfigurationError, ContextWindowExceededError, LMConfigurationError, LMUnsupportedFeatureError, StateError
from whet.lm.asking import merged_request, request_of
from whet.lm.lm import LM
from whet.lm.provider import Provider, ReinforceJob, TrainingJob
from whet.testing import ScriptedLM, StubServer


def test_parameters_are_kept_together_and_a_call_overrides_them() -> None:
    assert whet.BaseLM("m").kwargs == {"temperature": None, "max_tokens": None}
    with StubServer("openai") as stub:
        lm = stub.lm(temperature=0.1, top_p=0.5)
        lm("Hi", temperature=0.9)
        lm("Hi", temperature=None)
        body, other = stub.received[0].body, stub.received[1].body
    assert (body["temperature"], body["top_p"]) == (0.9, 0.5)
    assert "temperature" not in other and other["top_p"] == 0.5
    assert "api_key" not in lm.kwargs and "api_base" not in lm.kwargs


@pytest.mark.parametrize("name", ["openai/o3-mini", "o1", "azure/gpt-5-nano", "openai/o4-mini-2025-04-16"])
def test_reasoning_models_take_their_own_limit_and_no_temperature(name: str) -> None:
    match = "reasoning models require passing temperature=1.0 or None and max_tokens >= 16000 or None"
    o3 = whet.LM("openai/o3-mini", max_tokens=20_000)
    assert o3.kwargs == {"temperature": None, "max_completion_tokens": 20_000}
    assert o3.copy(max_tokens=30_000).dump_state()["max_tokens"] == 30_000
    for wrong in ({"temperature": 0.5}, {"max_tokens": 1000}, {"max_completion_tokens": 1000}):
        with pytest.raises(LMConfigurationError, match=match):
            LM(name, **wrong)
    with StubServer("openai") as stub:
        lm = stub.lm(model=name, temperature=1.0, max_tokens=16_000) if not name.startswith("azure") else None
        if lm is not None:
            lm("Hi")
            body = stub.received[0].body
            assert body["max_completion_tokens"] == 16_000 and "max_tokens" not in body
    LM("openai/gpt-5-chat", temperature=0.5)


def test_rollout_ids_are_never_sent_and_warn_once_at_temperature_zero() -> None:
    with StubServer("openai") as stub:
        lm = stub.lm(temperature=0.0)
        with pytest.warns(UserWarning, match="rollout_id has no effect"):
            lm("Hi", rollout_id=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lm("Hi", rollout_id=2)
            stub.lm()("Hi", rollout_id=3)
        assert all("rollout_id" not in r.body for r in stub.received)


def test_a_cut_answer_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ScriptedLM([Choice(text="one two", finish_reason="length")])("Hi")
    assert "truncated" in caplog.text


def test_copies() -> None:
    lm = ScriptedLM(lambda r: "x", temperature=0.5, callbacks=[])
    lm("Hi")
    other = lm.copy(temperature=None, top_p=0.1, num_retries=7)
    assert (other.kwargs, other.num_retries, len(other.history)) == ({"max_tokens": None, "top_p": 0.1}, 7, 0)
    other.callbacks.append(object())
    assert lm.callbacks == [] and lm.kwargs["temperature"] == 0.5
    with StubServer("openai") as stub:
        there = LM("openai/m", api_key="k", cache=False).copy(api_base=stub.api_base)
        there("Hi")
        assert stub.count == 1


def test_the_way_to_the_server_can_be_another_for_one_call() -> None:
    with StubServer("openai") as one, StubServer("openai") as other:
        lm = one.lm(api_key="first")
        lm("Hi", api_base=other.api_base, api_key="second", headers={"x-run": "7"})
        lm("Hi")
        assert (one.count, other.count) == (1, 1)
        assert other.received[0].headers["authorization"] == "Bearer second" and other.received[0].headers["x-run"] == "7"
        assert one.received[0].headers["authorization"] == "Bearer first"
        assert other.received[0].body == one.received[0].body
    assert len(lm.history) == 2
    assert "second" not in repr([dict(entry) for entry in lm.history])


def test_state_goes_round_without_the_way_to_the_server() -> None:
    lm = LM("openai/gpt-4o", "responses", 0.3, 500, cache=False, api_key="sk-canary", api_base="http://canary:1", use_developer_role=True)
    state = lm.dump_state()
    assert "canary" not in repr(state)
    assert (state["_dspy_lm_class"], state["model"], state["max_tokens"]) == ("dspy.clients.lm.LM", "openai/gpt-4o", 500)
    for back in (LM.load_state(state), whet.BaseLM.load_state(state)):
        assert back.dump_state() == state and type(back) is LM
    assert LM.load_state({**state, "api_base": "http://evil", "api_key": "x", "headers": {"a": "b"}}).access.api_base is None
    assert LM.load_state({"model": "openai/o3", "max_completion_tokens": 20_000}).dump_state()["max_tokens"] == 20_000


class Outer:
    class Mine(whet.BaseLM):
        def complete(self, request: Request) -> str:
            return "mine"


def test_classes_of_ones_own_need_trust() -> None:
    state = Outer.Mine("m", temperature=0.5).dump_state()
    with pytest.raises(StateError, match="allow_custom_lm_class"):
        whet.BaseLM.load_state(state)
    back = whet.BaseLM.load_state(state, allow_custom_lm_class=True)
    assert type(back) is Outer.Mine and back.kwargs["temperature"] == 0.5
    assert type(Outer.Mine.load_state(state)) is Outer.Mine
    with pytest.raises(StateError, match="Import its module"):
        whet.BaseLM.load_state({"class": "os.path.nothing", "model": "m"}, allow_custom_lm_class=True)


def test_developer_messages_for_the_responses_api() -> None:
    with StubServer("responses") as stub:
        stub.lm(use_developer_role=True)(messages=[{"role": "system", "content": "S"}, {"role": "user", "content": "U"}])
        assert [m["role"] for m in stub.received[0].body["input"]] == ["developer", "user"]


def test_outputs_with_more_than_text_are_dicts() -> None:
    call = ToolCallPart(id="1", name="f", arguments="{}")
    assert ScriptedLM([Choice(text=None, tool_calls=(call,), reasoning="hm", finish_reason="tool_calls")])("Hi") == [
        {
            "text": None,
            "reasoning_content": "hm",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }
    ]


def test_what_a_model_can_do() -> None:
    lm = LM("openai/gpt-4o-mini")
    assert lm.supports_function_calling and lm.supports_response_schema and "temperature" in lm.supported_params
    unknown = LM("nobody-knows/it")
    assert (unknown.supports_function_calling, unknown.supports_reasoning, unknown.supported_params) == (False, False, set())
    base = whet.BaseLM("m")
    assert (base.supports_function_calling, base.supports_response_schema, base.supported_params) == (False, False, set())


def test_a_prompt_that_is_too_long() -> None:
    body = {"error": {"message": "This model's maximum context length is 8 tokens.", "code": "context_length_exceeded"}}
    with serving(lambda b, n: (400, {}, body)) as server:
        lm = LM("openai/m", api_base=server.url, api_key="k", cache=False, num_retries=0)
        with pytest.raises(ContextWindowExceededError) as caught:
            lm("Hi")
    assert str(caught.value).startswith("[openai/m] ")


def test_cost_is_on_answers_and_errors() -> None:
    price = whet.Price(input=1.0, output=10.0)
    with serving(lambda b, n: (200, {}, completion("Hi"))) as server:
        lm = LM("openai/m", api_base=server.url, api_key="k", cache=False, price=price)
        assert drive(lm.flow(Request(messages=(Message("user", "Hi"),)))).cost == pytest.approx((12 * 1 + 3 * 10) / 1e6)
        assert lm.history[-1]["cost"] == pytest.approx(42e-6)
    with serving(lambda b, n: (200, {}, {"usage": {"prompt_tokens": 5, "completion_tokens": 0}})) as server:
        lm = LM("openai/m", api_base=server.url, api_key="k", cache=False, price=price, num_retries=0)
        with pytest.raises(whet.errors.LMError) as caught:
            lm("Hi")
    assert caught.value.cost == pytest.approx(5e-6)


def test_many_samples_are_asked_for_side_by_side() -> None:
    with StubServer("openai", "x", delay=2) as stub:
        assert len(stub.lm()("Hi", n=5, temperature=1.0)) == 5
        assert stub.most_at_once == 5


def test_a_bound_on_calls_at_once() -> None:
    async def main(lm: Any) -> None:
        await asyncio.gather(*(lm.acall(f"{i}") for i in range(12)))

    with StubServer("openai", "x", delay=0.03) as stub:
        asyncio.run(main(stub.lm(max_concurrency=3)))
        assert stub.most_at_once <= 3 and stub.count == 12


# -- training ----------------------------------------------------------------------------------------------------------------------


class Trainer(Provider):
    finetunable = True
    reinforceable = True

    class ReinforceJob(ReinforceJob):
        def initialize(self) -> None:
            self.ready = True

    @staticmethod
    def finetune(job: TrainingJob, model: str, train_data: Any, train_data_format: Any, train_kwargs: Any = None) -> str:
        if not train_kwargs["epochs"]:
            raise ValueError("nothing to learn")
        return f"{model}-tuned-{train_kwargs['epochs']}"


def test_finetuning_runs_in_the_background_and_gives_a_new_model() -> None:
    lm = LM("openai/gpt-4o-mini", provider=Trainer(), train_kwargs={"epochs": 1})
    job = lm.finetune([{"messages": []}], "chat", {"epochs": 3})
    assert job.result(5).model == "openai/gpt-4o-mini-tuned-3" and job.status() == "succeeded"
    failed = lm.finetune([{"messages": []}], "chat", {"epochs": 0})
    assert isinstance(failed.exception(5), ValueError) and failed.status() == "failed"
    assert lm.reinforce({"lr": 1}).ready
    for ask in (lambda: LM("groq/m").finetune([{"messages": []}], "chat"), lambda: LM("openai/gpt-4o").reinforce({})):
        with pytest.raises(LMUnsupportedFeatureError, match="provider"):
            ask()
    lm.launch()
    lm.kill()


def test_a_request_can_be_asked_as_it_is() -> None:
    lm = ScriptedLM(lambda r: r.messages[-1].text)
    request = Request(messages=(Message("user", "as it is"),), options={"temperature": 0.1})
    assert lm(request, temperature=0.7) == ["as it is"]
    assert lm.requests[0].options["temperature"] == 0.7


def test_answers_of_all_kinds_are_read_from_own_models() -> None:
    class Own(whet.BaseLM):
        async def complete(self, request: Request) -> Response:
            return Response(choices=(Choice(text="from a coroutine"),))

    assert Own("own", cache=False)("Hi") == asyncio.run(Own("own", cache=False).acall("Hi")) == ["from a coroutine"]


@pytest.mark.parametrize("as_object", [False, True])
def test_an_own_forward_may_answer_in_the_form_of_the_responses_api(as_object: bool) -> None:
    def shaped(value: Any) -> Any:
        if isinstance(value, list):
            return [shaped(v) for v in value]
        if not isinstance(value, dict):
            return value
        inner = {k: shaped(v) for k, v in value.items()}
        return SimpleNamespace(**inner) if as_object else inner

    class Own(whet.BaseLM):
        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            output = [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                {"type": "message", "content": [{"type": "output_text", "text": "fine", "annotations": []}]},
            ]
            return shaped({"output": output, "usage": {"input_tokens": 3, "output_tokens": 2}, "model": "own-1"})

    lm = Own("own", cache=False)
    assert lm("Hi") == [{"text": "fine", "reasoning_content": "hm"}]
    assert lm.history[-1]["usage"]["total_tokens"] == 5


def test_a_record_knows_the_type_of_its_model_and_is_not_made_for_nobody() -> None:
    with StubServer("text", "Hello") as stub:
        lm = stub.lm()
        lm("Hi")
        assert lm.history[-1]["model_type"] == "text"
        assert lm.history[-1]["prompt"] == stub.received[-1].body["prompt"]

        with whet.context(disable_history=True):
            lm("Hi")
            assert len(lm.history) == 1
            with whet.track_usage() as tracker:
                lm("Hi")
            assert tracker.get_total_tokens()["openai/stub"]["prompt_tokens"] == 12


def test_the_history_has_the_prompt_where_there_was_one() -> None:
    lm = ScriptedLM(["a", "b", "c"])
    lm("Hi")
    lm(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    assert [entry["prompt"] for entry in lm.history] == ["Hi", None]
    assert lm.history[0]["messages"] == [{"role": "user", "content": "Hi"}]


def test_handlers_are_told_of_a_call_as_of_a_call_of_the_model() -> None:
    class Log(whet.BaseCallback):
        def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            self.inputs = inputs

        def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            self.outputs = outputs

    log = Log()
    with whet.context(callbacks=[log]):
        ScriptedLM(["Hello"])("Hi", temperature=0.3)
    assert log.inputs["messages"] == [{"role": "user", "content": "Hi"}] and log.inputs["prompt"] is None
    assert log.inputs["kwargs"] == {"temperature": 0.3}
    assert log.outputs == ["Hello"] and log.outputs.response.text == "Hello"


def test_a_model_of_your_own_may_say_what_it_can_by_properties() -> None:
    class Own(whet.BaseLM):
        @property
        def supports_function_calling(self) -> bool:
            return True

        @property
        def supported_params(self) -> set[str]:
            return {"temperature", "response_format"}

    class Named(whet.LM):
        @property
        def supports_reasoning(self) -> bool:
            return not super().supports_reasoning

    own, named = Own("own"), Named("openai/gpt-4o-mini")
    assert own.capabilities.tools
    assert own.capabilities.params == {"temperature", "response_format"}
    assert not own.supports_response_schema
    assert named.capabilities.reasoning
    assert named.supports_function_calling
    assert whet.JSONAdapter().response_schema(whet.Signature("q -> a"), own.capabilities) == "json"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"messages": []}, "`messages` is empty"),
        ({"messages": "hello"}, "`messages` is a list of dicts"),
        ({"messages": [{"content": "x"}]}, "A message is a dict with `role`"),
        ({"messages": [3]}, "A message is a dict with `role`"),
        ({"messages": [{"role": "user", "content": 3}]}, "`content` of a message is a text or a list"),
        ({"prompt": 3}, "A prompt is a text; got int: 3"),
        ({"prompt": "x", "n": 0}, "`n` is the number of answers"),
        ({"prompt": "x", "n": "2"}, "`n` is the number of answers"),
        ({"prompt": "x", "tools": "t"}, "`tools` is a list of tools"),
        ({"prompt": "x", "tools": [{}]}, "A tool is a dict such as"),
        ({"prompt": "x", "temperature": "hot"}, "`temperature` is a number, or None to leave it to the provider; got 'hot'"),
        ({"prompt": "x", "temperature": float("nan")}, "`temperature` is a number"),
        ({"prompt": "x", "top_p": True}, "`top_p` is a number"),
        ({"prompt": "x", "max_tokens": 1.5}, "`max_tokens` is an integer of at least 1, or None for no limit; got 1.5"),
        ({"prompt": "x", "max_completion_tokens": 0}, "`max_completion_tokens` is an integer"),
    ],
)
def test_a_call_that_cannot_be_is_refused_before_it_is_made(arguments: dict[str, Any], says: str) -> None:
    with StubServer() as stub:
        with pytest.raises(ConfigurationError, match=says):
            stub.lm()(**arguments)
        assert stub.count == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"num_retries": -1}, "`num_retries` is an integer"),
        ({"num_retries": "3"}, "`num_retries` is an integer"),
        ({"cache": "yes"}, "no cache mode 'yes'"),
        ({"temperature": "hot"}, "`temperature` is a number"),
        ({"max_tokens": 0}, "`max_tokens` is an integer of at least 1"),
        ({"max_tokens": -1}, "`max_tokens` is an integer of at least 1"),
        ({"top_p": "all"}, "`top_p` is a number"),
        ({"price": 3}, "Price"),
        ({"max_concurrency": 0}, "`max_concurrency` is a number of calls"),
        ({"model": "openai/"}, "lacks the name of a model"),
        ({"model": "/x"}, "lacks a provider"),
    ],
)
def test_a_model_that_cannot_be_is_refused_when_it_is_made(options: dict[str, Any], says: str) -> None:
    with pytest.raises((ConfigurationError, LMConfigurationError), match=says):
        LM(**{"model": "openai/m", **options})


def test_no_limit_may_be_written_as_minus_one_where_that_is_understood() -> None:
    with StubServer() as stub:
        for given in ({}, {"max_tokens": -1}):
            stub.lm(**given)("x", max_tokens=-1, cache=False)
        assert [received.body["max_tokens"] for received in stub.received] == [-1, -1]
    assert LM("ollama/llama3", max_tokens=-1).kwargs["max_tokens"] == -1
    paid = LM("openai/gpt-4o-mini")
    assert paid.copy(max_tokens=-1, api_base="http://localhost:1234/v1").kwargs["max_tokens"] == -1
    for ask in (lambda: paid("x", max_tokens=-1), lambda: paid.copy(max_tokens=-1), lambda: list(paid.stream("x", max_tokens=-1))):
        with pytest.raises(ConfigurationError, match="at least 1, or None for no limit; got -1"):
            ask()


def test_a_call_may_take_back_what_its_model_asks_for() -> None:
    tool = {"type": "function", "function": {"name": "look", "description": "", "parameters": {}}}
    with StubServer() as stub:
        lm = stub.lm(n=2, temperature=0.9, tools=[tool], prompt_cache=True)
        assert len(lm("x")) == 2 and "tools" in stub.received[-1].body
        before = stub.count
        assert len(lm("x", n=1)) == len(lm("x", n=None)) == 1 and stub.count == before + 2
        lm("x", n=1, tools=None, temperature=None)
        assert {"tools", "temperature"}.isdisjoint(stub.received[-1].body)
        asked = [merged_request(request_of("x", None, given), "m", lm.kwargs).prompt_cache for given in ({}, {"prompt_cache": False})]
        assert asked == [True, False]
    with StubServer(answer="[[ ## answer ## ]]\n4") as stub, whet.context(lm=stub.lm(n=2)):
        program = whet.Predict("question -> answer")
        assert len(program(question="2+2?").completions) == 2
        assert len(program(question="2+2?", config={"n": 1}).completions) == 1


def test_a_predictor_is_told_of_a_number_that_is_none_before_anything_is_sent() -> None:
    with StubServer() as stub, whet.context(lm=stub.lm()):
        with pytest.raises(ConfigurationError, match="`temperature` is a number"):
            whet.Predict("question -> answer", temperature="hot")(question="x")
        with pytest.raises(ConfigurationError, match="`max_tokens` is an integer"):
            whet.Predict("question -> answer")(question="x", config={"max_tokens": "300"})
        assert stub.count == 0


def test_models_around_models_are_made_of_models() -> None:
    with pytest.raises(ConfigurationError, match="list of at least one model"):
        whet.Fallback(LM("embedded"))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="a function from a request"):
        whet.Router(3)  # type: ignore[arg-type]


def test_a_model_that_is_closed_lets_its_idle_connections_go_and_answers_on() -> None:
    ended: list[bytes] = []
    text = json.dumps(completion("hi"))
    answer = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            line = listener.accept()[0]
            with line:
                while asked := line.recv(65536):
                    if asked.endswith(b"}"):
                        line.sendall(answer)
                ended.append(asked)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        lm = LM("openai/m", api_base=f"http://127.0.0.1:{listener.getsockname()[1]}", api_key="k", cache=False, num_retries=0)
        assert lm("a") == ["hi"] and lm("b") == ["hi"] and not ended
        lm.close()
        assert lm("c") == ["hi"]
        asyncio.run(lm.aclose())
        server.join(5)
    assert ended == [b"", b""]
