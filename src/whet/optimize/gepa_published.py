"""The course of `GEPA` in the published order: one proposal at a time, a few rows, then all rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whet.core.wording import counted
from whet.optimize.candidate import Candidate
from whet.optimize.proposers.components import Components
from whet.optimize.proposers.pareto import drawn, undominated
from whet.optimize.search import Search
from whet.optimize.store import Result, mean_of
from whet.optimize.strand import Strand

__all__ = ["Published"]

# Rows of a merge's test: two where one parent is better, two where the other is, one where they are equal.
EACH, EQUAL = 2, 1
FAILURES_IN_A_ROW = 20


class Published:
    """One run: every candidate that was accepted, with its scores on all rows."""

    def __init__(self, search: Search, recipe: Any, runs: int) -> None:
        self.search, self.recipe, self.runs = search, recipe, runs
        self.components = Components(search, recipe)
        self.pool: list[Candidate] = [search.baseline]
        self.used = 0
        self.merges_due = self.merged = 0
        self.tried_pairs: set[tuple[int, int]] = set()
        self.order: list[Any] = []
        self.rng = search.rng("published")

    def front(self) -> list[int]:
        """The candidates that no other one makes superfluous."""
        return undominated(self._matrix()) or [0]

    def run(self) -> Strand[Candidate]:
        """Until the budget is used."""
        yield from self._all_rows(self.search.baseline)
        idle = 0
        while self.used < self.runs and idle < FAILURES_IN_A_ROW:
            before = self.used
            if self.merges_due and self.merged < self.recipe.max_merge_invocations:
                self.merges_due -= 1
                if (yield from self._merge_step()):
                    continue
            yield from self._reflect_step()
            idle = 0 if self.used > before else idle + 1
        return self.best

    @property
    def best(self) -> Candidate:
        """The highest mean on all rows."""
        return max(self.pool, key=self._mean)

    def _reflect_step(self) -> Strand[None]:
        number = self._parent()
        parent, rows = self.pool[number], self._minibatch()
        before: list[Result] = yield self.search.scores(parent, rows)
        self.used += len(rows)
        if self.recipe.skip_perfect_score and all((r.value or 0.0) >= self.recipe.perfect_score for r in before):
            return
        made = yield from self.components.propose(parent, list(zip(rows, before, strict=True)), 1, in_turn=True)
        if not made:
            return
        after: list[Result] = yield self.search.scores(made[0], rows)
        self.used += len(rows)
        old, new = (sum(r.value or 0.0 for r in results) for results in (before, after))
        if new <= old:
            self.search.decide("drop", made[0], f"{new:g} against {old:g} on {counted(len(rows), 'row')}")
            return
        yield from self._accept(made[0])
        self.merges_due += bool(self.recipe.use_merge and len(self.search.baseline.params) > 1)

    def _accept(self, candidate: Candidate) -> Strand[None]:
        self.pool.append(candidate)
        yield from self._all_rows(candidate)

    def _all_rows(self, candidate: Candidate) -> Strand[None]:
        mean = mean_of((yield self.search.scores(self.search.add(candidate), self.search.val)))
        self.used += len(self.search.val)
        self.search.announce(candidate, self.search.val)
        if candidate == self.best:
            self.search.mark(candidate, mean)

    def _parent(self) -> int:
        if self.recipe.candidate_selection_strategy == "current_best":
            return self.pool.index(self.best)
        return drawn(self._matrix(), 1, self.rng)[0]

    def _minibatch(self) -> list[Any]:
        """The next few training rows, shuffled anew each time they are through."""
        size = self.recipe.reflection_minibatch_size
        while len(self.order) < size:
            epoch = list(self.search.train)
            self.rng.shuffle(epoch)
            self.order += epoch
        rows, self.order = self.order[:size], self.order[size:]
        return rows

    def _merge_step(self) -> Strand[bool]:
        """Two candidates with a common ancestor in one; whether there was anything to try."""
        chosen = self._pair()
        if chosen is None:
            return False
        i, j, made = chosen
        rows = self._telling_rows(i, j)
        results = yield self.search.scores(self.search.add(made, "merge"), rows)
        self.used += len(rows)
        sums = [sum(v or 0.0 for v in self._values(self.pool[k], rows)) for k in (i, j)]
        if sum(r.value or 0.0 for r in results) >= max(sums):
            self.merged += 1
            yield from self._accept(made)
        return True

    def _pair(self) -> tuple[int, int, Candidate] | None:
        front = self.front()
        pairs = [(i, j) for i in front for j in front if i < j and (i, j) not in self.tried_pairs]
        self.rng.shuffle(pairs)
        for i, j in pairs:
            a, b = self.pool[i], self.pool[j]
            ancestor = self._ancestor(a, b)
            if ancestor is None:
                continue
            params = {n: self._side(ancestor, a, b, n) for n in a.params}
            made = a.evolve(params, f"merged {i} and {j}", parents=[b])
            if made not in self.pool:
                self.tried_pairs.add((i, j))
                return i, j, made
        return None

    def _side(self, ancestor: Candidate, a: Candidate, b: Candidate, name: str) -> Any:
        old, mine, theirs = (c.params[name] for c in (ancestor, a, b))
        if mine.instructions == old.instructions:
            return theirs
        if theirs.instructions == old.instructions:
            return mine
        return mine if self._mean(a) >= self._mean(b) else theirs

    def _ancestor(self, a: Candidate, b: Candidate) -> Candidate | None:
        mine, theirs = self._line(a), self._line(b)
        if a.hash in theirs or b.hash in mine:
            return None
        limit = min(self._mean(a), self._mean(b))
        shared = [c for name in mine if name in theirs and (c := self.search.candidate(name)) is not None and self._mean(c) <= limit]
        one_sided = [c for c in shared if any((a.params[n] == p) != (b.params[n] == p) for n, p in c.params.items())]
        return max(one_sided, key=self._mean, default=None)

    def _line(self, candidate: Candidate) -> set[str]:
        found: set[str] = set()
        open_ = list(candidate.parents)
        while open_:
            name = open_.pop()
            if name not in found:
                found.add(name)
                parent = self.search.candidate(name)
                open_ += parent.parents if parent is not None else ()
        return found

    def _telling_rows(self, i: int, j: int) -> list[Any]:
        val = list(self.search.val)
        self.rng.shuffle(val)
        a, b = (dict(zip(map(id, val), self._values(self.pool[k], val), strict=True)) for k in (i, j))
        better = [r for r in val if (a[id(r)] or 0.0) > (b[id(r)] or 0.0)][:EACH]
        worse = [r for r in val if (a[id(r)] or 0.0) < (b[id(r)] or 0.0)][:EACH]
        rest = [r for r in val if r not in better and r not in worse]
        return [*better, *worse, *rest[: 2 * EACH + EQUAL - len(better) - len(worse)]]

    def _values(self, candidate: Candidate, rows: Sequence[Any]) -> list[float | None]:
        found = (self.search.known(candidate, row) for row in rows)
        return [None if r is None else r.value for r in found]

    def _matrix(self) -> list[list[float | None]]:
        return [self._values(c, self.search.val) for c in self.pool]

    def _mean(self, candidate: Candidate) -> float:
        return self.search.trial(candidate, self.search.val).score or 0.0
