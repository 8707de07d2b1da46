"""Optimizers: one search loop with a plan, a budget and a journal; named optimizers are recipes over shared proposers."""

from __future__ import annotations

from whet.lazy import door, homes_of

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
    from whet.optimize.random_search import BootstrapFewShotWithRandomSearch as BootstrapFewShotWithRandomSearch, BootstrapRS as BootstrapRS
    from whet.optimize.run import Run as Run, Trial as Trial
    from whet.optimize.search import Search as Search
    from whet.optimize.strand import Strand as Strand, Work as Work

_HOMES = homes_of(
    __name__,
    {
        "auto": "Auto",
        "better_together": "BetterTogether",
        "bootstrap_finetune": "BootstrapFinetune",
        "budget": "Budget Spend",
        "candidate": "Candidate",
        "collecting": "collect",
        "distill": "Distill",
        "few_shot": "BootstrapFewShot LabeledFewShot",
        "grpo": "GRPO",
        "journal": "load_best",
        "leret": "LeReT",
        "objective": "ObjectiveSearch",
        "optimizer": "Optimizer",
        "random_search": "BootstrapFewShotWithRandomSearch BootstrapRS",
        "run": "Run Trial",
        "search": "Search",
        "strand": "Strand Work",
    },
)

__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll] - one table, not two

if not TYPE_CHECKING:
    __getattr__, __dir__ = door(__name__, _HOMES)
