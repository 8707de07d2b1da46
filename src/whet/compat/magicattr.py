"""Attributes by paths such as `a.b[0]['key'].c`: read, set, deleted. Nothing in a path is run."""

from __future__ import annotations

import ast
from typing import Any, Final

__all__ = ["delete", "get", "set"]

_NO: Final[Any] = object()


def get(obj: Any, attr: str, default: Any = _NO) -> Any:
    """What stands at the path; `default`, if given, where there is nothing.

    Raises `AttributeError`, `KeyError` or `IndexError` where there is nothing, `ValueError` for what is no path, `NotImplementedError`
    for an index that would have to be computed.

    >>> get({"a": [1, 2]}, "__class__.__name__"), get([[1, 2]], "missing", default=0)
    ('dict', 0)
    """
    steps = _steps(attr)
    try:
        for step in steps:
            obj = _at(obj, step)
    except (AttributeError, KeyError, IndexError, TypeError):
        if default is _NO:
            raise
        return default
    return obj


def set(obj: Any, attr: str, value: Any) -> None:
    """Put a value at the path."""
    *way, (is_name, last) = _steps(attr)
    for step in way:
        obj = _at(obj, step)
    if is_name:
        setattr(obj, last, value)
    else:
        obj[last] = value


def delete(obj: Any, attr: str) -> None:
    """Take away what stands at the path."""
    *way, (is_name, last) = _steps(attr)
    for step in way:
        obj = _at(obj, step)
    if is_name:
        delattr(obj, last)
    else:
        del obj[last]


def _at(obj: Any, step: tuple[bool, Any]) -> Any:
    is_name, key = step
    return getattr(obj, key) if is_name else obj[key]


def _steps(path: Any) -> list[tuple[bool, Any]]:
    """A path as names (`True`) and keys (`False`)."""
    if not isinstance(path, str):
        raise TypeError(f"A path is a string, not {path!r}.")
    body = ast.parse(path.strip()).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise ValueError(f"{path!r} is no path of attributes and keys.")
    found: list[tuple[bool, Any]] = []
    node: ast.expr = body[0].value
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            found.append((True, node.attr))
        elif isinstance(node, ast.Subscript):
            found.append((False, _key(node.slice)))
        else:
            raise ValueError(f"{path!r} is no path of attributes and keys.")
        node = node.value
    return [(True, node.id), *reversed(found)]


def _key(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp):
        raise NotImplementedError("An index in a path is a number or a text; it is not computed.")
    return ast.literal_eval(node)
