"""`Tool`: what it reads from a callable, what it lets through, and how it runs in both worlds."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import threading
import time
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import whet
from whet.errors import ConfigurationError, InputError, ToolError
from whet.tools.docstring import argument_texts
from whet.tools.failure import error_text
from whet.tools.tool import Tool


class Author(BaseModel):
    """Who wrote it."""

    name: str
    born: int = 1900


class Search(BaseModel):
    """Search the library."""

    query: str
    author: Author | None = None
    limit: int = 3


@dataclasses.dataclass
class Point:
    x: int
    y: int


def greet(x: int, y: str = "hello") -> str:
    """A function.

    Args:
        x: a number
        y: a word
    """
    return f"{y} {x}"


async def later(x: int) -> int:
    """Add one, later."""
    await asyncio.sleep(0)
    return x + 1


class Adder:
    """Adds."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __call__(self, x: int) -> int:
        return self.start + x


def test_a_function_says_what_its_tool_is() -> None:
    tool = Tool(greet)
    assert tool.name == "greet" and tool.desc.startswith("A function.")
    assert tool.args == {
        "x": {"type": "integer", "description": "a number"},
        "y": {"type": "string", "default": "hello", "description": "a word"},
    }
    assert tool.arg_types == {"x": int, "y": str}
    assert tool.format_as_litellm_function_call()["function"]["parameters"]["required"] == ["x"]
    assert tool.spec.parameters["properties"]["y"]["default"] == "hello"


def test_text_of_a_tool() -> None:
    def f(x: int, y: str = "hello", z=None):  # type: ignore[no-untyped-def]
        """Two
        lines"""

    tool = Tool(f)
    expected = "{'x': {'type': 'integer'}, 'y': {'type': 'string', 'default': 'hello'}, 'z': {'default': None}}"
    assert str(tool) == f"f, whose description is <desc>Two  lines</desc>. It takes arguments {expected}."
    assert str(Tool(f, desc="")) == f"f. It takes arguments {expected}."
    assert repr(Tool(f, desc="d")) == f"Tool(name=f, desc=d, args={expected})"
    assert tool.arg_types["z"] is Any


@pytest.mark.parametrize(
    ("func", "name", "args"),
    [
        (Adder(3), "Adder", {"x": {"type": "integer"}}),
        (functools.partial(greet, 1), "partial", {"y": {"type": "string", "default": "hello", "description": "a word"}}),
        (Point, "Point", {"x": {"type": "integer"}, "y": {"type": "integer"}}),
        (len, "len", {"obj": {}}),
    ],
)
def test_other_callables(func: Any, name: str, args: Any) -> None:
    tool = Tool(func)
    assert (tool.name, tool.args) == (name, args)


def test_a_pydantic_model_is_a_tool() -> None:
    tool = Tool(Search)
    assert tool.name == "Search" and tool.desc == "Search the library."
    assert tool.args["limit"] == {"type": "integer", "default": 3}
    assert "$ref" not in str(tool.args) and "born" in str(tool.args["author"])
    assert tool(query="q", author={"name": "A"}) == Search(query="q", author=Author(name="A"))
    with pytest.raises(ValueError, match="Arg limit is invalid"):
        tool(query="q", limit="many")


def test_arguments_are_converted_and_checked() -> None:
    def rows(rows: list[list[Author]], kind: Literal["a", "b"] = "a", point: Point | None = None) -> Any:
        return rows, kind, point

    tool = Tool(rows)
    assert "$ref" not in str(tool.args)
    got, kind, point = tool(rows=[[{"name": "A", "born": "1950"}]], kind="b", point={"x": 1, "y": 2})
    assert got == [[Author(name="A", born=1950)]] and kind == "b" and point == Point(1, 2)
    for wrong in ({"rows": [[{"born": 1}]]}, {"rows": [], "kind": "c"}, {"rows": "x"}):
        with pytest.raises(InputError, match="is invalid"):
            tool(**wrong)
    with pytest.raises(ValueError, match=r"Arg z is not in the tool's args\."):
        tool(rows=[], z=1)
    with pytest.raises(InputError, match="Arg rows is missing"):
        tool()


def test_given_schemas_are_checked_too() -> None:
    tool = Tool(
        lambda **kw: kw, name="any", desc="d", args={"n": {"type": "integer", "minimum": 3}, "how": {"enum": ["a", "b"], "default": "a"}}
    )
    assert tool(n=3) == {"n": 3} and tool(n=3, more=1) == {"n": 3, "more": 1}
    for wrong in ({"n": 2}, {"n": "x"}, {"n": 3, "how": "c"}):
        with pytest.raises(ValueError, match="is invalid"):
            tool(**wrong)
    assert Tool(greet, arg_desc={"x": "how many"}).args["x"]["description"] == "how many"
    assert Tool(greet, arg_types={"x": float, "y": str}).args["x"]["type"] == "number"


def test_a_type_without_json_is_anything() -> None:
    class Opaque:
        pass

    tool = Tool(lambda: None, name="n")
    assert tool() is None

    def takes(thing: Opaque) -> Any:
        return thing

    value = Opaque()
    assert Tool(takes).args == {"thing": {}} and Tool(takes)(thing=value) is value


def test_async_tools_in_both_worlds() -> None:
    tool = Tool(later)
    with pytest.raises(ValueError, match="acall"):
        tool(x=1)
    with whet.context(allow_tool_async_sync_conversion=True):
        assert tool(x=1) == 2

    async def go() -> list[int]:
        return await asyncio.gather(*(tool.acall(x=i) for i in range(5)), Tool(greet).acall(x=1))

    assert asyncio.run(go()) == [1, 2, 3, 4, 5, "hello 1"]


