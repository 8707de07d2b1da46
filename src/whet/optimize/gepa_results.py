"""`GEPAResults`: what a run of `GEPA` tried, by the names that people know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whet.optimize.candidate import Candidate
from whet.optimize.run import Run
from whet.optimize.search import Search

__all__ = ["GEPAResults"]


@dataclass(frozen=True, kw_only=True)
class GEPAResults:
    """Candidates as programs, in the order in which they came, with their parents (indices) and their scores on the rows to judge by.

    A candidate that was dropped early has scores for the rows that it was run on only: `val_subscores` has a dict per candidate, row
    number to score; `val_aggregate_scores` its mean. `discovery_eval_counts` says after how many program runs each was found.
    """

    candidates: list[Any]
    parents: list[list[int | None]]
    val_aggregate_scores: list[float]
    val_subscores: list[dict[int, float]]
    per_val_instance_best_candidates: dict[int, set[int]]
    discovery_eval_counts: list[int]
    best_outputs_valset: dict[int, list[tuple[int, Any]]] | None = None
    val_aggregate_subscores: list[dict[str, float]] | None = None
    per_objective_best_candidates: dict[str, set[int]] | None = None
    total_metric_calls: int | None = None
    num_full_val_evals: int | None = None
    log_dir: str | None = None
    seed: int | None = None
    best: int = 0

    @property
    def best_idx(self) -> int:
        """The number of the candidate that was handed back."""
        return self.best

    @property
    def best_candidate(self) -> Any:
        """Its program."""
        return self.candidates[self.best]

    @property
    def highest_score_achieved_per_val_task(self) -> list[float]:
        """The best score of any candidate, row by row."""
        rows = range(len(self.per_val_instance_best_candidates))
        return [max((scores[i] for scores in self.val_subscores if i in scores), default=0.0) for i in rows]

    def to_dict(self) -> dict[str, Any]:
        """As plain data; candidates as their instructions."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("best", "candidates")}
        shown["per_val_instance_best_candidates"] = {i: sorted(best) for i, best in self.per_val_instance_best_candidates.items()}
        instructions = [{name: p.signature.instructions for name, p in program.named_predictors()} for program in self.candidates]
        return {"candidates": instructions, **shown, "best_idx": self.best}

    @classmethod
    def of(cls, recipe: Any, search: Search, run: Run, pool: Sequence[Candidate]) -> GEPAResults:
        """The results of a search."""
        winner = run.best or search.baseline
        pool = list(pool) if winner in pool else [*pool, winner]
        places = {candidate.hash: i for i, candidate in enumerate(pool)}
        found = [_scores_of(search, candidate) for candidate in pool]
        best_of = {i: _best_on(found, i) for i in range(len(search.val))}
        return cls(
            candidates=[search.program_of(candidate).deepcopy() for candidate in pool],
            parents=[[places.get(p) for p in candidate.parents] or [None] for candidate in pool],
            val_aggregate_scores=[sum(s.values()) / len(s) if s else 0.0 for s in found],
            val_subscores=found,
            per_val_instance_best_candidates=best_of,
            discovery_eval_counts=[search.found_after.get(c.hash, 0) for c in pool],
            best_outputs_valset=_outputs(search, pool, best_of) if recipe.track_best_outputs else None,
            val_aggregate_subscores=_parts(search, pool),
            total_metric_calls=run.rollouts,
            num_full_val_evals=sum(len(s) == len(search.val) for s in found),
            log_dir=recipe.log_dir,
            seed=recipe.seed,
            best=places.get(winner.hash, len(pool) - 1),
        )


def _scores_of(search: Search, candidate: Candidate) -> dict[int, float]:
    results = ((i, search.known(candidate, row)) for i, row in enumerate(search.val))
    return {i: r.value for i, r in results if r is not None and r.value is not None}


def _best_on(found: Sequence[dict[int, float]], row: int) -> set[int]:
    best = max((s[row] for s in found if row in s), default=None)
    return {i for i, s in enumerate(found) if row in s and s[row] == best}


def _outputs(search: Search, pool: Sequence[Candidate], best_of: dict[int, set[int]]) -> dict[int, list[tuple[int, Any]]]:
    outputs: dict[int, list[tuple[int, Any]]] = {}
    for row, places in best_of.items():
        results = [(i, search.known(pool[i], search.val[row])) for i in sorted(places)]
        outputs[row] = [(i, r.prediction) for i, r in results if r is not None]
    return outputs


def _parts(search: Search, pool: Sequence[Candidate]) -> list[dict[str, float]] | None:
    """The mean of each named part of the scores, where metrics give parts."""
    means = []
    for candidate in pool:
        scores = [r.score for row in search.val if (r := search.known(candidate, row)) is not None and r.score is not None]
        names = sorted({name for score in scores for name in score.parts})
        means.append({n: sum(s.parts.get(n, 0.0) for s in scores) / len(scores) for n in names} if scores else {})
    return means if any(means) else None
