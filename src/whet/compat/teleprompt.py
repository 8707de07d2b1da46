"""Optimizers under the names that older DSPy programs use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from whet.optimize.copro import COPRO
from whet.optimize.optimizer import Optimizer

__all__ = ["BayesianSignatureOptimizer", "SignatureOptimizer", "Teleprompter"]

Teleprompter = Optimizer


class SignatureOptimizer(COPRO):
    """The first name of `COPRO`: `compile` takes `devset`; the switches for printing are accepted and have no effect."""

    def __init__(self, *args: Any, verbose: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.verbose = verbose

    def compile(self, student: Any, *, trainset: Any = None, devset: Any = None, **options: Any) -> Any:
        """A better copy of the program."""
        return super().compile(student, trainset=devset if trainset is None else trainset, **options)


class BayesianSignatureOptimizer(Optimizer):
    """The first name of MIPRO: instructions and demos chosen together. Runs `MIPROv2` with `n` candidates.

    `compile` takes the old arguments: `devset` or `trainset`, `optuna_trials_num` or `num_trials`, `eval_kwargs` (of which `num_threads`
    counts); the switches for printing are accepted and have no effect.

    >>> import whet
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue") * 2]
    >>> optimizer = BayesianSignatureOptimizer(metric=lambda row, prediction, trace=None: row.colour == prediction.colour, n=2)
    >>> with whet.context(lm=whet.LM("embedded")):
    ...     better = optimizer.compile(whet.Predict("text -> colour"), devset=rows, optuna_trials_num=2)
    >>> better.run.optimizer
    'MIPROv2'
    """

    def __init__(  # noqa: PLR0913 - the arguments that people know
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
        super().__init__(metric, **common)
        self.prompt_model, self.task_model = prompt_model, task_model
        self.teacher_settings = dict(teacher_settings or {})
        self.n, self.init_temperature = n, init_temperature
        self.verbose, self.track_stats, self.view_data_batch_size = verbose, track_stats, view_data_batch_size

    def compile(  # noqa: PLR0913 - the arguments that people know
        self,
        student: Any,
        *,
        trainset: Sequence[Any] | None = None,
        devset: Sequence[Any] | None = None,
        valset: Sequence[Any] | None = None,
        optuna_trials_num: int | None = None,
        num_trials: int | None = None,
        max_bootstrapped_demos: int = 4,
        max_labeled_demos: int = 4,
        eval_kwargs: Mapping[str, Any] | None = None,
        seed: int = 42,
        **switches: Any,
    ) -> Any:
        """A better copy of the program."""
        recipe = import_module("whet").MIPROv2(
            metric=self.metric,
            prompt_model=self.prompt_model,
            task_model=self.task_model,
            teacher_settings=self.teacher_settings,
            max_bootstrapped_demos=max_bootstrapped_demos,
            max_labeled_demos=max_labeled_demos,
            auto=None,
            num_candidates=self.n,
            init_temperature=self.init_temperature,
            num_threads=(eval_kwargs or {}).get("num_threads", self.num_threads),
            seed=seed,
        )
        rows = trainset if trainset is not None else devset
        program = recipe.compile(
            student, trainset=rows, valset=valset, num_trials=num_trials or optuna_trials_num or self.n, minibatch=False
        )
        self.run = recipe.run
        return program
