"""`BootstrapFewShotWithOptuna`: which bootstrapped demo each predictor gets, chosen with Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whet.errors import MissingExtraError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.few_shot import BootstrapFewShot, bootstrapper
from whet.optimize.forecast import Bounds
from whet.optimize.plan import rows_in_order
from whet.optimize.search import Search, Task
from whet.optimize.store import mean_of
from whet.optimize.strand import Strand

__all__ = ["BootstrapFewShotWithOptuna"]

# Trials asked for at once; Optuna learns from them together.
AT_ONCE = 4


class BootstrapFewShotWithOptuna(BootstrapFewShot):
    """Bootstraps up to `max_demos` demos (given to `compile`), then lets Optuna choose one of them per predictor, `num_candidate_programs`
    times, and keeps the best choice on `valset` (default: the trainset). Needs the extra `whet[optuna]`; `compile` raises
    `MissingExtraError` without it.

    Four trials run side by side; `strict=True` runs one at a time.

    >>> optimizer = BootstrapFewShotWithOptuna(metric=lambda row, prediction, trace=None: True, num_candidate_programs=4)
    >>> optimizer.num_candidate_programs
    4
    """

    needs_metric: ClassVar[bool] = True
    raises_last: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        metric: Any,
        teacher_settings: Mapping[str, Any] | None = None,
        max_bootstrapped_demos: int = 4,
        max_labeled_demos: int = 16,
        max_rounds: int = 1,
        num_candidate_programs: int = 16,
        num_threads: int | None = None,
        **options: Any,
    ) -> None:
        limits: dict[str, Any] = {
            "max_bootstrapped_demos": max_bootstrapped_demos,
            "max_labeled_demos": max_labeled_demos,
            "max_rounds": max_rounds,
        }
        super().__init__(metric, teacher_settings=teacher_settings, num_threads=num_threads, **limits, **options)
        self.num_candidate_programs = num_candidate_programs

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be, and where Optuna is missing."""
        super().check_arguments()
        check_number("num_candidate_programs", self.num_candidate_programs, at_least=1)
        _optuna()

    def bounds(self, task: Task) -> Bounds:
        """The demos, and every trial on all rows."""
        boots = super().bounds(task)
        return Bounds(runs=(boots.runs[0], boots.runs[1] + self.num_candidate_programs * len(task.val)), demos=1)

    def steps(self, search: Search, *, max_demos: int | None = None) -> Strand[Candidate]:
        """Demos, then trials."""
        optuna = _optuna()
        found = yield from bootstrapper(search, self).first(search.train, max_demos or self.max_bootstrapped_demos)
        choices = {name: [demos[name] for _, demos in found if name in demos] for name in search.baseline.params}
        if not any(choices.values()):
            search.decide("stop", None, "no row was answered rightly, so there are no demos to choose from")
            return search.baseline
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=self.seed))
        rows, best = rows_in_order(search), (-1.0, search.baseline)
        for start in range(0, self.num_candidate_programs, 1 if self.strict else AT_ONCE):
            count = min(1 if self.strict else AT_ONCE, self.num_candidate_programs - start)
            trials = [study.ask() for _ in range(count)]
            candidates = [search.add(self._chosen(search, trial, choices)) for trial in trials]
            yield [h for c in candidates for h in search.scores(c, rows)]
            for trial, candidate in zip(trials, candidates, strict=True):
                mean = mean_of((yield search.scores(candidate, rows)))
                study.tell(trial, mean)
                if mean > best[0]:
                    best = (mean, candidate)
                    search.mark(candidate, mean)
        return best[1]

    def _chosen(self, search: Search, trial: Any, choices: Mapping[str, list[Any]]) -> Candidate:
        places = {name: trial.suggest_int(f"demo_for_{name}", 0, len(demos) - 1) for name, demos in choices.items() if demos}
        return search.baseline.with_demos(
            {name: [choices[name][i]] for name, i in places.items()}, f"trial {trial.number}", seed=trial.number
        )


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("BootstrapFewShotWithOptuna", "optuna", "optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
