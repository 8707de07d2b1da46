"""Serves the module paths that programs written for DSPy import: `whet.teleprompt`, `whet.utils.callback`, and all of them under `dspy`."""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False  # `import whet` passes here: what only annotations name is not worth its time
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any
else:
    ModuleType = type(sys)

__all__ = ["DspyAlias", "OldModule", "OldPaths", "Package", "serve_old_paths"]

_Spec: Any = type(__spec__)


class OldModule(ModuleType):
    """A module at an old path; its names are fetched from where they live now, when they are first asked for.

    Where a function and a module share an old path (`whet.predict`, `dspy.streaming.streamify`) calling the module calls the function.
    """

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return _paths().names_of(_below(self.__name__))
        if name.startswith("__"):
            raise AttributeError(name)
        value = _paths().find(_below(self.__name__), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_paths().names_of(_below(self.__name__))})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        parent, _, leaf = _below(self.__name__).rpartition(".")
        return _paths().function(parent, leaf)(*args, **kwargs)


class OldPaths:
    """A finder for `whet.*` paths of the table in `whet.compat.paths`; asked only after the real modules."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """The spec of a module at an old path, `None` for anything else.

        `from whet import OpenAI` asks here for a module of that name, when there is nothing else: what became of it is said then.
        """
        path = _below(fullname)
        if not fullname.startswith("whet."):
            return None
        if path in _paths().PATHS:
            spec = _Spec(fullname, OldPaths, origin=_paths().__file__, is_package=_paths().has_children(path))
            spec.has_location = True  # tools that ask for the file of any module
            return spec
        if became := import_module("whet.compat.gone").became_of_import(path):
            raise ImportError(f"cannot import name {path!r} from 'whet': {became}", name="whet")
        return None

    @staticmethod
    def create_module(spec: Any) -> ModuleType:
        """An empty module that knows where its names are."""
        return OldModule(spec.name, f"What `dspy.{_below(spec.name)}` offered, from where it is now.")

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Nothing to run."""


class DspyAlias:
    """A finder that answers `dspy`, and `dsp` as older programs say, and everything below them with whet's own modules."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """A spec for `dspy`, `dsp`, what is below them, and what was (its import says what became of it); `None` for anything else."""
        if fullname.partition(".")[0] not in ("dspy", "dsp"):
            return None
        if not _is_there(_own_name(fullname)) and not _became_of(fullname):
            return None
        return _Spec(fullname, DspyAlias, is_package=True)

    @staticmethod
    def create_module(spec: Any) -> None:
        """Nothing: the module exists under its own name."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Put whet's module in the place of the one just made."""
        name = module.__name__
        try:
            sys.modules[name] = import_module(_own_name(name))
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"No module named {name!r}: whet has nothing at this path; {_became_of(name)}.", name=name) from error


class Package(ModuleType):
    """`whet` itself: `whet.cache = Cache(...)`, as programs written for DSPy say it, has to reach the models."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "cache":
            import_module("whet.compat.cache").put_in_force(value)

    def __reduce__(self) -> tuple[Any, ...]:
        """By its name, as picklers that take functions with their globals write any module."""
        return import_module, (self.__name__,)


def serve_old_paths() -> None:
    """Make the old paths below `whet` importable; done once, when whet is imported."""
    if OldPaths not in sys.meta_path:
        sys.meta_path.append(OldPaths)
    sys.modules["whet"].__class__ = Package


def _own_name(fullname: str) -> str:
    """Where whet has what `dspy...` or `dsp...` asks for."""
    return "whet" + fullname.removeprefix("dspy") if fullname.startswith("dspy") else f"whet.{fullname}"


def _is_there(name: str) -> bool:
    try:
        return name in sys.modules or import_module("importlib.util").find_spec(name) is not None
    except ImportError:  # a name that is gone: its import says what to use
        return True


def _became_of(fullname: str) -> str:
    became: str = import_module("whet.compat.gone").became_of_path(_own_name(fullname).removeprefix("whet").lstrip("."))
    return became


def _below(fullname: str) -> str:
    return fullname.partition(".")[2]


def _paths() -> Any:
    return import_module("whet.compat.paths")
