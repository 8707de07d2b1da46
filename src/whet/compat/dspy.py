"""`python -m whet.compat.dspy script.py args...`: run an unmodified program, or a test-suite, that says `import dspy`.

`-m module`, `-c code`, `-` and options of Python's own work as with `python`: `python -m whet.compat.dspy -m pytest tests`. Processes that
the program starts see whet too.
"""

from __future__ import annotations

import logging
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from whet.compat.finder import DspyAlias
from whet.errors import ConfigurationError

__all__ = ["install", "main", "uninstall"]

_USAGE = "usage: python -m whet.compat.dspy (script.py | -m module | -c code | -) [arguments]"


def install() -> None:
    """From now on `import dspy` gives whet, in this process, and `logging.getLogger("dspy")` its logger.

    Raises `ConfigurationError` when another `dspy` was imported before: two libraries under one name would mix.

    >>> install()
    >>> import dspy
    >>> dspy.Predict("question -> answer").signature.signature
    'question -> answer'
    >>> uninstall()
    """
    loaded = sys.modules.get("dspy")
    if loaded is not None and loaded is not sys.modules.get("whet"):
        raise ConfigurationError("`dspy` is imported already. Call `whet.compat.dspy.install()` before anything that imports it.")
    if DspyAlias not in sys.meta_path:
        sys.meta_path.insert(0, DspyAlias)
        logging.root.manager.loggerDict["dspy"] = logging.getLogger("whet")  # what is set for the one holds for the other


def uninstall() -> None:
    """Undo `install()`; programs that have imported the alias keep what they have."""
    if DspyAlias in sys.meta_path:
        sys.meta_path.remove(DspyAlias)
        logging.root.manager.loggerDict.pop("dspy", None)
    for name in [n for n in sys.modules if n.partition(".")[0] in ("dspy", "dsp")]:
        del sys.modules[name]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line names, as `python` would, with `dspy` standing for whet."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help") or given == ["-m"]:
        raise SystemExit(_USAGE)
    if not given[0].startswith("-") and not os.path.exists(given[0]):
        raise SystemExit(f"There is no file {given[0]!r} to run.\n{_USAGE}")
    children = str(Path(__file__).with_name("children"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (children, os.environ.get("PYTHONPATH"))))
    if given[0].startswith("-") and given[0] != "-m":
        # Code as text, standard input and options are for Python itself: a process of its own, which finds `dspy` on its path.
        raise SystemExit(subprocess.call([sys.executable, *given]))
    install()
    sys.path.insert(0, children)  # test workers of pytest-xdist get this list, and not the variable
    if given[0] == "-m":
        sys.argv = given[1:]
        sys.path.insert(0, os.getcwd())
        _check_module(given[1])
        runpy.run_module(given[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = given
    sys.path.insert(0, os.path.dirname(os.path.abspath(given[0])))
    runpy.run_path(given[0], run_name="__main__")


def _check_module(name: str) -> None:
    """Exit with a sentence where there is no such module; what fails inside of one is shown as it is."""
    package = ""
    for part in name.split("."):
        package = f"{package}.{part}".lstrip(".")
        parent = package.rpartition(".")[0]
        if (parent and not hasattr(sys.modules.get(parent), "__path__")) or find_spec(package) is None:
            raise SystemExit(f"There is no module {package!r} to run with `-m`.\n{_USAGE}")


if __name__ == "__main__":
    main()
