"""`MIPROv2`: instructions grounded in data, program and demos, searched together with sets of demos."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from whet.core.flow import Flow
from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number, check_rows
from whet.optimize.few_shot import bootstrapper
from whet.optimize.forecast import Bounds
from whet.optimize.miprov2_trials import BLOCK, FINALS, Trials
from whet.optimize.optimizer import Optimizer
from whet.optimize.proposers.bootstrapped import Bootstrapper, filled
from whet.optimize.proposers.grounded import SUMMARY_BATCHES, Grounded
from whet.optimize.proposers.labeled import labeled
from whet.optimize.proposers.reflect import lm_for_proposals
from whet.optimize.proposers.writing import Writer
from whet.optimize.run import Run
from whet.optimize.search import Search, Task
from whet.optimize.store import Result
from whet.optimize.strand import Strand

__all__ = ["BayesianSignatureOptimizer", "MIPROv2"]

SIZES = {"light": (6, 100), "medium": (12, 300), "heavy": (18, 1000)}
Runs = list[tuple[Any, Result]]
# Demos that are only shown to the writer of instructions, where the program itself is to have none.
SHOWN_ONLY = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The numbers of one compilation."""

    candidates: int = 0
    trials: int
    minibatch: bool
    minibatch_size: int
    full_eval_steps: int
    seed: int
    limits: tuple[int, int]

    @property
    def zero_shot(self) -> bool:
        """Whether programs get no demos."""
        return not any(self.limits)


