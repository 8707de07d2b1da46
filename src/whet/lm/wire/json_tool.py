"""Holding a model to a JSON schema where its API knows only tools: one tool takes the answer, and the model must call it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from whet.core.exchange import ToolSpec
from whet.core.messages import ToolCallPart

__all__ = ["ANSWER_TOOL", "answer_tool", "arguments_of", "is_closed"]

ANSWER_TOOL: Final = "give_answer"


def answer_tool(schema: Mapping[str, Any]) -> ToolSpec:
    """The tool whose arguments are the answer."""
    return ToolSpec(name=ANSWER_TOOL, description="Takes the complete answer.", parameters=schema)


def is_closed(schema: Any) -> bool:
    """Whether every object in a schema allows its own properties only, as strict decoders demand.

    >>> is_closed({"type": "object", "properties": {}, "additionalProperties": False}), is_closed({"type": "object"})
    (True, False)
    """
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return False
    return all(is_closed(inner) for name, inner in schema.items() if name not in ("enum", "const", "default", "examples"))


def arguments_of(call: ToolCallPart) -> dict[str, Any]:
    """The arguments of an earlier call as an object, also where the model wrote no proper one.

    >>> arguments_of(ToolCallPart(id="1", name="f", arguments='{"a": 1}')), arguments_of(ToolCallPart(id="1", name="f", arguments="oops"))
    ({'a': 1}, {'text': 'oops'})
    """
    try:
        found = json.loads(call.arguments or "{}")
    except ValueError:
        found = call.arguments
    return found if isinstance(found, dict) else {"text": found}
