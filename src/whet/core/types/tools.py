"""Calls of tools and their results, as values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from whet.core.messages import ToolCallPart
from whet.core.schema import one_line, plain, read_json
from whet.core.types.kind import FieldType
from whet.errors import InputError, SchemaError, ToolError

__all__ = ["ToolCall", "ToolCallResult", "ToolCallResults", "ToolCalls"]

_FITS = "a list of calls, one call, or `{'tool_calls': [...]}`; a call has `name` and `args`"


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool: its name, its arguments, and the id by which the provider knows it.

    >>> ToolCall(name="add", args={"x": 1, "y": 2}).execute({"add": lambda x, y: x + y})
    3
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    # What the provider wants back with the call; see `ToolCallPart`.
    signed: str | None = field(default=None, repr=False, compare=False)

    def execute(self, functions: Mapping[str, Callable[..., Any]] | Iterable[Any] | None = None) -> Any:
        """Run the call. `functions` is a mapping by name or a list of tools; without it, the caller's own names are searched.

        Raises `InputError` (a `ValueError`) for an unknown name, `ToolError` (a `RuntimeError`) when the function raises.
        """
        function = _named(functions, self.name) if functions is not None else _callers(self.name)
        if function is None:
            raise InputError(f"There is no tool `{self.name}`. Pass the functions: `call.execute(functions=[...])`.")
        try:
            return function(**self.args)
        except Exception as error:
            raise ToolError(f"Error executing tool '{self.name}': {error}") from error

    def format(self) -> dict[str, Any]:
        """The call as prompts show it: its name and its arguments."""
        return {"name": self.name, "args": self.args}

    def part(self) -> ToolCallPart:
        """The call as it stands in a message."""
        return ToolCallPart(id=self.id, name=self.name, arguments=one_line(plain(self.args)), signed=self.signed)

    @classmethod
    def of(cls, value: Any) -> ToolCall:
        """A call from a call, a message part, or a dict in any of the usual forms; damaged JSON in arguments is repaired.

        Raises `InputError` (a `ValueError`) for anything else.
        """
        if isinstance(value, ToolCall):
            return value
        if isinstance(value, ToolCallPart):
            return cls(name=value.name, args=_arguments(value.arguments), id=value.id, signed=value.signed)
        if not isinstance(value, Mapping):
            raise InputError(f"{value!r} is no tool call; a call has `name` and `args`.")
        inner = value.get("function")
        inner = inner if isinstance(inner, Mapping) else value
        name = inner.get("name")
        if not isinstance(name, str) or not name:
            raise InputError(f"A tool call has no name: {str(value)[:200]}.")
        args = inner.get("args", inner.get("arguments", {}))
        return cls(name=name, args=_arguments(args), id=value.get("call_id") or value.get("id"), signed=value.get("signed"))

    def to_dict(self) -> dict[str, Any]:
        """The call as plain data; `of` reads it back."""
        told = {"id": self.id, "signed": self.signed}
        return {"name": self.name, "args": plain(self.args), **{name: value for name, value in told.items() if value is not None}}

    model_validate = of

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """`to_dict()`, as pydantic's models spell it."""
        return self.to_dict()

    def model_dump_json(self, **options: Any) -> str:
        """`to_dict()` as JSON."""
        return one_line(self.to_dict())


def _arguments(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            given = read_json(given) if given.strip() else {}
        except SchemaError as error:
            raise InputError(f"The arguments of a tool call are no JSON object: {error}") from error
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"The arguments of a tool call must be an object, not {given!r}.")
    return dict(given)


def _named(functions: Mapping[str, Callable[..., Any]] | Iterable[Any], name: str) -> Callable[..., Any] | None:
    if isinstance(functions, Mapping):
        return functions.get(name)
    tools: Iterable[Any] = functions
    return next((tool for tool in tools if getattr(tool, "name", None) == name or getattr(tool, "__name__", None) == name), None)


def _callers(name: str) -> Callable[..., Any] | None:
    import sys  # noqa: PLC0415 - a name that only this line needs

    frame = sys._getframe(2)
    found = frame.f_locals.get(name, frame.f_globals.get(name))
    return found if callable(found) else None


@dataclass(frozen=True)
class ToolCallResult:
    """What one call of a tool gave, or why it failed."""

    call_id: str | None = None
    name: str = ""
    value: Any = None
    is_error: bool = False

    @property
    def text(self) -> str:
        """The value as the model sees it."""
        value = plain(self.value) if not isinstance(self.value, str) else self.value
        return value if isinstance(value, str) else one_line(value)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {"call_id": self.call_id, "name": self.name, "value": plain(self.value), "is_error": self.is_error}


