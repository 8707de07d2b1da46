"""`COPRO`: instructions refined from earlier attempts and their scores, one predictor at a time."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.forecast import Bounds
from whet.optimize.optimizer import Optimizer
from whet.optimize.paired import paired
from whet.optimize.plan import rows_in_order, rows_to_show, shown_apart
from whet.optimize.proposers.attempts import Attempt, Attempts
from whet.optimize.proposers.reflect import lm_for_proposals
from whet.optimize.proposers.writing import Writer
from whet.optimize.run import Run
from whet.optimize.search import Search, Task
from whet.optimize.store import mean_of
from whet.optimize.strand import Strand

__all__ = ["COPRO"]

# Rows of the first look at a candidate, and how many stay in for the last rows.
FIRST, LAST = 8, 3


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
        self._climb = climb = Climb(search=search, recipe=self, attempts=Attempts(search=search, writer=writer), rows=rows_in_order(search))
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


@dataclass(kw_only=True)
class Climb:
    """The way up: the best candidate so far, and every attempt per predictor."""

    search: Search
    recipe: COPRO
    attempts: Attempts
    rows: Sequence[Any]

    def __post_init__(self) -> None:
        self.best = self.search.baseline
        self.shown = rows_to_show(self.search, self.rows)
        self.tried: dict[str, list[Attempt]] = {name: [] for name in self.search.baseline.params}
        self.made: dict[str, Attempt] = {}
        names = list(self.search.baseline.params)
        self.results_best: dict[str, dict[str, list[float]]] = {name: {} for name in names}
        self.results_latest: dict[str, dict[str, list[float]]] = {name: {} for name in names}

    def _new(self, name: str, depth: int) -> Strand[list[Candidate]]:
        """Candidates that differ from the best in one predictor."""
        count, tried = self.recipe.breadth - (1 if depth == 0 else 0), self.tried[name]
        if self.recipe.strict:
            made = yield from self.attempts.propose(self.best, name, count, tried, depth)
        else:
            made = yield from self.attempts.from_failures(self.best, name, count, tried, self._runs(), depth)
        found = []
        for attempt in made:
            candidate = self.search.add(self.best.with_instructions({name: attempt.text}, f"depth {depth}, {name}"), "attempts")
            self.tried[name].append(attempt)
            attempt.candidate = candidate
            self.made[candidate.hash] = attempt
            found.append(candidate)
        return found

    def _runs(self) -> list[tuple[Any, Any]]:
        """What the best one did on the rows that it was run on and that a writer may read."""
        found = ((row, self.search.known(self.best, row)) for row in self.shown)
        return [(row, result) for row, result in found if result is not None]

    # -- our order ----------------------------------------------------------------------

    def race(self, depth: int) -> Strand[None]:
        """New candidates for all predictors, raced side by side; each predictor takes over what did best for it."""
        names = list(self.tried)
        yield [*self.search.scores(self.best, self.rows[: 2 * FIRST]), *self.search.scores(self.best, self.shown[: 2 * FIRST])]
        made = yield [self._new(name, depth) for name in names]
        orders = yield [self._halved(candidates) for candidates in made]
        winners = {name: order[0] for name, order in zip(names, orders, strict=True) if order and self._values(order[0], self.best) > 0}
        self._note(names, made, depth)
        if winners:
            texts = {name: winner.params[name].instructions for name, winner in winners.items()}
            together = self.search.add(self.best.with_instructions(texts, f"depth {depth}, the best of {', '.join(winners)}"))
            yield self.search.scores(together, self.rows[: 2 * FIRST])
            before = self.best
            self.best = max([together, *winners.values()], key=lambda c: self._values(c, before))
            self.search.mark(self.best, self.search.trial(self.best, self.rows).score)

    def _halved(self, candidates: Sequence[Candidate]) -> Strand[list[Candidate]]:
        size, alive = FIRST, list(candidates)
        out: list[Candidate] = []
        while alive:
            yield [h for c in [self.best, *alive] for h in self.search.scores(c, self.rows[:size])]
            alive.sort(key=lambda c: -self._values(c, self.best))
            if len(alive) <= LAST - 1 or size >= len(self.rows):
                break
            keep = max(1, len(alive) // 2)
            for loser in alive[keep:]:
                self.search.decide("drop", loser, f"{self._values(loser, self.best):+.3f} against the best on {counted(size, 'row')}")
            alive, out = alive[:keep], alive[keep:] + out
            size = min(len(self.rows), 2 * size)
        return alive + out

    def finals(self) -> Strand[Candidate]:
        """The best few of all on most of the rows."""
        everyone = [self.search.baseline, self.best, *(a.candidate for tried in self.tried.values() for a in tried if a.candidate)]
        order = sorted(dict.fromkeys(everyone), key=lambda c: -self._gain(c))[:LAST]
        rows = self.rows[: max(FIRST, 3 * len(self.rows) // 4)]
        yield [h for c in order for h in self.search.scores(c, rows)]
        winner = max(order, key=lambda c: self.search.trial(c, rows).score or 0.0)
        yield self.search.scores(winner, self.rows)
        self.search.mark(winner, self.search.trial(winner, self.rows).score)
        self.search.announce(winner, self.rows)
        return winner

    def _gain(self, candidate: Candidate) -> float:
        """How much better than the program as given, on the rows that both were run on, drawn towards no difference."""
        return self._values(candidate, self.best) + (
            self._values(self.best, self.search.baseline) if self.best != self.search.baseline else 0.0
        )

    def _values(self, a: Candidate, b: Candidate) -> float:
        both = []
        for candidate in (a, b):
            results = [self.search.known(candidate, row) for row in self.rows]
            both.append([None if r is None else r.value for r in results])
        return paired(both[0], both[1]).shrunk()

    def _note(self, names: Sequence[str], made: Sequence[Sequence[Candidate]], depth: int) -> None:
        """What each attempt is worth, on the scale of the program as given."""
        floor = self.search.trial(self.search.baseline, self.rows).score or 0.0
        for name in names:
            for attempt in self.tried[name]:
                if attempt.candidate is not None:
                    attempt.score = 100 * (floor + self._gain(attempt.candidate))
        for name, latest in zip(names, made, strict=True):
            self._statistics(name, latest, depth)

    def _statistics(self, name: str, latest: Sequence[Candidate], depth: int) -> None:
        best = sorted((a.score for a in self.tried[name] if a.score is not None), reverse=True)[:10]
        newest = [a.score for a in self.tried[name] if a.candidate in latest and a.score is not None]
        for table, values in ((self.results_best[name], best), (self.results_latest[name], newest)):
            if values:
                row = {
                    "depth": float(depth),
                    "max": max(values),
                    "average": statistics.fmean(values),
                    "min": min(values),
                    "std": statistics.pstdev(values),
                }
                for key, value in row.items():
                    table.setdefault(key, []).append(value)

    # -- the published order ----------------------------------------------------------------------

    def published(self, name: str, depth: int) -> Strand[None]:
        """Candidates for one predictor on all rows; it takes over the best one."""
        made = yield from self._new(name, depth)
        if len(self.tried) > 1:  # what another predictor says by now may change what is best
            made = [self.best.with_instructions({name: a.text}, f"depth {depth}, {name}") for a in self.tried[name]]
        scores = {}
        for candidate in dict.fromkeys([self.best, *made]):
            scores[candidate] = mean_of((yield self.search.scores(self.search.add(candidate), self.rows)))
            self.search.announce(candidate, self.rows)
        for attempt in self.tried[name]:
            known = [s for c, s in scores.items() if c.params[name].instructions == attempt.text]
            attempt.score = 100 * max(known) if known else attempt.score
        self.best = max(scores, key=lambda c: scores[c])
        self.search.mark(self.best, scores[self.best])
        self._statistics(name, made, depth)
