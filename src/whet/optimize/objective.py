"""`ObjectiveSearch`: the best program by one number for the whole of it, where no mean over rows says what is wanted."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from whet.core.context import current
from whet.core.flow import Flow, Invoke
from whet.errors import ConfigurationError, EvaluationError, InputError
from whet.evaluate.statistics import mean_interval
from whet.modules.module import Module
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.optimizer import Optimizer
from whet.optimize.run import Run
from whet.optimize.search import Search
from whet.optimize.strand import Handle, Strand

__all__ = ["ObjectiveSearch"]


class ObjectiveSearch(Optimizer):
    """Keeps the candidate for which `objective(program)` is highest: F1 over a corpus (`Evaluate(...).objective("f1")`), the quality of a
    model trained on what the program writes (Xian et al. 2024, arXiv 2406.11706), whatever is no mean over rows.

    Such numbers are few, dear and noisy. There are `max_evaluations` in all: every candidate once, the better half again, and so on, with
    the models' answers drawn anew each time; the mean decides. Once is enough where the objective is exact (`noisy=False`). An objective
    may take the number of the repeat as a second argument, to draw the same seed for all candidates.

    `candidates` are programs of the student's structure, a function `(student, rows)` that makes some, or an optimizer whose
    `candidate_programs` are taken; the program as given is always one. With a `run_dir` a later compile with other candidates goes on in
    the same journal, and asks the models nothing that they answered before. Scores are in `run.decisions` and `candidate_programs`.

    >>> import whet
    >>> short, long = (whet.Predict(whet.Signature("question -> answer", text)) for text in ("Be brief.", "Explain everything."))
    >>> optimizer = ObjectiveSearch(lambda program: -len(program.signature.instructions), [short, long], noisy=False)
    >>> optimizer.compile(whet.Predict("question -> answer"), trainset=[]).signature.instructions
    'Be brief.'
    """

    needs_metric: ClassVar[bool] = False
    needs_rows: ClassVar[int] = 0

    def __init__(
        self,
        objective: Callable[..., Any],
        candidates: Sequence[Module] | Callable[..., Sequence[Module]] | Optimizer = (),
        *,
        max_evaluations: int = 12,
        noisy: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.objective, self.candidates = objective, candidates
        self.max_evaluations, self.noisy = max_evaluations, noisy
        self._scores: dict[Candidate, list[float]] = {}

    def get_params(self) -> dict[str, Any]:
        """The arguments that this optimizer works with, by name; candidates may differ between sessions of one run."""
        return {name: value for name, value in super().get_params().items() if name not in ("candidates", "max_evaluations")}

    def check_arguments(self) -> None:
        """Raise for an objective that cannot be called, or numbers that cannot be."""
        super().check_arguments()
        if not callable(self.objective):
            raise ConfigurationError(f"`objective` is {self.objective!r}; give a function from a program to a number.")
        check_number("max_evaluations", self.max_evaluations, at_least=1)

    def steps(self, search: Search) -> Strand[Candidate]:
        """Round after round, each with the better half of the one before."""
        self._scores = {}
        alive = yield from self._pool(search)
        if len(alive) > self.max_evaluations:
            raise ConfigurationError(f"There are {len(alive)} candidates, but `max_evaluations` is {self.max_evaluations}; each needs one.")
        left, repeat = self.max_evaluations, 0
        while alive and len(alive) <= left:
            values = yield [self._evaluated(search, candidate, repeat) for candidate in alive]
            for candidate, value in zip(alive, values, strict=True):
                self._note(search, candidate, value)
            left, repeat = left - len(alive), repeat + 1
            alive = sorted((c for c in alive if self._scores.get(c)), key=self._mean, reverse=True)
            if not alive:
                raise EvaluationError("The objective failed for every candidate; `run.decisions` say why.", partial=search.run)
            search.mark(alive[0], self._mean(alive[0]))
            if not self.noisy or len(alive) == 1:
                break
            alive = alive[: max(2, math.ceil(len(alive) / 2))]
        return alive[0]

    def _pool(self, search: Search) -> Strand[list[Candidate]]:
        given = self.candidates
        if isinstance(given, Optimizer):
            optimizer, rows = given, {"trainset": search.train, "valset": search.val or None}
            program = yield search.ask("candidates", lambda: optimizer.flow(search.task.student, **rows))  # type: ignore[arg-type]
            if optimizer.run is not None:
                search.spend.include(optimizer.run.spend)
        elif callable(given):
            maker = given
            program = yield search.ask("candidates", lambda: _called(maker, search.task.student, search.train))
        else:
            program = list(given)
        if isinstance(program, Exception):
            raise program
        entries = getattr(program, "candidate_programs", None)
        programs = program if entries is None else [entry["program"] for entry in entries]
        made = [search.baseline.evolve(p.params(), f"candidate {number}") for number, p in enumerate(programs, 1)]
        return [search.add(candidate) for candidate in dict.fromkeys([search.baseline, *made])]

    def _evaluated(self, search: Search, candidate: Candidate, repeat: int) -> Handle:
        program = search.program_of(candidate)
        if repeat:
            program = _redrawn(program, repeat)
        extra = (repeat,) if _takes_repeat(self.objective) else ()
        return search.ask(f"objective {candidate.hash[:6]} {repeat}", lambda: _called(self.objective, program, *extra))

    def _note(self, search: Search, candidate: Candidate, value: Any) -> None:
        if isinstance(value, Exception):
            return
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InputError(f"The objective returned {value!r}; it must return a number.") from None
        if not math.isfinite(number):
            raise InputError(f"The objective returned {number} for {candidate!r}; it must return a finite number.")
        self._scores.setdefault(candidate, []).append(number)
        search.decide("objective", candidate, f"{number:.6g}", repeat=len(self._scores[candidate]) - 1, value=number)

    def _mean(self, candidate: Candidate) -> float:
        scores = self._scores[candidate]
        return sum(scores) / len(scores)

    def finished(self, search: Search, run: Run) -> Any:
        """The winner, with every candidate, its mean and its scores in `candidate_programs`, best first."""
        program = super().finished(search, run)
        ordered = sorted(self._scores, key=lambda c: (c != run.best, -self._mean(c)))
        program.candidate_programs = [self._entry(search, candidate) for candidate in ordered]
        return program

    def _entry(self, search: Search, candidate: Candidate) -> dict[str, Any]:
        scores = self._scores[candidate]
        facts: Mapping[str, Any] = {"score": self._mean(candidate), "subscores": list(scores), "program": search.program_of(candidate)}
        return {**facts, "estimate": mean_interval(scores) if len(scores) > 1 else None, "note": candidate.note}


def _called(function: Callable[..., Any], *args: Any) -> Flow[Any]:
    return (yield Invoke(function, args))


def _takes_repeat(function: Callable[..., Any]) -> bool:
    try:
        places = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in places) > 1


def _redrawn(program: Any, repeat: int) -> Any:
    """The program with models that answer anew, also where they are cached."""
    new = program.deepcopy()
    for predictor in new.predictors():
        lm = predictor.lm or current().lm
        predictor.lm = lm.copy(rollout_id=repeat) if lm is not None else None
    return new