@dataclass(frozen=True)
class ToolCallResults(FieldType):
    """The results of the calls of one turn, in order.

    >>> calls = ToolCalls.from_dict_list([{"name": "people", "args": {"city": "Oslo"}}])
    >>> ToolCallResults.from_tool_calls_and_values(calls, [717710]).tool_call_results[0].value
    717710
    """

    tool_call_results: list[ToolCallResult] = field(default_factory=list)
    ToolCallResult: ClassVar[Any] = ToolCallResult

    def __post_init__(self) -> None:
        object.__setattr__(self, "tool_call_results", [_result_of(one) for one in self.tool_call_results])

    @classmethod
    def from_dict_list(cls, results: Iterable[Any]) -> ToolCallResults:
        """Results from dicts with `name`, `value`, and perhaps `call_id` and `is_error`."""
        return cls(list(results))

    @classmethod
    def from_tool_calls_and_values(cls, calls: Any, values: Sequence[Any], is_errors: Sequence[bool] | None = None) -> ToolCallResults:
        """Pair calls with what they gave. Raises `InputError` (a `ValueError`) when there are not as many of each."""
        called = ToolCalls.validated(calls).tool_calls
        flags = [False] * len(called) if is_errors is None else list(is_errors)
        if not len(called) == len(values) == len(flags):
            raise InputError(f"{len(called)} tool calls, {len(values)} values and {len(flags)} error flags; there must be as many of each.")
        rows = zip(called, values, flags, strict=True)
        return cls([ToolCallResult(call_id=call.id, name=call.name, value=value, is_error=bool(flag)) for call, value, flag in rows])

    @classmethod
    def validated(cls, value: Any) -> ToolCallResults:
        """Results from results, a list of them, or a dict with `tool_call_results`."""
        if isinstance(value, ToolCallResults):
            return value
        if isinstance(value, Mapping) and "tool_call_results" in value:
            value = value["tool_call_results"]
        elif isinstance(value, Mapping) and {"name", "value"} <= value.keys():
            value = [value]
        if not isinstance(value, (list, tuple)):
            raise InputError(f"Tool results are a list, or a dict with `tool_call_results`; got {value!r}.")
        return cls(list(value))

    def dumped(self) -> dict[str, Any]:
        """The results as plain data."""
        return {"tool_call_results": [one.to_dict() for one in self.tool_call_results]}

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """An object with the list of results."""
        return {"type": "object", "properties": {"tool_call_results": {"type": "array", "items": {"type": "object"}}}}

    def __len__(self) -> int:
        return len(self.tool_call_results)

    def __hash__(self) -> int:
        return hash(json.dumps(self.dumped(), sort_keys=True, default=str))


def _result_of(one: Any) -> ToolCallResult:
    return one if isinstance(one, ToolCallResult) else ToolCallResult(**dict(one))


@dataclass(frozen=True)
class ToolCalls(FieldType):
    """The calls that a model asked for in one turn; `tool_call_results` carries what they gave through a history.

    >>> ToolCalls.from_dict_list([{"name": "search", "arguments": '{"query": "cats"}'}]).tool_calls[0].args
    {'query': 'cats'}
    """

    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_results: ToolCallResults | None = None
    ToolCall: ClassVar[Any] = ToolCall

    def __post_init__(self) -> None:
        object.__setattr__(self, "tool_calls", [ToolCall.of(call) for call in self.tool_calls])
        if self.tool_call_results is not None:
            object.__setattr__(self, "tool_call_results", ToolCallResults.validated(self.tool_call_results))

    @classmethod
    def from_dict_list(cls, tool_calls_dicts: Iterable[Any]) -> ToolCalls:
        """Calls from dicts: `{"name", "args"}`, `{"name", "arguments"}`, a provider's form, or the Responses form with `call_id`."""
        return cls(tool_calls=[ToolCall.of(call) for call in tool_calls_dicts])

    @classmethod
    def validated(cls, value: Any) -> ToolCalls:
        """Calls from calls, a list of them, one dict, or a dict with `tool_calls`."""
        if isinstance(value, ToolCalls):
            return value
        if isinstance(value, Mapping) and "tool_calls" in value:
            results = value.get("tool_call_results")
            return cls(
                tool_calls=list(value["tool_calls"] or ()),
                tool_call_results=None if results is None else ToolCallResults.validated(results),
            )
        if isinstance(value, Mapping) and ("name" in value or "function" in value):
            value = [value]
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{str(value)[:200]!r} holds no tool calls. What fits: {_FITS}.")
        return cls.from_dict_list(value)

    def with_results(self, results: ToolCallResults) -> ToolCalls:
        """The same calls with what they gave."""
        return replace(self, tool_call_results=results)

    def format(self) -> dict[str, Any]:
        """The calls as prompts show them: names and arguments."""
        return {"tool_calls": [call.format() for call in self.tool_calls]}

    def dumped(self) -> dict[str, Any]:
        """The same as `format()`, as plain data."""
        return {"tool_calls": [{"name": call.name, "args": plain(call.args)} for call in self.tool_calls]}

    def to_dict(self) -> dict[str, Any]:
        """Everything, with ids and results, as plain data; `validated` reads it back."""
        calls = [call.to_dict() for call in self.tool_calls]
        return {"tool_calls": calls, **(self.tool_call_results.dumped() if self.tool_call_results is not None else {})}

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """`to_dict()`, as pydantic's models spell it."""
        return self.to_dict()

    @classmethod
    def description(cls) -> str:
        """How calls are to be written."""
        return (
            "Tool calls must be a JSON object with `tool_calls`, a list of calls. Each call must include `name` and `args`. "
            'Example: {"tool_calls": [{"name": "search", "args": {"query": "cats"}}]}'
        )

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """An object with the list of calls; ids and results are not the model's to write."""
        call = {
            "type": "object",
            "properties": {
                "args": {"additionalProperties": True, "title": "Args", "type": "object"},
                "name": {"title": "Name", "type": "string"},
            },
            "required": ["name", "args"],
            "title": "ToolCall",
        }
        return {
            "type": "object",
            "properties": {"tool_calls": {"items": {"$ref": "#/$defs/ToolCall"}, "title": "Tool Calls", "type": "array"}},
            "required": ["tool_calls"],
            "title": "ToolCalls",
            "$defs": {"ToolCall": call},
        }

    def __len__(self) -> int:
        return len(self.tool_calls)

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True, default=str))