def test_concurrent_calls_overlap() -> None:
    all_there = threading.Barrier(5)

    def wait() -> float:
        all_there.wait(30)  # breaks where one call waits for another
        return threading.get_ident()

    async def go() -> Any:
        return await asyncio.gather(*(Tool(wait).acall() for _ in range(5)))

    assert len(set(asyncio.run(go()))) == 5


def test_a_time_limit() -> None:
    tool = Tool(lambda: time.sleep(0.6), name="slow", timeout=0.05)
    with pytest.raises(ToolError, match=r"`slow` was not done after 0\.05 s"):
        tool()
    with pytest.raises(ToolError, match="was not done"):
        asyncio.run(tool.acall())
    assert Tool(lambda: 3, name="quick", timeout=5)() == 3
    with pytest.raises(KeyError):
        Tool(lambda: {}["x"], name="bad", timeout=5)()


def test_approval_is_asked_before_each_call() -> None:
    done: list[int] = []
    asked: list[Any] = []

    def pay(amount: int) -> str:
        done.append(amount)
        return "paid"

    def approve(tool: Tool, arguments: dict[str, Any]) -> Any:
        asked.append((tool.name, arguments))
        return True if arguments["amount"] < 10 else "too much" if arguments["amount"] < 100 else False

    tool = Tool(pay, approve=approve)
    assert tool(amount="5") == "paid" and asked == [("pay", {"amount": 5})]
    with pytest.raises(ToolError, match="not approved: too much"):
        tool(amount=50)
    with pytest.raises(ToolError, match="was not approved"):
        tool(amount=500)
    assert done == [5]


def test_the_setting_asks_for_side_effects_only() -> None:
    async def never(tool: Tool, arguments: dict[str, Any]) -> bool:
        return False

    with whet.context(approve_tools=never):
        assert Tool(greet)(x=1) == "hello 1"
        with pytest.raises(ToolError, match="not approved"):
            Tool(greet, side_effects=True)(x=1)
        with pytest.raises(ToolError, match="not approved"):
            asyncio.run(Tool(later, side_effects=True).acall(x=1))
    assert Tool(greet, side_effects=True)(x=1) == "hello 1"


class Watching(whet.BaseCallback):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.seen.append(("start", instance.name, inputs))

    def on_tool_end(self, call_id: str, outputs: Any, exception: BaseException | None) -> None:
        self.seen.append(("end", outputs, exception and type(exception)))


def test_callbacks_are_told_once_per_call() -> None:
    watching = Watching()
    with whet.context(callbacks=[watching]):
        Tool(greet)(x=1)
        asyncio.run(Tool(later).acall(x=1))
        with pytest.raises(InputError):
            Tool(greet)(x="one")
    assert [e[0] for e in watching.seen] == ["start", "end"] * 3
    assert watching.seen[1] == ("end", "hello 1", None) and watching.seen[-1] == ("end", None, InputError)
    own = Watching()
    Tool(greet, callbacks=[own])(x=1)
    assert len(own.seen) == 2


def test_settings_are_the_callers() -> None:
    def seen() -> int:
        return whet.settings.num_threads

    with whet.context(num_threads=77):
        assert Tool(seen)() == 77 and asyncio.run(Tool(seen).acall()) == 77 and Tool(seen, timeout=5)() == 77


def test_names_are_unique() -> None:
    assert list(Tool.named([greet, Tool(later)])) == ["greet", "later"]
    with pytest.raises(ConfigurationError, match="Duplicate tool name"):
        Tool.named([greet, greet])
    with pytest.raises(ValueError, match="reserved"):
        Tool.named([Tool(greet, name="finish")], reserved=("finish",))
    with pytest.raises(ConfigurationError, match="callable"):
        Tool("greet")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("doc", "found"),
    [
        (None, {}),
        ("Nothing here.", {}),
        ("Do.\n\n:param x: first\n    line\n:param int y: second\n:return: z", {"x": "first line", "y": "second"}),
        (
            "Do.\n\n    Args:\n        x (int, optional): first\n            more\n        *rest: others\n\n    Returns:\n        z: no",
            {"x": "first more", "rest": "others"},
        ),
        (
            "Do.\n\nParameters\n----------\nx : int\n    first\ny\n    second\n\nReturns\n-------\nz : int\n    no\n",
            {"x": "first", "y": "second"},
        ),
    ],
)
def test_docstrings(doc: str | None, found: dict[str, str]) -> None:
    assert argument_texts(doc) == found


def test_what_a_model_is_told_of_an_error() -> None:
    def fails() -> None:
        raise ValueError("no such city " + "x" * 5_000)

    try:
        fails()
    except ValueError as error:
        assert error_text(error, 5).startswith("\nTraceback")
        assert "fails()" in error_text(error, 5) and len(error_text(error, 5)) < 2_200
        assert "Traceback" not in error_text(error)
    assert error_text(ToolError("refused"), 5) == "\nToolError: refused"


class Chain:
    """What LangChain's tools look like."""

    name, description, args_schema = "search", "Search the web.", Search

    async def ainvoke(self, arguments: Any) -> Any:
        if arguments["query"] == "bad":
            raise RuntimeError("offline")
        return [arguments["query"]]


def test_langchain() -> None:
    tool = Tool.from_langchain(Chain())
    assert (tool.name, tool.desc) == ("search", "Search the web.") and tool.arg_types["query"] is str
    assert tool.args["limit"] == {"type": "integer", "default": 3, "title": "Limit"}
    assert (tool.arg_desc["query"], tool.arg_desc["limit"]) == ("No description provided. (Required)", "No description provided.")
    assert asyncio.run(tool.acall(query="q")) == ["q"]
    with pytest.raises(RuntimeError, match="Failed to call LangChain tool search: offline"):
        asyncio.run(tool.acall(query="bad"))
