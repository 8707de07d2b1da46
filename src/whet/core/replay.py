"""Taking a run of a program again from one of its steps: the steps before it are not repeated, their results are given once more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from whet.core.context import attempt, current
from whet.core.flow import Effect, Flow
from whet.core.trace import as_given

__all__ = ["Attempt", "Backtrack", "Failure", "Repeatable", "Record", "attempted", "replayed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a step gave, and why it was not good enough."""

    inputs: Mapping[str, Any]
    outputs: Any
    message: str


class Record:
    """One call of a predictor or a tool: who was called with what, what came of it, and what was found wrong with it so far."""

    __slots__ = ("caller", "failures", "inputs", "result", "step")

    def __init__(self, caller: Any, inputs: Mapping[str, Any], result: Any, failures: tuple[Failure, ...] = ()) -> None:
        self.caller, self.inputs, self.result, self.failures = caller, inputs, result, failures
        self.step: Any = None

    def is_call_of(self, caller: Any, inputs: Mapping[str, Any]) -> bool:
        """Whether it was the same call."""
        if self.caller is not caller or self.inputs.keys() != inputs.keys():
            return False
        return all(_equal(value, inputs[name]) for name, value in self.inputs.items())


class Repeatable(Protocol):
    """Who can be asked again with what was wrong with earlier answers."""

    def flow_again(self, inputs: dict[str, Any], failures: tuple[Failure, ...]) -> Flow[Any]:
        """The call with the failures as additional inputs."""


class Backtrack(BaseException):
    """Takes the run `owner` again from the step `record`. No `Exception`, so that a program's own error handling lets it pass."""

    def __init__(self, owner: Attempt, record: Record, message: str) -> None:
        super().__init__(message)
        self.owner, self.record, self.message = owner, record, message


# Held for the moment in which a step is taken out of those that are kept.
_LOCK: Final = threading.Lock()


class Attempt:
    """One run of a user's `forward`: the steps made in it, those of modules inside included, in all threads and tasks."""

    __slots__ = ("backtracks", "failing", "kept", "parent", "records", "replaying", "suggestions")

    def __init__(self, parent: Attempt | None) -> None:
        self.parent = parent
        self.records: list[Record] = []
        self.kept: list[Record] = []
        self.failing: Record | None = None
        # Whether some calls may be answered with what they gave before.
        self.replaying: bool = parent is not None and parent.replaying
        self.backtracks = 0
        self.suggestions: list[str] = []

    def call(self, caller: Any, inputs: dict[str, Any], flow: Callable[[], Flow[Any]]) -> Flow[Any]:
        """The result that the same call had before, else what the flow gives; the step to be repeated is asked again."""
        owner, found = self._take(caller, inputs)
        if found is None or owner is None:
            found = Record(caller, as_given(inputs), (yield from flow()))
        elif found is owner.failing:
            owner.failing = None
            result = yield from caller.flow_again(dict(inputs), found.failures)
            found = Record(caller, as_given(inputs), result, found.failures)
        elif found.step is not None and current().trace is not None:
            current().trace.append(found.step)
        self.note(found)
        return found.result

    def _take(self, caller: Any, inputs: Mapping[str, Any]) -> tuple[Attempt | None, Record | None]:
        here: Attempt | None = self
        while here is not None:
            if here.kept:
                with _LOCK:
                    for index, record in enumerate(here.kept):
                        if record.is_call_of(caller, inputs):
                            return here, here.kept.pop(index)
            here = here.parent
        return None, None

    def note(self, record: Record) -> None:
        """Remember a step, here and in the runs around this one."""
        here: Attempt | None = self
        while here is not None:
            here.records.append(record)
            here = here.parent

    def find(self, matches: Callable[[Record], bool]) -> tuple[Attempt, Record] | None:
        """The newest step that matches, with the innermost run under way that made it."""
        here: Attempt | None = self
        while here is not None:
            for record in reversed(here.records):
                if matches(record):
                    return here, record
            here = here.parent
        return None

    def rewind(self, again: Backtrack) -> None:
        """Get ready for the run to be taken again from a step."""
        record = again.record
        place = next(i for i, known in enumerate(self.records) if known is record)
        undone = {id(known) for known in self.records}
        self._untrace(undone)
        record.failures = (*record.failures, Failure(inputs=record.inputs, outputs=record.result, message=again.message))
        # What was asked later with the same inputs does not depend on the step; a tool may, through what it changed.
        later = [known for known in self.records[place + 1 :] if hasattr(known.caller, "flow_again")]
        self.replaying = True
        self.kept, self.failing = [*self.records[: place + 1], *later], record
        self.backtracks += 1
        here: Attempt | None = self
        while here is not None:
            here.records = [known for known in here.records if id(known) not in undone]
            here = here.parent

    def _untrace(self, undone: set[int]) -> None:
        trace = current().trace
        if trace is None:
            return
        by_result = {id(record.result): record for record in self.records if id(record) in undone}
        for step in [step for step in trace if id(getattr(step, "prediction", None)) in by_result]:
            by_result[id(step.prediction)].step = step
            trace.remove(step)


def attempted(effect: Effect) -> Flow[Any]:
    """Run a user's `forward`, again from one of its steps whenever an assertion asks for it."""
    run = Attempt(attempt.get())
    token = attempt.set(run)
    try:
        while True:
            try:
                return run, (yield effect)
            except Backtrack as again:
                if again.owner is not run:
                    raise
                run.rewind(again)
    finally:
        attempt.reset(token)


def replayed(caller: Any, inputs: dict[str, Any], flow: Callable[[], Flow[Any]]) -> Flow[Any]:
    """A call that need not be made again when the program around it is taken again from a later step."""
    run = attempt.get()
    return flow() if run is None else run.call(caller, inputs, flow)


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # noqa: BLE001 - a comparison of users' values may raise anything; then the call is made again
        return False
