"""`Tool`: something a model may ask for, with a name, a description, and arguments that are checked before it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from types import MappingProxyType
from typing import Any

from whet.core.context import current
from whet.core.docstring import docstring_text
from whet.core.events import CallInputs, handlers_of, observed
from whet.core.exchange import ToolSpec
from whet.core.flow import Flow, Gather, Invoke, JobTimeout, adrive, drive
from whet.core.replay import replayed
from whet.core.schema import plain, schema_of
from whet.core.types.kind import FieldType
from whet.errors import ConfigurationError, InputError, SchemaError, SignatureError, ToolError
from whet.tools.json_schema import misfit
from whet.tools.parameters import Parameters, read_parameters, schema_of_type

__all__ = ["Tool"]


class Tool(FieldType):
    """Something a model may call: a function, async or not, an object with `__call__`, or a pydantic model (whose call makes one).

    Name, description and arguments come from the function, its types and its docstring, unless they are given: `args` is a JSON schema
    per argument, `arg_types` a Python type, `arg_desc` a description. Arguments are converted to their types and checked before the
    function sees them.

    `timeout` is in seconds. `approve` is asked before each call, as `approve(tool, arguments)` (it may be async): a false answer or a
    text, the reason, refuses it with a `ToolError`. The setting `approve_tools` is asked in the same way for each tool with
    `side_effects=True`.

    >>> def add(x: int, y: int = 1) -> int:
    ...     '''Add two numbers.'''
    ...     return x + y
    >>> tool = Tool(add)
    >>> tool.args, tool(x="2")
    ({'x': {'type': 'integer'}, 'y': {'type': 'integer', 'default': 1}}, 3)
    """

    __whet_parts__ = True

    def __init__(  # noqa: PLR0913 - the arguments that people know, and what is asked for keyword-only
        self,
        func: Callable[..., Any],
        name: str | None = None,
        desc: str | None = None,
        args: Mapping[str, Any] | None = None,
        arg_types: Mapping[str, Any] | None = None,
        arg_desc: Mapping[str, str] | None = None,
        *,
        approve: Callable[[Tool, dict[str, Any]], Any] | None = None,
        side_effects: bool = False,
        timeout: float | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        if not callable(func):
            raise ConfigurationError(f"A tool is made from a function or another callable, not from {func!r}.")
        found = read_parameters(func)
        self.func = func
        self.name: str = name or getattr(func, "__name__", None) or type(func).__name__
        self.desc: str = _description(func) if desc is None else desc
        self.arg_types: dict[str, Any] = dict(arg_types or found.types)
        self.args: dict[str, Any] = _arguments(found, args, arg_types, arg_desc or {})
        self.arg_desc: dict[str, str] | None = None if arg_desc is None else dict(arg_desc)
        self.has_kwargs = found.open
        self.required: tuple[str, ...] = tuple(key for key, schema in self.args.items() if "default" not in schema)
        self.approve = approve
        self.side_effects = side_effects
        self.timeout = timeout
        self.callbacks = list(callbacks or ())
        self.checks_schema = args is not None

    @classmethod
    def of(cls, tool: Any) -> Tool:
        """The tool itself, or one made from a callable."""
        return tool if isinstance(tool, Tool) else cls(tool)

    @staticmethod
    def named(tools: Iterable[Any], reserved: Sequence[str] = ()) -> dict[str, Tool]:
        """Tools by name. Raises `ConfigurationError` (a `ValueError`) for two of the same name, and for a reserved one."""
        if isinstance(tools, str | Mapping) or not isinstance(tools, Iterable):
            raise ConfigurationError(f"`tools` is a list of functions or tools, such as `tools=[search]`; this is {tools!r}.")
        found: dict[str, Tool] = {}
        for tool in map(Tool.of, tools):
            if tool.name in found:
                raise ConfigurationError(f"Duplicate tool name {tool.name!r}: give one of the two tools another `name`.")
            if tool.name in reserved:
                raise ConfigurationError(f"The name `{tool.name}` is reserved. Give the tool another `name`.")
            found[tool.name] = tool
        return found

    # -- what a model sees ---------------------------------------------------------------------------------------------

    @cached_property
    def spec(self) -> ToolSpec:
        """The tool as a model takes it: name, description, JSON schema of the arguments."""
        parameters = {"type": "object", "properties": plain(self.args), "required": list(self.required)}
        return ToolSpec(name=self.name, description=self.desc, parameters=parameters)

    def described(self, desc: str | None = None, arg_desc: Mapping[str, str] = MappingProxyType({})) -> Tool:
        """The same tool with other words on what it is for, and on some of its arguments; names of none are passed over."""
        new = copy(self)
        new.__dict__.pop("spec", None)  # made from the words
        new.desc = self.desc if desc is None else desc
        new.args = {name: {**schema, "description": arg_desc[name]} if name in arg_desc else schema for name, schema in self.args.items()}
        return new

    def format_as_litellm_function_call(self) -> dict[str, Any]:
        """The tool in OpenAI's form."""
        parameters = {"type": "object", "properties": self.args, "required": list(self.required)}
        return {"type": "function", "function": {"name": self.name, "description": self.desc, "parameters": parameters}}

    def __str__(self) -> str:
        what = f", whose description is <desc>{self.desc}</desc>.".replace("\n", "  ") if self.desc else "."
        return f"{self.name}{what} It takes arguments {self.args}."

    def __repr__(self) -> str:
        return f"Tool(name={self.name}, desc={self.desc}, args={self.args})"

    @classmethod
    def validated(cls, value: Any) -> Any:
        """A tool from itself or from a callable."""
        if isinstance(value, Tool) or callable(value):
            return cls.of(value)
        raise ValueError("a tool is a `whet.Tool` or a callable; it cannot be read from text")

    def dumped(self) -> Any:
        """The tool as text; it cannot be read back."""
        return str(self)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Tool) and self._told() == other._told())

    def __hash__(self) -> int:
        return hash((self.func, self.name))

    def _told(self) -> tuple[Any, ...]:
        return (self.func, self.name, self.desc, self.args)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tool:
        # A tool is shared by the copies of a program, as models are: it may hold a connection.
        return self

    # -- calling -------------------------------------------------------------------------------------------------------

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        return inspect.iscoroutinefunction(self.func) or inspect.iscoroutinefunction(getattr(self.func, "__call__", None))  # noqa: B004 - an async method is meant

    def __call__(self, /, **kwargs: Any) -> Any:
        """Run it. Raises `InputError` (a `ValueError`) for wrong arguments, `ToolError` when it is refused or too late.

        An async tool needs `acall`, or the setting `allow_tool_async_sync_conversion`.
        """
        if self.is_async and not current().allow_tool_async_sync_conversion:
            raise InputError(
                f"The tool `{self.name}` is async: call it with `await tool.acall(...)`, or allow "
                "`whet.configure(allow_tool_async_sync_conversion=True)`."
            )
        return drive(self.flow(**kwargs))

    async def acall(self, /, **kwargs: Any) -> Any:
        """Run it from async code."""
        return await adrive(self.flow(**kwargs))

    def flow(self, /, **kwargs: Any) -> Flow[Any]:
        """One call: callbacks, checks, approval, time limit."""
        return replayed(self, kwargs, lambda: self._observed(kwargs))

    def _observed(self, kwargs: dict[str, Any]) -> Flow[Any]:
        running = self._run(kwargs)
        return (yield from observed("tool", self, CallInputs((), kwargs), running) if handlers_of(self) else running)

    def _run(self, kwargs: dict[str, Any]) -> Flow[Any]:
        values = self.checked(kwargs)
        yield from self._ask(values)
        if self.timeout is None:
            return (yield from self.invoke(values))
        [outcome] = yield Gather([lambda: self.invoke(values)], timeout=self.timeout)
        if isinstance(outcome, JobTimeout):
            raise ToolError(f"The tool `{self.name}` was not done after {self.timeout:g} s.")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def invoke(self, values: dict[str, Any]) -> Flow[Any]:
        """Call the function itself."""
        return (yield Invoke(self.func, (), values))

    def _ask(self, values: dict[str, Any]) -> Flow[None]:
        asked = [self.approve, current().approve_tools if self.side_effects else None]
        for approve in filter(None, asked):
            answer = yield Invoke(approve, (self, dict(values)))
            if isinstance(answer, str) or not answer:
                reason = f": {answer}" if answer else "."
                raise ToolError(f"The call of `{self.name}` was not approved{reason}")

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as their types. Raises `InputError` that names the argument and says what would fit."""
        values = {}
        for name, value in given.items():
            if name in self.args:
                values[name] = self._checked(name, value)
            elif self.has_kwargs:
                values[name] = value
            else:
                raise InputError(f"Arg {name} is not in the tool's args. `{self.name}` takes: {', '.join(self.args) or 'none'}.")
        if missing := [name for name in self.required if name not in given]:
            raise InputError(f"Arg {missing[0]} is missing. `{self.name}` needs: {', '.join(self.required)}.")
        return values

    def _checked(self, name: str, value: Any) -> Any:
        if value is None and "default" in self.args[name] and self.args[name]["default"] is None:
            return None
        try:
            value = schema_of(self.arg_types.get(name, Any)).coerce(value)
        except SignatureError:
            pass  # a type that no JSON can stand for: the function sees what it is given
        except SchemaError as error:
            raise InputError(f"Arg {name} is invalid: {error}") from error
        if self.checks_schema and (why := misfit(value, self.args[name])):
            raise InputError(f"Arg {name} is invalid: {why}.")
        return value

    # -- other kinds of tool -------------------------------------------------------------------------------------------

    @classmethod
    def from_mcp_tool(cls, session: Any, tool: Any, result_mode: str = "text") -> Tool:
        """An async tool that calls `session.call_tool(name, arguments=...)`; `result_mode` is "text" or "structured"."""
        from whet.tools.mcp_result import tool_of_session  # noqa: PLC0415 - only programs with MCP need it

        return tool_of_session(session, tool, result_mode)

    @classmethod
    def from_langchain(cls, tool: Any) -> Tool:
        """An async tool that calls a LangChain tool."""
        from whet.tools.langchain import tool_of_langchain  # noqa: PLC0415 - only programs with LangChain need it

        return tool_of_langchain(tool)


def _description(func: Any) -> str:
    if isinstance(func, type):
        doc = vars(func).get("__doc__")
    elif inspect.isroutine(func):
        doc = func.__doc__
    else:
        doc = getattr(getattr(func, "func", type(func)), "__doc__", None) or type(func).__call__.__doc__
    return docstring_text(doc)


def _arguments(
    found: Parameters, given: Mapping[str, Any] | None, types: Mapping[str, Any] | None, texts: Mapping[str, str]
) -> dict[str, Any]:
    args = {name: dict(schema) for name, schema in (given if given is not None else found.args).items()}
    for name, annotation in (types or {}).items() if given is None else ():
        kept = {k: v for k, v in args.get(name, {}).items() if k in ("default", "description")}
        args[name] = schema_of_type(annotation) | kept
    for name, text in texts.items():
        if name in args:
            args[name]["description"] = text
    return args
