"""Who trains and serves weights: `Provider` and the jobs it starts. The plain one trains what `whet.train` has a trainer for."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, ClassVar, TypeAlias

from whet.core.flow import start_thread
from whet.errors import LMUnsupportedFeatureError

__all__ = ["Provider", "ReinforceJob", "TrainingJob"]


class TrainingJob(Future[Any]):
    """A training under way; its result is the new LM. Subclasses may say more about its `status`.

    >>> job = TrainingJob(train_data=[{"messages": []}])
    >>> job.set_result("the new model")
    >>> job.status(), job.result()
    ('succeeded', 'the new model')
    """

    def __init__(self, lm: Any = None, train_data: Any = None, train_data_format: Any = None, train_kwargs: Any = None) -> None:
        super().__init__()
        self.lm = lm
        self.train_data = train_data
        self.train_data_format = train_data_format
        self.train_kwargs = dict(train_kwargs or {})

    def status(self) -> str:
        """`running`, `succeeded`, `failed` or `cancelled`."""
        if self.cancelled():
            return "cancelled"
        if not self.done():
            return "running"
        return "failed" if self.exception() is not None else "succeeded"


class ReinforceJob:
    """Training by reward: `initialize`, then `step` with groups of rewarded answers, then `terminate`.

    >>> class Counted(ReinforceJob):
    ...     def initialize(self):
    ...         self.steps = 0
    ...     def step(self, train_data, train_data_format=None):
    ...         self.steps += 1
    >>> job = Counted(lm=None)
    >>> job.initialize()
    >>> job.step([{"messages": [], "reward": 1.0}])
    >>> job.steps
    1
    """

    def __init__(self, lm: Any, train_kwargs: Mapping[str, Any] | None = None) -> None:
        self.lm = lm
        self.train_kwargs = dict(train_kwargs or {})

    def initialize(self) -> None:
        """Get ready."""
        raise NotImplementedError

    def step(self, train_data: Any, train_data_format: Any = None) -> None:
        """Learn from one batch."""
        raise NotImplementedError

    def terminate(self) -> None:
        """Stop; the model that was learnt is in `lm`."""
        raise NotImplementedError


_Training: TypeAlias = TrainingJob
_Reinforcing: TypeAlias = ReinforceJob


class Provider:
    """What can be done with a model beyond asking it. Subclasses set the flags and override the static methods.

    >>> class Own(Provider):
    ...     finetunable = True
    ...     @staticmethod
    ...     def finetune(job, model, train_data, train_data_format=None, train_kwargs=None):
    ...         return f"{model}-tuned-on-{len(train_data)}"
    >>> Own.finetune(None, "small", [{"messages": []}], None)
    'small-tuned-on-1'
    """

    finetunable: ClassVar[bool] = False
    reinforceable: ClassVar[bool] = False
    TrainingJob: ClassVar[type[TrainingJob]] = TrainingJob
    ReinforceJob: ClassVar[type[ReinforceJob]] = ReinforceJob

    @staticmethod
    def is_provider_model(model: str) -> bool:
        """Whether a model of this name is served by this provider."""
        return False

    @staticmethod
    def launch(lm: Any, launch_kwargs: Mapping[str, Any] | None = None) -> None:
        """Start the model's server, where there is one to start: that of a `local:` model."""
        if lm.model.startswith("local:") and lm.server is None:
            from whet.lm.server import start_server  # noqa: PLC0415 - only a model that is launched needs it

            lm.serve_from(start_server(lm.model, launch_kwargs or {}))

    @staticmethod
    def kill(lm: Any, launch_kwargs: Mapping[str, Any] | None = None) -> None:
        """Stop the model's server, where one was started."""
        if (server := getattr(lm, "server", None)) is not None:
            server.stop()
            lm.serve_from(None)

    @staticmethod
    def finetune(job: _Training, model: str, train_data: list[dict[str, Any]], train_data_format: Any, train_kwargs: Any = None) -> str:
        """Train, and return the name of the new model. Runs in a thread of its own."""
        raise NotImplementedError

    def start_finetuning(
        self, lm: Any, train_data: list[dict[str, Any]], train_data_format: Any, train_kwargs: Mapping[str, Any]
    ) -> _Training:
        """A job that is already running; its result is `lm` under the new model's name."""
        if not self.finetunable:
            if type(self) is not Provider:
                raise self._cannot(lm, "finetuning")
            from whet.train.door import finetune  # noqa: PLC0415 - the one door upwards: who only asks a model imports no trainer

            return finetune(lm, train_data, train_kwargs)
        base = lm.finetuning_model or lm.model
        job = self.TrainingJob(lm=lm, train_data=train_data, train_data_format=train_data_format, train_kwargs=train_kwargs)

        def work() -> Any:
            return lm.copy(model=self.finetune(job, base, train_data, train_data_format, train_kwargs))

        start_thread(job, work)
        return job

    def start_reinforcing(self, lm: Any, train_kwargs: Mapping[str, Any]) -> _Reinforcing:
        """A job that is ready for its first step."""
        if not self.reinforceable:
            raise self._cannot(lm, "reinforcement")
        job = self.ReinforceJob(lm=lm, train_kwargs=train_kwargs)
        job.initialize()
        return job

    def _cannot(self, lm: Any, what: str) -> LMUnsupportedFeatureError:
        return LMUnsupportedFeatureError(
            f"`{type(self).__name__}` offers no {what}. Give the LM a provider that does: `whet.LM(..., provider=...)`.",
            model=lm.model,
            features=[what],
        )
