"""The trials of `MIPROv2`: which combination of instructions and demos is run on which rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from whet.optimize.candidate import Candidate
from whet.optimize.paired import paired
from whet.optimize.plan import rows_in_order
from whet.optimize.proposers.tpe import Choices, suggest
from whet.optimize.search import Search
from whet.optimize.store import mean_of
from whet.optimize.strand import Strand

__all__ = ["Trials"]

# Rows per combination at first, combinations at once, and then how many go on to how many rows.
BLOCK, BATCH = 8, 6
FINALS = ((4, 20), (2, 50))
# The first trials of the published search are drawn at random.
RANDOM_TRIALS = 10


@dataclass(kw_only=True)
class Trials:
    """Tries combinations: one instruction and one set of demos per predictor."""

    search: Search
    plan: Any
    rng: Random
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    demo_sets: Sequence[Candidate] = ()
    logs: dict[int, dict[str, Any]] = field(default_factory=dict)
    seen: dict[Choices, float] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The predictors."""
        return list(self.search.baseline.params)

    @property
    def sizes(self) -> list[int]:
        """How many there are to choose from: instructions for each predictor, then demos for each."""
        sizes = [len(self.texts[name]) for name in self.names]
        return sizes if self.plan.zero_shot else sizes + [len(self.demo_sets)] * len(self.names)

    def combination(self, choices: Choices) -> Candidate:
        """The candidate that these choices make."""
        count, params = len(self.names), {}
        for place, name in enumerate(self.names):
            param = self.search.baseline.params[name]
            if choices[place]:
                param = param.evolve(instructions=self.texts[name][choices[place]])
            if not self.plan.zero_shot:
                param = param.evolve(demos=self.demo_sets[choices[count + place]].params[name].demos)
            params[name] = param
        parts = ", ".join(f"{name}: {self._named(choices, place)}" for place, name in enumerate(self.names))
        return self.search.baseline.evolve(params, parts)

    def _named(self, choices: Choices, place: int) -> str:
        demos = "" if self.plan.zero_shot else f", demos {choices[len(self.names) + place]}"
        return f"instruction {choices[place]}{demos}"

    # -- our order ----------------------------------------------------------------------

    def demos_alone(self) -> Strand[None]:
        """Each set of demos with the instructions that are there, on the first rows, while instructions are being written."""
        rows = rows_in_order(self.search)[:BLOCK]
        candidates = dict.fromkeys([self.search.baseline, *([] if self.plan.zero_shot else self._with_demos())])
        yield [h for c in candidates for h in self.search.scores(self.search.add(c), rows)]

    def _with_demos(self) -> list[Candidate]:
        base = self.search.baseline
        return [base.with_demos({n: p.demos for n, p in s.params.items()}, f"demos {i}") for i, s in enumerate(self.demo_sets)]

    def paired(self) -> Strand[Candidate]:
        """Combinations in batches on the same few rows, the best of them on more and more."""
        search, rows = self.search, rows_in_order(self.search)
        count = len(self.names)
        block = rows[:BLOCK]
        starts = [(0,) * count] if self.plan.zero_shot else [(0,) * count + (d,) * count for d in range(len(self.demo_sets))]
        yield from self._try(starts, block)
        left = self.plan.trials
        while left > 0 and (batch := self._batch(min(BATCH, left))):
            left -= len(batch)
            yield from self._try(batch, block)
        alive = sorted(self.seen, key=lambda c: -self.seen[c])
        best = self.combination(alive[0])
        for count, size in FINALS:
            alive, part = alive[:count], rows[:size]
            candidates = list(dict.fromkeys(map(self.combination, alive)))
            yield [h for c in candidates for h in search.scores(c, part)]
            alive.sort(key=lambda c: -(search.trial(self.combination(c), part).score or 0.0))
            best = self.combination(alive[0])
            search.mark(best, search.trial(best, part).score)
            for choices in alive:
                self._log(choices, self.combination(choices), part)
        search.announce(best, rows[: FINALS[-1][1]])
        return best

    def _batch(self, count: int) -> list[Choices]:
        made: list[Choices] = []
        seen = dict(self.seen)
        for _ in range(count):
            choices = suggest(self.sizes, seen, self.rng)
            if choices is None:
                break
            made.append(choices)
            seen[choices] = sorted(seen.values())[len(seen) // 2]  # as if it were of the middle sort, so that the next one differs
        return made

    def _try(self, batch: Sequence[Choices], rows: Sequence[Any]) -> Strand[None]:
        search = self.search
        candidates = [search.add(self.combination(choices)) for choices in batch]
        yield [h for c in candidates for h in search.scores(c, rows)]
        base = search.trial(search.baseline, rows).scores
        for choices, candidate in zip(batch, candidates, strict=True):
            scores = search.trial(candidate, rows).scores
            known = len(base) == len(scores)
            self.seen[choices] = paired(scores, base).shrunk() if known else search.trial(candidate, rows).score or 0.0
            self._log(choices, candidate, rows)

    def _log(self, choices: Choices, candidate: Candidate, rows: Sequence[Any]) -> None:
        score = self.search.trial(candidate, rows).score
        full = len(rows) >= len(self.search.val)
        entry: dict[str, Any] = {"full_eval_score" if full else "mb_score": None if score is None else round(100 * score, 2)}
        entry.update(program=candidate.hash, rows=len(rows))
        for place, name in enumerate(self.names):
            entry[f"{name}_predictor_instruction"] = choices[place]
            if not self.plan.zero_shot:
                entry[f"{name}_predictor_demos"] = choices[len(self.names) + place]
        self.logs[len(self.logs) + 1] = entry

    # -- the published order ----------------------------------------------------------------------

    def published(self) -> Strand[Candidate]:
        """The program as given on all rows, then one trial after the other on fresh minibatches, with full evaluations in between."""
        search, plan, val = self.search, self.plan, list(self.search.val)
        default = yield from self._full(search.baseline)
        best = (default, search.baseline)
        start = (0,) * len(self.sizes)
        averages: dict[Choices, list[float]] = {start: [default]}
        evaluated = {start}
        for number in range(1, plan.trials + 1):
            choices = self._next(averages, number)
            rows = self.rng.sample(val, plan.minibatch_size) if plan.minibatch else val
            candidate = search.add(self.combination(choices))
            mean = mean_of((yield search.scores(candidate, rows)))
            averages.setdefault(choices, []).append(mean)
            self._log(choices, candidate, rows)
            if not plan.minibatch:
                evaluated.add(choices)
                best = max(best, (mean, candidate), key=lambda pair: pair[0])
                search.mark(best[1], best[0])
            elif number % plan.full_eval_steps == 0 or number == plan.trials:
                untried = [c for c in averages if c not in evaluated]
                if untried:
                    chosen = max(untried, key=lambda c: sum(averages[c]) / len(averages[c]))
                    evaluated.add(chosen)
                    score = yield from self._full(self.combination(chosen))
                    averages[chosen].append(score)
                    best = max(best, (score, self.combination(chosen)), key=lambda pair: pair[0])
                    search.mark(best[1], best[0])
        return best[1]

    def _next(self, averages: Mapping[Choices, Sequence[float]], number: int) -> Choices:
        seen = {c: sum(v) / len(v) for c, v in averages.items()}
        chosen = suggest(self.sizes, {} if number <= RANDOM_TRIALS else seen, self.rng)
        return chosen if chosen is not None else max(seen, key=lambda c: seen[c])

    def _full(self, candidate: Candidate) -> Strand[float]:
        mean = mean_of((yield self.search.scores(self.search.add(candidate), self.search.val)))
        self.search.announce(candidate, self.search.val)
        self.search.mark(candidate, mean)
        return mean
