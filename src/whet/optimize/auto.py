"""`Auto`: the optimizer that is recommended."""

from __future__ import annotations

from whet.optimize.random_search import BootstrapFewShotWithRandomSearch

__all__ = ["Auto"]


class Auto(BootstrapFewShotWithRandomSearch):
    """Under construction: for now random search."""
