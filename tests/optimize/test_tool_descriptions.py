"""What a model is told of its tools is learnt, saved and sent like any other text of a prompt."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.core.exchange import Capabilities, Choice
from whet.core.messages import ToolCallPart
from whet.errors import StateError
from whet.testing.scripted import ScriptedLM

RIGHT = "Opening hours of shops."


def prices(thing: str) -> str:
    """What things cost."""
    return "2 euros"


def hours(shop: str) -> str:
    """Ignore this."""
    return "9 to 5"


def rows(n: int, start: int = 0) -> list[whet.Example]:
    return [whet.Example(question=f"When does shop {i} open?", answer="9 to 5").with_inputs("question") for i in range(start, start + n)]


def metric(example: Any, prediction: Any, trace: Any = None) -> whet.Score:
    right = example.answer == prediction.answer
    return whet.Score(value=float(right), feedback="" if right else "The tool `hours` knows when shops open; its description hides that.")


def writes(request: Any) -> Any:
    """What a model that writes prompts says; `None` where it is not asked to."""
    text = request.messages[-1].text
    if "new_tool_descriptions" in text:
        old = re.findall(
            r"## current_instruction ## \]\]\n(.*?)\n\n\[\[ ## tool|## current_instruction ## \]\]\n(.*?)\n\n\[\[", text, re.S
        )[-1]
        return {"new_instruction": max(old), "new_tool_descriptions": json.dumps({"hours": RIGHT, "hours.shop": "its number", "gone": "x"})}
    if "new_text" in text:
        return {"new_text": RIGHT if "Ignore this." in text.rsplit("current_text", 1)[-1][:60] else "Something else."}
    return {"faulty_step": "react"} if "faulty_step" in text else None


def in_text(request: Any) -> Any:
    """Calls the tool whose description in the prompt fits, then answers what it gave."""
    if (written := writes(request)) is not None:
        return written
    said = request.messages[-1].text
    seen = re.findall(r"(9 to 5|2 euros)", said)
    if "next_tool_name" not in request.messages[0].text:
        return {"reasoning": "so", "answer": seen[-1] if seen else "unknown"}
    if seen:
        return {"next_thought": "known", "next_tool_name": "finish", "next_tool_args": json.dumps({"answer": seen[-1]})}
    told = request.messages[0].text
    tool, argument = ("hours", "shop") if RIGHT in told else ("prices", "thing")
    return {"next_thought": "look", "next_tool_name": tool, "next_tool_args": json.dumps({argument: "1"})}


def by_calls(request: Any) -> Any:
    """The same for a model that is given tools as tools."""
    if (written := writes(request)) is not None:
        return written
    if not request.tools:
        return {"reasoning": "so", "answer": "unknown"}
    seen = [m.text for m in request.messages if m.role == "tool"]
    if seen:
        return Choice(text="", tool_calls=(ToolCallPart(id="2", name="finish", arguments=json.dumps({"answer": seen[-1]})),))
    right = any(RIGHT in tool.description for tool in request.tools)
    call = ("hours", {"shop": "1"}) if right else ("prices", {"thing": "1"})
    return Choice(text="", tool_calls=(ToolCallPart(id="1", name=call[0], arguments=json.dumps(call[1])),))


MODELS = {
    "text": lambda: ScriptedLM(in_text),
    "native": lambda: ScriptedLM(by_calls, capabilities=Capabilities(tools=True)),
}


def test_a_proposer_of_ones_own_is_offered_the_texts_of_tools_too() -> None:
    offered: list[dict[str, Any]] = []

    def proposer(candidate: Any, reflective_dataset: Any, components_to_update: Any) -> dict[str, str]:
        offered.append({"texts": dict(candidate), "records": dict(reflective_dataset), "update": list(components_to_update)})
        return {"react:hours": RIGHT, "react:gone": "x"} if "react:hours" in components_to_update else {}

    lm = MODELS["text"]()
    with whet.context(lm=lm):
        better = whet.GEPA(metric=metric, reflection_lm=lm, max_metric_calls=120, instruction_proposer=proposer).compile(
            agent(), trainset=rows(20), valset=rows(20, start=100)
        )
        assert better(question="When does shop 7 open?").answer == "9 to 5"
    first = next(o for o in offered if "react:hours" in o["update"])
    assert first["texts"]["react:hours"] == "Ignore this." and first["records"]["react:hours"] == first["records"]["react"]
    assert better.react.tool_descs["hours"] == RIGHT and "gone" not in better.react.tool_descs
    assert f"+tool hours: {RIGHT}" in better.run.diff()


def agent() -> Any:
    return whet.ReAct("question -> answer", tools=[prices, hours], max_iters=3)


@pytest.mark.parametrize("form", MODELS)
@pytest.mark.parametrize("name", ["GEPA", "Auto", "descriptions"])
def test_an_optimizer_mends_the_description_that_misleads(tmp_path: Path, form: str, name: str) -> None:
    lm = MODELS[form]()
    recipe: Any = {
        "GEPA": lambda: whet.GEPA(metric=metric, reflection_lm=lm, max_metric_calls=120),
        "Auto": lambda: whet.Optimizer("auto", metric=metric, max_runs=120),
        "descriptions": lambda: whet.BootstrapFewShot(metric=metric, max_bootstrapped_demos=0, max_labeled_demos=0, descriptions=True),
    }[name]()
    program = agent()
    with whet.context(lm=lm):
        better = recipe.compile(program, trainset=rows(20), valset=rows(20, start=100))
        assert better(question="When does shop 7 open?").answer == "9 to 5"
        assert program(question="When does shop 7 open?").answer != "9 to 5"
    diff = better.run.diff()
    assert "-tool hours: Ignore this." in diff and f"+tool hours: {RIGHT}" in diff
    assert better.react.tool_descs["hours"] == RIGHT and "gone" not in better.react.tool_descs
    assert program.react.param.tools["hours"] == "Ignore this." == hours.__doc__
    better.save(tmp_path / "agent.json")
    loaded = agent()
    loaded.load(tmp_path / "agent.json")
    with whet.context(lm=lm):
        assert loaded(question="When does shop 8 open?").answer == "9 to 5"
    assert loaded.dump_state() == better.dump_state()


def test_a_plain_predict_tells_of_its_tools_as_it_has_learnt() -> None:
    ask = whet.Predict(whet.Signature("question, tools: list[whet.Tool] -> calls: whet.ToolCalls"))
    told = ask.bind({"self": ask.param.evolve(tools={"hours": RIGHT, "hours.shop": "its number"})})
    tools = [whet.Tool(hours), whet.Tool(prices)]
    native = ScriptedLM(by_calls, capabilities=Capabilities(tools=True))
    for lm, adapter in ((ScriptedLM(in_text), whet.ChatAdapter()), (native, whet.ChatAdapter(use_native_function_calling=True))):
        with whet.context(lm=lm, adapter=adapter):
            shown = told.render(question="When?", tools=tools)
            before = ask.render(question="When?", tools=tools)
        sent = [str((r.request.tools, list(r))) for r in (before, shown)]
        assert "Ignore this." in sent[0] and RIGHT not in sent[0]
        assert "Ignore this." not in sent[1] and RIGHT in sent[1] and "its number" in sent[1]
    assert tools[0].desc == "Ignore this."


def test_rewritten_instructions_do_not_hide_what_was_learnt_of_a_tool() -> None:
    program = agent()
    old = program.react.param
    both = program.bind({"react": old.evolve(instructions="Answer. Use a tool.", tools={**old.tools, "hours": RIGHT})})
    with whet.context(lm=MODELS["text"]()):
        assert RIGHT in both.render(question="When?")[0]["content"]
    with whet.context(lm=MODELS["native"]()):
        shown = both.render(question="When?")
    assert [tool.description for tool in shown.request.tools][1] == RIGHT
    assert "Answer. Use a tool." in shown[0]["content"]


def test_other_agents_know_their_tools_too() -> None:
    with pytest.warns(DeprecationWarning):
        acting: Any = whet.CodeAct("question -> answer", tools=[hours])
    talking: Any = whet.ReActV2("question -> answer", tools=[hours])
    inputs = {acting: {"trajectory": ""}, talking: {"history": None, "tools": list(talking.tools.values())}}
    for program, name in ((acting, "codeact"), (talking, "react")):
        param = program.params()[name]
        assert param.tools["hours"] == "Ignore this."
        told = getattr(program.bind({name: param.evolve(tools={**param.tools, "hours": RIGHT})}), name)
        with whet.context(lm=MODELS["text"]()):
            text = str(told.render(question="When?", **inputs[program]))
        assert RIGHT in text and "Ignore this." not in text


def test_a_file_that_describes_tools_that_are_gone_is_refused() -> None:
    program = agent()
    param = program.react.param
    state = program.bind({"react": param.evolve(tools={**param.tools, "hours": RIGHT})}).dump_state()
    fewer: Any = whet.ReAct("question -> answer", tools=[prices])
    fitting = {**state["react"], "signature": fewer.react.dump_state()["signature"]}
    with pytest.raises(
        StateError, match="Predictor `react`: the file describes `hours`, which is none of the tools; they are: prices, finish"
    ):
        fewer.load_state({**state, "react": fitting})


class _Wire(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        call = {"id": "1", "type": "function", "function": {"name": "finish", "arguments": '{"answer": "9"}'}}
        message = {"role": "assistant", "content": "", "tool_calls": [call]}
        data = json.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": {}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quietly."""


@pytest.fixture
def wire() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Wire) as server:
        server.bodies = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_loaded_program_sends_the_new_description_on_the_wire(wire: Any, tmp_path: Path) -> None:
    program = agent()
    param = program.react.param
    program.bind({"react": param.evolve(tools={**param.tools, "hours": RIGHT, "hours.shop": "its number"})}).save(tmp_path / "p.json")
    loaded = agent()
    loaded.load(tmp_path / "p.json")
    url = f"http://127.0.0.1:{wire.server_address[1]}/v1"
    lm = whet.LM("openai/gpt-4o-mini", api_base=url, api_key="none", cache=False, capabilities=Capabilities(tools=True))
    with whet.context(lm=lm):
        assert loaded(question="When?").answer == "9"
    [sent] = [tool["function"] for tool in wire.bodies[0]["tools"] if tool["function"]["name"] == "hours"]
    assert sent["description"] == RIGHT
    assert sent["parameters"]["properties"]["shop"]["description"] == "its number"
