"""The ascent of `SIMBA`: a pool of programs and the steps that add to it, in our order or in the published one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from whet.core.wording import counted
from whet.optimize.candidate import Candidate
from whet.optimize.paired import Difference, paired
from whet.optimize.proposers.contrast import Bucket, Contrast, in_order_of_interest
from whet.optimize.search import Search
from whet.optimize.store import Result, Subject, mean_of
from whet.optimize.strand import Handle, Strand

__all__ = ["DRAWN", "FINALISTS", "FINAL_ROWS", "GATE", "ON", "RACED", "SAMPLES", "Ascent"]

# In our order: rows that trajectories are drawn for, rows of the race, samples of the best program on each, rows of the gate, how many
# go on, rows of a proposal.
DRAWN, RACED, SAMPLES, GATE, ON, TOGETHER, PATIENCE = 8, 14, 2, 6, 2, 3, 3
TAUGHT = 1  # the sample that a teacher's settings hold for
FINALISTS, FINAL_ROWS = 3, 16
SOON = -0.5  # the rank of runs for the step after this one: advice is written from them while this one goes on


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What a step stands on, under way while the one before is still being raced: the handle of what was `learnt` (the rows whose runs went
    differently, and advice from them), and the rows to race on."""

    learnt: Handle
    rows: Sequence[Any]


