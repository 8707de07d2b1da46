"""The climb of `COPRO`: the attempts per predictor, raced in our order or run on all rows in the published one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whet.core.wording import counted
from whet.optimize.candidate import Candidate
from whet.optimize.paired import paired
from whet.optimize.plan import rows_to_show
from whet.optimize.proposers.attempts import Attempt, Attempts
from whet.optimize.search import Search
from whet.optimize.store import mean_of
from whet.optimize.strand import Strand

__all__ = ["FIRST", "LAST", "Climb"]

# Rows of the first look at a candidate, and how many stay in for the last rows.
FIRST, LAST = 8, 3


@dataclass(kw_only=True)
class Climb:
    """The way up: the best candidate so far, and every attempt per predictor."""

    search: Search
    breadth: int
    strict: bool
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
        count, tried = self.breadth - (1 if depth == 0 else 0), self.tried[name]
        if self.strict:
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
