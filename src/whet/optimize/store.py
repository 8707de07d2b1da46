"""What each candidate did on each row, stored once under its content, so that nothing is ever evaluated twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from whet.core.records import Example, Prediction, Score
from whet.core.schema import schema_of
from whet.core.trace import Step, Unread
from whet.core.types.blob import blobs_in
from whet.core.wording import a_kind
from whet.errors import ConfigurationError, SchemaError, StateError

__all__ = ["Key", "Result", "Store", "Subject", "mean_of", "means_of", "plain_result", "result_of"]

_COLONS = 3  # in a written `Key`


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Which program, in which settings, candidates are put into. `training` tells the metric the trace, and shows hints to the program;
    `exploring` says that bad answers are wanted, too, so that they are no reason to give up."""

    name: str
    program: Any
    settings: Mapping[str, Any]
    training: bool = False
    exploring: bool = False


class Key(NamedTuple):
    """Who did what: subject, candidate, row, and which sample of it."""

    subject: str
    candidate: str
    row: str
    sample: int = 0

    def __str__(self) -> str:
        return f"{self.subject}:{self.candidate}:{self.row}:{self.sample}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one candidate on one row. `score` is `None` where the network or the metric failed: it counts for nothing then.

    `steps` are the calls of the predictors, each with its `name`, `unread` those whose answers could not be read. A `reused` one was made
    by an earlier search; tokens, cost and seconds are what it took then.
    """

    score: Score | None
    status: str
    prediction: Any = None
    steps: tuple[Step, ...] = ()
    unread: tuple[Unread, ...] = ()
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = 0.0
    calls: int = 0
    error: str = ""
    failure: Exception | None = None
    reused: bool = False

    @property
    def value(self) -> float | None:
        """The score as a number."""
        return None if self.score is None else self.score.value


class Store:
    """Results by key, newest first asked; `lines` takes a copy of each."""

    def __init__(self, lines: Any = None) -> None:
        self.results: dict[Key, Result] = {}
        self.lines = lines

    def get(self, key: Key) -> Result | None:
        """The result, if it is there."""
        return self.results.get(key)

    def put(self, key: Key, result: Result) -> None:
        """Keep a result; one that nobody is to blame for but the network is not kept, so that a later run asks again."""
        self.results[key] = result
        if self.lines is not None and result.status in ("ok", "program_error"):
            self.lines.append({"row": str(key), **plain_result(result)})

    def load(self, line: Mapping[str, Any], predictors: Mapping[str, Any]) -> None:
        """Take a result from its line in a journal; `predictors` are the program's, whose types the values have.

        A result with values that could not be written, or read again, is left out: its run is made again, from the calls in the journal.
        """
        subject, candidate, row, sample = str(line["row"]).split(":") if str(line["row"]).count(":") == _COLONS else ("", "", "", "")
        if sample.isdecimal() and (result := result_of(line, predictors)) is not None:
            self.results[Key(subject, candidate, row, int(sample))] = result


def mean_of(results: Sequence[Result]) -> float:
    """The mean of the scores there are; 0 when there are none.

    >>> mean_of([Result(score=Score(value=1.0), status="ok"), Result(score=None, status="infra_error")])
    1.0
    """
    values = [r.score.value for r in results if r.score is not None]
    return sum(values) / len(values) if values else 0.0


def means_of(results: Sequence[Result]) -> dict[str, float]:
    """What a row took on average, and the means of the named parts of the scores."""
    scored = [r for r in results if r.score is not None]
    if not scored:
        return {}
    n = len(scored)
    means = {
        "tokens": sum(r.tokens for r in scored) / n,
        "seconds": sum(r.seconds for r in scored) / n,
        "calls": sum(r.calls for r in scored) / n,
    }
    if all(r.cost is not None for r in scored):
        means["cost"] = sum(r.cost or 0.0 for r in scored) / n
    parts: dict[str, list[float]] = {}
    for result in scored:
        for name, value in result.score.parts.items() if result.score is not None else ():
            parts.setdefault(name, []).append(value)
    return {**means, **{name: sum(values) / len(values) for name, values in parts.items()}}


def plain_result(result: Result) -> dict[str, Any]:
    """A result as plain data. It has no `steps` where some value in it could not be made again from such data."""
    score = result.score
    plain: dict[str, Any] = {"score": None if score is None else score.value, "status": result.status, "seconds": round(result.seconds, 4)}
    plain.update(tokens=result.tokens, cost=result.cost, calls=result.calls)
    if score is not None and score.feedback:
        plain["feedback"] = score.feedback
    if score is not None and score.parts:
        plain["parts"] = dict(score.parts)
    if result.error:
        plain["error"] = result.error
    if result.reused:
        plain["reused"] = True
    try:
        if isinstance(result.prediction, Mapping):
            plain["prediction"] = {name: _written(name, value, result.steps) for name, value in result.prediction.items()}
        elif result.prediction is not None:
            return plain
        if result.unread:
            plain["unread"] = [[call.name, _dumped(call.inputs), call.text, call.cut] for call in result.unread]
        return {**plain, "steps": [[s.name, _dumped(s.inputs), _dumped(s.prediction)] for s in result.steps]}
    except (SchemaError, ConfigurationError, TypeError, ValueError):
        return plain  # a value without a JSON form


def _written(name: str, value: Any, steps: Sequence[Step]) -> Any:
    """An output of the program: plain data, or that of a step, which knows the type. Raises `TypeError` for what is neither."""
    if _is_plain(value):
        return value
    if _output_of_step(name, value, [step.prediction for step in steps]) is None:
        raise TypeError(f"`{name}` holds {a_kind(value)}, and no step gave it")
    return schema_of(type(value)).dump(value)


def _output_of_step(name: str, value: Any, outputs: Sequence[Mapping[str, Any]]) -> int | None:
    return next((i for i in reversed(range(len(outputs))) if name in outputs[i] and outputs[i][name] == value), None)


def _dumped(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if _is_plain(value) else schema_of(type(value)).dump(value) for name, value in values.items()}


def _is_plain(value: Any) -> bool:
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(type(name) is str for name in value) and all(map(_is_plain, value.values()))
    return value is None or type(value) in (str, int, float, bool)


def result_of(line: Mapping[str, Any], predictors: Mapping[str, Any]) -> Result | None:
    """The result that `plain_result` wrote; `None` where a value in it could not be written, cannot be read as its type, or is of media
    whose bytes nobody has here (those of rows are there with the rows)."""
    try:
        if "steps" not in line:
            return None
        result = _result_of(line, predictors)
        for step in result.steps:
            for blob in blobs_in([step.inputs, step.prediction]):
                _ = blob.bytes
    except (SchemaError, StateError, KeyError, ValueError, TypeError):
        return None
    return result


def _result_of(line: Mapping[str, Any], predictors: Mapping[str, Any]) -> Result:
    value = line["score"]
    score = None if value is None else Score(value=value, feedback=line.get("feedback", ""), parts=line.get("parts", {}))
    steps = tuple(_step_of(predictors, *step) for step in line["steps"])
    return Result(
        score=score,
        status=line["status"],
        prediction=Prediction(_read(line["prediction"], line["steps"], steps)) if "prediction" in line else None,
        steps=steps,
        unread=tuple(_unread_of(predictors, *call) for call in line.get("unread", ())),
        seconds=line["seconds"],
        tokens=line["tokens"],
        cost=line["cost"],
        calls=line["calls"],
        error=line.get("error", ""),
        reused=line.get("reused", False),
    )


def _read(prediction: Mapping[str, Any], written: Sequence[Any], steps: Sequence[Step]) -> dict[str, Any]:
    """The program's outputs, those that a step gave with their types."""
    values = dict(prediction)
    outputs = [step[2] for step in written]
    for name, value in prediction.items():
        if (place := _output_of_step(name, value, outputs)) is not None:
            values[name] = steps[place].prediction[name]
    return values


def _step_of(predictors: Mapping[str, Any], name: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> Step:
    predictor = predictors[name]
    return Step(predictor, _typed(predictor, inputs), Prediction(Example(_typed(predictor, outputs))), name=name)


def _unread_of(predictors: Mapping[str, Any], name: str, inputs: dict[str, Any], text: str, cut: bool) -> Unread:
    predictor = predictors[name]
    return Unread(predictor, _typed(predictor, inputs), text, cut, name)


def _typed(predictor: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    fields = predictor.signature.fields
    return {name: fields[name].schema.coerce(v) if name in fields and v is not None else v for name, v in values.items()}
