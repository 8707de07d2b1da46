"""Optimizers: one search loop with a plan, a budget and a journal; named optimizers are recipes over shared proposers."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from whet.optimize.auto import Auto as Auto
    from whet.optimize.better_together import BetterTogether as BetterTogether
    from whet.optimize.bootstrap_finetune import BootstrapFinetune as BootstrapFinetune
    from whet.optimize.budget import Budget as Budget, Spend as Spend
    from whet.optimize.candidate import Candidate as Candidate
    from whet.optimize.collecting import collect as collect
    from whet.optimize.distill import Distill as Distill
    from whet.optimize.few_shot import BootstrapFewShot as BootstrapFewShot, LabeledFewShot as LabeledFewShot
    from whet.optimize.grpo import GRPO as GRPO
    from whet.optimize.journal import load_best as load_best
    from whet.optimize.leret import LeReT as LeReT
    from whet.optimize.objective import ObjectiveSearch as ObjectiveSearch
    from whet.optimize.optimizer import Optimizer as Optimizer
    from whet.optimize.random_search import (
        BootstrapFewShotWithRandomSearch as BootstrapFewShotWithRandomSearch,
        BootstrapRS as BootstrapRS,
    )
    from whet.optimize.run import Run as Run, Trial as Trial
    from whet.optimize.search import Search as Search
    from whet.optimize.strand import Strand as Strand, Work as Work

_HOMES = {
    "Auto": "auto",
    "BetterTogether": "better_together",
    "BootstrapFewShot": "few_shot",
    "BootstrapFewShotWithRandomSearch": "random_search",
    "BootstrapFinetune": "bootstrap_finetune",
    "BootstrapRS": "random_search",
    "Budget": "budget",
    "Candidate": "candidate",
    "Distill": "distill",
    "GRPO": "grpo",
    "LeReT": "leret",
    "LabeledFewShot": "few_shot",
    "ObjectiveSearch": "objective",
    "Optimizer": "optimizer",
    "Run": "run",
    "Search": "search",
    "Spend": "budget",
    "Strand": "strand",
    "Trial": "run",
    "Work": "strand",
    "collect": "collecting",
    "load_best": "journal",
}

__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll] - one table, not two


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name from its home, once (PEP 562)."""
        if name in _HOMES:
            value: object = getattr(import_module(f"whet.optimize.{_HOMES[name]}"), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'whet.optimize' has no attribute {name!r}")
