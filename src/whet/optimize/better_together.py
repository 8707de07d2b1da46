"""`BetterTogether`: optimizers of prompts and of weights in turn, each on what the one before made; the best stage wins."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from whet.core.context import context, current
from whet.core.flow import Flow, Invoke
from whet.errors import ConfigurationError, InputError
from whet.modules.module import Module
from whet.optimize.bootstrap_finetune import BootstrapFinetune
from whet.optimize.candidate import Candidate, labels_of
from whet.optimize.ensemble import Ensemble
from whet.optimize.optimizer import COMMON, Optimizer
from whet.optimize.random_search import BootstrapFewShotWithRandomSearch
from whet.optimize.run import ranked
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand

__all__ = ["BetterTogether"]

_STRATEGY, _HELD_OUT = "p -> w -> p", 0.1

ARROW = "->"


@dataclass(slots=True)
class _Stage:
    """What a stage made: the steps up to it, the program and its candidate."""

    strategy: str
    program: Module
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class _Failed:
    """How a stage ended that failed."""

    why: str


class BetterTogether(Optimizer):
    """Runs named optimizers in the order of `strategy`, by default `"p -> w -> p"`: prompts, weights, prompts again (Soylu et al. 2024,
    arXiv 2407.10930).

    Optimizers are given by name: `BetterTogether(metric, p=..., w=...)`; without any, `p` is `BootstrapFewShotWithRandomSearch` and `w` is
    `BootstrapFinetune`. Each stage starts from the program of the one before, with its models; each result, and the program as given, is
    scored on the valset (given, or a share `valset_ratio` of the trainset), and the best is returned; the latest one without a valset. A
    stage that fails ends the sequence: the best so far is returned with `flag_compilation_error_occurred` set, and `run.decisions` say why.
    Calls and caps of all stages are those of this run, and with a `run_dir` each stage has its journal in a folder of its own there.

    >>> import whet
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue") * 4]
    >>> def right(row, prediction, trace=None):
    ...     return row.colour == prediction.colour
    >>> optimizer = BetterTogether(right, few=whet.LabeledFewShot(k=2), more=whet.BootstrapFewShot(metric=right))
    >>> with whet.context(lm=whet.LM("embedded")):
    ...     better = optimizer.compile(whet.Predict("text -> colour"), trainset=rows[:6], valset=rows[6:], strategy="few -> more")
    >>> better.flag_compilation_error_occurred, [trial.score for trial in better.run.trials]
    (False, [1.0, 1.0, 0.0])
    """

    chooses_values: ClassVar[bool] = False  # its stages do
    freezes: ClassVar[bool] = True

    def __init__(self, metric: Any, **optimizers: Any) -> None:
        common = {name: optimizers.pop(name) for name in list(optimizers) if name in COMMON}
        super().__init__(metric, **common)
        for name, value in optimizers.items():
            if not isinstance(value, Optimizer):
                raise InputError(
                    f"`{name}` is {value!r}; it must be a Teleprompter, that is an optimizer such as `whet.BootstrapRS(metric)`."
                )
            if isinstance(value, Ensemble):
                raise InputError(f"`{name}` is an `Ensemble`, which makes one program of many: `Ensemble(top=3).compile(the result)`.")
        self.optimizers: dict[str, Optimizer] = optimizers or {
            "p": BootstrapFewShotWithRandomSearch(metric),
            "w": BootstrapFinetune(metric),
        }
        self._stages: list[_Stage] = []
        self._failed = False

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task, with the rows to judge by held out, after strategy and arguments have been looked at."""
        self._stages, self._failed = [], False
        self._steps_of(options.get("strategy", _STRATEGY))
        self._check_compile_args(options.get("optimizer_compile_args") or {})
        ratio = options.get("valset_ratio", _HELD_OUT)
        if not isinstance(ratio, int | float) or not 0 <= ratio < 1:
            raise ConfigurationError(f"`valset_ratio` is {ratio!r}; a share of the trainset must be in range [0, 1): below 1.")
        task = yield from super().checked(student, trainset, teacher, valset, options)
        if valset is not None:
            return task
        train = list(task.train)
        self._rng(options).shuffle(train)
        held = min(round(ratio * len(train)), len(train) - 1)
        return Task(student=task.student, train=train[held:], val=train[:held], metric=task.metric, teacher=task.teacher)

    def prepared(self, student: Any) -> Any:
        """A copy that optimizers may work on."""
        program = student.deepcopy()
        program._compiled = False
        return program

    def steps(
        self,
        search: Search,
        *,
        strategy: str = _STRATEGY,
        valset_ratio: float = _HELD_OUT,
        shuffle_trainset_between_steps: bool = True,
        optimizer_compile_args: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int | None = None,
    ) -> Strand[Candidate]:
        """Stage after stage, each scored; the best of them."""
        names = self._steps_of(strategy)
        yield from self._note(search, "", search.task.student)
        rows = list(search.train)
        rng = self._rng({"seed": seed})
        for place, name in enumerate(names):
            if shuffle_trainset_between_steps and place:
                rng.shuffle(rows)
            label = f" {ARROW} ".join(names[: place + 1])
            arguments = {"trainset": rows, **self._judges(search, name), **dict((optimizer_compile_args or {}).get(name, {}))}
            before = self._stages[-1].program
            folder = None if search.journal.folder is None else search.journal.folder / f"stage-{place + 1}-{name}"
            optimizer = self._limited(search, self.optimizers[name], folder)
            outcome = yield search.ask(f"stage {label}", _stage(optimizer, before, arguments))
            self._include(search, optimizer)
            trouble = _trouble(before, outcome)
            if trouble:
                self._failed = True
                search.decide("failed", None, f"stage `{label}` failed, and the best so far is returned: {trouble}")
                break
            yield from self._note(search, label, with_lost_models(before, outcome))
            if optimizer.run is not None and optimizer.run.stop_reason == "interrupted":
                search.stop("interrupted")
                break
        return self._best(search)

    def _note(self, search: Search, label: str, program: Module) -> Strand[None]:
        """Put a stage's program on record, with its score where there are rows to judge by."""
        candidate = Candidate(params=program.params(), values=labels_of(program), note=f"stage {label}" if label else "as given")
        self._stages.append(_Stage(label, program, search.add(candidate)))
        if search.val:
            yield search.scores(candidate, search.val)
            search.announce(candidate, search.val)
        best = self._best(search)
        search.mark(best, search.trial(best, search.val).score if search.val else None)

    def _best(self, search: Search) -> Candidate:
        if not search.val:
            return self._stages[-1].candidate
        return ranked([search.trial(stage.candidate, search.val) for stage in self._stages])[0].candidate

    def _judges(self, search: Search, name: str) -> dict[str, Any]:
        """The valset and teacher for an optimizer that takes them; a weight step judges nothing itself, so it needs no valset."""
        optimizer = self.optimizers[name]
        known = inspect.signature(type(optimizer).compile).parameters
        given: dict[str, Any] = {}
        if "teacher" in known and search.task.teacher is not None:
            given["teacher"] = search.task.teacher
        if "valset" in known and search.val and not isinstance(optimizer, BootstrapFinetune):
            given["valset"] = list(search.val)
        return given

    def _limited(self, search: Search, optimizer: Optimizer, folder: Path | None) -> Optimizer:
        """The optimizer with what is left of this run's budget, and a folder for its journal; one that compiles by itself as it is."""
        if _compiles_itself(optimizer):
            return optimizer
        stage = copy.copy(optimizer)
        spent, caps = search.spend.spend, search.options.budget
        for name, used in (("calls", spent.calls), ("tokens", spent.tokens), ("usd", spent.usd or 0.0), ("seconds", spent.seconds)):
            cap, own = getattr(caps, f"max_{name}"), getattr(stage, f"max_{name}")
            if cap is not None:
                left = max(cap - used, 1 if name in ("calls", "tokens") else 1e-6)
                setattr(stage, f"max_{name}", left if own is None else min(own, left))
        if stage.num_threads is None:
            stage.num_threads = self.num_threads
        if folder is not None and stage.run_dir is None:
            stage.run_dir = folder
        return stage

    @staticmethod
    def _include(search: Search, stage: Optimizer) -> None:
        if stage.run is not None:
            search.spend.include(stage.run.spend)

    def _steps_of(self, strategy: Any) -> list[str]:
        names = [name.strip() for name in strategy.split(ARROW)] if isinstance(strategy, str) else []
        unknown = [name for name in names if name not in self.optimizers]
        if not names or names == [""]:
            raise ConfigurationError(
                f"`strategy` is {strategy!r} and cannot be empty: join names with arrows, of {', '.join(self.optimizers)}."
            )
        if unknown:
            what = ", ".join(f"`{name}`" for name in unknown)
            raise ConfigurationError(f"`strategy` names {what}: invalid optimizer keys. There are: {', '.join(self.optimizers)}.")
        return names

    def _check_compile_args(self, given: Mapping[str, Mapping[str, Any]]) -> None:
        for name, arguments in given.items():
            if name not in self.optimizers:
                raise ConfigurationError(
                    f"`optimizer_compile_args` names `{name}`: an invalid optimizer key. There are: {', '.join(self.optimizers)}."
                )
            if "student" in arguments:
                raise ConfigurationError(
                    f"`student` is not allowed in `optimizer_compile_args` of `{name}`: a stage gets the one before it."
                )
            known = _compile_arguments(self.optimizers[name])
            unknown = [argument for argument in arguments if known is not None and argument not in known]
            if unknown:
                raise ConfigurationError(f"`{name}` does not take `{unknown[0]}` in `compile`; it takes: {', '.join(sorted(known or ()))}.")

    def _rng(self, options: Mapping[str, Any]) -> Random:
        seed = options.get("seed")
        return Random(self.seed if seed is None else seed)

    def finished(self, search: Search, run: Any) -> Any:
        """The best stage's program, with all stages as `candidate_programs`, best first."""
        best = run.best or search.baseline
        stage = next((s for s in self._stages if s.candidate == best), None)
        program: Any = (stage.program if stage is not None else search.program_of(best)).deepcopy()
        program._compiled = self.freezes
        program.run = run
        program.flag_compilation_error_occurred = self._failed
        entries = [(search.trial(s.candidate, search.val).score if search.val else None, s) for s in self._stages]
        entries.sort(key=lambda entry: -(entry[0] if entry[0] is not None else -1.0))
        program.candidate_programs = [
            {"score": None if score is None else round(100 * score, 2), "program": stage.program, "strategy": stage.strategy}
            for score, stage in entries
        ]
        return program


