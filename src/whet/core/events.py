"""Callbacks: handlers that are told when a module, model, adapter, tool, evaluation or optimizer starts and ends."""

from __future__ import annotations

import functools
import inspect
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from whet.core.context import current
from whet.core.flow import Flow

__all__ = ["ACTIVE_CALL_ID", "COMPILING", "BaseCallback", "CallInputs", "handlers_of", "observed", "observing", "with_callbacks"]

_logger = logging.getLogger(__name__)
T = TypeVar("T")

# During a call its id; in a start handler still the parent's.
ACTIVE_CALL_ID: ContextVar[str | None] = ContextVar("whet_active_call_id", default=None)
# The optimizers whose `compile` is under way here, each with the thread or task it runs in.
COMPILING: ContextVar[tuple[tuple[int, int], ...]] = ContextVar("whet_compiling", default=())

KINDS = (
    "module",
    "lm",
    "adapter_format",
    "adapter_parse",
    "tool",
    "evaluate",
    "compile",
    "interpreter_execute",
    "interpreter_tool_call",
    "interpreter_startup",
    "interpreter_shutdown",
)


class BaseCallback:
    """Base of handlers. Override `on_{kind}_start(call_id, instance, inputs)` and `on_{kind}_end(call_id, outputs, exception)`.

    The kinds are module, lm, adapter_format, adapter_parse, tool, evaluate, compile, interpreter_execute, interpreter_tool_call,
    interpreter_startup and interpreter_shutdown. A handler that raises is logged and does not disturb the call.

    >>> import whet.testing
    >>> class Asked(BaseCallback):
    ...     def on_lm_end(self, call_id, outputs, exception):
    ...         print("answered:", outputs)
    >>> with whet.context(callbacks=[Asked()]):
    ...     _ = whet.testing.ScriptedLM(["Hi"])("Hello")
    answered: ['Hi']
    """


class CallInputs(dict[str, Any]):
    """The arguments of a call by name. What was given by place is in `args`; `["kwargs"]` is what was given by name.

    >>> CallInputs((), {"question": "why"})["kwargs"], CallInputs((), {"question": "why"}).get("args")
    ({'question': 'why'}, ())
    """

    def __init__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        super().__init__({"args": args, **kwargs} if args else kwargs)
        self._given = args, kwargs

    def __missing__(self, name: str) -> Any:
        if name not in ("args", "kwargs"):
            raise KeyError(name)
        args, kwargs = self._given
        return args if name == "args" else dict(kwargs)

    def get(self, name: str, default: Any = None) -> Any:
        """The argument of this name, else `default`."""
        try:
            return self[name]
        except KeyError:
            return default


def _nothing(self: BaseCallback, *args: Any, **kwargs: Any) -> None:
    """Do nothing."""


for _kind in KINDS:
    setattr(BaseCallback, f"on_{_kind}_start", _nothing)
    setattr(BaseCallback, f"on_{_kind}_end", _nothing)


def handlers_of(instance: Any, kind: str | None = None) -> tuple[Any, ...]:
    """The handlers of a call on this object: global ones first, then its own. Of one kind: those that listen to it."""
    own = getattr(instance, "callbacks", None)
    handlers = (*current().callbacks, *own) if own else current().callbacks
    return handlers if kind is None or not handlers else _listening(handlers, kind)


def _listening(handlers: tuple[Any, ...], kind: str) -> tuple[Any, ...]:
    return tuple([handler for handler in handlers if _listens(handler, kind)])


def _listens(handler: Any, kind: str) -> bool:
    """Whether a handler does anything when it is told: a watcher of evaluations should not make each call of a model dearer."""
    own = getattr(handler, "__dict__", ())
    return any(name in own or getattr(type(handler), name, None) is not _nothing for name in (f"on_{kind}_start", f"on_{kind}_end"))


def _tell(handlers: tuple[Any, ...], method: str, **arguments: Any) -> None:
    for handler in handlers:
        try:
            getattr(handler, method)(**arguments)
        except Exception as error:  # noqa: BLE001 - a handler must never disturb the call it watches
            _logger.warning("Error in the callback %s.%s: %s", type(handler).__name__, method, error)


class _Call:
    __slots__ = ("outputs",)

    def __init__(self) -> None:
        self.outputs: Any = None


@contextmanager
def observing(kind: str, instance: Any, inputs: Mapping[str, Any], handlers: tuple[Any, ...] | None = None) -> Iterator[_Call]:
    """Tell the handlers of a start, and of the end with the outputs that the block put on the object it was given."""
    handlers = handlers_of(instance, kind) if handlers is None else handlers
    call, call_id = _Call(), uuid.uuid4().hex
    _tell(
        handlers, f"on_{kind}_start", call_id=call_id, instance=instance, inputs=inputs if isinstance(inputs, CallInputs) else dict(inputs)
    )
    token = ACTIVE_CALL_ID.set(call_id)
    error: BaseException | None = None
    try:
        yield call
    except BaseException as raised:
        error = raised
        raise
    finally:
        ACTIVE_CALL_ID.reset(token)
        _tell(handlers, f"on_{kind}_end", call_id=call_id, outputs=None if error else call.outputs, exception=error)


def observed(kind: str, instance: Any, inputs: Mapping[str, Any], flow: Flow[T], shown: Callable[[T], Any] | None = None) -> Flow[T]:
    """A flow that tells the handlers of its start and end, and of its result as `shown` makes it."""
    with observing(kind, instance, inputs) as call:
        result = yield from flow
        call.outputs = result if shown is None else shown(result)
    return result


def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method of your own class so that it tells handlers; its name says the kind (`forward` and `__call__`: by the class)."""
    kind = _kind_of(method.__name__)
    parameters = inspect.signature(method)

    def inputs_of(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = parameters.bind(self, *args, **kwargs)
        bound.apply_defaults()
        return dict(list(bound.arguments.items())[1:])

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def awaiting(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not (handlers := handlers_of(self)):
                return await method(self, *args, **kwargs)
            with observing(kind, self, inputs_of(self, args, kwargs), handlers) as call:
                call.outputs = await method(self, *args, **kwargs)
            return call.outputs

        return awaiting

    @functools.wraps(method)
    def calling(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (handlers := handlers_of(self)):
            return method(self, *args, **kwargs)
        with observing(kind, self, inputs_of(self, args, kwargs), handlers) as call:
            call.outputs = method(self, *args, **kwargs)
        return call.outputs

    return calling


def _kind_of(name: str) -> str:
    return {
        "format": "adapter_format",
        "parse": "adapter_parse",
        "compile": "compile",
        "execute": "interpreter_execute",
        "start": "interpreter_startup",
        "shutdown": "interpreter_shutdown",
    }.get(name, "module")
