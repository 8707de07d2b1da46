"""The course of `GEPA` in our order: several proposals in flight, children raced on fresh rows, parents from the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whet.optimize.candidate import Candidate
from whet.optimize.paired import Difference, paired
from whet.optimize.plan import rows_in_order
from whet.optimize.proposers.components import Components
from whet.optimize.proposers.pareto import drawn, undominated
from whet.optimize.search import Search
from whet.optimize.store import Result
from whet.optimize.strand import Strand

__all__ = ["Evolution"]

# Rows of a first look, of the gate, and to judge by; rounds without success; candidates and rows of the last duel.
LOOK, GATE, WIDTH, PATIENCE = 16, 6, 8, 5
FINALISTS, DUEL = 3, 8


class Evolution:
    """One run: the pool of candidates that passed, what they did on training rows, and what is left of the budget."""

    def __init__(self, search: Search, recipe: Any, runs: int) -> None:
        self.search, self.recipe, self.runs = search, recipe, runs
        self.children: int = recipe.children
        self.val = rows_in_order(search)
        self.train = list(dict.fromkeys(search.train))
        search.rng("train").shuffle(self.train)
        self.components = Components(search, recipe)
        self.pool: list[Candidate] = [search.baseline]
        self.best = search.baseline
        self.shown: dict[str, list[tuple[Any, Result]]] = {}
        self.looked = 0
        self.gated: list[Any] = []
        self.merges = 0
        self.width = min(len(self.val), WIDTH)
        self.reserve = min(FINALISTS * DUEL, runs // 8)
        self.rng = search.rng("evolution")

    @property
    def left(self) -> int:
        """Program runs that may still be asked for."""
        return self.runs - self.search.rollouts

    def front(self) -> list[int]:
        """The candidates of the pool that no other one makes superfluous."""
        return undominated(self._matrix()) or [0]

    # -- the course ----------------------------------------------------------------------

    def run(self) -> Strand[Candidate]:
        """A look at the program as given, then rounds of children, then a duel of the best.

        A round takes two waves: the children on fresh rows, and then all that follows from it side by side: the next ones are written
        while the child that did best is judged, and run on the rows that they will be compared with it on."""
        look = self._rows(min(LOOK, max(1, self.left // 3)))
        width = max(0, min(self.width, self.left - len(look)))
        yield [self.search.strands.start(self._look(self.best, look)), *self.search.scores(self.best, self.val[:width])]
        self.search.mark(self.best, self.search.trial(self.best, self.val[:width]).score)
        fresh, ahead = yield from self._prepared(self.best, [self.best] * self.children)
        failed_rounds = 0
        while fresh and failed_rounds < PATIENCE:
            good = yield from self._gate(fresh, *ahead)
            passed, rows = good[:1], self.val[: self.width]
            self.pool += [c for c in passed if c not in self.pool]
            if not self._affordable(len(passed) * len(rows)):
                break
            judged = self.search.strands.start(self._judged(passed, rows))
            fresh, ahead = yield from self._prepared((passed or [self.best])[0], self._parents(passed), self._merging(good))
            yield judged
            failed_rounds = 0 if self._promoted(passed, rows) else failed_rounds + 1
            if not fresh and failed_rounds < PATIENCE and self._affordable(LOOK):
                yield from self._look(self.best, self._rows(LOOK))
                fresh, ahead = yield from self._prepared(self.best, [self.best] * self.children)
        return (yield from self._duel())

    def _affordable(self, first: int) -> bool:
        """Whether there is enough left for so many runs, two children on the rows of a gate, and the duel."""
        return self.left >= first + 3 * min(GATE, len(self.train)) + self.reserve

    def _prepared(
        self, leader: Candidate, parents: Sequence[Candidate], merging: Sequence[Any] = ()
    ) -> Strand[tuple[list[Candidate], Any]]:
        """New children, and the gate they will go through: with whom they are compared, which is run meanwhile, and the rows."""
        rows = self._rows(min(GATE, self.left // 3))
        if not rows:
            return [], (leader, rows)
        writing = self.search.strands.start(self._propose(parents[len(merging) :], merging))
        results = yield self.search.scores(leader, rows)
        fresh = yield writing
        self._show(leader, rows, results)
        return fresh, (leader, rows)

    def _judged(self, candidates: Sequence[Candidate], rows: Sequence[Any]) -> Strand[None]:
        yield [h for c in candidates for h in self.search.scores(c, rows)]

    def _rows(self, count: int) -> list[Any]:
        """Training rows in turn."""
        count = min(count, len(self.train))
        rows = [self.train[(self.looked + i) % len(self.train)] for i in range(count)]
        self.looked += count
        return rows

    def _look(self, candidate: Candidate, rows: Sequence[Any]) -> Strand[list[Result]]:
        """Run a candidate on training rows and keep what its steps did."""
        results: list[Result] = yield self.search.scores(candidate, rows)
        self._show(candidate, rows, results)
        return results

    def _show(self, candidate: Candidate, rows: Sequence[Any], results: Sequence[Result]) -> None:
        self.shown.setdefault(candidate.hash, []).extend(zip(rows, results, strict=True))

    def _propose(self, parents: Sequence[Candidate], merging: Sequence[Any]) -> Strand[list[Candidate]]:
        """What is merged, and one proposal per parent, side by side; those of one parent share what it is known to have done."""
        counts: dict[Candidate, int] = {}
        for parent in parents:
            counts[parent] = counts.get(parent, 0) + 1
        written = [self.components.propose(p, self.shown.get(p.hash, [])[-LOOK:], n) for p, n in counts.items()]
        made = yield [*merging, *written]
        children = [*made[: len(merging)], *(c for some in made[len(merging) :] for c in some)]
        return list(dict.fromkeys(c for c in children if c is not None and c not in self.pool))

    # -- keeping ----------------------------------------------------------------------

    def _gate(self, children: Sequence[Candidate], leader: Candidate, rows: Sequence[Any]) -> Strand[list[Candidate]]:
        """Children on the rows that the leader was run on: those that did better, best first, or else one that did as well. The first
        passes."""
        children = list(children)[: self.left // len(rows)]
        yield [self._look(self.search.add(c), rows) for c in children]
        self.gated += rows
        gains = {c: self._gain(c, leader, rows) for c in children}
        order = sorted(children, key=lambda c: -gains[c].shrunk())
        good = [c for c in order if gains[c].mean > 0] or [c for c in order if gains[c].mean == 0][:1]
        for child in children:
            if child not in good[:1]:
                self._dropped(child, gains[child])
        return good

    def _merging(self, good: Sequence[Candidate]) -> list[Any]:
        """The two best of a round in one, where they may have changed different predictors: to be made with the next children."""
        several = len(self.search.baseline.params) > 1
        if len(good) < 2 or not several or not self.recipe.use_merge or self.merges >= self.recipe.max_merge_invocations:
            return []
        self.merges += 1
        return [self.components.merged(good[0], good[1])]

    def _dropped(self, child: Candidate, gain: Difference) -> None:
        self.search.decide("drop", child, f"{gain.mean:+.3f} on {gain.n} fresh rows")
        parent = self.search.candidate(child.parents[0]) if child.parents else None
        if parent is not None:
            self.components.refuse_change(parent, child, f"changed the score by {gain.mean:+.2f} on {gain.n} runs")

    def _promoted(self, judged: Sequence[Candidate], rows: Sequence[Any]) -> bool:
        """Whether one of the candidates that were run on the rows to judge by is the best now."""
        before = self.best
        for candidate in judged:
            if self._overall(candidate, self.best).shrunk() > 0:
                self.best = candidate
        if self.best != before:
            self.search.decide("promote", self.best, self.best.note)
            self.search.mark(self.best, self.search.trial(self.best, rows).score)
        return self.best != before

    def _parents(self, passed: Sequence[Candidate]) -> list[Candidate]:
        """Half of the next proposals start from the best newcomer, the others from the front."""
        newest = list(passed[:1]) or [self.best]
        if self.recipe.candidate_selection_strategy == "current_best":
            return newest * self.children
        others = [self.pool[i] for i in drawn(self._matrix(), self.children, self.rng)]
        known = [c for c in others if self._failures(c)][: self.children // 2]
        return newest * (self.children - len(known)) + known

    def _failures(self, candidate: Candidate) -> bool:
        return any((r.value or 0.0) < self.recipe.perfect_score for _, r in self.shown.get(candidate.hash, ()))

    def _duel(self) -> Strand[Candidate]:
        """The best few on as many more rows as the budget allows."""
        judged = [c for c in self.pool if c == self.search.baseline or self.search.known(c, self.val[0]) is not None]
        newest = [c for c in self.pool if c not in judged and self.left >= self.width]
        order = [*newest, *sorted(judged, key=lambda c: -self._overall(c, self.best).shrunk())][:FINALISTS]
        if len(order) > 1:
            self.width = min(len(self.val), self.width + (self.left - len(newest) * self.width) // len(order))
            yield [h for c in order for h in self.search.scores(c, self.val[: self.width])]
            order.sort(key=lambda c: -self._overall(c, self.best).shrunk())
        self.best = order[0]
        if self.left >= len(self.val) - self.width and self.recipe.max_metric_calls is not None:
            yield self.search.scores(self.best, self.val)
        self.search.announce(self.best, self.val[: self.width])
        return self.best

    # -- comparing ----------------------------------------------------------------------

    def _gain(self, a: Candidate, b: Candidate, rows: Sequence[Any]) -> Difference:
        return paired(self._values(a, rows), self._values(b, rows))

    def _overall(self, a: Candidate, b: Candidate) -> Difference:
        """On every row that both were run on, training rows of the gate included: no proposal had seen those when they were run."""
        return self._gain(a, b, list(dict.fromkeys([*self.val, *self.gated])))

    def _values(self, candidate: Candidate, rows: Sequence[Any]) -> list[float | None]:
        found = (self.search.known(candidate, row) for row in rows)
        return [None if r is None else r.value for r in found]

    def _matrix(self) -> list[list[float | None]]:
        return [self._values(c, self.val[: self.width]) for c in self.pool]