class MIPROv2(Optimizer):
    """Searches instructions and sets of demos together (Opsahl-Ong et al. 2024, arXiv 2406.11695).

    Sets of demos are bootstrapped; a model writes instructions, grounded in a summary of the data, the program, and what the teacher got
    right and wrong; a small Bayesian search (no extra package) picks combinations for all predictors. `auto` sets the size: "light",
    "medium", "heavy"; with `auto=None` give `num_candidates` here and `num_trials` to `compile`. Both demo limits 0 means instructions
    only.

    By default one teacher answers each row once for all sets, proposals are written at the same time, candidates are compared on the same
    rows, and only the best of them go on to more rows: about half of the calls of the published order, which `strict=True` follows (a fresh
    minibatch per trial, full evaluations in between). Without a `valset` 80 % of the trainset, at most 1000 rows, are held out.

    `prompt_model` writes, at `init_temperature`; `task_model` runs the candidates (default of both: the ambient one). Demos come as in
    `BootstrapFewShot`, with its limits, `teacher_settings` and `metric_threshold`. `track_stats` keeps `candidate_programs` at the result;
    `log_dir` is another name of `run_dir`, and `verbose` has no effect. Raises `ConfigurationError` where `auto` and the numbers do not
    fit.

    >>> import whet
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue") * 8]
    >>> optimizer = MIPROv2(metric=lambda row, prediction, trace=None: row.colour == prediction.colour, auto="light")
    >>> with whet.context(lm=whet.LM("embedded")):
    ...     better = optimizer.compile(whet.Predict("text -> colour"), trainset=rows[:12], valset=rows[12:])
    >>> better.run.stop_reason, len(better.demos) > 0
    ('finished', True)
    """

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        metric: Any,
        prompt_model: Any = None,
        task_model: Any = None,
        teacher_settings: Mapping[str, Any] | None = None,
        max_bootstrapped_demos: int = 4,
        max_labeled_demos: int = 4,
        auto: str | None = "light",
        num_candidates: int | None = None,
        num_threads: int | None = None,
        max_errors: int | None = None,
        seed: int = 9,
        init_temperature: float = 1.0,
        verbose: bool = False,
        track_stats: bool = True,
        log_dir: str | None = None,
        metric_threshold: float | None = None,
        strict: bool = False,
        **common: Any,
    ) -> None:
        if log_dir is not None:
            common.setdefault("run_dir", log_dir)
        super().__init__(metric, num_threads=num_threads, max_errors=max_errors, seed=seed, **common)
        self.prompt_model, self.task_model = prompt_model, task_model
        self.teacher_settings = dict(teacher_settings or {})
        self.max_bootstrapped_demos, self.max_labeled_demos = max_bootstrapped_demos, max_labeled_demos
        self.auto, self.num_candidates = auto, num_candidates
        self.init_temperature, self.metric_threshold = init_temperature, metric_threshold
        self.verbose, self.track_stats, self.log_dir, self.strict = verbose, track_stats, log_dir, strict
        self.max_rounds = 1
        self._check_auto()

    # -- arguments ----------------------------------------------------------------------

    def _check_auto(self) -> None:
        if self.auto is not None and self.auto not in SIZES:
            raise ConfigurationError(f"`auto` is {self.auto!r}; it takes one of {', '.join(map(repr, SIZES))} or None.")

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        self._check_auto()
        for name in ("max_bootstrapped_demos", "max_labeled_demos"):
            check_number(name, getattr(self, name), at_least=0)
        check_number("num_candidates", self.num_candidates, at_least=1)
        check_number("init_temperature", self.init_temperature, at_least=0, whole=False)

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task; rows to judge by are held out where none are given."""
        rows = check_rows("trainset", trainset)
        self._check_counts(options)
        if valset is None:
            if len(rows) < 2:
                raise ConfigurationError("`trainset` has 1 row, which cannot be split; give at least 2 rows, or a `valset`.")
            cut = len(rows) - min(1000, max(1, int(0.8 * len(rows))))
            rows, valset = rows[:cut] or rows[:1], rows[cut:]
        judged = check_rows("valset", valset)
        if self.auto is not None:
            judged = Random(self._seed(options)).sample(judged, min(SIZES[self.auto][1], len(judged)))
        size = options.get("minibatch_size", 35)
        if self.auto is None and options.get("minibatch", True) and size > len(judged):
            raise ConfigurationError(
                f"`minibatch_size` is {size}, more than the {counted(len(judged), 'row')} to judge by; "
                f"give at most {len(judged)}, or `minibatch=False`."
            )
        return (yield from super().checked(student, rows, teacher, judged, options))

    def _check_counts(self, options: Mapping[str, Any]) -> None:
        trials = options.get("num_trials")
        if self.auto is not None and (self.num_candidates is not None or trials is not None):
            raise ConfigurationError("`auto` sets `num_candidates` and `num_trials` itself; leave them out, or give `auto=None`.")
        if self.auto is None and (self.num_candidates is None or trials is None):
            known = (
                f", and `num_trials` to `compile`: about {self._trials(1, self.num_candidates)} would fit" if self.num_candidates else ""
            )
            raise ConfigurationError(f"With `auto=None` give `num_candidates`{known or ' and, to `compile`, `num_trials`'}.")
        check_number("num_trials", trials, at_least=1)

    def bounds(self, task: Task) -> Bounds:
        """Every row once for demos, every trial, and the instructions."""
        given, names, val = task.options, len(task.student.predictors()), len(task.val)
        limits = [getattr(self, n) if given.get(n) is None else given[n] for n in ("max_bootstrapped_demos", "max_labeled_demos")]
        count = self.num_candidates or SIZES[self.auto or "light"][0]
        trials = given.get("num_trials") or self._trials(names * (2 if any(limits) else 1), count)
        asks = (names, SUMMARY_BATCHES + 2 + names * count)
        if self.strict:
            few = min(given.get("minibatch_size", 35), val) if given.get("minibatch", True) else val
            full = trials // given.get("minibatch_full_eval_steps", 5) + 2
            return Bounds(runs=(val, len(task.train) + trials * few + full * val), asks=asks, demos=max(limits))
        most = (count + 2 + trials) * min(BLOCK, val) + sum(alive * min(size, val) for alive, size in FINALS)
        return Bounds(runs=(min(BLOCK, val), len(task.train) + most), asks=asks, demos=max(limits), useful=min(BLOCK, val))

    def _seed(self, options: Mapping[str, Any]) -> int:
        given = options.get("seed")
        return self.seed if given is None else int(given)

    @staticmethod
    def _trials(variables: int, candidates: int) -> int:
        return int(max(2 * variables * math.log2(max(2, candidates)), 1.5 * candidates))

    # -- the search ----------------------------------------------------------------------

    def steps(  # noqa: PLR0913 - the arguments people know
        self,
        search: Search,
        *,
        num_trials: int | None = None,
        max_bootstrapped_demos: int | None = None,
        max_labeled_demos: int | None = None,
        seed: int | None = None,
        minibatch: bool = True,
        minibatch_size: int = 35,
        minibatch_full_eval_steps: int = 5,
        program_aware_proposer: bool = True,
        data_aware_proposer: bool = True,
        view_data_batch_size: int = 10,
        tip_aware_proposer: bool = True,
        fewshot_aware_proposer: bool = True,
        requires_permission_to_run: bool | None = None,
        provide_traceback: bool | None = None,
    ) -> Strand[Candidate]:
        """Demos and proposals side by side, then the search over their combinations."""
        boots = self.max_bootstrapped_demos if max_bootstrapped_demos is None else max_bootstrapped_demos
        labels = self.max_labeled_demos if max_labeled_demos is None else max_labeled_demos
        plan = Plan(
            trials=num_trials or 0,
            minibatch=minibatch if self.auto is None else len(search.val) > 50,
            minibatch_size=min(minibatch_size, len(search.val)),
            full_eval_steps=minibatch_full_eval_steps,
            seed=self.seed if seed is None else seed,
            limits=(boots, labels),
        )
        used = {"program": program_aware_proposer, "data": data_aware_proposer, "tip": tip_aware_proposer, "demos": fewshot_aware_proposer}
        aware = frozenset(name for name, wanted in used.items() if wanted)
        return (yield from self._course(search, self._completed(plan, search), aware, view_data_batch_size))

    def _completed(self, plan: Plan, search: Search) -> Plan:
        """The plan with the numbers that `auto` sets."""
        variables = len(search.baseline.params) * (1 if plan.zero_shot else 2)
        count = self.num_candidates or SIZES[self.auto or "light"][0]
        return replace(plan, candidates=count, trials=plan.trials or self._trials(variables, count))

    def _course(self, search: Search, plan: Plan, aware: frozenset[str], batch: int) -> Strand[Candidate]:
        if self.task_model is not None:
            search.student = replace(search.student, settings={"lm": self.task_model})
        writer = Writer(search=search, model=lm_for_proposals(search, self.prompt_model), temperature=self.init_temperature)
        grounded = Grounded(search=search, writer=writer, aware=aware, batch=batch)
        self._trials_of_run = trials = Trials(search=search, plan=plan, rng=search.rng("trials", plan.seed))
        summary = search.strands.start(grounded.summary(search.train, search.rng("summary", plan.seed)))
        pool = bootstrapper(search, _Limits(self, *plan.limits))
        sets, runs = yield from self._demo_sets(search, pool, plan)
        trials.demo_sets = [search.baseline] if plan.zero_shot else sets
        first_look = search.strands.start(trials.demos_alone() if not self.strict else _nothing())
        trials.texts = yield from self._texts(search, grounded, plan, (yield summary), runs)
        yield first_look
        return (yield from (trials.published() if self.strict else trials.paired()))

    def _texts(
        self, search: Search, grounded: Grounded, plan: Plan, summary: str, runs: Sequence[tuple[Any, Result]]
    ) -> Strand[dict[str, list[str]]]:
        """The instructions to choose from, by predictor; the one that is there comes first."""
        rng = search.rng("instructions", plan.seed)
        description = yield from grounded.description(search.baseline, runs, rng)
        # The published number is half of the candidates where there are demos; a proposal costs one call, as much as one row.
        count = (plan.candidates if plan.zero_shot or not self.strict else plan.candidates // 2) - 1
        known: dict[str, Any] = {"summary": summary, "description": description, "runs": runs}
        names = list(search.baseline.params)
        made = yield [grounded.propose(search.baseline, name, max(1, count), rng=rng, **known) for name in names]
        return {name: [search.baseline.params[name].instructions, *texts] for name, texts in zip(names, made, strict=True)}

    def _demo_sets(self, search: Search, pool: Bootstrapper, plan: Plan) -> Strand[tuple[list[Candidate], Runs]]:
        """No demos, labelled ones, bootstrapped ones in order, and shuffled sets of other sizes; and what the teacher did for them."""
        boots, labels = (SHOWN_ONLY, 0) if plan.zero_shot else plan.limits
        rng = Random(plan.seed)
        plain = search.baseline.with_demos(dict.fromkeys(search.baseline.params, ()), "no demos")
        sets = [plain, labeled(plain, search.train, labels)] if labels else [plain]
        orders = []
        for number in range(plan.candidates - len(sets) if boots else 0):
            rows = list(search.train)
            size = boots
            if number:
                rng.shuffle(rows)
                size = rng.randint(1, boots)
            orders.append((rows, size))
        if self.strict:
            found = []
            for rows, size in orders:
                found.append((yield from pool.first(rows, size)))
        else:
            found = yield [pool.first(rows, size) for rows, size in orders]
        sets += [filled(plain, made, rows, labels) for made, (rows, _) in zip(found, orders, strict=True)]
        return list(dict.fromkeys(sets)), _runs_of(
            search, pool, [(rows, size, made) for (rows, size), made in zip(orders, found, strict=True)]
        )

    def finished(self, search: Search, run: Run) -> Any:
        """The winner, with its score and the trials."""
        program = super().finished(search, run)
        trials: Trials | None = getattr(self, "_trials_of_run", None)
        best = run.trial(run.best) if run.best is not None else None
        program.trial_logs = trials.logs if trials is not None else {}
        program.score = round(100 * best.score, 2) if best is not None and best.score is not None else None
        rows = max((len(e["subscores"]) for e in program.candidate_programs), default=0)
        entries = [{**e, "full_eval": len(e["subscores"]) == len(search.val)} for e in program.candidate_programs if self.track_stats]
        program.candidate_programs = [e for e in entries if len(e["subscores"]) == rows]
        program.mb_candidate_programs = [e for e in entries if len(e["subscores"]) < rows]
        program.total_calls = run.spend.calls
        return program


class BayesianSignatureOptimizer(MIPROv2):
    """The first name of `MIPROv2`, with the arguments of that time: `n` candidates, trials as `num_trials` or `optuna_trials_num`."""

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        prompt_model: Any = None,
        task_model: Any = None,
        teacher_settings: Mapping[str, Any] | None = None,
        n: int = 10,
        metric: Any = None,
        init_temperature: float = 1.0,
        verbose: bool = False,
        track_stats: bool = True,
        view_data_batch_size: int = 10,
        **common: Any,
    ) -> None:
        settings: dict[str, Any] = {
            "verbose": verbose,
            "track_stats": track_stats,
            "init_temperature": init_temperature,
            "num_candidates": n,
            "auto": None,
        }
        super().__init__(metric, prompt_model, task_model, teacher_settings, **settings, **common)
        self.view_data_batch_size = view_data_batch_size

    def flow(self, student: Any, *, trainset: Any = None, **options: Any) -> Flow[Any]:
        """A whole compilation, with the arguments of that time."""
        options = {**options, "view_data_batch_size": self.view_data_batch_size}
        trainset = options.pop("devset", None) if trainset is None else trainset
        trials = options.pop("optuna_trials_num", None)
        options.setdefault("num_trials", trials if trials is not None else self._trials(2, self.num_candidates or 10))
        options.setdefault("minibatch", False)
        for gone in ("eval_kwargs",):
            options.pop(gone, None)
        options.setdefault("valset", trainset)
        return (yield from super().flow(student, trainset=trainset, **options))


class _Limits:
    """A recipe's arguments with the demo limits of one compilation."""

    def __init__(self, recipe: MIPROv2, boots: int, labels: int) -> None:
        self.teacher_settings, self.metric_threshold = recipe.teacher_settings, recipe.metric_threshold
        self.max_rounds, self.strict = 1, recipe.strict
        self.max_bootstrapped_demos, self.max_labeled_demos = boots, labels


def _runs_of(search: Search, pool: Bootstrapper, asked: Sequence[tuple[Sequence[Any], int, Sequence[Any]]]) -> Runs:
    """What the teacher did on the rows that were needed for these sets, in the rows' order; those run ahead of need are left out, because
    their number depends on how many run side by side."""
    found = {key.row: result for key, result in search.store.results.items() if key.subject == pool.subject.name and not key.sample}
    needed: set[str] = set()
    for rows, size, made in asked:
        names = [search.key_of(search.baseline, row).row for row in rows]
        last = names.index(search.key_of(search.baseline, made[-1][0]).row) + 1 if size and len(made) == size else len(names)
        needed.update(names[: last if size else 0])
    hashes = [(row, search.key_of(search.baseline, row).row) for row in search.train]
    return [(row, found[name]) for row, name in hashes if name in needed and name in found]


def _nothing() -> Strand[None]:
    yield from ()
