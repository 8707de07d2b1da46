"""What Python runs first in the processes that a program under `python -m whet.compat.dspy` starts: `import dspy` is whet there, too.

A folder `dspy` beside the program (a checkout of DSPy with its tests, say) comes before every other place in the workers' `sys.path`, so
the alias has to be asked before the path is. An interpreter that has no whet is left as it is, and a `sitecustomize` that this one stands
in front of is run after it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any


class FirstImport:
    """Puts the alias in its place when `dspy` is first asked for: processes that never do are not kept waiting."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> Any:
        """The alias's answer for `dspy` and `dsp`, `None` for anything else."""
        if fullname not in ("dspy", "dsp") or find_spec("whet") is None:
            return None
        sys.meta_path.remove(FirstImport)
        import_module("whet.compat.dspy").install()
        return sys.meta_path[0].find_spec(fullname, path, target)


def _run_the_next() -> None:
    here = Path(__file__).resolve().parent
    spec = PathFinder.find_spec("sitecustomize", [place for place in sys.path if Path(place).resolve() != here])
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


sys.meta_path.insert(0, FirstImport)
_run_the_next()
