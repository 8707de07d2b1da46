"""What models are told of tools, as texts that can be learnt: `search` is what a tool is for, `search.query` what its argument is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from whet.core.signature import Signature
from whet.tools.tool import Tool

__all__ = ["redescribed", "retold", "texts_of", "tools_in", "told"]


def texts_of(tools: Iterable[Tool]) -> dict[str, str]:
    """The descriptions of tools and of their arguments, by name.

    >>> def add(x: int, y: int):
    ...     "Add two numbers."
    >>> texts_of([Tool(add, arg_desc={"x": "the first"})])
    {'add': 'Add two numbers.', 'add.x': 'the first', 'add.y': ''}
    """
    texts: dict[str, str] = {}
    for tool in tools:
        texts[tool.name] = tool.desc
        texts.update({f"{tool.name}.{name}": str(schema.get("description", "")) for name, schema in tool.args.items()})
    return texts


def told(tool: Tool, texts: Mapping[str, str]) -> Tool:
    """The tool with these descriptions, where they are about it."""
    own = f"{tool.name}."
    arguments = {name.removeprefix(own): text for name, text in texts.items() if name.startswith(own)}
    return tool.described(texts.get(tool.name), arguments) if tool.name in texts or arguments else tool


def redescribed(inputs: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Inputs whose tools, alone or in a list, have these descriptions."""
    return {name: _told_within(value, texts) for name, value in inputs.items()}


def _told_within(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, Tool):
        return told(value, texts)
    if isinstance(value, list | tuple) and any(isinstance(part, Tool) for part in value):
        return type(value)(_told_within(part, texts) for part in value)
    return value


def tools_in(inputs: Mapping[str, Any]) -> list[Tool]:
    """The tools among inputs."""
    parts = [part for value in inputs.values() for part in (value if isinstance(value, list | tuple) else [value])]
    return [part for part in parts if isinstance(part, Tool)]


def retold(signature: Signature, tools: Iterable[Tool], texts: Mapping[str, str], *, listing: bool = False) -> Signature:
    """The signature whose instructions show the tools with these descriptions in the place of their own; with `listing`, a tool whose
    own description is not there any more, because the instructions were rewritten, is told of at their end."""
    tools, kept = list(tools), ("told", listing, *texts.items(), *(tool.name for tool in tools))
    found = signature.plans.get(kept)
    if found is None:
        found = signature.plans[kept] = _retold(signature, tools, texts, listing)
    return found


def _retold(signature: Signature, tools: Iterable[Tool], texts: Mapping[str, str], listing: bool) -> Signature:
    instructions: str = signature.instructions
    lost = []
    for tool in tools:
        new = told(tool, texts)
        if new is tool:
            continue
        if str(tool) in instructions:
            instructions = instructions.replace(str(tool), str(new))
        elif str(new) not in instructions:
            lost.append(str(new))
    if lost and listing:
        instructions = "\n".join([instructions, "", "Of the tools, mind this:", *lost])
    return signature if instructions == signature.instructions else signature.with_instructions(instructions)
