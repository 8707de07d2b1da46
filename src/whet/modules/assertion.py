"""`Assert` and `Suggest`: constraints inside of `forward`, which send a predictor back to work (Singhvi et al. 2023, arXiv 2312.13382)."""

from __future__ import annotations

import logging
from typing import Any, Final

from whet.core.context import attempt, current
from whet.core.field import InputField
from whet.core.records import Prediction
from whet.core.replay import Attempt, Backtrack, Failure, Record
from whet.core.signature import Signature
from whet.errors import AssertionFailed
from whet.modules.module import Module
from whet.modules.predict import Predict
from whet.modules.tree import leaves_of

__all__ = ["Assert", "Suggest", "with_failure"]

_logger = logging.getLogger(__name__)

BACKTRACKS: Final = 2
# All backtracks of one run of a `forward` together: what keeps a loop of assertions from going on for ever.
MOST_BACKTRACKS: Final = 50


def Assert(
    condition: Any, message: str = "", on: Any = None, *, backtracks: int = BACKTRACKS, target_module: Any = None, backtrack: Any = None
) -> None:
    """Require something of what a predictor gave; inside of a module's `forward`.

    Where `condition` is false, `forward` is taken again from the predictor that made the value: `on` is that predictor, a module around
    it, or the prediction itself, and without it the last one that was called. It is asked with its past output and the message as further
    inputs; predictors and tools that were called before it are not called again, their results are given once more (so `forward` should
    have no other side effects, and must be able to run twice). After `backtracks` more tries `AssertionFailed` is raised, with every try
    in `attempts`. `target_module` and `backtrack` are what DSPy called `on`.

    >>> Assert(2 + 2 == 4, "Two and two are four.")
    """
    if not condition and not _bypassed("bypass_assert", message):
        raise AssertionFailed(message, attempts=_sent_back(message, _first(on, target_module, backtrack), backtracks))


def Suggest(
    condition: Any, message: str = "", on: Any = None, *, backtracks: int = BACKTRACKS, target_module: Any = None, backtrack: Any = None
) -> bool:
    """Ask for something in the way of `Assert`, and go on where it stays unfulfilled.

    The message is then in `prediction.meta.suggestions` of what the module returns. The result says whether the condition holds. The
    arguments are those of `Assert`.

    >>> Suggest(len("short") < 10, "Be brief.")
    True
    """
    if condition:
        return True
    if _bypassed("bypass_suggest", message):
        return False
    _sent_back(message, _first(on, target_module, backtrack), backtracks)
    _logger.info("A suggestion stayed unfulfilled: %s", message)
    if (run := attempt.get()) is not None:
        run.suggestions.append(message)
    return False


def _bypassed(setting: str, message: str) -> bool:
    """Whether the program switched these off, with `whet.context(bypass_assert=True)` or `bypass_suggest`, as it is said in DSPy 2."""
    if not current().extra.get(setting):
        return False
    _logger.info("Unfulfilled, and bypassed by `%s`: %s", setting, message)
    return True


def _first(*given: Any) -> Any:
    return next((on for on in given if on is not None), None)


def _sent_back(message: str, on: Any, backtracks: int) -> tuple[Failure, ...]:
    """Go back to the step that is to blame; where that is used up, or there is none, what was tried."""
    run: Attempt | None = attempt.get()
    found = run.find(lambda record: _is_blamed(record, on)) if run is not None else None
    if found is None:
        return ()
    owner, record = found
    if len(record.failures) < backtracks and owner.backtracks < MOST_BACKTRACKS:
        raise Backtrack(owner, record, message)
    return (*record.failures, Failure(inputs=record.inputs, outputs=record.result, message=message))


def _is_blamed(record: Record, on: Any) -> bool:
    if not isinstance(record.caller, Predict):
        return False
    if on is None or record.caller is on:
        return True
    if isinstance(on, Prediction):
        return record.result is on or (isinstance(record.result, Prediction) and record.result._store is on._store)
    if isinstance(on, Signature):
        asked = record.caller.signature
        return asked.instructions == on.instructions and asked.output_fields.keys() >= on.output_fields.keys()
    return isinstance(on, Module) and any(record.caller is predictor for _, predictor in leaves_of(on, frozen=True))


def with_failure(signature: Signature, failure: Failure) -> tuple[Signature, dict[str, Any]]:
    """The signature with the past outputs and the message as inputs, and their values."""
    shown: dict[str, Any] = {}
    for name, field in signature.output_fields.items():
        if name in failure.outputs:
            shown[f"past_{name}"] = failure.outputs[name]
            signature = signature.append(
                f"past_{name}", InputField(desc=f"an earlier `{name}`, which was not good enough"), field.annotation
            )
    shown["feedback"] = failure.message
    return signature.append("feedback", InputField(desc="what was wrong with it; the new answer must be different"), str), shown
