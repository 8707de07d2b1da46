"""The course of `Auto`: gather, race demos, then rounds of challengers against the incumbent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whet.optimize.candidate import Candidate
from whet.optimize.paired import Difference, paired
from whet.optimize.proposers.bootstrapped import Bootstrapper, demos_of
from whet.optimize.proposers.demo_sets import DemoPool, kinds_up_to
from whet.optimize.proposers.labeled import labeled
from whet.optimize.proposers.reflect import Reflect
from whet.optimize.search import Search
from whet.optimize.store import Result, Subject
from whet.optimize.strand import Strand

__all__ = ["Course"]

# Shares of the budget and sizes; measured on the simulator, not tuned to a task.
BOOT, LOOK_FIRST, LOOK = 32, 16, 10
DEMO_SHARE, ROUND_SHARE, UNSEEN_SHARE = 0.30, 0.15, 0.10
PROPOSALS, CARRIED, PATIENCE = 6, 2, 3
PROMOTE, PROMISING = 0.70, 0.55
TWO, ROTATE = 0, 0


class Course:
    """One run of `Auto`: the incumbent, the rows, what is left of the budget."""

    def __init__(self, search: Search, recipe: Any, model: Any) -> None:
        self.search, self.recipe = search, recipe
        self.rows, self.train, self.unseen = self._split()
        self.budget = recipe.max_runs - 2 * len(self.unseen)
        self.reflect = Reflect(search=search, model=model, perfect=recipe.perfect_score)
        self.incumbent = search.baseline
        self.podium: list[Candidate] = []
        self.carried: list[Candidate] = []
        self.looked = 0
        self.start = 0
        self.kinds = kinds_up_to(recipe.max_demos)
        self.rng = search.rng("course")

    def _split(self) -> tuple[list[Any], list[Any], list[Any]]:
        search, recipe = self.search, self.recipe
        train = list(dict.fromkeys(search.train))
        search.rng("train").shuffle(train)
        if search.task.val is search.task.train or search.val == search.train:
            half = len(train) // 2
            train, val = train[:half], train[half:]
        else:
            val = list(search.val)
            search.rng("rows").shuffle(val)
        count = int(min(40, 0.4 * len(train), UNSEEN_SHARE * recipe.max_runs)) if recipe.certify else 0
        return val, train[count:], train[:count]

    @property
    def left(self) -> int:
        """Program runs that may still be asked for."""
        return self.budget - self.search.rollouts

    # -- the course ----------------------------------------------------------------------------------------------------------------------------

    def run(self) -> Strand[Candidate]:
        """From the first wave to the last round."""
        shown = yield from self._gather()
        proposing = self.search.strands.start(self.reflect.propose(self.incumbent, shown, PROPOSALS))
        yield from self._race_demos()
        fresh = yield proposing
        failed_rounds = number = 0
        while self.left > 12 and failed_rounds < PATIENCE:
            number += 1
            looking = self.search.strands.start(self._look(self.incumbent))
            promoted = yield from self._round(number, fresh)
            failed_rounds = 0 if promoted else failed_rounds + 1
            fresh = yield looking
        if failed_rounds >= PATIENCE:
            self.search.decide("stop", self.incumbent, f"{PATIENCE} rounds brought nothing better")
        return self.incumbent

    def _gather(self) -> Strand[list[tuple[Any, Result]]]:
        """One wave: the teacher's right answers for demos, the program's own failures to learn from."""
        search = self.search
        program = (search.task.teacher or search.task.student).deepcopy()
        subject = Subject(name="t", program=program, settings=self.recipe.teacher_settings, training=True)
        teacher = labeled(Candidate(params=program.params(), note="teacher"), self.train, 8, rng=search.rng("teacher"))
        boots = Bootstrapper(search=search, teacher=teacher, subject=subject, threshold=self.recipe.perfect_score)
        taught, seen = self._next_rows(BOOT), self._next_rows(LOOK_FIRST)
        answers = yield [*map(boots.row, taught), *search.scores(self.incumbent, seen, steps=True)]
        own = list(zip(seen, answers[len(taught) :], strict=True))
        made = [(row, demos) for row, demos in zip(taught, answers, strict=False) if demos is not None]
        made += [(row, demos_of(r.steps)) for row, r in own if r.value is not None and r.value >= self.recipe.perfect_score and r.steps]
        predictors = dict(search.task.student.named_predictors())
        fields = {n: (frozenset(p.signature.input_fields), frozenset(p.signature.output_fields)) for n, p in predictors.items()}
        self.pool = DemoPool(base=search.baseline, made=made, rows=self.train, fields=fields, limit=self.recipe.max_demos)
        return own

    def _next_rows(self, count: int) -> list[Any]:
        """Training rows in turn."""
        count = min(count, len(self.train))
        rows = [self.train[(self.looked + i) % len(self.train)] for i in range(count)]
        self.looked += count
        return rows

    def _race_demos(self) -> Strand[None]:
        made = [self._demo_move(self.search.baseline, kind, count) for kind, count in self.kinds]
        candidates = list(dict.fromkeys([self.search.baseline, *made]))
        runs = min(DEMO_SHARE * self.budget, self.left - 12)
        first = max(4, int(0.6 * runs / len(candidates)))
        yield [h for c in candidates for h in self.search.scores(self.search.add(c), self.rows[:first])]
        order = self._ordered(candidates, first)
        finalists = order[: max(2, len(order) // 3)]
        second = first + int(0.4 * runs / len(finalists))
        yield [h for c in finalists for h in self.search.scores(c, self.rows[:second])]
        order = self._ordered(finalists, second) + order[len(finalists) :]
        self._promote(order[0], second)
        self.podium = order[1:3]
        if len(order) > 1 and order[1].params != self.incumbent.params:
            self.carried = [self.incumbent.evolve(dict(order[1].params), "runner-up of the demos")]

    def _demo_move(self, base: Candidate, kind: str, count: int, only: str | None = None) -> Candidate:
        demos = self.pool.draw(kind, count, self.rng)
        if only is not None:
            demos = {only: demos[only]}
        return base.with_demos(demos, f"demos: {kind} {count}")

    def _look(self, candidate: Candidate) -> Strand[list[Candidate]]:
        """New instructions from the incumbent's failures on further training rows."""
        rows = self._next_rows(LOOK)
        results = yield self.search.scores(candidate, rows, steps=True)
        return (yield from self.reflect.propose(candidate, list(zip(rows, results, strict=True)), PROPOSALS))

    def _round(self, number: int, fresh: Sequence[Candidate]) -> Strand[bool]:
        """Challengers against the incumbent; whether one of them took its place."""
        old = self.incumbent
        challengers = [self._rebased(c, old) for c in fresh] + self.carried
        if self.kinds and (number % 2 == 0 or len(challengers) < 3):
            names = list(old.params)
            moves = [(kind, self.rng.choice(names) if len(names) > 1 else None) for kind in self.rng.sample(self.kinds, min(2, len(self.kinds)))]
            challengers += [self._demo_move(old, *kind, only) for kind, only in moves]
        challengers = [c for c in dict.fromkeys(challengers) if c != old]
        if not challengers:
            return False
        rows = yield from self._contest(challengers, max(24, int(min(self.left - 12, ROUND_SHARE * self.budget))))
        ranking = sorted(challengers, key=lambda c: -self._against(c, old, rows).shrunk())
        promoted = self._against(ranking[0], old, rows).better() > PROMOTE
        for loser in ranking[promoted:]:
            self.search.decide("drop", loser, f"{self._against(loser, old, rows).mean:+.3f} against the incumbent")
        if promoted:
            self.podium = [old, *self.podium][:2]
            self._promote(ranking[0], rows)
        promising = [c for c in ranking[promoted:] if self._against(c, old, rows).better() > PROMISING][:CARRIED]
        self.carried = yield from self._merged(promising, old) if promoted or len(promising) > 1 else _nothing()
        return promoted

    def _contest(self, challengers: Sequence[Candidate], runs: int) -> Strand[int]:
        """Run challengers and incumbent on as many shared rows as the runs allow; returns how many rows that were."""
        if ROTATE and self.start:
            k = ROTATE
            self.rows = self.rows[k:] + self.rows[:k]
        self.start += 1
        rows = max(4, min(len(self.rows), runs // len(challengers)))
        everyone = [self.incumbent, *challengers]
        if TWO:
            first = max(4, int(0.65 * rows))
            yield [h for c in everyone for h in self.search.scores(self.search.add(c), self.rows[:first])]
            good = sorted(challengers, key=lambda c: -self._against(c, self.incumbent, first).shrunk())[: TWO]
            rows = first + (runs - first * len(challengers)) // max(1, min(TWO, len(good)))
            yield [h for c in [self.incumbent, *good] for h in self.search.scores(self.search.add(c), self.rows[:rows])]
            return rows
        yield [h for c in everyone for h in self.search.scores(self.search.add(c), self.rows[:rows])]
        return rows

    # -- comparing -------------------------------------------------------------------------------------------------------------------------------

    def _against(self, a: Candidate, b: Candidate, rows: int) -> Difference:
        shared = self.rows[:rows]
        return paired(self._values(a, shared), self._values(b, shared))

    def _values(self, candidate: Candidate, rows: Sequence[Any]) -> list[float | None]:
        found = (self.search.store.get(self.search.key_of(candidate, row)) for row in rows)
        return [None if r is None else r.value for r in found]

    def _ordered(self, candidates: Sequence[Candidate], rows: int) -> list[Candidate]:
        return sorted(candidates, key=lambda c: -(self.search.trial(c, self.rows[:rows]).score or 0.0))

    def _promote(self, candidate: Candidate, rows: int) -> None:
        self.search.decide("promote", candidate, candidate.note)
        self.incumbent = candidate
        self.search.mark(candidate, self.search.trial(candidate, self.rows[:rows]).score)

    # -- combining -------------------------------------------------------------------------------------------------------------------------------

    def _rebased(self, candidate: Candidate, base: Candidate) -> Candidate:
        """The change that a proposal made to its parent, made to the incumbent instead."""
        parent = self.search.candidate(candidate.parents[0]) if candidate.parents else None
        if parent is None or parent == base:
            return candidate
        changed = {n: p for n, p in candidate.params.items() if p != parent.params[n]}
        return base.evolve({n: base.params[n].evolve(instructions=p.instructions) for n, p in changed.items()}, candidate.note, parents=[candidate])

    def _merged(self, promising: Sequence[Candidate], old: Candidate) -> Strand[list[Candidate]]:
        """What else looked good against the old incumbent, combined with the new one."""
        made = yield [self._combined(c, old) for c in promising]
        return [c for c in made if c is not None]

    def _combined(self, candidate: Candidate, old: Candidate) -> Strand[Candidate | None]:
        new = self.incumbent
        params = {}
        for name, param in candidate.params.items():
            was, now = old.params[name], new.params[name]
            if param.demos != was.demos:
                params[name] = now.evolve(demos=param.demos)
            if param.instructions == was.instructions:
                continue
            if now.instructions == was.instructions:
                params[name] = params.get(name, now).evolve(instructions=param.instructions)
            else:
                merged = yield self.reflect.merge(new, name, param.instructions)
                if merged is None:
                    return None
                params[name] = params.get(name, now).evolve(instructions=merged.params[name].instructions)
        return new.evolve(params, f"merged with {candidate.note}", parents=[candidate]) if params else None


def _nothing() -> Strand[list[Candidate]]:
    yield from ()
    return []
