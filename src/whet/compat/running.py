"""Runs a script, a folder, an archive or a module as `python` itself would, in this process."""

from __future__ import annotations

import builtins
import os
import pkgutil
import runpy
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from types import ModuleType, TracebackType
from typing import Any

__all__ = ["RunError", "run_module", "run_path"]


class RunError(Exception):
    """What was named cannot be run; the message says why."""


class _Script(SourceFileLoader):
    """A script: as under `python script.py`, no compiled copy of it is left behind."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Nothing is written."""


def run_path(path: str) -> None:
    """Run a script, or the `__main__` of a folder or an archive. Raises `RunError` where there is nothing to run."""
    importer = pkgutil.get_importer(path)
    if importer is not None and importer.find_spec("__main__") is None:
        raise RunError(f"{path!r} is a folder or an archive without a `__main__.py`: name the script in it that is to run.")
    _show_the_programs_own_frames()
    if importer is not None:
        _stand_first(None)  # runpy puts the folder itself there
        runpy.run_path(path, run_name="__main__")
        return
    _stand_first(os.path.dirname(os.path.realpath(path)))
    # The module stays in its place when the script has ended: threads and exit handlers still pickle what it defines.
    loader = _Script("__main__", os.path.abspath(path))
    sys.modules["__main__"] = module = ModuleType("__main__")
    vars(module).update(__file__=loader.path, __loader__=loader, __spec__=None, __builtins__=builtins, __annotations__={})
    loader.exec_module(module)


def run_module(name: str) -> None:
    """Run a module, or the `__main__` of a package. Raises `RunError` where there is none; what fails inside of it is its own error."""
    _stand_first(os.getcwd())
    package, spec = "", None
    for part in name.split("."):
        is_package = spec is None or spec.submodule_search_locations is not None
        package = f"{package}.{part}".lstrip(".")
        spec = find_spec(package) if is_package else None
        if spec is None:
            raise RunError(f"There is no module {package!r} to run with `-m`.")
    if spec is not None and spec.submodule_search_locations is not None and find_spec(f"{name}.__main__") is None:
        raise RunError(f"{name!r} is a package without a `__main__` module: name the module in it that is to run.")
    _show_the_programs_own_frames()
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _stand_first(folder: str | None) -> None:
    """Put the folder in the place of the one that `python -m` put there, which is where the command was given."""
    if sys.path and sys.path[0] == os.getcwd() and not sys.flags.safe_path:
        del sys.path[0]
    if folder is not None and not sys.flags.safe_path:
        sys.path.insert(0, folder)


def _show_the_programs_own_frames() -> None:
    """Leave the frames that brought the program here out of what is printed when it fails."""
    before = sys.excepthook

    def shown(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        while trace is not None and _brings(trace.tb_frame.f_code.co_filename):
            trace = trace.tb_next
        before(kind, error.with_traceback(trace), trace)

    sys.excepthook = shown


def _brings(file: str) -> bool:
    return file.startswith(("<frozen runpy>", "<frozen importlib")) or os.path.dirname(file) == os.path.dirname(__file__)
