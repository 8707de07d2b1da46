"""Decides whether a tool is called, which one, and with what; arguments are only copied from what the prompt says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whet.core.exchange import Request, ToolSpec
from whet.lm.embedded.extract import numbers, overlap
from whet.lm.embedded.prompt import Task
from whet.lm.embedded.shape import Shape, of_schema

__all__ = ["Call", "arithmetic", "choose_tool", "is_last", "tools_in_text"]

_EXPRESSION: Final = re.compile(
    r"[-+(]{0,9}[ ]?(?<![\d.,])\d[\d.,]*+(?:[ ]{0,3}(?:\*\*|[-+*/×÷^%])[ ]{0,3}[-+(]{0,9}[ ]?\d[\d.,]*+[ ]?\){0,9})+"
)
_SUMS: Final = re.compile(r"expr|formula|calculation|equation|math|code", re.I)
_ASKED: Final = re.compile(r"query|question|search|text|keyword|topic|term|^q$|input|prompt", re.I)
_LAST: Final = frozenset({"submit", "finish", "final_answer", "done"})
_LISTED: Final = re.compile(r"\b(\w+), whose description is <desc>(.*?)</desc>\. It takes arguments (\{.*?\})\.(?=\s|\"|'|$)", re.S)
_ARGUMENT: Final = re.compile(r"['\"](\w+)['\"]\s*:\s*\{[^{}]*?['\"]type['\"]\s*:\s*['\"](\w+)['\"]")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to call with these arguments."""

    name: str
    arguments: Mapping[str, Any]


def arithmetic(text: str) -> str:
    """The first arithmetic expression in a text, as it stands there; empty if there is none. It is never computed here.

    >>> arithmetic("What is 12 * (3 + 4) today?")
    '12 * (3 + 4)'
    """
    found = _EXPRESSION.search(text)
    return found.group().strip().rstrip(".,") if found else ""


def is_last(name: str) -> bool:
    """Whether a tool's name says that it takes the final answer."""
    return name.lower() in _LAST


def tools_in_text(text: str) -> tuple[ToolSpec, ...]:
    """Tools that a prompt describes in words, in the form that whet and others write: name, description, arguments."""
    found = []
    for name, description, arguments in _LISTED.findall(text):
        properties = {key: {"type": kind} for key, kind in _ARGUMENT.findall(arguments)}
        found.append(ToolSpec(name=name, description=description.strip(), parameters={"type": "object", "properties": properties}))
    return tuple(found)


def choose_tool(tools: Sequence[ToolSpec], task: Task, request: Request | None = None) -> Call | None:
    """The tool to call for the query: one whose required arguments can all be copied from it, the best by name and description.

    A tool is called once: when results are there already, none is chosen. `tool_choice` of the request is kept.
    """
    forced = request.tool_choice if request else None
    if forced == "none":
        return None
    wanted = forced.get("function", forced).get("name") if isinstance(forced, Mapping) else None
    offered = [tool for tool in tools if tool.name == wanted] if wanted else [tool for tool in tools if not is_last(tool.name)]
    if task.results and not wanted:
        return None
    calls = []
    for tool in offered:
        arguments, evidence = _arguments(tool, task, must=bool(wanted) or forced == "required")
        if arguments is not None:
            calls.append((evidence + _likeness(tool, task), tool.name, arguments))
    if not calls:
        return None
    _, name, arguments = max(calls, key=lambda call: call[0])
    return Call(name, arguments)


def _likeness(tool: ToolSpec, task: Task) -> float:
    return sum(overlap(f"{tool.name.replace('_', ' ')} {tool.description}", task.query))


def _arguments(tool: ToolSpec, task: Task, *, must: bool) -> tuple[dict[str, Any] | None, float]:
    """The arguments of a call, or nothing if a required one cannot be copied from the query; and how sure that is."""
    shape = of_schema(tool.parameters)
    required = tool.parameters.get("required", [name for name, _, _ in shape.parts])
    left = numbers(task.query)
    arguments: dict[str, Any] = {}
    evidence = 0.0
    for name, part, about in shape.parts:
        if name not in required and not must:
            continue
        value, sure = _argument(name, part, f"{tool.name} {about}", task, left)
        if value is None and not must:
            return None, 0.0
        arguments[name] = _empty(part) if value is None else value
        evidence += sure
    return arguments, evidence


def _argument(name: str, part: Shape, about: str, task: Task, left: list[str]) -> tuple[Any, float]:
    if name in task.inputs and part.kind == "text":
        return task.inputs[name], 1.0
    if part.kind in ("int", "float"):
        if not left:
            return None, 0.0
        number = float(left.pop(0))
        return (int(number) if part.kind == "int" or number.is_integer() else number), 1.0
    if part.kind == "options":
        named = [option for option in part.options if str(option).lower() in task.query.lower()]
        return (named[0], 1.0) if named else (None, 0.0)
    if part.kind in ("text", "any"):
        return _text_argument(name, about, task)
    return None, 0.0


def _text_argument(name: str, about: str, task: Task) -> tuple[Any, float]:
    expression = arithmetic(task.query)
    if _SUMS.search(name):
        return (expression, 2.0) if expression else (None, 0.0)
    if _ASKED.search(name):
        question = next((text for key, text in task.inputs.items() if _ASKED.search(key)), task.query)
        return (expression, 2.0) if expression and _SUMS.search(about) else (question, 0.5)
    return None, 0.0


def _empty(part: Shape) -> Any:
    if part.kind == "options":
        return part.options[0]
    return {"int": 0, "float": 0.0, "bool": False, "list": [], "dict": {}, "object": {}}.get(part.kind, "")
