"""`BootstrapFewShotWithRandomSearch`: many sets of demos, the best one wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.few_shot import BootstrapFewShot, bootstrapper
from whet.optimize.forecast import Bounds
from whet.optimize.plan import halving, halving_cost, one_by_one, rows_in_order
from whet.optimize.proposers.bootstrapped import Bootstrapper, filled
from whet.optimize.proposers.labeled import labeled
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand

__all__ = ["BootstrapFewShotWithRandomSearch", "BootstrapRS"]


class BootstrapFewShotWithRandomSearch(BootstrapFewShot):
    """Makes candidates with other demos and keeps the best on `valset` (default: the trainset) (Khattab et al. 2023, arXiv 2310.03714).

    Seed -3 is the program without demos, -2 has labelled ones, -1 those of `BootstrapFewShot`, 0 to `num_candidate_programs` - 1 the same
    from the shuffled trainset with 1 to `max_bootstrapped_demos` of them; `compile(..., restrict=[-3, 0])` makes only some. One teacher
    answers each row once for all candidates, and candidates race: all on 8 rows, the better half on 16, and so on, the last two on all
    rows. `strict=True` instead bootstraps and evaluates each candidate on its own, in turn, on all rows, as published; so does
    `stop_at_score` (in percent), which ends the search at the first candidate that reaches it. The other arguments are those of
    `BootstrapFewShot`.

    >>> import whet
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue") * 4]
    >>> optimizer = BootstrapRS(metric=lambda row, prediction, trace=None: row.colour == prediction.colour, num_candidate_programs=2)
    >>> with whet.context(lm=whet.LM("embedded")):
    ...     better = optimizer.compile(whet.Predict("text -> colour"), trainset=rows[:6], valset=rows[6:])
    >>> better.candidate_programs[0]["score"], better.run.stop_reason, len(better.demos) > 0
    (100.0, 'finished', True)
    """

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        metric: Any,
        teacher_settings: Mapping[str, Any] | None = None,
        max_bootstrapped_demos: int = 4,
        max_labeled_demos: int = 16,
        max_rounds: int = 1,
        num_candidate_programs: int = 16,
        num_threads: int | None = None,
        max_errors: int | None = None,
        stop_at_score: float | None = None,
        metric_threshold: float | None = None,
        strict: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(
            metric,
            metric_threshold,
            teacher_settings,
            max_bootstrapped_demos,
            max_labeled_demos,
            max_rounds,
            max_errors,
            strict,
            num_threads=num_threads,
            **common,
        )
        self.num_candidate_programs = num_candidate_programs
        self.stop_at_score = stop_at_score

    needs_metric: ClassVar[bool] = True
    raises_last: ClassVar[bool] = False

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("num_candidate_programs", self.num_candidate_programs, at_least=0)
        check_number("stop_at_score", self.stop_at_score, at_least=0, whole=False)

    def bounds(self, task: Task) -> Bounds:
        """Between halving with a teacher who is always right, and all candidates on all rows with one who never is."""
        boots, candidates, rows = super().bounds(task), self.num_candidate_programs + 3, len(task.val)
        if self.strict or self.stop_at_score is not None:
            low = rows if self.stop_at_score is not None else candidates * rows + boots.runs[0]
            return Bounds(runs=(low, candidates * (rows + boots.runs[1])), demos=boots.demos)
        return Bounds(runs=(boots.runs[0] + rows, boots.runs[1] + halving_cost(candidates, rows)), demos=boots.demos)

    def steps(self, search: Search, *, restrict: Iterable[int] | None = None, labeled_sample: bool = True) -> Strand[Candidate]:
        """All candidates, then the best."""
        wanted = None if restrict is None else set(restrict)
        seeds = [s for s in range(-3, self.num_candidate_programs) if wanted is None or s in wanted]
        if not seeds:
            raise ValueError(f"`restrict` leaves no seed: it is {sorted(wanted or ())}, seeds are -3 to {self.num_candidate_programs - 1}.")
        pool = None if self.strict else bootstrapper(search, self)
        makers = [self._candidate(search, seed, labeled_sample, pool) for seed in seeds]
        if self.strict or self.stop_at_score is not None:
            ordered = yield from one_by_one(search, makers, search.val, self.stop_at_score)
        else:
            ordered = yield from halving(search, makers, rows_in_order(search))
        return ordered[0]

    def _candidate(self, search: Search, seed: int, sample: bool, pool: Bootstrapper | None) -> Strand[Candidate]:
        yield from ()
        rows: Sequence[Any] = search.train
        if seed == -3:
            return search.baseline.evolve({}, "as given, without demos", seed=seed)
        if seed == -2:
            return labeled(search.baseline, rows, self.max_labeled_demos, sample=sample, seed=seed)
        size = self.max_bootstrapped_demos
        if seed >= 0:
            rows = list(rows)
            Random(seed).shuffle(rows)
            size = Random(seed).randint(1, size) if size else 0
        found = yield from (pool or bootstrapper(search, self, rows)).first(rows, size)
        return filled(search.baseline, found, rows, self.max_labeled_demos, seed=seed)


BootstrapRS = BootstrapFewShotWithRandomSearch
