"""`Ensemble`: several programs as one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from whet.core.flow import Flow, Gather
from whet.errors import ConfigurationError, PreconditionError
from whet.modules.module import Module
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.optimizer import Optimizer

__all__ = ["Ensemble", "EnsembledProgram"]


class Ensemble(Optimizer):
    """Makes one program of several: `Ensemble(reduce_fn=whet.majority).compile(programs)`.

    Instead of a list, `compile` takes a program that an optimizer has returned: its candidates are the programs then, the best `top` of
    them (default: all).

    A call runs all of them (or `size` of them, drawn anew each time) side by side, and returns `reduce_fn(outputs)`, or the list of outputs
    without it. `deterministic=True` is not supported.

    >>> import whet.testing
    >>> programs = [whet.Predict("question -> answer", lm=whet.testing.ScriptedLM([{"answer": a}])) for a in ("4", "5", "4")]
    >>> Ensemble(reduce_fn=whet.majority).compile(programs)(question="2+2?").answer
    '4'
    """

    def __init__(
        self,
        *,
        reduce_fn: Callable[[list[Any]], Any] | None = None,
        size: int | None = None,
        deterministic: bool = False,
        top: int | None = None,
    ) -> None:
        if deterministic:
            raise PreconditionError(
                "`deterministic=True` is not supported: programs are drawn at random for each call. Leave `size` out to run all."
            )
        super().__init__()
        check_number("top", top, at_least=1)
        self.reduce_fn, self.size, self.deterministic, self.top = reduce_fn, size, deterministic, top

    def compile(self, programs: Module | Sequence[Any]) -> Any:  # type: ignore[override]
        """The programs as one; costs nothing."""
        found = (candidates_of(programs) if isinstance(programs, Module) else list(programs))[: self.top]
        wrong = next((p for p in found if not isinstance(p, Module)), None)
        if not found or wrong is not None:
            raise ConfigurationError(f"`programs` must be a list of programs; it {'is empty' if not found else f'has {wrong!r} in it'}.")
        if self.size is not None and not 0 < self.size <= len(found):
            raise ConfigurationError(f"`size` is {self.size!r}; there are {len(found)} programs to draw from.")
        return EnsembledProgram(found, self.reduce_fn, self.size)


def candidates_of(program: Module) -> list[Any]:
    """The programs that an optimizer made on its way to this one, the best first, each once."""
    entries = getattr(program, "candidate_programs", None)
    if not isinstance(entries, list) or not entries:
        raise ConfigurationError(
            f"This {type(program).__name__} has no `candidate_programs`: no optimizer that scores candidates has returned it. Give a list."
        )
    judged = sorted((e for e in entries if e["score"] is not None), key=lambda entry: -entry["score"])
    once: dict[str, Any] = {}
    for entry in judged or entries:
        once.setdefault(Candidate(params=entry["program"].params()).hash, entry["program"])
    return list(once.values())


class EnsembledProgram(Module):
    """Runs its `programs` side by side and reduces their outputs to one."""

    def __init__(self, programs: Sequence[Module], reduce_fn: Callable[[list[Any]], Any] | None = None, size: int | None = None) -> None:
        super().__init__()
        self.programs = list(programs)
        self.reduce_fn, self.size = reduce_fn, size

    def flow(self, /, *args: Any, **inputs: Any) -> Flow[Any]:
        """One call of each."""
        chosen = random.sample(self.programs, self.size) if self.size else self.programs
        outcomes = yield Gather([_job(program, args, inputs) for program in chosen])
        failed = [o for o in outcomes if isinstance(o, Exception)]
        if failed:
            raise failed[0]
        return self.reduce_fn(outcomes) if self.reduce_fn else outcomes


def _job(program: Module, args: tuple[Any, ...], inputs: dict[str, Any]) -> Callable[[], Flow[Any]]:
    return lambda: program.run_flow(args, inputs)
