"""Which trainer trains a model, and how `lm.finetune` reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whet.core.flow import start_thread
from whet.errors import LMUnsupportedFeatureError
from whet.lm.provider import TrainingJob
from whet.train.data import TrainData, as_data
from whet.train.trainer import Job, Preflight, TrainConfig, Trainer

__all__ = ["ProviderTrainer", "finetune", "trainer_of"]


def trainer_of(lm: Any) -> Trainer:
    """The trainer for a model: what its `provider` offers, else the one for its name.

    Raises `LMUnsupportedFeatureError` for a model that nobody here can train.

    >>> import whet
    >>> type(trainer_of(whet.LM("embedded"))).__name__
    'EmbeddedTrainer'
    """
    if getattr(getattr(lm, "provider", None), "finetunable", False):
        return ProviderTrainer()
    model = str(getattr(lm, "model", ""))
    kind = model.partition(":")[0] if model.startswith(("embedded", "local:")) else model.partition("/")[0] if "/" in model else "openai"
    if kind == "embedded":
        from whet.train.embedded import EmbeddedTrainer  # noqa: PLC0415 - each trainer is imported by who needs it

        return EmbeddedTrainer()
    if kind == "local":
        from whet.train.local import LocalTrainer  # noqa: PLC0415 - each trainer is imported by who needs it

        return LocalTrainer()
    if hasattr(lm, "access") and kind in ("openai", "together_ai", "together", "databricks"):
        return _hosted(kind)
    raise LMUnsupportedFeatureError(
        f"No trainer for {lm!r}. There are trainers for `embedded`, for `local:<folder>` (Hugging Face models), and for models under "
        "`openai/`, `together_ai/` and `databricks/`; others: `whet.LM(..., provider=...)` with a provider that is `finetunable`.",
        model=model or None,
        features=["finetuning"],
    )


def _hosted(kind: str) -> Trainer:
    from whet.train.hosted import HostedTrainer  # noqa: PLC0415 - each trainer is imported by who needs it
    from whet.train.service import OpenAIService, TogetherService  # noqa: PLC0415 - each trainer is imported by who needs it

    if kind == "databricks":
        from whet.train.databricks import DatabricksService  # noqa: PLC0415 - each trainer is imported by who needs it

        return HostedTrainer(DatabricksService())
    return HostedTrainer(OpenAIService() if kind == "openai" else TogetherService())


@dataclass(frozen=True, slots=True)
class ProviderTrainer:
    """The trainer of a user's own `Provider`: its `finetune`, in a thread."""

    def train(self, data: TrainData, config: TrainConfig) -> Job:
        """A training that is already running."""
        inner = config.lm.finetune([row.plain() for row in data.rows], data.kind, dict(config.options))
        job = Job(config.lm, data, data.kind, dict(config.options))
        job.preflight = Preflight(rows=len(data), tokens=data.tokens)
        start_thread(job, inner.result)
        return job


def finetune(lm: Any, rows: Any, train_kwargs: Mapping[str, Any]) -> TrainingJob:
    """What `lm.finetune(...)` does for a model whose provider is the plain one."""
    options = dict(train_kwargs)
    named = {name: options.pop(name) for name in ("method", "name", "seed", "max_usd") if name in options}
    config = TrainConfig(lm=lm, options=options, **named)
    return trainer_of(lm).train(as_data(rows), config)
