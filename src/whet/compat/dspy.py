"""`python -m whet.compat.dspy script.py args...`: run an unmodified program, or a test-suite, that says `import dspy`.

`-m module`, `-c code`, `-` and options of Python's own work as with `python`: `python -m whet.compat.dspy -m pytest tests`. Processes that
the program starts see whet too.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NoReturn

from whet.compat.finder import DspyAlias
from whet.compat.running import RunError, run_module, run_path
from whet.errors import ConfigurationError

__all__ = ["install", "main", "uninstall"]

_logger = logging.getLogger("whet.compat")
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
        # Code as text, standard input and options are for Python itself, which finds `dspy` by the same alias.
        _name_the_other(os.getcwd())
        _become([sys.executable, *given])
    install()
    _name_the_other(os.getcwd() if given[0] == "-m" else os.path.dirname(os.path.realpath(given[0])))
    try:
        if given[0] == "-m":
            sys.argv = given[1:]
            run_module(given[1])
        else:
            sys.argv = given
            run_path(given[0])
    except RunError as error:
        raise SystemExit(f"{error}\n{_USAGE}") from None


def _become(command: list[str]) -> NoReturn:
    """Go on as another program: signals and the exit status are then its own."""
    if os.name == "posix":
        os.execv(command[0], command)
    raise SystemExit(subprocess.call(command))


def _name_the_other(folder: str) -> None:
    """Say on the error stream that a DSPy which is there as well is not what `import dspy` gives."""
    other = PathFinder.find_spec("dspy", [folder, *sys.path])
    if other is not None and other.origin is not None:
        _logger.warning("`import dspy` is whet here; the one in %r is not imported.", os.path.dirname(other.origin))


if __name__ == "__main__":
    main()
