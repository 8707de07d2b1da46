"""LangChain's tools as whet's own; nothing of LangChain is imported."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from whet.core.schema import schema_of
from whet.errors import SignatureError, ToolError
from whet.tools.parameters import argument_descriptions, without_references
from whet.tools.tool import Tool

__all__ = ["tool_of_langchain"]


def tool_of_langchain(tool: Any) -> Tool:
    """An async tool with the name, description, argument schema and types of a LangChain tool; it calls its `ainvoke`."""

    async def call(**arguments: Any) -> Any:
        try:
            return await tool.ainvoke(arguments)
        except Exception as error:
            raise ToolError(f"Failed to call LangChain tool {tool.name}: {error}") from error

    args, types, required = _arguments(tool)
    made = Tool(call, name=tool.name, desc=tool.description, args=args, arg_types=types)
    made.arg_desc = argument_descriptions(args, required)
    return made


def _arguments(tool: Any) -> tuple[dict[str, Any], dict[str, Any], Collection[str]]:
    model: Any = getattr(tool, "args_schema", None)
    fields = getattr(model, "model_fields", None)
    if fields is None:
        schema = without_references(model) if isinstance(model, dict) else {"properties": dict(getattr(tool, "args", None) or {})}
        args = {name: dict(part) for name, part in (schema.get("properties") or {}).items()}
        return args, dict.fromkeys(args, Any), schema.get("required") or ()
    types = {name: field.annotation for name, field in fields.items()}
    try:
        schema = without_references(schema_of(model).json_schema())
    except SignatureError:
        schema = without_references(model.model_json_schema())
    properties = schema.get("properties") or {}
    return {name: dict(properties.get(name, {})) for name in fields}, types, schema.get("required") or ()
