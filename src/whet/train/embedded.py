"""The embedded trainer: the model of `whet.LM("embedded")` learns on this CPU in seconds, and its new weights are an ordinary LM."""

from __future__ import annotations

import shutil
from typing import Any, Final

from whet.errors import ConfigurationError, TrainingError
from whet.lm.embedded.training import train as fit
from whet.lm.embedded.weights import Weights
from whet.lm.home import find_model, models_folder, publish
from whet.train.data import TrainData, data_hash
from whet.train.memory import Memory, known_model
from whet.train.policy import Policy, train_policy
from whet.train.trainer import Job, Preflight, TrainConfig, check_kind, check_method, check_options, started

__all__ = ["EmbeddedTrainer"]

_FREE_BYTES: Final = 64 * 2**20
_OPTIONS: Final = {"epochs": (int,), "learning_rate": (int, float), "l2": (int, float), "beta": (int, float)}


class EmbeddedTrainer:
    """Trains `whet.LM("embedded")`, or a model that it became, by gradient descent in this process.

    `sft` learns from chat rows (options `epochs`, `learning_rate`, `l2`), `ipo` and `dpo` from preference pairs, `grpo` from rewarded
    groups (options `epochs`, `learning_rate`, `beta`). The result is `LM("embedded:<name>")` in the model home. It costs nothing, and the
    same rows, options and seed that were trained before give the model that came out then.

    >>> import whet
    >>> from whet.train import ChatRow
    >>> row = ChatRow(messages=({"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}))
    >>> config = TrainConfig(lm=whet.LM("embedded"), options={"epochs": 3})
    >>> print(EmbeddedTrainer().check(TrainData(rows=(row,)), config))
    1 row, about 23 tokens x 3, about $0.00
    """

    def ready(self, config: TrainConfig) -> None:
        """What can be wrong without any rows. Raises `ConfigurationError`, `LMNotConfiguredError`, or `TrainingError` for a full disk."""
        model = getattr(config.lm, "model", None)
        if not isinstance(model, str) or model.partition(":")[0] != "embedded":
            raise ConfigurationError(f'The embedded trainer trains `whet.LM("embedded")` and what it became, not {config.lm!r}.')
        if model.partition(":")[2]:
            find_model(model.partition(":")[2])
        check_method("The embedded trainer", config, ("sft", "ipo", "dpo", "grpo"))
        check_options("The embedded trainer", config.options, _OPTIONS)
        for name in ("epochs", "learning_rate", "beta"):
            if name in config.options and config.options[name] <= 0:
                raise ConfigurationError(f"`{name}` is {config.options[name]!r}; it must be above 0.")
        _check_space()

    def check(self, data: TrainData, config: TrainConfig) -> Preflight:
        """What can be wrong, found before the training starts."""
        self.ready(config)
        check_kind(config, data)
        return Preflight(rows=len(data), tokens=data.tokens, epochs=config.options.get("epochs", 12), usd=0.0)

    def train(self, data: TrainData, config: TrainConfig) -> Job:
        """A training that is already running."""
        preflight = self.check(data, config)
        return started(config, data, preflight, lambda job: self._work(job, data, config))

    def _work(self, job: Job, data: TrainData, config: TrainConfig) -> Any:
        memory = Memory(data_hash(data, "embedded", config.lm.model, config.method, dict(config.options), config.seed, config.name))
        name = known_model(memory)
        if name is None:
            weights = self._fitted(job, data, config)
            job.go_on()
            facts = {"base": config.lm.model, "method": config.method, "rows": len(data), "losses": job.losses[-1:]}
            name = publish(config.name or "embedded", "embedded", weights.save, facts)
            memory.put(model=name)
        job.name = name
        return config.lm.copy(model=f"embedded:{name}")

    def _fitted(self, job: Job, data: TrainData, config: TrainConfig) -> Weights:
        base = config.lm.model.partition(":")[2]
        start = Weights.load(find_model(base)) if base else Weights()
        unused = "beta" if config.method == "sft" else "l2"
        options: dict[str, Any] = {name: value for name, value in config.options.items() if name != unused}
        try:
            if config.method == "sft":
                return fit([row.plain() for row in data.rows], seed=config.seed, start=start, progress=job.note, **options)
            gentle = {"epochs": 1, "learning_rate": 1.0} if config.method == "grpo" else {}  # rewards of few samples are noisy
            return train_policy(data, Policy(method=config.method, seed=config.seed, **{**gentle, **options}), start, job.note)
        except (ArithmeticError, RuntimeWarning) as error:
            raise TrainingError(f"The loss became no number ({error}); the weights are thrown away. Lower the `learning_rate`.") from error


def _check_space() -> None:
    place = models_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < _FREE_BYTES:
        raise TrainingError(f"The disk is full: {free // 2**20} MiB are left at `{place}`. Make room, or set `WHET_HOME` to another place.")
