"""`GEPA`: instructions that evolve by reflecting on failed runs, with a Pareto front of parents."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from whet.core.flow import Flow
from whet.errors import ConfigurationError, PreconditionError
from whet.evaluate.metric import MetricCall
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.forecast import Bounds
from whet.optimize.gepa_evolution import GATE, Evolution
from whet.optimize.gepa_published import Published
from whet.optimize.gepa_results import GEPAResults
from whet.optimize.optimizer import Optimizer
from whet.optimize.run import Run
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand

__all__ = ["GEPA"]

_logger = logging.getLogger(__name__)
SIZES = {"light": 6, "medium": 12, "heavy": 18}
# Program runs that the default order uses of those that the published one takes for the same `auto`, with so many rows to judge by at
# least: fewer of them make a round no cheaper here. Measured on the simulator.
SHARE, ROWS = 0.30, 100
CHILDREN = 4
_SELECTORS = ("round_robin", "all")
_STRATEGIES = ("pareto", "current_best")
_SERVICES = ("use_wandb", "wandb_api_key", "wandb_init_kwargs", "use_mlflow")


class GEPA(Optimizer):
    """Improves instructions by reading failed runs and their feedback, keeping every candidate that is best on some row as a possible
    parent (Agrawal et al. 2025, arXiv 2507.19457). Demos stay as they are.

    `metric(gold, pred, trace, pred_name, pred_trace)` may also take the first two or three of these; it returns a number or a prediction
    with `score` and `feedback`. Give one budget: `auto` ("light", "medium", "heavy"), `max_full_evals`, or `max_metric_calls`, which is a
    cap on program runs. `reflection_lm` writes the instructions, unless `instruction_proposer` does: `(candidate, reflective_dataset,
    components_to_update) -> {name: text}`, where the description of a tool is `predictor:tool` and that of an argument
    `predictor:tool.argument`. `component_selector` is "round_robin" (which predictor is worked on in turn; in the default order the one to
    blame, where that can be told), "all", or a function.

    Parents are drawn from the "pareto" front or are the "current_best" (`candidate_selection_strategy`). Runs with `perfect_score` are not
    learnt from unless `skip_perfect_score=False`; a program that raises has `failure_score`. `use_merge` puts what two candidates learnt
    into one, up to `max_merge_invocations` times. `log_dir` is another name of `run_dir`. With `track_stats` the result has
    `detailed_results`, with `track_best_outputs` the best outputs of each row, too. What could not be read is always feedback:
    `add_format_failure_as_feedback`, `warn_on_score_mismatch` and `gepa_kwargs` are accepted and have no effect.

    Raises `PreconditionError` (an `AssertionError`) for no budget or several, for no `reflection_lm`, an empty trainset or a teacher;
    `TypeError` for what is no metric.

    By default several proposals are in flight, children are compared with the best on fresh rows before they are run on more, and `auto`
    spends about a third of the published budget (half where there are few rows to judge by). `children` is how many are written side by
    side: with more of them the same budget makes fewer rounds, so the run is over sooner, and each round has had fewer to learn from.
    `docs/optimizers-measured.md` shows what that costs. `strict=True` follows the published order: one proposal at a time, three rows, then
    all.

    >>> import whet
    >>> right = lambda gold, pred: gold.answer == pred.answer
    >>> hasty = whet.GEPA(metric=right, auto="light", instruction_proposer=lambda *asked: {}, children=8)
    >>> hasty.children
    8

    >>> import whet.testing
    >>> def metric(gold, pred, trace=None, pred_name=None, pred_trace=None):
    ...     return whet.Prediction(score=float(pred.answer == "4"), feedback="Only the number.")
    >>> rows = [whet.Example(question=f"2+2? {i}", answer="4").with_inputs("question") for i in range(8)]
    >>> def model(request):
    ...     if "new_instruction" in request.messages[0].text:
    ...         return {"new_instruction": "Give only the number."}
    ...     return {"answer": "4" if "only the number" in request.messages[0].text else "It is 4."}
    >>> lm = whet.testing.ScriptedLM(model)
    >>> with whet.context(lm=lm):
    ...     better = GEPA(metric=metric, max_metric_calls=60, reflection_lm=lm).compile(
    ...         whet.Predict("question -> answer"), trainset=rows[:4], valset=rows[4:]
    ...     )
    >>> better.signature.instructions
    'Give only the number.'
    """

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        metric: Any,
        *,
        auto: str | None = None,
        max_full_evals: int | None = None,
        max_metric_calls: int | None = None,
        reflection_minibatch_size: int = 3,
        candidate_selection_strategy: str = "pareto",
        reflection_lm: Any = None,
        skip_perfect_score: bool = True,
        add_format_failure_as_feedback: bool = False,
        instruction_proposer: Callable[..., Any] | None = None,
        component_selector: Any = "round_robin",
        use_merge: bool = True,
        max_merge_invocations: int | None = 5,
        num_threads: int | None = None,
        failure_score: float = 0.0,
        perfect_score: float = 1.0,
        log_dir: str | None = None,
        track_stats: bool = False,
        track_best_outputs: bool = False,
        warn_on_score_mismatch: bool = True,
        seed: int | None = 0,
        gepa_kwargs: Mapping[str, Any] | None = None,
        strict: bool = False,
        children: int = CHILDREN,
        **common: Any,
    ) -> None:
        super().__init__(metric, num_threads=num_threads, seed=seed or 0, **self._kept(common, log_dir))
        self.auto, self.max_full_evals, self.max_metric_calls = auto, max_full_evals, max_metric_calls
        self.reflection_minibatch_size, self.candidate_selection_strategy = reflection_minibatch_size, candidate_selection_strategy
        self.reflection_lm, self.instruction_proposer, self.component_selector = reflection_lm, instruction_proposer, component_selector
        self.skip_perfect_score, self.perfect_score, self.failure_score = skip_perfect_score, perfect_score, failure_score
        self.add_format_failure_as_feedback = add_format_failure_as_feedback
        self.use_merge, self.max_merge_invocations = use_merge, max_merge_invocations or 0
        self.log_dir, self.track_stats, self.track_best_outputs = log_dir, track_stats, track_best_outputs
        self.warn_on_score_mismatch = warn_on_score_mismatch
        self.gepa_kwargs, self.strict, self.children = dict(gepa_kwargs or {}), strict, children
        self._check_at_once()

    # -- arguments ----------------------------------------------------------------------

    @staticmethod
    def _kept(common: Mapping[str, Any], log_dir: str | None) -> dict[str, Any]:
        """The arguments of all optimizers, without those for services that whet does not write to."""
        if named := [name for name in _SERVICES if common.get(name)]:
            _logger.warning("`GEPA` ignores %s: give `run_dir=` and look at `program.run`, or use `callbacks`.", ", ".join(named))
        kept = {name: value for name, value in common.items() if name not in _SERVICES}
        return kept if log_dir is None else {"run_dir": log_dir, **kept}

    def _check_at_once(self) -> None:
        try:
            MetricCall(self.metric)
        except ConfigurationError as error:
            raise TypeError(
                f"`GEPA` needs a metric that takes (gold, pred, trace, pred_name, pred_trace), or the first of these. {error}"
            ) from None
        budgets = {"auto": self.auto, "max_full_evals": self.max_full_evals, "max_metric_calls": self.max_metric_calls}
        given = [name for name, value in budgets.items() if value is not None]
        if len(given) != 1:
            raise PreconditionError(
                f"Exactly one of `auto`, `max_full_evals` and `max_metric_calls` must be set; set are: {', '.join(given) or 'none'}."
            )
        if self.auto is not None and self.auto not in SIZES:
            raise PreconditionError(f"`auto` is {self.auto!r}; it takes one of {', '.join(map(repr, SIZES))}.")
        if self.reflection_lm is None and self.instruction_proposer is None:
            raise PreconditionError(
                "GEPA needs a model that writes instructions, `reflection_lm=whet.LM(...)`, or an `instruction_proposer`."
            )
        if self.track_best_outputs and not self.track_stats:
            raise PreconditionError("`track_best_outputs` needs `track_stats=True`.")
        unknown = [name for name in ("reflection_prompt_template", "max_reflection_cost") if name in self.gepa_kwargs]
        if unknown:
            fit = "`instruction_proposer=`" if "template" in unknown[0] else "`max_usd=`"
            raise ConfigurationError(f"`gepa_kwargs` has `{unknown[0]}`, which whet does not take; use {fit}.")

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("reflection_minibatch_size", self.reflection_minibatch_size, at_least=1)
        check_number("max_full_evals", self.max_full_evals, at_least=1)
        check_number("max_metric_calls", self.max_metric_calls, at_least=1)
        check_number("children", self.children, at_least=1)
        if self.strict and self.children != CHILDREN:
            raise ConfigurationError(
                "`children` is for the default order; the published one (`strict=True`) writes one proposal at a time."
            )
        if not callable(self.component_selector) and self.component_selector not in _SELECTORS:
            raise ConfigurationError(f"`component_selector` is {self.component_selector!r}; it takes 'round_robin', 'all' or a function.")
        if self.candidate_selection_strategy not in _STRATEGIES:
            raise ConfigurationError(
                f"`candidate_selection_strategy` is {self.candidate_selection_strategy!r}; it takes 'pareto' or 'current_best'."
            )

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task; without a valset the rows to learn from are those to judge by."""
        if trainset is None or len(trainset) == 0:
            raise PreconditionError("`trainset` is empty; GEPA needs rows to learn from.")
        if teacher is not None:
            raise PreconditionError("GEPA takes no teacher.")
        if valset is None:
            _logger.warning(
                "No `valset` given: instructions are written from the rows that also judge them. Hold some rows out for a better choice."
            )
        return (yield from super().checked(student, trainset, None, valset, options))

    def auto_budget(self, num_preds: int, num_candidates: int, valset_size: int, minibatch_size: int = 35, full_eval_steps: int = 5) -> int:
        """How many program runs the published order takes for a size of `auto`."""
        trials = int(max(4 * num_preds * math.log2(num_candidates), 1.5 * num_candidates))
        full = (trials + 1) // full_eval_steps + 1 + (1 if trials < full_eval_steps else 0)
        return valset_size + 5 * num_candidates + minibatch_size * trials + full * valset_size

    def bounds(self, task: Task) -> Bounds:
        """The program runs that are allowed, and the proposals that they can be for."""
        runs, predictors = self.runs_allowed(task), len(task.student.predictors())
        if self.strict:
            asks = (1 + runs // self.reflection_minibatch_size) * predictors
            return Bounds(runs=(min(runs, len(task.val)), runs + len(task.val)), asks=(0, asks), useful=len(task.val))
        rounds = 2 + runs // GATE
        return Bounds(runs=(min(runs, GATE), runs), asks=(0, rounds * (self.children + 2) * predictors), useful=2 * GATE)

    def runs_allowed(self, task: Task) -> int:
        """How many program runs this search may ask for."""
        if self.max_metric_calls is not None:
            return self.max_metric_calls
        if self.max_full_evals is not None:
            return self.max_full_evals * (len(task.val) if task.val is task.train else len(task.val) + len(task.train))
        predictors, size, rows = len(task.student.predictors()), SIZES[self.auto or "light"], len(task.val)
        published = self.auto_budget(predictors, size, rows)
        return published if self.strict else min(published, int(SHARE * self.auto_budget(predictors, size, max(rows, ROWS))))

    # -- the search ----------------------------------------------------------------------

    def steps(self, search: Search) -> Strand[Candidate]:
        """The evolution, in our order or the published one."""
        course = (Published if self.strict else Evolution)(search, self, self.runs_allowed(search.task))
        self._course = course
        return (yield from course.run())

    def finished(self, search: Search, run: Run) -> Any:
        """The winner, with `detailed_results` if they are wanted."""
        course = getattr(self, "_course", None)
        pool = list(course.pool) if course is not None else [search.baseline]
        program = super().finished(search, run)
        if self.track_stats:
            program.detailed_results = GEPAResults.of(self, search, run, pool)
        return program
