"""`@predict` and `@cot`: a typed function as a program; a checker sees what it takes and gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, get_type_hints, overload

from whet.core.flow import Flow, drive
from whet.core.function import signature_of_function
from whet.core.records import Prediction
from whet.errors import ConfigurationError, InputError
from whet.modules.chain_of_thought import ChainOfThought
from whet.modules.module import Module
from whet.modules.predict import Predict

__all__ = ["FunctionProgram", "cot", "predict"]

P = ParamSpec("P")
R = TypeVar("R")


class FunctionProgram(Module, Generic[P, R]):
    """A program made of a typed function: parameters are its inputs, the return type is what a call gives, the docstring what to do.

    A dataclass, TypedDict, NamedTuple or pydantic model as return type has one output per field. `prediction(...)` gives the
    `Prediction` behind the result. Arguments may be positional; a call may also have what one of `Predict` has (`config`, `lm`, ...).
    """

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
        async def acall(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def __init__(self, function: Callable[P, R], kind: Callable[..., Any], config: dict[str, Any]) -> None:
        super().__init__()
        if not inspect.isroutine(function):
            raise ConfigurationError(
                f"A program is made of a typed function, not of {function!r}. For a signature there is `whet.Predict`."
            )
        self.function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.signature = signature_of_function(function)
        self.predict: Any = kind(self.signature, **config)

    def flow(self, /, *args: Any, **kwargs: Any) -> Flow[Any]:
        """The result of one prediction."""
        prediction: Prediction = yield from self._asked(args, kwargs)
        returns = get_type_hints(self.function, include_extras=True)["return"]
        outputs = {name: prediction[name] for name in self.signature.output_fields}
        return outputs["result"] if list(outputs) == ["result"] and not _has_field(returns, "result") else returns(**outputs)

    def prediction(self, /, *args: P.args, **kwargs: P.kwargs) -> Prediction:
        """The prediction behind a call: reasoning, completions, usage."""
        return drive(self._asked(args, kwargs))

    def _asked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Prediction]:
        if len(args) > len(self.signature.input_fields):
            raise InputError(f"`{self.__name__}` takes {', '.join(self.signature.input_fields)}, but {len(args)} values were given.")
        given = dict(zip(self.signature.input_fields, args, strict=False))
        if twice := [name for name in given if name in kwargs]:
            raise InputError(f"`{self.__name__}` got `{twice[0]}` twice: by its place and by its name.")
        return self.predict.run_flow((), {**given, **kwargs})  # type: ignore[no-any-return]


def _has_field(returns: Any, name: str) -> bool:
    return isinstance(returns, type) and name in getattr(returns, "__annotations__", {})


@overload
def predict(function: Callable[P, R], /) -> FunctionProgram[P, R]: ...
@overload
def predict(*, kind: Callable[..., Any] = ..., **config: Any) -> Callable[[Callable[P, R]], FunctionProgram[P, R]]: ...
def predict(function: Any = None, /, *, kind: Callable[..., Any] = Predict, **config: Any) -> Any:
    """Make a program of a typed function: `@whet.predict`, or `@whet.predict(temperature=0.5)` with request parameters.

    `kind` is what asks the model: `Predict`, `ChainOfThought`, or anything that takes a signature. The body is never run.

    >>> @predict
    ... def capital(country: str) -> str:
    ...     '''Name the capital.'''
    >>> capital.signature.signature
    'country -> result'
    """
    if function is not None:
        return FunctionProgram(function, kind, config)
    return lambda function: FunctionProgram(function, kind, config)


@overload
def cot(function: Callable[P, R], /) -> FunctionProgram[P, R]: ...
@overload
def cot(**config: Any) -> Callable[[Callable[P, R]], FunctionProgram[P, R]]: ...
def cot(function: Any = None, /, **config: Any) -> Any:
    """Make a program of a typed function that reasons before it answers: `@whet.cot`.

    >>> import whet.testing
    >>> @cot
    ... def add(a: int, b: int) -> int:
    ...     '''Add the numbers.'''
    >>> with whet.context(lm=whet.testing.ScriptedLM([{"reasoning": "Two and two.", "result": 4}])):
    ...     add(2, 2)
    4
    """
    if function is not None:
        return FunctionProgram(function, ChainOfThought, config)
    return lambda function: FunctionProgram(function, ChainOfThought, config)
