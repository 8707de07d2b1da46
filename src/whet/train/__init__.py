"""Training of weights: data, trainers (embedded, local, hosted) behind one protocol, and trainable retrievers."""

from __future__ import annotations

from whet.train.data import ChatRow, Pair, Rewarded, TrainData, as_data
from whet.train.door import trainer_of
from whet.train.embedded import EmbeddedTrainer
from whet.train.episodes import Collected
from whet.train.trainer import Job, Preflight, TrainConfig, Trainer

__all__ = [
    "ChatRow",
    "Collected",
    "EmbeddedTrainer",
    "Job",
    "Pair",
    "Preflight",
    "Rewarded",
    "TrainConfig",
    "TrainData",
    "Trainer",
    "as_data",
    "trainer_of",
]
