"""Which optional packages are here, for `whet doctor`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

__all__ = ["ExtraStatus", "check_extras", "extras_in"]

_LINE: Final = re.compile(r"""(?P<package>[\w.-]+).*;.*\bextra\s*==\s*["'](?P<extra>[\w.-]+)["']""")
# What whoever works on whet itself needs.
_OURS: Final = frozenset({"dev"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraStatus:
    """One extra: the versions of its packages that are installed, and those that are missing."""

    name: str
    installed: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def check_extras() -> list[ExtraStatus]:
    """Every extra that the installed whet names, sorted. Nothing is imported."""
    try:
        lines = requires("whet") or []
    except PackageNotFoundError:
        return []
    return [_status(name, packages) for name, packages in sorted(extras_in(lines).items()) if name not in _OURS]


def extras_in(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """The packages of each extra, from the requirements of a distribution.

    >>> extras_in(["pydantic>=2", 'starlette>=0.45; extra == "serve"', "uvicorn; extra == 'serve'"])
    {'serve': ('starlette', 'uvicorn')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if match := _LINE.match(line):
            found[match["extra"]] = (*found.get(match["extra"], ()), match["package"])
    return found


def _status(name: str, packages: tuple[str, ...]) -> ExtraStatus:
    installed: dict[str, str] = {}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return ExtraStatus(name=name, installed=installed, missing=tuple(p for p in packages if p not in installed))
