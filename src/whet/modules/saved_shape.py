"""Whether a saved state, which people edit by hand, has the shape of one: every part that has not is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from whet.errors import StateError

__all__ = ["check_shape"]

# The kinds of thing in JSON, as people call them.
_KINDS: Final[Mapping[type, str]] = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
# What stands in a predictor's state and in its signature's, where it is there.
_PREDICTOR: Final[Mapping[str, tuple[type, ...]]] = {"demos": (list,), "lm": (dict, type(None)), "tools": (dict,)}
_SIGNATURE: Final[Mapping[str, tuple[type, ...]]] = {"instructions": (str,), "fields": (list,)}
_FIELD: Final[Mapping[str, tuple[type, ...]]] = dict.fromkeys(("name", "kind", "type", "prefix", "description", "desc"), (str,))
_ABOUT: Final[Mapping[str, tuple[type, ...]]] = {"dependency_versions": (dict,), "frozen": (list,), "values": (dict,)}


def check_shape(predictors: Mapping[str, Any], about: Mapping[str, Any] | None = None, source: str = "The state") -> None:
    """Raise `StateError` naming each part of a state that is of the wrong kind.

    >>> try:
    ...     check_shape({"answer": {"demos": "none", "signature": {"instructions": 5}}})
    ... except StateError as error:
    ...     print(error)
    The state is no saved program:
    - `answer.demos` is a text; it must be a list.
    - `answer.signature.instructions` is a number; it must be a text.
    Was it edited by hand? Put that right, or save the program again.
    """
    wrong = [] if about is None else [*_wrong(about, "metadata", _ABOUT)]
    for name, state in predictors.items():
        wrong += _of_predictor(state, name)
    if wrong:
        lines = "\n- ".join(wrong)
        raise StateError(f"{source} is no saved program:\n- {lines}\nWas it edited by hand? Put that right, or save the program again.")


def _of_predictor(state: Any, path: str) -> Iterator[str]:
    if not isinstance(state, Mapping):
        yield _sentence(path, state, (dict,))
        return
    yield from _wrong(state, path, _PREDICTOR)
    if isinstance(state.get("demos"), list):
        yield from _items(state["demos"], f"{path}.demos")
    for key in ("signature", "extended_signature"):
        signature = state.get(key)
        if signature is None:
            continue
        if not isinstance(signature, Mapping):
            yield _sentence(f"{path}.{key}", signature, (dict,))
            continue
        yield from _wrong(signature, f"{path}.{key}", _SIGNATURE)
        if isinstance(signature.get("fields"), list):
            yield from _items(signature["fields"], f"{path}.{key}.fields", _FIELD)


def _items(values: Sequence[Any], path: str, kinds: Mapping[str, tuple[type, ...]] | None = None) -> Iterator[str]:
    for index, value in enumerate(values):
        if not isinstance(value, Mapping):
            yield _sentence(f"{path}[{index}]", value, (dict,))
        else:
            yield from _wrong(value, f"{path}[{index}]", kinds or {})


def _wrong(values: Mapping[str, Any], path: str, kinds: Mapping[str, tuple[type, ...]]) -> Iterator[str]:
    for name, allowed in kinds.items():
        if name in values and not isinstance(values[name], _python(allowed)):
            yield _sentence(f"{path}.{name}", values[name], allowed)


def _python(kinds: tuple[type, ...]) -> tuple[type, ...]:
    """A state that never was in a file may hold a tuple or another mapping."""
    wider: dict[type, tuple[type, ...]] = {dict: (Mapping,), list: (list, tuple)}
    return tuple(kind for one in kinds for kind in wider.get(one, (one,)))


def _sentence(path: str, value: Any, allowed: tuple[type, ...]) -> str:
    return f"`{path}` is {_KINDS.get(type(value), 'a number')}; it must be {' or '.join(_KINDS[kind] for kind in allowed)}."
