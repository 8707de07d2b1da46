"""`Trainer`: `train(data, config)` gives a `Job` whose result is a model. Everything that can be wrong is found before the job starts."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from whet.core.flow import start_thread
from whet.core.wording import counted
from whet.errors import ConfigurationError, TrainingError
from whet.lm.home import cannot_write, home_folder
from whet.lm.provider import TrainingJob
from whet.train.data import TrainData

__all__ = ["Job", "Preflight", "ReadyTrainer", "TrainConfig", "Trainer", "check_kind", "check_method", "check_options", "started"]

METHODS = {"sft": "chat", "dpo": "preference", "ipo": "preference", "grpo": "rewarded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What to train and how. `lm` is the model to start from, `method` one of `"sft"`, `"dpo"`, `"ipo"`, `"grpo"`.

    `options` are the trainer's own (`epochs`, `learning_rate`, ...), `name` begins the new model's name, and a training that is estimated
    to cost more than `max_usd` is refused.

    Raises `ConfigurationError` for another method.

    >>> TrainConfig(lm="openai/gpt-4.1-mini", method="dpo", options={"epochs": 2}).method
    'dpo'
    """

    lm: Any
    method: str = "sft"
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    name: str = ""
    max_usd: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigurationError(f"`method` is {self.method!r}; there are: {', '.join(METHODS)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What was found before anything was paid: rows, tokens of one pass, passes, and the cost in US dollars (`None`: no price is known).

    >>> print(Preflight(rows=120, tokens=9000, epochs=3, usd=0.5))
    120 rows, about 9000 tokens x 3, about $0.50
    """

    rows: int
    tokens: int
    epochs: float = 1
    usd: float | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        cost = "price unknown" if self.usd is None else f"about ${self.usd:.2f}"
        return f"{counted(self.rows, 'row')}, about {counted(self.tokens, 'token')} x {self.epochs:g}, {cost}"


class Job(TrainingJob):
    """A training under way: a future whose result is the new LM, or the `TrainingError` that ended it.

    `losses` is the curve up to now as `(step, loss)`, `events` what a service reports, `preflight` what was checked before.

    >>> job = Job()
    >>> job.note(1, 0.7)
    >>> job.status(), job.losses, job.cancel()
    ('running', [(1, 0.7)], True)
    """

    def __init__(self, lm: Any = None, train_data: Any = None, train_data_format: Any = None, train_kwargs: Any = None) -> None:
        super().__init__(lm, train_data, train_data_format, train_kwargs)
        self.losses: list[tuple[int, float]] = []
        self.events: list[str] = []
        self.preflight: Preflight | None = None
        self.name: str | None = None
        self._stop = threading.Event()

    def note(self, step: int, loss: float) -> None:
        """One point of the loss curve. Raises `TrainingError` for a loss that is no number, and when the job was cancelled."""
        self.go_on()
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss} at step {step}; the weights are thrown away. Lower the `learning_rate`, or look at the rows."
            )
        self.losses.append((step, loss))

    def go_on(self) -> None:
        """Raise `TrainingError` if the job was cancelled."""
        if self._stop.is_set():
            raise TrainingError("The training was cancelled; no model was made.", job=self.name)

    def wait(self, seconds: float) -> None:
        """Pause, unless the job is cancelled meanwhile: then raise `TrainingError`."""
        self._stop.wait(seconds)
        self.go_on()

    def cancel(self) -> bool:
        """Ask the training to stop; false when it has already ended."""
        if self.done():
            return False
        self._stop.set()
        return True

    def status(self) -> str:
        """`running`, `cancelling`, `succeeded`, `failed` or `cancelled`."""
        if not self.done():
            return "cancelling" if self._stop.is_set() else "running"
        if self.exception() is not None:
            return "cancelled" if self._stop.is_set() else "failed"
        return "succeeded"


@runtime_checkable
class Trainer(Protocol):
    """Whatever can train a model.

    >>> class Pretends:
    ...     def train(self, data, config):
    ...         job = Job(config.lm, data)
    ...         job.set_result(config.lm)
    ...         return job
    >>> isinstance(Pretends(), Trainer)
    True
    """

    def train(self, data: TrainData, config: TrainConfig) -> Job:
        """Checks everything, raising `ConfigurationError`, then starts the training and returns its job."""
        ...


@runtime_checkable
class ReadyTrainer(Protocol):
    """A trainer that can be asked beforehand, when there are no rows yet."""

    def ready(self, config: TrainConfig) -> None:
        """Raises for whatever is wrong whichever rows will come: model, method, options, credentials, disk, a price that a cap needs."""
        ...


def started(config: TrainConfig, data: TrainData, preflight: Preflight, work: Callable[[Job], Any]) -> Job:
    """A running job over `work(job)`, which returns the new LM. Raises `ConfigurationError` for one that would cost too much."""
    if config.max_usd is not None and (preflight.usd or 0.0) > config.max_usd:
        raise ConfigurationError(
            f"This training is estimated at ${preflight.usd:.2f}, above `max_usd={config.max_usd}`. Use fewer rows or epochs."
        )
    job = Job(config.lm, data, data.kind, dict(config.options))
    job.preflight = preflight

    def typed() -> Any:
        try:
            return work(job)
        except OSError as error:
            raise cannot_write(home_folder(), error) from error

    start_thread(job, typed)
    return job


def check_options(trainer: str, given: Mapping[str, Any], known: Mapping[str, tuple[type, ...]]) -> None:
    """Raise for an option that the trainer does not have, or of another type."""
    for name, value in given.items():
        if name not in known:
            raise ConfigurationError(f"{trainer} has no option `{name}`; it has: {', '.join(known)}.")
        kinds = known[name]
        if (isinstance(value, bool) and bool not in kinds) or not isinstance(value, kinds):
            raise ConfigurationError(f"{trainer}: `{name}` is {value!r}; it takes {' or '.join(k.__name__ for k in kinds)}.")


def check_method(trainer: str, config: TrainConfig, methods: tuple[str, ...]) -> None:
    """Raise for a method that the trainer does not know."""
    if config.method not in methods:
        raise ConfigurationError(f"{trainer} cannot do {config.method!r}; it does: {', '.join(methods)}.")


def check_kind(config: TrainConfig, data: TrainData) -> None:
    """Raise for rows of another kind than the method learns from."""
    wanted = METHODS[config.method]
    if data.kind != wanted:
        raise ConfigurationError(f"{config.method!r} learns from {wanted} rows; these are {data.kind} rows.")
