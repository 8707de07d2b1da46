"""Advice from runs of the same rows that went differently, and demos from those that went well (as in SIMBA)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from whet.core.field import InputField, OutputField
from whet.core.signature import Signature
from whet.optimize.candidate import Candidate
from whet.optimize.proposers.bootstrapped import demos_of
from whet.optimize.proposers.reflect import outline_of, shown_run
from whet.optimize.proposers.writing import Writer, clean, clipped, joined
from whet.optimize.search import Search
from whet.optimize.store import Result
from whet.optimize.strand import Strand

__all__ = ["Bucket", "Contrast", "in_order_of_interest"]


class GiveAdvice(Signature):
    """The same inputs went through a program more than once, and the results were not equally good. Compare the worse runs with the better
    ones and advise one step of the program: what to do when it meets inputs of this kind again. Advice is general, concrete and short,
    adds to the instruction, and names no particular row. If this step did its part in all runs, answer with the word none."""

    program_outline: str = InputField(desc="all steps of the program, what each takes and gives")
    step: str = InputField(desc="the step that the advice is for")
    current_instruction: str = InputField()
    worse_runs: str = InputField(desc="what went wrong, with the feedback on it")
    better_runs: str = InputField(desc="how the same inputs went better, with the feedback on it")
    advice: str = OutputField()


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """One row and its runs, best first, each with the candidate that made it."""

    row: Any
    runs: Sequence[tuple[Candidate, Result]]

    @property
    def scores(self) -> list[float]:
        """Best first."""
        return [result.value or 0.0 for _, result in self.runs]

    @property
    def interest(self) -> tuple[float, float, float]:
        """How much is to be learnt here: the gap, the best, and the best above the mean."""
        scores = self.scores
        mean = sum(scores) / len(scores)
        return (scores[0] - scores[-1], scores[0], scores[0] - mean)


def in_order_of_interest(buckets: Sequence[Bucket]) -> list[Bucket]:
    """Those first from whose runs most is to be learnt."""
    return sorted(buckets, key=lambda b: b.interest, reverse=True)


@dataclass(kw_only=True)
class Contrast:
    """Makes candidates from buckets: one with advice added to the instructions, or one with the best run as a demo."""

    search: Search
    writer: Writer
    max_demos: int = 4
    longest: int = 100_000

    def with_advice(self, base: Candidate, buckets: Sequence[Bucket], rollout: int, note: str) -> Strand[Candidate | None]:
        """The base with advice from what distinguishes the best and the worst runs of these rows."""
        return self.advised(base, (yield from self.advice(base, buckets, rollout)), note)

    def advice(self, base: Candidate, buckets: Sequence[Bucket], rollout: int) -> Strand[dict[str, str]]:
        """What a model advises each predictor that took part in these runs; the base says what they were told up to now."""
        worse = joined(shown_run(b.row, b.runs[-1][1]) for b in buckets)
        better = joined(shown_run(b.row, b.runs[0][1]) for b in buckets)
        shown: dict[str, Any] = {"program_outline": outline_of(self.search.program_of(base)), "worse_runs": worse, "better_runs": better}
        taking_part = {step.name for b in buckets for _, r in b.runs for step in r.steps}
        names = [n for n in base.params if n in taking_part] or list(base.params)
        answers = yield [
            self.writer.ask("advice", GiveAdvice, rollout + i, step=n, current_instruction=base.params[n].instructions, **shown)
            for i, n in enumerate(names)
        ]
        return {n: "" if isinstance(answer, Exception) else clean(answer.advice) for n, answer in zip(names, answers, strict=True)}

    def advised(self, base: Candidate, advice: Mapping[str, str], note: str) -> Candidate | None:
        """The base with this advice at the end of its instructions, unless all of it is empty or there already."""
        texts = {}
        for name, text in advice.items():
            known = base.params[name].instructions
            if not text or text.lower().strip(" .") == "none" or text in known:
                continue
            if self.writer.usable(text, known, base, f"{name}: "):
                texts[name] = f"{known}\n\n{clipped(text, 4000)}"
        if not texts:
            self.search.decide("refuse", base, "the advice is empty or known")
            return None
        return self.search.add(base.with_instructions(texts, note), "advice")

    def with_demos(self, base: Candidate, buckets: Sequence[Bucket], rng: Random, note: str) -> Candidate | None:
        """The base with the best run of each of these rows as a demo; old ones make room."""
        made = [demos_of(b.runs[0][1].steps) for b in buckets]
        demos: dict[str, list[Any]] = {}
        gone = self._dropped(base, len(buckets), rng)
        for name, param in base.params.items():
            fresh = [self._short(d[name]) for d in made if name in d]
            old = [d for i, d in enumerate(param.demos) if i not in gone and dict(d) not in [dict(f) for f in fresh]]
            demos[name] = [*old, *fresh][-max(self.max_demos, 0) :] if self.max_demos else []
        candidate = base.with_demos(demos, note)
        return self.search.add(candidate, "demo") if candidate != base else None

    def without_demos(self, base: Candidate, rng: Random) -> Candidate:
        """The base with some of its demos gone, the same places for all predictors."""
        gone = self._dropped(base, 0, rng)
        return base.with_demos({n: [d for i, d in enumerate(p.demos) if i not in gone] for n, p in base.params.items()}, base.note)

    def _dropped(self, base: Candidate, coming: int, rng: Random) -> set[int]:
        most = max((len(p.demos) for p in base.params.values()), default=0)
        if not most or not self.max_demos:
            return set(range(most))
        wanted = max(_poisson(most / self.max_demos, rng) if most >= self.max_demos else 0, most + coming - self.max_demos)
        return set(rng.sample(range(most), min(most, max(0, wanted))))

    def _short(self, demo: Any) -> Any:
        return type(demo)(demo, **{k: clipped(v, self.longest) for k, v in demo.items() if isinstance(v, str)})


def _poisson(mean: float, rng: Random) -> int:
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
