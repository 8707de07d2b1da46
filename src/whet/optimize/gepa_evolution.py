"""The course of `GEPA` in our order: several litters of children in flight, raced on fresh rows, parents from the Pareto front."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.optimize.candidate import Candidate
from whet.optimize.paired import Difference, paired
from whet.optimize.plan import rows_in_order
from whet.optimize.proposers.components import Components
from whet.optimize.proposers.pareto import drawn, undominated
from whet.optimize.search import Search
from whet.optimize.store import Result
from whet.optimize.strand import Handle, Strand

__all__ = ["Evolution"]

# Litters in flight, proposals in each, rows of a first look, of the gate, and to judge by; litters without success that are enough.
LANES, PROPOSALS, LOOK, GATE, WIDTH, PATIENCE = 2, 4, 20, 5, 8, 8
# Candidates of the last duel, and children of a litter that is worth its while.
FINALISTS, FEWEST = 3, 2
Runs = list[tuple[Any, Result]]


@dataclass(kw_only=True)
class Litter:
    """Children of a few parents, and what became of them: runs on training rows, who passed, and how many program runs it took."""

    base: Candidate
    writers: Components
    parents: Sequence[Candidate]
    rows: Sequence[Any]
    merge: tuple[Candidate, Candidate] | None = None
    shown: dict[Candidate, Runs] = field(default_factory=dict)
    runs: dict[Candidate, Runs] = field(default_factory=dict)
    gains: dict[Candidate, Difference] = field(default_factory=dict)
    reserved: int = 0

    @property
    def ranking(self) -> list[Candidate]:
        """The children, best first."""
        return sorted(self.gains, key=lambda c: -self.gains[c].shrunk())

    @property
    def passed(self) -> Candidate | None:
        """The best child, if it did better than the base."""
        best = next(iter(self.ranking), None)
        return best if best is not None and self.gains[best].mean > 0 else None


class Evolution:
    """One run: the pool of candidates that passed, what they did on training rows, and what is left of the budget.

    Litters overlap, so that no place is idle while one waits for its proposals. They are concluded in the order in which they were
    started, and what is planned depends on conclusions only: the course is the same for any number of places.
    """

    def __init__(self, search: Search, recipe: Any, runs: int) -> None:
        self.search, self.recipe, self.runs = search, recipe, runs
        self.val = rows_in_order(search)
        self.train = list(dict.fromkeys(search.train))
        search.rng("train").shuffle(self.train)
        self.components = Components(search, recipe)
        self.pool: list[Candidate] = [search.baseline]
        self.best = search.baseline
        self.shown: dict[Candidate, Runs] = {}
        self.looked = self.merges = self.planned = self.started = 0
        self.gated: list[Any] = []
        self.merge: tuple[Candidate, Candidate] | None = None
        self.judged: deque[tuple[Candidate, Handle]] = deque()
        self.width = min(len(self.val), WIDTH)
        self.rng = search.rng("evolution")

    @property
    def left(self) -> int:
        """Program runs that are left for sure, whatever those under way turn out to take."""
        return self.runs - self.planned

    def front(self) -> list[int]:
        """The candidates of the pool that no other one makes superfluous."""
        return undominated(self._matrix()) or [0]

    # -- the course ----------------------------------------------------------------------

    def run(self) -> Strand[Candidate]:
        """A look at the program as given, then litters of children, then a duel of the best."""
        look = self._rows(min(LOOK, max(1, self.left // 3)))
        width = max(0, min(self.width, self.left - len(look)))
        self.planned += len(look) + width
        results = yield self.search.scores(self.best, look) + self.search.scores(self.best, self.val[:width])
        self.shown[self.best] = list(zip(look, results, strict=False))
        self.search.mark(self.best, self.search.trial(self.best, self.val[:width]).score)
        yield from self._litters()
        self.planned = self.search.rollouts
        return (yield from self._duel())

    def _litters(self) -> Strand[None]:
        """Start litters while the budget lasts and anything comes of them."""
        under_way: deque[Handle] = deque()
        newest, barren = self.best, 0
        while True:
            while len(under_way) < LANES and barren < PATIENCE and (litter := self._conceived(newest)) is not None:
                under_way.append(self.search.strands.start(self._grown(litter)))
            if not under_way:
                break
            litter = yield under_way.popleft()
            before = self.best
            yield from self._promoted(waiting=1)
            self._concluded(litter)
            newest = litter.passed or self.best
            barren = 0 if litter.passed is not None or self.best != before else barren + 1
        yield from self._promoted()

    def _conceived(self, newest: Candidate) -> Litter | None:
        """The next litter, if there are program runs for it."""
        count = min(GATE, len(self.train))
        if not self.started:  # where the budget is tiny, one proposal on fewer rows is better than none
            count = max(1, min(count, self.left // 2))
        room = self.left // count - 1 - (self.merge is not None)
        if room < (FEWEST if self.started else 1):
            return None
        self.started += 1
        rows, merge, self.merge = self._rows(count), self.merge, None
        parents = self._parents(newest)[:room]
        litter = Litter(base=self.best, writers=self.components.fork(len(parents)), parents=parents, rows=rows, merge=merge)
        litter.shown = {c: self._lineage(c) for c in parents}
        litter.reserved = (len(parents) + 1 + (merge is not None)) * count
        self.planned += litter.reserved
        return litter

    def _lineage(self, candidate: Candidate) -> Runs:
        """What a candidate did on training rows, and on further rows what those did that it comes from."""
        runs: Runs = []
        one: Candidate | None = candidate
        while one is not None and len(runs) < LOOK:
            known = {id(row) for row, _ in runs}
            runs += [run for run in reversed(self.shown.get(one, ())) if id(run[0]) not in known]
            one = self.search.candidate(one.parents[0]) if one.parents else None
        return runs[:LOOK]

    def _grown(self, litter: Litter) -> Strand[Litter]:
        """Children and the base on fresh training rows, each as soon as it is there."""
        base = self.search.strands.start(self._run_on(litter.base, litter.rows))
        counts: dict[Candidate, int] = {}
        for parent in litter.parents:
            counts[parent] = counts.get(parent, 0) + 1
        wanted: list[Any] = [
            litter.writers.propose(p, litter.shown[p], n, eager=lambda c: self.search.scores(c, litter.rows)) for p, n in counts.items()
        ]
        if litter.merge is not None:
            wanted.append(litter.writers.merged(*litter.merge))
        made = yield wanted
        children = [c for found in made for c in (found if isinstance(found, list) else [found]) if c is not None]
        children = [c for c in dict.fromkeys(children) if c != litter.base]
        runs = yield [base, *(self._run_on(self.search.add(c), litter.rows) for c in children)]
        litter.runs = dict(zip([litter.base, *children], runs, strict=True))
        litter.gains = {c: self._gain(c, litter.base, litter.rows) for c in children}
        return litter

    def _run_on(self, candidate: Candidate, rows: Sequence[Any]) -> Strand[Runs]:
        """What a candidate does on these rows."""
        results = yield self.search.scores(candidate, rows)
        return list(zip(rows, results, strict=True))

    # -- keeping ----------------------------------------------------------------------

    def _concluded(self, litter: Litter) -> None:
        """Who passed is run on the rows to judge by, and merged with a best one that came up meanwhile; why others did not is on record."""
        self.planned += len(litter.rows) * len(litter.runs) - litter.reserved
        self.components.absorb(litter.writers)
        for candidate, runs in litter.runs.items():
            self.shown.setdefault(candidate, []).extend(runs)
        self.gated += litter.rows
        passed = litter.passed
        for child in litter.ranking:
            if child != passed:
                self._dropped(child, litter.gains[child])
        if passed is None:
            return
        rows = self.val[: self.width]
        if self.left >= len(rows):
            self.planned += len(rows)
            self.judged.append((passed, self.search.strands.start(self._run_on(passed, rows))))
        if litter.base != self.best and self.recipe.use_merge and self.merges < self.recipe.max_merge_invocations:
            self.merges += 1
            self.merge = (self.best, passed)

    def _dropped(self, child: Candidate, gain: Difference) -> None:
        self.search.decide("drop", child, f"{gain.mean:+.3f} against the best on {gain.n} fresh rows")
        parent = self.search.candidate(child.parents[0]) if child.parents else None
        if parent is not None:
            self.components.refuse_change(parent, child, f"changed the score by {gain.mean:+.2f} on {gain.n} runs")

    def _promoted(self, waiting: int = 0) -> Strand[None]:
        """Take candidates that were run on the rows to judge by into the pool, all but the last `waiting`, and note the best."""
        while len(self.judged) > waiting:
            candidate, handle = self.judged.popleft()
            yield handle
            if candidate not in self.pool:
                self.pool.append(candidate)
            if self._overall(candidate, self.best).shrunk() > 0:
                self.best = candidate
                self.search.decide("promote", candidate, candidate.note)
                self.search.mark(candidate, self.search.trial(candidate, self.val[: self.width]).score)

    def _parents(self, newest: Candidate) -> list[Candidate]:
        """Half of the next proposals start from the best newcomer, the others from the front."""
        if self.recipe.candidate_selection_strategy == "current_best":
            return [newest] * PROPOSALS
        others = [self.pool[i] for i in drawn(self._matrix(), PROPOSALS, self.rng)]
        known = [c for c in others if self._failures(c)][: PROPOSALS // 2]
        return ([newest] * (PROPOSALS - len(known)) + known)[:PROPOSALS]

    def _failures(self, candidate: Candidate) -> bool:
        return any((r.value or 0.0) < self.recipe.perfect_score for _, r in self.shown.get(candidate, ()))

    def _duel(self) -> Strand[Candidate]:
        """The best few on as many more rows as the budget allows."""
        order = sorted(self.pool, key=lambda c: -self._overall(c, self.best).shrunk())[:FINALISTS]
        if len(order) > 1 and self.width < len(self.val) and self._unasked >= len(order):
            self.width = min(len(self.val), self.width + self._unasked // len(order))
            yield [h for c in order for h in self.search.scores(c, self.val[: self.width])]
            order.sort(key=lambda c: -self._overall(c, self.best).shrunk())
        self.best = order[0]
        if self._unasked >= len(self.val) - self.width and self.recipe.max_metric_calls is not None:
            yield self.search.scores(self.best, self.val)
        self.search.announce(self.best, self.val[: self.width])
        return self.best

    @property
    def _unasked(self) -> int:
        """Program runs that may still be asked for when nothing is under way."""
        return self.runs - self.search.rollouts

    def _rows(self, count: int) -> list[Any]:
        """Training rows in turn."""
        count = min(count, len(self.train))
        rows = [self.train[(self.looked + i) % len(self.train)] for i in range(count)]
        self.looked += count
        return rows

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
