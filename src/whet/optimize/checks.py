"""Everything about the arguments of an optimizer that can be wrong is found here, before the first paid call."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from whet.core.flow import Flow
from whet.core.records import Example, Prediction, Score
from whet.core.wording import counted
from whet.errors import ConfigurationError, InputError, LMError, PreconditionError
from whet.evaluate.metric import MetricCall
from whet.modules.module import Module
from whet.optimize.rollout import WouldAsk, smoke_score

__all__ = ["check_model_inputs", "check_number", "check_rows", "check_student", "check_teacher", "check_unknown", "try_metric"]


def check_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise for an argument that does not exist, with the nearest one that does."""
    names = sorted(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ConfigurationError(f"`{owner}` has no argument `{name}`.{hint} Arguments that fit: {', '.join(names)}.")


def check_number(name: str, value: Any, *, at_least: float, whole: bool = True) -> None:
    """Raise where a number is none, or too small. `None` passes."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < at_least:
        raise ConfigurationError(f"`{name}` is {value!r}; it takes a {'whole ' if whole else ''}number from {at_least:g} on.")


def check_student(student: Any, *, role: str = "student") -> None:
    """Raise for what is no program, or one in which nothing can be learnt."""
    if not isinstance(student, Module):
        advice = " Make an instance of it." if inspect.isclass(student) else " Put the call into the `forward` of a `whet.Module`."
        raise ConfigurationError(f"The {role} is {student!r}, which is no `whet.Module`.{advice}")
    if not student.named_predictors():
        frozen = any(getattr(m, "_compiled", False) for _, m in student.named_sub_modules())
        reason = "its modules are compiled, hence frozen" if frozen else "it has no predictors"
        raise ConfigurationError(
            f"There is nothing to learn in this {type(student).__name__}: {reason}. "
            "Keep its predictors as attributes, for example `self.answer = whet.Predict(...)` in `__init__`."
        )


def check_rows(name: str, rows: Any, *, at_least: int = 1) -> list[Any]:
    """The rows as a list. Raises for too few of them and for rows that do not say what their inputs are."""
    if rows is None or isinstance(rows, str | Mapping) or not isinstance(rows, Iterable):
        raise ConfigurationError(f"`{name}` is {rows!r}; it takes a list of `whet.Example`s.")
    found = list(rows)
    if len(found) < at_least:
        size = "empty" if not found else f"of {counted(len(found), 'row')} only"
        raise ConfigurationError(f"`{name}` is {size}; this optimizer needs at least {at_least}.")
    for i, row in enumerate(found):
        if not isinstance(row, Example):
            raise ConfigurationError(f"Row {i} of `{name}` is {type(row).__name__}; make it a `whet.Example(...).with_inputs(...)`.")
        if row._input_keys is None:
            fields = list(dict(row)) or ["question"]
            raise InputError(
                f"Inputs have not been set for row {i} of `{name}`. Say which of its fields ({', '.join(fields)}) are inputs: "
                f"`example.with_inputs({fields[0]!r})`."
            )
    return found


def check_model_inputs(student: Module, rows: Sequence[Any], name: str) -> None:
    """Raise where the rows lack what the program takes, as far as its signature says."""
    forward = _written_forward(student)
    predictor = next((p for path, p in student.named_predictors() if path in ("self", "predict")), None)
    if forward is not None:
        places = inspect.signature(forward).parameters.values()
        needed = [p.name for p in places if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        anything = any(p.kind is p.VAR_KEYWORD for p in places)
        known = None if anything else {p.name for p in places}
    elif predictor is not None and len(student.named_predictors()) == 1:
        fields = predictor.signature.input_fields
        needed = [n for n, f in fields.items() if f.required and not f.train_only and not f.schema.nullable]
        known = set(fields)
    else:
        return
    for i, row in enumerate(rows):
        given = set(row.inputs().keys(include_dspy=True))
        missing = [n for n in needed if n not in given]
        extra = [n for n in given if known is not None and n not in known]
        if missing or extra:
            what = f"lacks the input {', '.join(f'`{n}`' for n in missing)}" if missing else f"gives the unknown input `{sorted(extra)[0]}`"
            raise InputError(f"Row {i} of `{name}` {what}; the program takes {', '.join(f'`{n}`' for n in sorted(known or needed))}.")


def _written_forward(student: Module) -> Any:
    """The program's `forward`, if it says by name what it takes."""
    forward = getattr(student, "forward", None)
    if forward is None:
        return None
    kinds = {p.kind for p in inspect.signature(forward).parameters.values()}
    return forward if kinds - {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL} else None


def check_teacher(student: Module, teacher: Module) -> None:
    """Raise `PreconditionError` unless student and teacher have the same predictors."""
    if student is teacher:
        raise PreconditionError("Student and teacher must be different objects: give a copy, `student.deepcopy()`.")
    mine, theirs = dict(student.named_predictors()), dict(teacher.named_predictors())
    if len(mine) != len(theirs):
        raise PreconditionError(
            f"Student and teacher must have the same number of predictors; the student has {len(mine)} ({', '.join(mine)}), "
            f"the teacher {len(theirs)} ({', '.join(theirs)})."
        )
    for name, other in zip(mine, theirs, strict=True):
        if name != other:
            raise PreconditionError(
                f"Student and teacher must have the same program structure; `{name}` stands where the teacher has `{other}`."
            )
        a, b = mine[name].signature, theirs[name].signature
        if list(a.fields) != list(b.fields):
            raise PreconditionError(f"Student and teacher must have the same signatures; `{name}` is {a.signature} and {b.signature}.")
        if mine[name] is theirs[name]:
            raise PreconditionError(f"Student and teacher must not share the predictor `{name}`: give a copy.")


def try_metric(metric: MetricCall, row: Example) -> Flow[None]:
    """Score a row's own labels as the answer, so that a broken metric is found for nothing.

    Only what is certainly the metric's fault is raised: a name that does not exist, a field that the rows lack, a result that is no score.
    """
    try:
        result = yield from smoke_score(metric, row)
        Score.of(result)
    except (WouldAsk, LMError):
        return
    except InputError as error:
        raise ConfigurationError(
            f"The metric `{metric.name}` does not work, tried on the first row with its labels as the answer: {error}"
        ) from error
    except Exception as error:
        if (reason := _certain(error, row)) is not None:
            raise ConfigurationError(
                f"The metric `{metric.name}` fails on the first row, tried with the row's labels as the answer: {reason}"
            ) from error


def _certain(error: Exception, row: Example) -> str | None:
    if isinstance(error, NameError):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, AttributeError) and not isinstance(error.obj, Prediction) and isinstance(error.obj, Example):
        return f"rows have no field `{error.name}`; they have: {', '.join(row)}."
    if isinstance(error, AttributeError) and str(error).startswith("This Example has no field"):
        return f"{error}."
    if isinstance(error, TypeError) and "positional argument" in str(error) and f"{error}".split("(")[0].isidentifier():
        return f"{error}."
    return None
