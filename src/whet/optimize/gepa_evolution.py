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

# Proposals in flight, rows of a first look, of the gate, and to judge by; how many may pass, and rounds without success.
PROPOSALS, LOOK, GATE, WIDTH, PASS, PATIENCE = 4, 20, 5, 8, 1, 5
# How many children go on where none is ahead.
EVEN = 2
FINALISTS = 3


class Evolution:
    """One run: the pool of candidates that passed, what they did on training rows, and what is left of the budget."""

    def __init__(self, search: Search, recipe: Any, runs: int) -> None:
        self.search, self.recipe, self.runs = search, recipe, runs
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
        """A look at the program as given, then rounds of children, then a duel of the best."""
        look = self._rows(min(LOOK, max(1, self.left // 3)))
        width = max(0, min(self.width, self.left - len(look)))
        yield [self.search.strands.start(self._look(self.best, look)), *self.search.scores(self.best, self.val[:width])]
        self.search.mark(self.best, self.search.trial(self.best, self.val[:width]).score)
        fresh = yield from self._propose([self.best] * PROPOSALS)
        failed_rounds = 0
        while fresh and self._affordable(len(fresh)) and failed_rounds < PATIENCE:
            passed, extra = yield from self._gate(fresh)
            rows = self.val[: self.width]
            passed = [c for i, c in enumerate(passed) if self.left >= (i + 1) * len(rows)]
            judged = [h for c in passed for h in self.search.scores(c, rows)]
            # Those who write next see more of what goes wrong, while others are judged.
            yield from self._look((passed or [self.best])[0], self._rows(min(GATE, max(0, self.left))))
            parents = self._parents(passed)
            fresh = (yield from self._propose(parents)) + extra if self._affordable(2) else []
            yield judged
            failed_rounds = 0 if self._promoted(passed, rows) else failed_rounds + 1
            if not fresh and failed_rounds < PATIENCE and self._affordable(2):
                yield from self._look(self.best, self._rows(LOOK))
                fresh = yield from self._propose([self.best] * PROPOSALS)
        return (yield from self._duel())

    def _affordable(self, children: int) -> bool:
        return self.left >= 2 * min(GATE, len(self.train)) + min(2, children)

    def _rows(self, count: int) -> list[Any]:
        """Training rows in turn."""
        count = min(count, len(self.train))
        rows = [self.train[(self.looked + i) % len(self.train)] for i in range(count)]
        self.looked += count
        return rows

    def _look(self, candidate: Candidate, rows: Sequence[Any]) -> Strand[list[Result]]:
        """Run a candidate on training rows and keep what its steps did."""
        results: list[Result] = yield self.search.scores(candidate, rows)
        self.shown.setdefault(candidate.hash, []).extend(zip(rows, results, strict=True))
        return results

    def _propose(self, parents: Sequence[Candidate]) -> Strand[list[Candidate]]:
        """One proposal per parent, side by side; those of one parent share what it is known to have done."""
        counts: dict[Candidate, int] = {}
        for parent in parents:
            counts[parent] = counts.get(parent, 0) + 1
        made = yield [self.components.propose(p, self.shown.get(p.hash, [])[-LOOK:], n) for p, n in counts.items()]
        return list(dict.fromkeys(c for children in made for c in children if c not in self.pool))

    # -- keeping ----------------------------------------------------------------------

    def _gate(self, children: Sequence[Candidate]) -> Strand[tuple[list[Candidate], list[Candidate]]]:
        """Children and the best so far on fresh training rows; those that look better pass, what they have in common with others is
        merged."""
        rows = self._rows(GATE)
        most = max(1, self.left // max(1, len(rows)) - 1)
        children = list(children)[:most]
        yield [self._look(self.search.add(c), rows) for c in (self.best, *children)]
        self.gated += rows
        gains = {c: self._gain(c, self.best, rows) for c in children}
        order = sorted(children, key=lambda c: -gains[c].shrunk())
        if gains[order[0]].mean == 0:
            gains.update((yield from self._again([c for c in order if gains[c].mean == 0][:EVEN], rows)))
            order.sort(key=lambda c: -gains[c].shrunk())
        passed = [c for c in order if gains[c].mean > 0][:PASS]
        for child in order:
            if child not in passed:
                self._dropped(child, gains[child])
        merged = yield from self._merge(passed)
        return passed, merged

    def _again(self, even: Sequence[Candidate], before: Sequence[Any]) -> Strand[dict[Candidate, Difference]]:
        """A few more rows for children that a short look could not tell from the best."""
        rows = self._rows(2 * GATE)
        if self.left < (len(even) + 1) * len(rows):
            return {}
        yield [self._look(c, rows) for c in (self.best, *even)]
        self.gated += rows
        return {c: self._gain(c, self.best, list(dict.fromkeys([*before, *rows]))) for c in even}

    def _dropped(self, child: Candidate, gain: Difference) -> None:
        self.search.decide("drop", child, f"{gain.mean:+.3f} against the best on {gain.n} fresh rows")
        parent = self.search.candidate(child.parents[0]) if child.parents else None
        if parent is not None:
            self.components.refuse_change(parent, child, f"changed the score by {gain.mean:+.2f} on {gain.n} runs")

    def _promoted(self, judged: Sequence[Candidate], rows: Sequence[Any]) -> bool:
        """Take candidates that were run on the rows to judge by into the pool; whether one of them is the best now."""
        self.pool += [c for c in judged if c not in self.pool]
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
            return (newest or [self.best]) * PROPOSALS
        others = [self.pool[i] for i in drawn(self._matrix(), PROPOSALS, self.rng)]
        known = [c for c in others if self._failures(c)]
        return (newest * (PROPOSALS - len(known[: PROPOSALS // 2])) + known[: PROPOSALS // 2])[:PROPOSALS]

    def _failures(self, candidate: Candidate) -> bool:
        return any((r.value or 0.0) < self.recipe.perfect_score for _, r in self.shown.get(candidate.hash, ()))

    def _merge(self, passed: Sequence[Candidate]) -> Strand[list[Candidate]]:
        """The two best of a round in one: each one's change where they changed different predictors, else both in new words."""
        if len(passed) < 2 or not self.recipe.use_merge or self.merges >= self.recipe.max_merge_invocations:
            return []
        self.merges += 1
        merged = yield from self.components.merged(passed[0], passed[1])
        return [merged] if merged is not None else []

    def _duel(self) -> Strand[Candidate]:
        """The best few on as many more rows as the budget allows."""
        order = sorted(self.pool, key=lambda c: -self._overall(c, self.best).shrunk())[:FINALISTS]
        while len(order) > 1 and self.width < len(self.val) and self.left >= 2 * len(order):
            self.width = min(len(self.val), self.width + max(2, self.left // (2 * len(order))))
            rows = self.val[: min(self.width, len(self.val))]
            rows = rows[: max(1, min(len(rows), self.width))]
            yield [h for c in order for h in self.search.scores(c, rows)]
            order = sorted(order, key=lambda c: -self._overall(c, self.best).shrunk())[: max(1, len(order) - 1)]
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
