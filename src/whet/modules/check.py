"""`Check`: one rule that serves as an assertion, a reward, a metric, a filter for demos and as feedback."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from whet.core.records import Score
from whet.errors import ConfigurationError
from whet.modules.assertion import BACKTRACKS, Assert, Suggest

__all__ = ["Check"]


class Check:
    """A rule about what a program gives.

    `function` takes the prediction, or the inputs and the prediction, and returns whether it holds: `True`, `None` or an empty text for
    yes; `False` or a text, the reason, for no. `message` is said where the function gives no reason.

    Called with `(inputs or example, prediction)` it gives a `Score` of 1 or 0 with the message as feedback, so that it can stand where a
    metric or a `reward_fn` is wanted (for demos, only what scores 1 is kept). Inside of a `forward`, `require` and `suggest` send the
    predictor back to work as `Assert` and `Suggest` do.

    >>> short = Check(lambda prediction: len(prediction["answer"]) < 10, "Answer in a few words.")
    >>> short({}, {"answer": "Because of the rain that fell."})
    Score(value=0.0, feedback='Answer in a few words.', parts={})
    """

    def __init__(self, function: Callable[..., Any], message: str = "") -> None:
        if not callable(function):
            raise ConfigurationError(f"A check is made from a function, not from {function!r}.")
        self.function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.message = message or (inspect.getdoc(function) or "").split("\n\n")[0] or f"The check `{self.__name__}` failed."
        self.takes_inputs = _places(function) > 1

    @classmethod
    def of(cls, check: Any) -> Check:
        """The check itself, or one made from a function."""
        return check if isinstance(check, Check) else cls(check)

    def problem(self, inputs: Mapping[str, Any], prediction: Any) -> str:
        """What is wrong; empty where the rule holds."""
        found = self.function(inputs, prediction) if self.takes_inputs else self.function(prediction)
        if isinstance(found, str):
            return found
        return "" if found is None or found else self.message

    def __call__(self, inputs: Any, prediction: Any, trace: Any = None) -> Score:
        """The rule as a metric or a reward."""
        problem = self.problem(inputs, prediction)
        return Score(value=0.0 if problem else 1.0, feedback=problem)

    def require(self, prediction: Any, on: Any = None, *, inputs: Mapping[str, Any] | None = None, backtracks: int = BACKTRACKS) -> None:
        """`Assert` it, blaming the predictor that made the prediction, or `on`."""
        problem = self.problem(inputs or {}, prediction)
        Assert(not problem, problem, on=prediction if on is None else on, backtracks=backtracks)

    def suggest(self, prediction: Any, on: Any = None, *, inputs: Mapping[str, Any] | None = None, backtracks: int = BACKTRACKS) -> bool:
        """`Suggest` it in the same way."""
        problem = self.problem(inputs or {}, prediction)
        return Suggest(not problem, problem, on=prediction if on is None else on, backtracks=backtracks)

    def __repr__(self) -> str:
        return f"Check({self.__name__}: {self.message!r})"


def _places(function: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters)
