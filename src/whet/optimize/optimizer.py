"""`Optimizer`: what every optimizer is to its user, and the base for optimizers of your own."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from whet.core.context import current
from whet.core.events import COMPILING, handlers_of, observing
from whet.core.flow import Flow, adrive, drive
from whet.core.records import Example
from whet.errors import ConfigurationError
from whet.evaluate.metric import MetricCall, metric_call
from whet.modules.module import Module
from whet.optimize.budget import Budget
from whet.optimize.candidate import Candidate, content_hash, row_hash
from whet.optimize.checks import check_model_inputs, check_number, check_rows, check_student, check_unknown, try_metric
from whet.optimize.forecast import Bounds, Forecast, forecast
from whet.optimize.journal import Journal, fingerprint_of_metric, fingerprint_of_program
from whet.optimize.memory import memory_in
from whet.optimize.run import Run, Trial
from whet.optimize.search import Options, Search, Task
from whet.optimize.strand import Strand
from whet.optimize.values import choose_values, cost_of_values

__all__ = ["Optimizer"]

M = TypeVar("M", bound=Module)
COMMON: Mapping[str, Any] = {
    "num_threads": None,
    "max_errors": None,
    "seed": 0,
    "run_dir": None,
    "memory": None,
    "max_calls": None,
    "max_tokens": None,
    "max_usd": None,
    "max_seconds": None,
    "hedge": True,
    "descriptions": False,
    "display_progress": False,
    "callbacks": None,
}
# What may differ between two sessions of one run.
_FREE = frozenset(COMMON) - {"seed", "descriptions"}
_HIDDEN = frozenset({"run", "callbacks", "candidate_programs"})


class Optimizer:
    """Turns a program into a better one of the same type: `compile(student, trainset=...)`. The student stays as it is.

    A recipe of your own is a subclass with one method, `steps(search)`: a generator that makes candidates, yields what it waits for, and
    returns the winner. All optimizers take `num_threads` (rows side by side), `max_errors`, `seed`, `run_dir` (a folder for the journal: a
    run that was killed goes on from there when `compile` is called again), `memory` (a folder where results are kept for other optimizers
    and later runs, which then do not run the same program on the same row again; `whet.configure(memory=...)` names it once for all), the
    caps `max_calls`, `max_tokens`, `max_usd` and `max_seconds`, `display_progress` and `callbacks`. A program run or a question that takes
    much longer than others is started once more where a thread is idle, and what is in first counts: a third less wall-clock where one
    call in a hundred is slow, for one call in a hundred paid twice. `hedge=False` never does that.

    What a program registers with `whet.Param` is chosen after the prompts, on the same rows, and with `descriptions=True` the descriptions
    of its fields and of its tools are rewritten too (`GEPA` and `Auto` rewrite those of tools in any case).
    `Optimizer("auto", metric=...)` makes the one that is recommended.

    What bootstrapping or training made is frozen (`freezes`): inside of a larger program it is not optimized again, and no student of
    `BootstrapFewShot`. What another optimizer made may go into the next one.

    Before the first call that is paid, `compile` raises `ConfigurationError` or `InputError` for arguments, rows and metrics that cannot
    work.

    >>> import whet
    >>> class FirstRows(Optimizer):
    ...     needs_metric = False
    ...     def steps(self, search):
    ...         yield from ()
    ...         name = search.task.student.named_predictors()[0][0]
    ...         return search.baseline.with_demos({name: [whet.Example(text="a red coat", colour="red")]}, "one demo")
    >>> rows = [whet.Example(text="a blue hat", colour="blue").with_inputs("text")]
    >>> better = FirstRows().compile(whet.Predict("text -> colour"), trainset=rows)
    >>> better.demos[0].colour, better.run.candidates[-1].note
    ('red', 'one demo')
    """

    needs_metric: ClassVar[bool] = True
    needs_rows: ClassVar[int] = 1
    chooses_values: ClassVar[bool] = True
    raises_last: ClassVar[bool] = False
    freezes: ClassVar[bool] = False

    metric: Any = None
    run: Run | None = None
    num_threads: int | None
    max_errors: float | None
    seed: int
    run_dir: Any
    memory: Any
    max_calls: int | None
    max_tokens: int | None
    max_usd: float | None
    max_seconds: float | None
    hedge: bool
    descriptions: bool
    display_progress: bool
    callbacks: Sequence[Any]

    def __init__(self, metric: Any = None, **common: Any) -> None:
        own = [n for n, p in inspect.signature(type(self).__init__).parameters.items() if n != "self" and p.kind is not p.VAR_KEYWORD]
        check_unknown(type(self).__name__, common, {*own, *COMMON})
        self.metric = metric
        for name, default in COMMON.items():
            setattr(self, name, common.get(name, default))
        self.callbacks = list(self.callbacks or ())
        self.run = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Optimizer and args and isinstance(args[0], str):
            return super().__new__(_recipe_of(args[0]))
        return super().__new__(cls)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "compile" in cls.__dict__:
            cls.compile = _told(cls.__dict__["compile"])  # type: ignore[method-assign]

    # -- for users ----------------------------------------------------------------------------------------------------------------------

    def compile(
        self, student: M, *, trainset: Sequence[Any], teacher: Any = None, valset: Sequence[Any] | None = None, **options: Any
    ) -> M:
        """A better copy of the program, learnt from `trainset` and judged on `valset` (default: the trainset)."""
        return drive(self.flow(student, trainset=trainset, teacher=teacher, valset=valset, **options))

    async def acompile(
        self, student: M, *, trainset: Sequence[Any], teacher: Any = None, valset: Sequence[Any] | None = None, **options: Any
    ) -> M:
        """The same, from async code."""
        with _telling(self, {"student": student, "trainset": trainset, "teacher": teacher, "valset": valset, **options}) as call:
            call.outputs = await adrive(self.flow(student, trainset=trainset, teacher=teacher, valset=valset, **options))
        return call.outputs  # type: ignore[no-any-return]

    def plan(
        self, student: Any, *, trainset: Sequence[Any], teacher: Any = None, valset: Sequence[Any] | None = None, **options: Any
    ) -> Forecast:
        """What `compile` with these arguments will cost: bounds on runs, calls, tokens and money. Asks no model.

        Raises `ConfigurationError` for what `compile` would refuse, and for caps that leave too little for anything to come of it.
        """
        task = drive(self.checked(student, trainset, teacher, valset, options))
        bounds = self.bounds(task)
        if self.chooses_values and task.metric is not None:
            runs, asks = cost_of_values(task, self.descriptions)
            bounds = replace(bounds, runs=(bounds.runs[0], bounds.runs[1] + runs), asks=(bounds.asks[0], bounds.asks[1] + asks))
        return forecast(type(self).__name__, bounds, task.student, task.train, self._budget())

    def get_params(self) -> dict[str, Any]:
        """The arguments that this optimizer works with, by name."""
        taken = inspect.signature(type(self).__init__).parameters
        plain = not any(p.kind is p.VAR_KEYWORD for p in taken.values())  # a class of yours that takes none of the common ones
        left_out = {*_HIDDEN, *((COMMON.keys() | {"metric"}) - taken.keys() if plain else ())}
        return {name: value for name, value in vars(self).items() if name not in left_out and not name.startswith("_")}

    def flow(
        self, student: M, *, trainset: Sequence[Any], teacher: Any = None, valset: Sequence[Any] | None = None, **options: Any
    ) -> Flow[M]:
        """A whole compilation, as a flow."""
        self.run = None
        task = yield from self.checked(student, trainset, teacher, valset, options)
        search = self.search_for(task, options)
        run = self.run = search.run
        search.values_chosen = not self.chooses_values
        yield from search.flow(_with_values(search, self.steps(search, **options)))
        program: M = self.finished(search, run)
        return program

    # -- for recipes --------------------------------------------------------------------------------------------------------------------

    def steps(self, search: Search) -> Strand[Candidate]:
        """The recipe. Keyword-only arguments beside `search` become arguments of `compile`."""
        raise self._unwritten()

    def _unwritten(self) -> NotImplementedError:
        return NotImplementedError(f"`{type(self).__name__}` must define `steps(self, search)` or override `compile`.")

    def bounds(self, task: Task) -> Bounds:
        """How much this recipe takes; for `plan()`."""
        raise ConfigurationError(
            f"`{type(self).__name__}` does not say beforehand what it takes. Cap it: `max_calls=`, `max_usd=`, `max_seconds=`."
        )

    def prepared(self, student: Any) -> Any:
        """The program that the search starts from; a recipe may reset it."""
        return student.deepcopy()

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task, after everything about the arguments has been looked at."""
        if type(self).steps is Optimizer.steps:
            raise self._unwritten()
        known = [n for n, p in inspect.signature(self.steps).parameters.items() if p.kind is p.KEYWORD_ONLY]
        check_unknown(f"{type(self).__name__}.compile", options, known)
        self.check_arguments()
        check_student(student)
        train = check_rows("trainset", trainset, at_least=self.needs_rows)
        val = train if valset is None else check_rows("valset", valset)
        for name, rows in (("trainset", train), ("valset", val)):
            check_model_inputs(student, rows, name)
        if teacher is not None:
            self.check_teacher(student, teacher)
        metric = self._metric_call()
        if metric is not None and train:
            yield from try_metric(metric, train[0])
        return Task(student=self.prepared(student), train=train, val=val, metric=metric, teacher=teacher, options=dict(options))

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be; recipes add their own."""
        check_number("num_threads", self.num_threads, at_least=1)
        check_number("max_errors", self.max_errors, at_least=0, whole=False)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ConfigurationError(f"`seed` is {self.seed!r}; it takes a whole number, 0 included.")
        self._budget()

    def check_teacher(self, student: Any, teacher: Any) -> None:
        """Raise for a teacher that cannot teach this student; here: for one that is no program."""
        check_student(teacher, role="teacher")

    def _metric_call(self) -> MetricCall | None:
        if self.metric is None and self.needs_metric:
            raise ConfigurationError(f"`{type(self).__name__}` needs a metric: `metric=lambda example, prediction, trace=None: ...`.")
        return None if self.metric is None else metric_call(self.metric)

    def _budget(self) -> Budget:
        return Budget(max_calls=self.max_calls, max_tokens=self.max_tokens, max_usd=self.max_usd, max_seconds=self.max_seconds)

    def search_for(self, task: Task, options: Mapping[str, Any]) -> Search:
        """The search of one compilation, with its journal."""
        ambient = current()
        shown = {**self.get_params(), **options}
        settings = {name: value if _is_plain(value) else repr(value) for name, value in shown.items() if name not in ("metric", "teacher")}
        chosen = Options(
            name=type(self).__name__,
            seed=self.seed,
            num_threads=self.num_threads or ambient.num_threads,
            max_errors=ambient.max_errors if self.max_errors is None else self.max_errors,
            failure_score=getattr(self, "failure_score", 0.0),
            budget=self._budget(),
            hedge=self.hedge,
            descriptions=self.descriptions,
            display=self.display_progress,
            most_runs=self._most_runs(task) if self.display_progress else None,
            raises_last=self.raises_last,
        )
        header = {
            "optimizer": type(self).__name__,
            "settings": {name: _stable(value) for name, value in shown.items() if name not in _FREE and name != "metric"},
            "program": fingerprint_of_program(task.student),
            "teacher": "none" if task.teacher is None else "given",
            "trainset": content_hash([row_hash(row) for row in task.train]),
            "valset": content_hash([row_hash(row) for row in task.val]),
            "metric": fingerprint_of_metric(task.metric),
            "model": getattr(ambient.lm, "model", None),
        }
        journal = Journal(self.run_dir, header if self.run_dir is not None else {})
        memory = memory_in(self.memory, journal.horizon)
        if memory is not None and journal.horizon is None:
            journal.note({"memory": memory.horizon})
        return Search(task, chosen, journal, settings, memory)

    def _most_runs(self, task: Task) -> int | None:
        """How many program runs it will be at most, where the recipe can say."""
        try:
            return self.bounds(task).runs[1]
        except ConfigurationError:
            return None

    def finished(self, search: Search, run: Run) -> Any:
        """The winner as a program, with what people look for on it."""
        best = run.best or search.baseline
        program = search.program_of(best).deepcopy()
        program._compiled = self.freezes
        entries = [self.entry(search, trial) for trial in run.trials]
        for name, value in (("run", run), ("candidate_programs", entries)):
            if not isinstance(getattr(program, name, None), Module) and not callable(getattr(program, name, None)):
                setattr(program, name, value)
        return program

    def entry(self, search: Search, trial: Trial) -> dict[str, Any]:
        """One of `candidate_programs`."""
        score = trial.score
        program = search.program_of(trial.candidate)
        return {
            "score": round(100 * score, 2) if score is not None else None,
            "subscores": list(trial.scores),
            "seed": trial.candidate.seed,
            "program": program,
        }


def _with_values(search: Search, steps: Strand[Candidate]) -> Strand[Candidate]:
    """A recipe, and then the values that the program registers."""
    winner = yield from steps
    return (yield from choose_values(search, winner))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _stable(value: Any) -> Any:
    """An argument as the journal's header holds it, the same in every process."""
    if _is_plain(value):
        return value
    if isinstance(value, Mapping):
        return {str(k): _stable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return content_hash([row_hash(v) if isinstance(v, Example) else _stable(v) for v in value])
    return getattr(value, "__name__", None) or getattr(value, "model", None) or type(value).__name__


def _recipe_of(name: str) -> type[Optimizer]:
    from whet.optimize.auto import Auto  # noqa: PLC0415 - the recipes stand on this module

    if name != "auto":
        raise ConfigurationError(
            f"There is no optimizer {name!r}; there is 'auto'. The others are classes: `whet.BootstrapRS(...)`, `whet.GEPA(...)`."
        )
    return Auto


# -- callbacks -------------------------------------------------------------------------------------------------------------------------


def _owner() -> int:
    try:
        import asyncio  # noqa: PLC0415 - sync programs never pay for it

        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return id(task) if task is not None else threading.get_ident()


@contextmanager
def _telling(optimizer: Any, inputs: Mapping[str, Any]) -> Iterator[Any]:
    """Tell compile handlers, once per outer call of one optimizer in one thread or task."""
    me, active = (id(optimizer), _owner()), COMPILING.get()
    if me in active:
        yield _Silent()
        return
    token = COMPILING.set((*active, me))
    try:
        with observing("compile", optimizer, inputs, handlers_of(optimizer)) as call:
            yield call
    finally:
        COMPILING.reset(token)


class _Silent:
    outputs: Any = None


def _told(method: Callable[..., Any]) -> Callable[..., Any]:
    """A `compile` that tells handlers."""
    parameters = inspect.signature(method)

    def inputs_of(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(list(parameters.bind(self, *args, **kwargs).arguments.items())[1:])
        except TypeError:
            return dict(kwargs)

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def acompiling(self: Any, *args: Any, **kwargs: Any) -> Any:
            with _telling(self, inputs_of(self, args, kwargs)) as call:
                call.outputs = await method(self, *args, **kwargs)
            return call.outputs

        return acompiling

    @functools.wraps(method)
    def compiling(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _telling(self, inputs_of(self, args, kwargs)) as call:
            call.outputs = method(self, *args, **kwargs)
        return call.outputs

    return compiling


Optimizer.compile = _told(Optimizer.compile)  # type: ignore[method-assign]
for _name, _default in COMMON.items():  # what a subclass has that never calls `super().__init__()`, as many written for DSPy do not
    setattr(Optimizer, _name, () if _name == "callbacks" else _default)
