"""Training at a service: upload, create, wait. A restart at any moment finds file and job again, and nothing is paid twice."""

from __future__ import annotations

import time
from typing import Any, Final

from whet.core.wording import counted
from whet.errors import ConfigurationError, LMError, TrainingError, is_retryable_lm_error
from whet.train.client import Client
from whet.train.data import TrainData, data_hash
from whet.train.memory import Memory
from whet.train.service import SHARED, Service, State
from whet.train.trainer import Job, Preflight, TrainConfig, check_kind, check_method, started

__all__ = ["HostedTrainer"]

POLL_SECONDS: Final = 10.0
UPLOADS: Final = 4
# US dollars for a million training tokens, by the beginning of the base model's name (OpenAI's list of June 2025).
TRAINING_PRICES: Final = {"gpt-4.1-nano": 1.5, "gpt-4.1-mini": 5.0, "gpt-4.1": 25.0, "gpt-4o-mini": 3.0, "gpt-4o": 25.0}


class HostedTrainer:
    """Trains at a service, through its public API, with the credentials and the address of the LM itself.

    Beside the service's own options there are `poll_seconds` (how often the job is looked at, default 10) and `usd_per_million` (what a
    million training tokens cost, for the estimate, where the built-in list has no price). File and job carry a key made from all that
    decides the result, so a training that is asked for again finds its upload, its job or its finished model, in the notes under the home
    or at the service. Cancelling the job cancels it at the service.
    """

    def __init__(self, service: Service) -> None:
        self.service = service

    def ready(self, config: TrainConfig) -> None:
        """What can be wrong without any rows, found before anything is paid: method, options, credentials, model, a price where it is
        needed. The service is asked only what costs nothing."""
        service = self.service
        check_method(service.name, config, service.methods)
        poll = config.options.get("poll_seconds", POLL_SECONDS)
        if isinstance(poll, bool) or not isinstance(poll, int | float) or poll <= 0:
            raise ConfigurationError(f"`poll_seconds` is {poll!r}; it is a number of seconds above 0.")
        if config.max_usd is not None and _price(config) is None:
            raise ConfigurationError(
                f"`max_usd` is {config.max_usd}, but no price of training `{config.lm.model}` is known. Say it: "
                "`options={'usd_per_million': 3.0}`."
            )
        service.check(Client(config.lm, _no_pause), config)

    def check(self, data: TrainData, config: TrainConfig) -> Preflight:
        """What can be wrong, found before anything is paid: `ready`, the rows, and the cost."""
        check_method(self.service.name, config, self.service.methods)
        check_kind(config, data)
        if len(data) < self.service.least_rows:
            raise ConfigurationError(
                f"{self.service.name} needs at least {counted(self.service.least_rows, 'row')} to train on; there are {len(data)}."
            )
        self.ready(config)
        price, epochs = _price(config), config.options.get("epochs", 3)
        usd = None if price is None else data.tokens * epochs * price / 1e6
        return Preflight(rows=len(data), tokens=data.tokens, epochs=epochs, usd=usd)

    def train(self, data: TrainData, config: TrainConfig) -> Job:
        """A training that is already running, or found again."""
        preflight = self.check(data, config)
        return started(config, data, preflight, lambda job: self._work(job, data, config))

    def _work(self, job: Job, data: TrainData, config: TrainConfig) -> Any:
        options = {k: v for k, v in config.options.items() if k not in SHARED}
        place = config.lm.access.api_base or ""
        key = f"whet-{data_hash(data, self.service.name, place, config.lm.model, config.method, options, config.seed, config.name)}"
        client = Client(config.lm, job.wait, delay=min(0.5, float(config.options.get("poll_seconds", POLL_SECONDS))))
        memory = Memory(key)
        with memory.held():
            name = memory.get("model")
            if name is None:
                name = self._model(job, client, memory, data, config)
                memory.put(model=name)
        return config.lm.copy(model=name)

    def _model(self, job: Job, client: Client, memory: Memory, data: TrainData, config: TrainConfig) -> str:
        running = memory.get("job") or self._found_job(client, memory)
        if running is None:
            running = self._created(client, memory, self._file(client, memory, data), config)
        memory.put(job=running)
        job.name = running
        state = self._waited(job, client, memory, running, config)
        assert state.model is not None
        return self.service.served(client, memory.key, state.model, config)

    def _found_job(self, client: Client, memory: Memory) -> str | None:
        """A job that is there and was never noted, because this process or its home was lost."""
        return self.service.created(client, memory.key, memory.get("failed") or [])

    def _created(self, client: Client, memory: Memory, file: str, config: TrainConfig) -> str:
        """Make the job; when the answer is lost, look whether it is there before anything is tried again."""
        for left in range(UPLOADS - 1, -1, -1):
            try:
                return self.service.create(client, memory.key, file, config, len(memory.get("failed") or []))
            except LMError as error:
                if not is_retryable_lm_error(error):
                    raise
                client.pause(client.delay)
                found = self._found_job(client, memory)
                if found is not None:
                    return found
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _file(self, client: Client, memory: Memory, data: TrainData) -> str:
        """The uploaded rows; an upload that was cut is made again, a whole one that nobody noted is found."""
        known: str | None = memory.get("file") or self.service.uploaded(client, memory.key, data)
        for left in range(UPLOADS - 1, -1, -1):
            if known is not None:
                break
            try:
                known = self.service.upload(client, memory.key, data)
            except LMError as error:
                if not left or not is_retryable_lm_error(error):
                    raise
                client.pause(min(getattr(error, "retry_after", None) or client.delay, 30.0))
                known = self.service.uploaded(client, memory.key, data)
        memory.put(file=known)
        assert known is not None
        return known

    def _waited(self, job: Job, client: Client, memory: Memory, running: str, config: TrainConfig) -> State:
        """Wait for the end of the job; one that failed is not taken for this training again."""
        poll = float(config.options.get("poll_seconds", POLL_SECONDS))
        try:
            while (state := self.service.state(client, running)).status == "running":
                job.events[:] = self.service.events(client, running)
                job.wait(poll)
        except TrainingError:
            self.service.cancel(Client(config.lm, _no_pause), running)
            self._forget(memory, running)
            raise
        job.events[:] = self.service.events(client, running)
        if state.status == "succeeded" and state.model:
            return state
        self._forget(memory, running)
        why = state.reason or "the service gave no reason"
        raise TrainingError(
            f"The training `{running}` at {self.service.name} was {state.status}: {why}. Asking again starts a new one.",
            job=running,
            log="\n".join(job.events[-20:]),
            model=config.lm.model,
        )

    @staticmethod
    def _forget(memory: Memory, running: str) -> None:
        memory.put(job=None, failed=[*(memory.get("failed") or []), running])


def _price(config: TrainConfig) -> float | None:
    """US dollars for a million training tokens, `None` where no price is known."""
    base = config.lm.model.rpartition("/")[2].removeprefix("ft:")
    listed = next((price for name, price in TRAINING_PRICES.items() if base.startswith(name)), None)
    given: float | None = config.options.get("usd_per_million", listed)
    return given


def _no_pause(seconds: float) -> None:
    time.sleep(min(seconds, 2.0))