class Ascent:
    """The steps up: the pool with what is known of each candidate, the best of them, and a log."""

    def __init__(self, search: Search, recipe: Any, contrast: Contrast, rng: Random) -> None:
        self.search, self.recipe, self.contrast, self.rng = search, recipe, contrast, rng
        self.best = search.baseline
        self.pool: list[Candidate] = [search.baseline]
        self.order: list[Any] = []
        self.logs: dict[int, dict[str, Any]] = {}
        self.means: dict[Candidate, list[float]] = {search.baseline: []}
        self.carried: list[Candidate] = []
        settings = recipe.teacher_settings
        self.teacher = Subject(name="t", program=search.task.student, settings=settings, exploring=True) if settings else None

    def _sample(self, candidate: Candidate, row: Any, sample: int, rank: float = 0.0) -> Handle:
        """A run to learn from: as the program is (number 0) or at temperature 1, number 1 in the teacher's settings where there are any."""
        if self.teacher is None or sample != TAUGHT:
            return self.search.score(candidate, row, rank=rank, sample=sample, temperature=1.0 if sample else None)
        if self.teacher.settings.get("lm") is not None:  # the model asked for teaches, not those that the student is bound to
            candidate = candidate.evolve({name: param.evolve(lm=None) for name, param in candidate.params.items()})
        return self.search.score(candidate, row, rank=rank, subject=self.teacher, sample=sample, temperature=1.0)

    def _rows(self, count: int) -> list[Any]:
        """The next rows, shuffled anew each time they are through."""
        while len(self.order) < count:
            epoch = list(dict.fromkeys(self.search.train))
            self.rng.shuffle(epoch)
            self.order += epoch
        rows, self.order = self.order[:count], self.order[count:]
        return list(dict.fromkeys(rows))

    # -- our order ----------------------------------------------------------------------

    def run(self) -> Strand[Candidate]:
        """Steps until they bring nothing, then the best few on many rows."""
        idle, steps = 0, self.recipe.max_steps
        ahead: Ahead | None = None
        for number in range(steps):
            now = ahead or self._ahead()
            buckets, advice = yield now.learnt
            makers = self._makers(buckets, advice, number)
            ahead = self._ahead() if number + 1 < steps and idle + 1 < PATIENCE else None
            better = yield from self._race(makers, now.rows, number)
            idle = 0 if better else idle + 1
            if idle >= PATIENCE:
                self.search.decide("stop", self.best, f"{PATIENCE} steps brought nothing better")
                break
        return (yield from self._finals())

    def _ahead(self) -> Ahead:
        """Start the runs that a step learns from: of each row by the best program, once as it is and then at temperature 1, and by the
        runner-up. They are under way, and advice is written from them, while the candidates of the step before are still being raced."""
        rows = self._rows(min(self.recipe.bsize, DRAWN + RACED))
        plans: list[tuple[Candidate, int]] = [(self.best, sample) for sample in range(1 + SAMPLES)]
        if len(self.pool) > 1:
            other = next((c for c in reversed(self.pool) if c != self.best), self.best)
            plans[-1] = (other, 0)
        runs = [(row, candidate, self._sample(candidate, row, sample, SOON)) for row in rows[:DRAWN] for candidate, sample in plans]
        rollouts = [self.rng.randrange(10**9) for _ in range(0, self.recipe.num_candidates, 1 if not self.recipe.max_demos else 2)]
        return Ahead(learnt=self.search.strands.start(self._learnt(self.best, runs, rollouts)), rows=rows[DRAWN:] or rows)

    def _learnt(
        self, base: Candidate, runs: Sequence[tuple[Any, Candidate, Handle]], rollouts: Sequence[int]
    ) -> Strand[tuple[list[Bucket], list[dict[str, str]]]]:
        """The runs row by row, most telling first, and advice from them: each from rows that no other one has had."""
        results = yield [handle for _, _, handle in runs]
        by_row: dict[int, tuple[Any, list[tuple[Candidate, Result]]]] = {}
        for (row, candidate, _), result in zip(runs, results, strict=True):
            if result.value is not None:
                by_row.setdefault(id(row), (row, []))[1].append((candidate, result))
        buckets = [Bucket(row=row, runs=sorted(runs, key=lambda run: -(run[1].value or 0.0))) for row, runs in by_row.values()]
        buckets = in_order_of_interest(buckets)
        telling = [b for b in buckets if b.scores[0] > b.scores[-1]] or buckets
        step = self.recipe.num_candidates / len(rollouts)
        asked = [self.contrast.advice(base, self._some(telling, int(i * step)), r) for i, r in enumerate(rollouts) if telling]
        return buckets, (yield asked)

    def _makers(self, buckets: Sequence[Bucket], advice: Sequence[Mapping[str, str]], number: int) -> list[Candidate]:
        """Half of them with advice, half with demos from the most telling rows, and what was carried over."""
        top = max((b.scores[0] for b in buckets), default=0.0)
        right = [b for b in buckets if b.scores[0] == top > 0]  # a demo that is half wrong teaches the wrong half too
        made = [self.contrast.advised(self.best, texts, f"step {number}, advice {i}") for i, texts in enumerate(advice)]
        for i in range(1, self.recipe.num_candidates, 2):
            if right and self.recipe.max_demos:
                made.append(self.contrast.with_demos(self.best, self._some(right, i, 2), self.rng, f"step {number}, demos {i}"))
        carried, self.carried = self.carried, []
        return list(dict.fromkeys(c for c in [*carried, *made] if c is not None and c != self.best))

    def _some(self, buckets: Sequence[Bucket], start: int, count: int = TOGETHER) -> list[Bucket]:
        if not buckets:
            return []
        return [buckets[(start * count // 2 + i) % len(buckets)] for i in range(min(count, len(buckets)))]

    def _race(self, made: Sequence[Candidate], rows: Sequence[Any], number: int) -> Strand[bool]:
        """New candidates against the best on rows that none of them was made from; whether one took its place."""
        first = rows[:GATE]
        yield [h for c in (self.best, *made) for h in self.search.scores(c, first)]
        order = sorted(made, key=lambda c: -self._gain(c, first).shrunk())
        for loser in order[ON:]:
            self.search.decide("drop", loser, f"{self._gain(loser, first).mean:+.3f} against the best on {counted(len(first), 'row')}")
        yield [h for c in [self.best, *order[:ON]] for h in self.search.scores(c, rows)]
        order = sorted(order[:ON], key=lambda c: -self._gain(c, rows).shrunk())
        good = [c for c in order if self._gain(c, rows).shrunk() > 0]
        self.logs[number] = {
            "batch_scores": [self.search.trial(c, first).score for c in made],
            "program_ids": [c.hash for c in made],
            "promoted": bool(good),
        }
        if good:
            self.carried = [self._both(*good)] if len(good) > 1 else []
            self.best = good[0]
            self.pool.append(self.best)
            self.search.decide("promote", self.best, self.best.note)
            self.search.mark(self.best, self.search.trial(self.best, rows).score)
        return bool(good)

    def _both(self, a: Candidate, b: Candidate) -> Candidate:
        """The changes of two candidates to the same program together, for the next race."""
        params = {}
        for name, param in a.params.items():
            old, other = self.best.params[name], b.params[name]
            text = param.instructions
            if other.instructions != old.instructions and other.instructions.startswith(old.instructions):
                text += other.instructions[len(old.instructions) :]
            demos = param.demos if param.demos != old.demos else other.demos
            params[name] = param.evolve(instructions=text, demos=demos)
        return self.search.add(a.evolve(params, f"{a.note} and {b.note}", parents=[b]), "merge")

    def _finals(self) -> Strand[Candidate]:
        """The last of the pool on the same rows."""
        order = list(dict.fromkeys([self.best, *self.carried, *reversed(self.pool)]))[:FINALISTS]
        rows = self._rows(min(len(self.search.train), FINAL_ROWS))
        if len(order) > 1:
            yield [h for c in order for h in self.search.scores(c, rows)]
            order.sort(key=lambda c: -self._gain(c, rows).shrunk())
        self.best = order[0]
        self.search.announce(self.best, rows)
        return self.best

    def _gain(self, candidate: Candidate, rows: Sequence[Any]) -> Difference:
        values = []
        for one in (candidate, self.best):
            results = [self.search.known(one, row) for row in rows]
            values.append([None if r is None else r.value for r in results])
        return paired(values[0], values[1])

    # -- the published order ----------------------------------------------------------------------

    def published(self) -> Strand[Candidate]:
        """Steps as published: trajectories of drawn programs, one candidate per row, all rows of the batch for each."""
        recipe, winning = self.recipe, [self.search.baseline]
        for number in range(recipe.max_steps):
            rows = self._rows(recipe.bsize)
            buckets = yield from self._sampled(rows)
            made: list[Candidate] = []
            for bucket in buckets:
                if len(made) > recipe.num_candidates:
                    break
                candidate = yield from self._one(bucket, buckets, number)
                if candidate is not None:
                    made.append(candidate)
            yield [h for c in made for h in self.search.scores(c, rows)]
            for candidate in made:
                self.means.setdefault(candidate, []).append(self.search.trial(candidate, rows).score or 0.0)
            scores = {c: self.search.trial(c, rows).score or 0.0 for c in made}
            self.logs[number] = {"batch_scores": list(scores.values()), "program_ids": [c.hash for c in made]}
            if scores:
                winning.append(max(scores, key=lambda c: scores[c]))
                self.search.mark(winning[-1])
        return (yield from self._best_of(winning))

    def _best_of(self, winning: Sequence[Candidate]) -> Strand[Candidate]:
        count = min(len(winning), self.recipe.num_candidates + 1)
        places = sorted({round(i * (len(winning) - 1) / max(1, count - 1)) for i in range(count)})
        finals: dict[Candidate, float] = {}
        for candidate in dict.fromkeys(winning[i] for i in places):
            finals[candidate] = mean_of((yield self.search.scores(candidate, self.search.train)))
            self.search.announce(candidate, self.search.train)
        return max(finals, key=lambda c: finals[c])

    def _sampled(self, rows: Sequence[Any]) -> Strand[list[Bucket]]:
        drawn = [
            [(self._drawn(self.recipe.temperature_for_sampling), sample) for sample in range(1, self.recipe.num_candidates + 1)]
            for _ in rows
        ]
        handles = [self._sample(c, row, sample) for row, plan in zip(rows, drawn, strict=True) for c, sample in plan]
        results = iter((yield handles))
        buckets = []
        for row, plan in zip(rows, drawn, strict=True):
            runs = [(c, r, sample) for (c, sample), r in zip(plan, results, strict=False) if r.value is not None]
            for c, r, sample in runs:
                if self.teacher is None or sample != TAUGHT:
                    self.means.setdefault(c, []).append(r.value or 0.0)
            buckets.append(Bucket(row=row, runs=sorted(((c, r) for c, r, _ in runs), key=lambda run: -(run[1].value or 0.0))))
        return in_order_of_interest([b for b in buckets if b.runs])

    def _one(self, bucket: Bucket, buckets: Sequence[Bucket], number: int) -> Strand[Candidate | None]:
        base = self.contrast.without_demos(self._drawn(self.recipe.temperature_for_candidates), self.rng)
        everything = sorted(s for b in buckets for s in b.scores)
        low, high = everything[len(everything) // 10], everything[min(len(everything) - 1, 9 * len(everything) // 10)]
        if self.recipe.max_demos and self.rng.random() < 0.5:
            return None if bucket.scores[0] <= low else self.contrast.with_demos(base, [bucket], self.rng, f"step {number}, demo")
        if bucket.scores[0] <= low or bucket.scores[-1] >= high:
            return None
        return (yield from self.contrast.with_advice(base, [bucket], self.rng.randrange(10**9), f"step {number}, advice"))

    def _drawn(self, temperature: float) -> Candidate:
        """A program by its mean score, from the best few and the program as given."""
        means = {c: sum(v) / len(v) for c, v in self.means.items() if v}
        top = sorted(means, key=lambda c: -means[c])[: self.recipe.num_candidates]
        pool = list(dict.fromkeys([*top, self.search.baseline]))
        weights = [math.exp(means.get(c, 0.0) / temperature) for c in pool]
        return self.rng.choices(pool, weights)[0]
