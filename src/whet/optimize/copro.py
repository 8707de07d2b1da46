"""`COPRO`: instructions refined from earlier attempts and their scores, one predictor at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.copro_climb import FIRST, LAST, Climb
from whet.optimize.forecast import Bounds
from whet.optimize.optimizer import Optimizer
from whet.optimize.plan import rows_in_order, shown_apart
from whet.optimize.proposers.attempts import Attempts
from whet.optimize.proposers.reflect import lm_for_proposals
from whet.optimize.proposers.writing import Writer
from whet.optimize.run import Run
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand

__all__ = ["COPRO"]


class COPRO(Optimizer):
    """Refines the instruction of each predictor (and the prefix of its last output, for formats that use it): `breadth` candidates at a
    time, `depth` times, each time shown the earlier attempts with their scores (Khattab et al. 2023, arXiv 2310.03714).

    `prompt_model` writes, at `init_temperature`. Candidates race on the rows of the trainset: all on 8 of them, the better half on twice as
    many, and so on; scores of those that left early are put on the scale of the best by comparing row by row. The predictors of a program
    are worked on side by side. `strict=True` runs each candidate on all rows, one predictor after the other, as published.

    >>> import whet.testing
    >>> def model(request):
    ...     if "proposed_instruction" in request.messages[0].text:
    ...         return {"proposed_instruction": "Give only the number.", "proposed_prefix_for_output_field": "Answer:"}
    ...     return {"answer": "4" if "only the number" in request.messages[0].text else "It is 4."}
    >>> rows = [whet.Example(question=f"2+2? {i}", answer="4").with_inputs("question") for i in range(4)]
    >>> optimizer = COPRO(metric=lambda row, prediction, trace=None: row.answer == prediction.answer, breadth=2, depth=1)
    >>> with whet.context(lm=whet.testing.ScriptedLM(model)):
    ...     better = optimizer.compile(whet.Predict("question -> answer"), trainset=rows)
    >>> better.signature.instructions
    'Give only the number.'
    """

    needs_metric: ClassVar[bool] = True

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        prompt_model: Any = None,
        metric: Any = None,
        breadth: int = 10,
        depth: int = 3,
        init_temperature: float = 1.4,
        track_stats: bool = False,
        strict: bool = False,
        **common: Any,
    ) -> None:
        if breadth <= 1:
            raise ConfigurationError(
                f"`breadth` is {breadth!r}; it must be greater than 1: the instruction that is there and at least one other."
            )
        super().__init__(metric, **common)
        self.prompt_model = prompt_model
        self.breadth, self.depth, self.init_temperature = breadth, depth, init_temperature
        self.track_stats, self.strict = track_stats, strict

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("depth", self.depth, at_least=1)
        check_number("init_temperature", self.init_temperature, at_least=0, whole=False)

    def bounds(self, task: Task) -> Bounds:
        """Every attempt, as far as it may go."""
        predictors, rows = len(task.student.predictors()), len(task.val)
        asks = (1, self.depth * predictors * self.breadth)
        if self.strict:
            tried = sum(self.breadth * (d + 1 if predictors > 1 else 1) + 1 for d in range(self.depth))
            return Bounds(runs=(rows, predictors * tried * rows), asks=asks)
        size, alive = min(FIRST, rows), self.breadth
        race = alive * size
        while alive > LAST - 1 and size < rows:
            alive, grown = max(1, alive // 2), min(rows, 2 * size)
            race, size = race + alive * (grown - size), grown
        most = self.depth * (predictors * race + rows + 2 * FIRST + shown_apart(task, 2 * FIRST)) + (LAST + 1) * rows
        return Bounds(runs=(min(rows, 2 * FIRST), most), asks=asks, useful=min(rows, 2 * FIRST))

    def search_for(self, task: Task, options: Mapping[str, Any]) -> Search:
        """The search; `eval_kwargs` may say how many rows run side by side."""
        before = self.num_threads
        try:
            self.num_threads = before or (options.get("eval_kwargs") or {}).get("num_threads")
            return super().search_for(task, {k: v for k, v in options.items() if k != "eval_kwargs"})
        finally:
            self.num_threads = before

    def steps(self, search: Search, *, eval_kwargs: Mapping[str, Any] | None = None) -> Strand[Candidate]:
        """Candidates for every predictor, raced; then others from what that told."""
        writer = Writer(search=search, model=lm_for_proposals(search, self.prompt_model), temperature=self.init_temperature)
        attempts = Attempts(search=search, writer=writer)
        self._climb = climb = Climb(search=search, breadth=self.breadth, strict=self.strict, attempts=attempts, rows=rows_in_order(search))
        for depth in range(self.depth):
            if self.strict:
                for name in search.baseline.params:
                    yield from climb.published(name, depth)
            else:
                yield from climb.race(depth)
        return climb.best if self.strict else (yield from climb.finals())

    def finished(self, search: Search, run: Run) -> Any:
        """The winner, with what was tried."""
        program = super().finished(search, run)
        program.total_calls = run.spend.calls
        climb = getattr(self, "_climb", None)
        if climb is not None and self.track_stats:
            program.results_best, program.results_latest = climb.results_best, climb.results_latest
        return program

    def entry(self, search: Search, trial: Any) -> dict[str, Any]:
        """One of `candidate_programs`."""
        attempts = self._climb.made.get(trial.candidate.hash)
        last = next(reversed(list(trial.candidate.params.values())))
        told = {"instruction": attempts.text, "prefix": attempts.prefix, "depth": attempts.depth} if attempts else {}
        return {**super().entry(search, trial), "instruction": last.instructions, "prefix": "", "depth": 0, **told}
