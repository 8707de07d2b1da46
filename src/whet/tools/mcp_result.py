"""Tools and results of an MCP server, in any spelling of their fields, as whet's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from whet.core.schema import plain
from whet.errors import ConfigurationError, ToolError
from whet.tools.parameters import arguments_of_schema
from whet.tools.tool import Tool

__all__ = ["RESULT_MODES", "check_mode", "digest_of", "result_of", "tool_of_session"]

RESULT_MODES: Final = ("text", "structured")
_ABSENT: Final = object()


def check_mode(result_mode: str) -> None:
    """Raise `ConfigurationError` (a `ValueError`) for a mode that there is not."""
    if result_mode not in RESULT_MODES:
        raise ConfigurationError(f"Unsupported MCP result mode: {result_mode!r}. Take one of: {', '.join(RESULT_MODES)}.")


def field(value: Any, *names: str) -> Any:
    """The first of these fields that the value has, as an attribute or as a key; `_ABSENT` if it has none."""
    for name in names:
        if isinstance(value, Mapping):
            if name in value:
                return value[name]
        elif hasattr(value, name):
            return getattr(value, name)
    return _ABSENT


def schema_of_tool(tool: Any) -> dict[str, Any]:
    """The JSON schema of a tool's arguments."""
    schema = field(tool, "input_schema", "inputSchema")
    return dict(schema) if isinstance(schema, Mapping) else {}


def tool_of_session(session: Any, tool: Any, result_mode: str = "text") -> Tool:
    """An async tool on a session that is open."""
    check_mode(result_mode)

    async def call(**arguments: Any) -> Any:
        return result_of(await session.call_tool(tool.name, arguments=arguments), result_mode)

    return described(Tool(call, name=tool.name), tool)


def described(made: Tool, tool: Any) -> Tool:
    """The tool with the description and the arguments that its server gives."""
    made.desc = getattr(tool, "description", None) or ""
    made.args, made.arg_types, made.arg_desc = arguments_of_schema(schema_of_tool(tool))
    made.has_kwargs = False
    made.required = tuple(name for name in schema_of_tool(tool).get("required") or () if name in made.args)
    made.checks_schema = True
    return made


def result_of(result: Any, result_mode: str = "text") -> Any:
    """What a call of a tool gave. Raises `ToolError` (a `RuntimeError`) for a result that says it is an error."""
    content = field(result, "content")
    parts = [] if content is _ABSENT or content is None else list(content)
    texts = [part.text for part in parts if _is_text(part)]
    shown: Any = (texts[0] if len(texts) == 1 else texts) if texts else [part for part in parts if not _is_text(part)]
    if field(result, "is_error", "isError") is True:
        raise ToolError(f"Failed to call a MCP tool: {shown}")
    if result_mode == "structured" and _was_set(result):
        return field(result, "structured_content", "structuredContent")
    return shown


def _is_text(part: Any) -> bool:
    return getattr(part, "type", "text") == "text" and isinstance(getattr(part, "text", None), str)


def _was_set(result: Any) -> bool:
    """Whether the server sent the field at all, as null or otherwise."""
    names = ("structured_content", "structuredContent")
    told = getattr(result, "model_fields_set", None)
    if told is not None:
        return any(name in told for name in names)
    return field(result, *names) is not _ABSENT


def digest_of(tools: Iterable[Any]) -> str:
    """A hash of everything that a model is told about the tools: names, descriptions, arguments.

    >>> digest_of([])
    'sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945'
    """
    listed = sorted(
        (tool.name, getattr(tool, "description", None) or "", json.dumps(plain(schema_of_tool(tool)), sort_keys=True)) for tool in tools
    )
    return "sha256:" + hashlib.sha256(json.dumps(listed).encode()).hexdigest()
