"""On the embedded model and real rows no optimizer loses anything beyond chance, and those that choose demos gain."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import whet

EXAMPLE = Path(__file__).parents[2] / "examples" / "optimizers" / "table.py"


def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("optimizers_table", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_each_optimizer_raises_or_keeps_the_score_on_unseen_rows() -> None:
    example = table()
    with whet.context(lm=whet.LM("embedded", cache=False)):
        for task, gaining in ((example.kinds(60), ("BootstrapRS", "MIPROv2", "SIMBA", "InferRules", "auto")), (example.intents(30), ())):
            for line in example.measured(task)[1:]:
                cells = [cell.strip() for cell in line.split("|")]
                low, high = map(float, cells[5].split(" to "))
                assert high >= 0, line
                assert low > 0 or cells[1] not in gaining, line
