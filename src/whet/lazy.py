"""Names of a package that are imported when they are first used (PEP 562), from one table of where they live."""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False  # `import whet` passes here: what only annotations name is not worth its time
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Set

__all__ = ["at_old_path", "door", "homes_of"]


def homes_of(package: str, table: Mapping[str, str]) -> dict[str, str]:
    """The module of each name, sorted by name, from a table of a package's modules and the names that each of them holds.

    >>> homes_of("whet", {"core.context": "settings configure"})
    {'configure': 'whet.core.context', 'settings': 'whet.core.context'}
    """
    homes = {name: f"{package}.{module}" for module, names in table.items() for name in names.split()}
    return {name: homes[name] for name in sorted(homes)}


def door(
    package: str, homes: Mapping[str, str], modules: Set[str] = frozenset(), unlisted: Set[str] = frozenset(), gone: str = ""
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package whose names live in `homes`.

    Its `modules` are attributes as well, and so are `unlisted` ones, which `dir` does not show; a module wins over a name.
    The module `gone` says by `became_of_name` what to use in place of a name that is not there.
    """

    def __getattr__(name: str) -> object:
        if name in modules or name in unlisted:
            return import_module(f"{package}.{name}")
        if name not in homes:
            if (old := at_old_path(package, name)) is not None:
                return old
            hint = _became(gone, name) or _nearest(package, name, __dir__())
            # With a name in it Python adds no second "Did you mean" of its own behind ours.
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}", name=name)
        value: object = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]).get("__all__", homes), *modules})

    return __getattr__, __dir__


def at_old_path(package: str, name: str) -> object | None:
    """The module that programs written for DSPy reach as an attribute of this package, if there is one."""
    if name.startswith("_") or not import_module("whet.compat.paths").is_below(package.partition(".")[2], name):
        return None
    return import_module(f"{package}.{name}")


def _became(module: str, name: str) -> str:
    said = import_module(module).became_of_name(name) if module else ""
    return f": {said}" if said else ""


def _nearest(package: str, name: str, known: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a misspelt name pays for it

    close = get_close_matches(name, known, n=1)
    return f"; did you mean `{package}.{close[0]}`?" if close else ""