def _stage(optimizer: Optimizer, before: Module, arguments: Mapping[str, Any]) -> Callable[[], Flow[Any]]:
    """One optimizer on the program before it. The ambient model is that of the program, where it has one for all."""
    student = before.deepcopy()
    student._compiled = False
    models = {id(p.lm): p.lm for p in student.predictors()}
    lm = next(iter(models.values())) if len(models) == 1 else None

    def flow() -> Flow[Any]:
        with context(lm=lm or current().lm):
            if type(optimizer).flow is Optimizer.flow and not _compiles_itself(optimizer):
                return (yield from optimizer.flow(student, **arguments))
            return (yield Invoke(optimizer.compile, (student,), dict(arguments)))

    def guarded() -> Flow[Any]:
        try:
            return (yield from flow())
        except Exception as error:  # noqa: BLE001 - whatever ends a stage, the best so far is returned and the run says why
            return _Failed(f"{type(error).__name__}: {error}")

    return guarded


def _compiles_itself(optimizer: Optimizer) -> bool:
    return "compile" in {name for cls in type(optimizer).__mro__[: type(optimizer).__mro__.index(Optimizer)] for name in vars(cls)}


def _compile_arguments(optimizer: Optimizer) -> set[str] | None:
    """The names that the optimizer's `compile` takes; `None` where it takes any."""
    if _compiles_itself(optimizer):
        places = inspect.signature(type(optimizer).compile).parameters.values()
        return None if any(p.kind is p.VAR_KEYWORD for p in places) else {p.name for p in places} - {"self", "student"}
    own = inspect.signature(optimizer.steps).parameters.values()
    return {"trainset", "teacher", "valset"} | {p.name for p in own if p.kind is p.KEYWORD_ONLY}


def _trouble(before: Module, outcome: Any) -> str:
    """Why a stage cannot be gone on from; empty where it can."""
    if isinstance(outcome, _Failed):
        return outcome.why
    if not isinstance(outcome, Module):
        return f"it returned {outcome!r}, which is no program"
    old, new = ([name for name, _ in _opened(program).named_predictors()] for program in (before, outcome))
    return "" if old == new else f"its program has other predictors ({', '.join(new)}) than the one before ({', '.join(old)})"


def _opened(program: Module) -> Module:
    opened = program.deepcopy()
    opened._compiled = False
    return opened


def with_lost_models(before: Module, after: Module) -> Module:
    """The program after a stage, with the models that the optimizer dropped put back."""
    program = _opened(after)
    for (_, old), (_, new) in zip(before.named_predictors(), program.named_predictors(), strict=True):
        new.lm = new.lm or old.lm
    for name in ("run", "candidate_programs"):
        if name in vars(program) and not isinstance(vars(program)[name], Module):
            delattr(program, name)
    return program
