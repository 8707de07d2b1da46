"""Programs as trees: finding what is inside of a module, and copying it."""

from __future__ import annotations

import copy
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from whet.core.param import Param
from whet.core.signature import Signature
from whet.core.trace import History
from whet.errors import ConfigurationError
from whet.lm.base import BaseLM
from whet.modules.module import Module
from whet.modules.predict import Predict

__all__ = ["ABOUT", "copied", "leaves_of", "registered_in", "replace_predictors", "set_by_path", "set_registered", "sub_modules"]

_HIDDEN = frozenset({"callbacks", "history"})
# What an optimizer says about a program: no part of it, and shared by its copies.
ABOUT = frozenset({"candidate_programs", "detailed_results", "mb_candidate_programs", "run", "trial_logs"})


def children_of(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a module, list, tuple or dict, with what leads to them: `.name`, `[0]`, `['key']`."""
    if isinstance(value, Module):
        yield from ((f".{k}", v) for k, v in vars(value).items() if k not in _HIDDEN and not (k in ABOUT and _is_about(v)))
    elif isinstance(value, list | tuple):
        yield from ((f"[{i}]", v) for i, v in enumerate(value))
    elif isinstance(value, dict):
        yield from ((f"[{k!r}]", v) for k, v in value.items())


def _is_about(value: Any) -> bool:
    # A user's own module may be called `run`.
    return not isinstance(value, Module)


def leaves_of(root: Module, frozen: bool = False) -> Iterator[tuple[str, Predict]]:
    """Every predictor below a module with its path, each object once, in attribute order; those of compiled sub-modules only if
    `frozen`."""
    if isinstance(root, Predict):
        yield "self", root
        return
    seen: set[int] = set()

    def walk(value: Any, path: str) -> Iterator[tuple[str, Predict]]:
        for step, child in children_of(value):
            if not isinstance(child, Module | list | tuple | dict) or id(child) in seen:
                continue
            seen.add(id(child))
            name = (path + step).removeprefix(".")
            if isinstance(child, Predict):
                yield name, child
            elif frozen or not getattr(child, "_compiled", False):
                yield from walk(child, name)

    yield from walk(root, "")


def registered_in(root: Module) -> list[tuple[list[str], Param]]:
    """Every registered value below a module, with all its paths; those of compiled sub-modules are left out."""
    found: dict[int, tuple[list[str], Param]] = {}
    seen: set[int] = set()

    def walk(value: Any, path: str) -> None:
        for step, child in children_of(value):
            name = (path + step).removeprefix(".")
            if isinstance(child, Param):
                found.setdefault(id(child), ([], child))[0].append(name)
            elif isinstance(child, Module | list | dict) and id(child) not in seen and not getattr(child, "_compiled", False):
                seen.add(id(child))
                walk(child, name)

    walk(root, "")
    return list(found.values())


def set_registered(root: Module, values: Mapping[str, str]) -> None:
    """Put other texts or choices into the registered values of these paths, wherever they stand."""
    known = {paths[0]: (paths, param) for paths, param in registered_in(root)}
    for name, label in values.items():
        if name not in known:
            raise ConfigurationError(f"The program registers no `Param` at `{name}`; it has: {', '.join(known) or 'none'}.")
        paths, param = known[name]
        for path in paths:
            set_by_path(root, path, param.at(label))


def sub_modules(root: Module, type_: type | None = None, skip_compiled: bool = False) -> Iterator[tuple[str, Module]]:
    """Every module of the tree, the root as `self`, breadth first, each once."""
    wanted: Any = type_ or Module
    seen: set[int] = set()
    queue: deque[tuple[str, Any]] = deque([("self", root)])
    while queue:
        name, value = queue.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, wanted):
            yield name, value
        if skip_compiled and value is not root and getattr(value, "_compiled", False):
            continue
        for step, child in children_of(value):
            if isinstance(child, Module | list | tuple | dict):
                queue.append((name + _plain_step(step), child))


def _plain_step(step: str) -> str:
    return step.replace("['", "[").replace("']", "]")


def replace_predictors(root: Module, change: Callable[[Predict], Any]) -> None:
    """Put `change(predictor)` in the place of every predictor, also where one object stands in several places."""
    new = {id(old): change(old) for _, old in leaves_of(root)}
    seen: set[int] = set()

    def walk(value: Any, path: str) -> None:
        for step, child in list(children_of(value)):
            name = (path + step).removeprefix(".")
            if id(child) in new and isinstance(child, Predict):
                set_by_path(root, name, new[id(child)])
            elif isinstance(child, Module | list | dict) and id(child) not in seen:
                seen.add(id(child))
                walk(child, name)

    walk(root, "")


_STEP = re.compile(r"\.?([A-Za-z_]\w*)|\[(\d+)\]|\[(['\"])(.*?)\3\]")


def set_by_path(root: Any, path: str, value: Any) -> None:
    """Assign along a path such as `a.b[0]['k']`."""
    steps = [_step_of(match) for match in _STEP.finditer(path)]
    target = root
    for kind, key in steps[:-1]:
        target = getattr(target, key) if kind == "attribute" else target[key]
    kind, key = steps[-1]
    if kind == "attribute":
        setattr(target, key, value)
    else:
        target[key] = value


def _step_of(match: re.Match[str]) -> tuple[str, Any]:
    if match.group(1) is not None:
        return "attribute", match.group(1)
    return "item", int(match.group(2)) if match.group(2) is not None else match.group(4)


def copied(root: Module, leaf: Callable[[Predict], Predict] | None = None) -> Module:
    """A structural copy: modules, containers and data anew, models shared, anything that cannot be copied shared as well.

    `leaf` makes the copy of a predictor; without it, it is copied as any module.
    """
    return _Copier(leaf).copy(root)  # type: ignore[no-any-return]


class _Copier:
    def __init__(self, leaf: Callable[[Predict], Predict] | None) -> None:
        self.leaf = leaf
        self.done: dict[int, Any] = {}

    def copy(self, value: Any) -> Any:
        if id(value) not in self.done:
            self.done[id(value)] = self._new(value)
        return self.done[id(value)]

    def _new(self, value: Any) -> Any:
        if isinstance(value, Predict) and self.leaf is not None:
            return self.leaf(value)
        if isinstance(value, Module):
            return self._module(value)
        if type(value) in (list, tuple):
            return type(value)(self.copy(v) for v in value)
        if type(value) is dict:
            return {k: self.copy(v) for k, v in value.items()}
        return value if isinstance(value, BaseLM | Signature | Param | str | int | float | bool | type | None) else _copy_of(value)

    def _module(self, module: Module) -> Module:
        new: Module = object.__new__(type(module))
        self.done[id(module)] = new
        for name, value in vars(module).items():
            object.__setattr__(new, name, self.copy(value) if name not in _HIDDEN else None)
        new.callbacks, new.history = [], History()
        return new


def _copy_of(value: Any) -> Any:
    for attempt in (copy.deepcopy, copy.copy):
        try:
            return attempt(value)
        except Exception:  # noqa: BLE001 - a lock, a socket or a client is shared, whatever it raises when copied
            continue
    return value
