"""The embedded model: a small linear text reader that needs no key, no GPU and no download."""

from whet.lm.embedded.model import EmbeddedModel
from whet.lm.embedded.training import train
from whet.lm.embedded.weights import Weights

__all__ = ["EmbeddedModel", "Weights", "train"]
