"""What a model can do by itself: calls of tools, reasoning, citations. Fields that it fills natively leave the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from whet.core.exchange import Capabilities, Choice, ToolSpec
from whet.core.field import Field
from whet.core.schema import plain
from whet.core.signature import Signature
from whet.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from whet.adapters.base import Adapter
    from whet.adapters.plan import Plan

__all__ = ["TOOL_OPTIONS", "Native", "native_values", "offered"]

TOOL_OPTIONS: Final = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
_CITES: Final = "anthropic/"
# The most alternatives that providers list for a token.
_TOP: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """What the model fills by itself in one call: the signature that is left for the prompt, the fields by kind, tools, more options."""

    signature: Signature
    fields: Mapping[str, str]
    tools: tuple[ToolSpec, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def offered(
    adapter: Adapter, plan: Plan, inputs: Mapping[str, Any], options: Mapping[str, Any], capabilities: Capabilities, lm: Any
) -> Native | None:
    """The native part of a call, `None` where the prompt does it all.

    Raises `ConfigurationError` (a `ValueError`) for a `ToolCalls` output without an input of tools, when calling natively was asked for.
    """
    fields: dict[str, str] = {}
    more: dict[str, Any] = {"logprobs": True, "top_logprobs": _TOP} if plan.likely and capabilities.logprobs else {}
    tools: tuple[ToolSpec, ...] = ()
    gone: list[str] = []
    for kind, name in plan.native.items():
        if kind == "tools":
            taken = _tools_input(adapter, plan, name) if adapter.use_native_function_calling else None
            if taken is not None and capabilities.tools:
                tools, fields[kind] = _specs(inputs.get(taken)), name
                gone.append(taken)
                if adapter.parallel_tool_calls is not None:
                    more |= {"parallel_tool_calls": adapter.parallel_tool_calls, "tool_choice": "auto"}
        elif kind == "reasoning" and (effort := _effort(options, capabilities, lm)) is not None:
            more["reasoning_effort"], fields[kind] = effort, name
        elif kind == "citations" and (capabilities.citations or str(getattr(lm, "model", "")).startswith(_CITES)):
            fields[kind] = name
    shown = _without(plan, (*gone, *fields.values()))
    for kind, name in plan.native.items():
        if kind.startswith("own:"):
            shown = _own_feature(plan, shown, name, lm, more)
            fields |= {} if name in shown.output_fields else {kind: name}
    return Native(signature=shown, fields=fields, tools=tools, options=more) if fields or more else None


def _tools_input(adapter: Adapter, plan: Plan, output: str) -> str:
    if plan.tools is None:
        raise ConfigurationError(f"The output `{output}` holds tool calls, but no input has the type `Tool` or `list[Tool]`.")
    return plan.tools


def _own_feature(plan: Plan, shown: Signature, name: str, lm: Any, more: dict[str, Any]) -> Signature:
    adapted: Signature = plan.signature.output_fields[name].annotation.adapt_to_native_lm_feature(shown, name, lm, more)
    return adapted


def _effort(options: Mapping[str, Any], capabilities: Capabilities, lm: Any) -> Any:
    if not capabilities.reasoning or ("gpt-5" in getattr(lm, "model", "") and getattr(lm, "model_type", "") == "chat"):
        return None  # the chat API of these models does not hand out their reasoning
    defaults = getattr(lm, "kwargs", None) or {}
    if "reasoning_effort" in options:
        return options["reasoning_effort"]
    return defaults.get("reasoning_effort", "low")


def _without(plan: Plan, names: tuple[str, ...]) -> Signature:
    found = plan.variants.get(names)
    if found is None:
        found = plan.variants[names] = _less(plan.signature, names) if names else plan.signature
    return found


def _less(signature: Signature, names: tuple[str, ...]) -> Signature:
    usual = Signature._make(signature.fields.values(), None).instructions
    # The default instructions list the fields, so they are made anew.
    instructions = None if signature.instructions == usual else signature.instructions
    return Signature._make((f for f in signature.fields.values() if f.name not in names), instructions, signature.name)


def _specs(tools: Any) -> tuple[ToolSpec, ...]:
    given = tools if isinstance(tools, (list, tuple)) else [] if tools is None else [tools]
    return tuple(_spec(tool) for tool in given)


def _spec(tool: Any) -> ToolSpec:
    spec = getattr(tool, "spec", None)
    spec = spec() if callable(spec) else spec
    if isinstance(spec, ToolSpec):
        return spec
    if not hasattr(tool, "format_as_litellm_function_call"):
        raise InputError(f"{tool!r} is no tool. Wrap functions: `whet.Tool(function)`.")
    function = tool.format_as_litellm_function_call()["function"]
    return ToolSpec(name=function["name"], description=function.get("description") or "", parameters=function["parameters"])


def native_values(signature: Signature, choice: Choice, kinds: Mapping[str, str]) -> dict[str, Any]:
    """The outputs that the native parts of an answer fill."""
    values: dict[str, Any] = {}
    for kind, name in kinds.items():
        output = signature.output_fields[name]
        if kind == "tools":
            values[name] = _filled(output, list(choice.tool_calls))
        elif kind == "reasoning":
            values[name] = _filled(output, choice.reasoning)
        elif kind == "citations":
            values[name] = _filled(output, list(choice.citations))
        else:
            found = output.annotation.parse_lm_response(as_listed(choice))
            values[name] = left_empty(output) if found is None else found
    return values


def _filled(output: Field, given: Any) -> Any:
    return output.schema.coerce(given) if given else left_empty(output)


def left_empty(output: Field) -> Any:
    """The default of an output that the model did not fill, else None."""
    return None if output.required else output.default_value()


def as_listed(choice: Choice) -> dict[str, Any] | str:
    """An answer as `lm(...)` lists it and as types of users read it: its text, or a dict where it has more than that."""
    calls = [call.plain for call in choice.tool_calls]
    parts = {"reasoning_content": choice.reasoning, "tool_calls": calls, "citations": plain(list(choice.citations))}
    more = {name: part for name, part in parts.items() if part}
    return {"text": choice.text, **more} if more else choice.text or ""
