"""A model as plain data, and back: its name and parameters, never how it is reached."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from whet.errors import StateError

__all__ = ["CLASS_KEY", "class_path", "lm_state", "restored_lm", "saved_class"]

PARAMETERS: Final = frozenset(
    "temperature max_tokens max_completion_tokens top_p top_k n seed stop frequency_penalty presence_penalty reasoning_effort "
    "verbosity".split()
)
ATTRIBUTES: Final = ("model", "model_type", "cache", "num_retries", "use_developer_role", "finetuning_model", "train_kwargs")
# What starts programs on this machine is not taken from a file.
TRUSTED_ONLY: Final = ("launch_kwargs",)
OWN: Final = "whet.lm.lm.LM"
# Under this name a state says of which class its model is, and so it calls ours: DSPy reads these states, too.
CLASS_KEY: Final = "_dspy_lm_class"
OWN_AS_SAVED: Final = "dspy.clients.lm.LM"


def class_path(kind: type) -> str:
    """Where a class is found, nested ones included.

    >>> class_path(StateError)
    'whet.errors.StateError'
    """
    return f"{kind.__module__}.{kind.__qualname__}"


def lm_state(lm: Any) -> dict[str, Any]:
    """Class, name and parameters; never a key, a header or an endpoint."""
    kept = {name: value for name, value in lm.kwargs.items() if name in PARAMETERS and value is not None}
    if (limit := kept.pop("max_completion_tokens", None)) is not None:
        kept["max_tokens"] = limit
    own = {name: getattr(lm, name) for name in (*ATTRIBUTES, *TRUSTED_ONLY) if hasattr(lm, name)}
    if not own.get("use_developer_role"):
        own.pop("use_developer_role", None)
    path = class_path(type(lm))
    return {CLASS_KEY: OWN_AS_SAVED if path == OWN else path, **own, **kept}


def saved_class(state: Mapping[str, Any]) -> str | None:
    """The class that a state names; files written before version 2 have it under `class`."""
    named = state.get(CLASS_KEY) or state.get("class")
    return None if named is None else str(named)


def restored_lm(kind: type, state: Mapping[str, Any], *, allow_custom: bool = False) -> Any:
    """The model that `lm_state` described. Raises `StateError` for a class that may not be made from a file.

    Whatever else the state holds, such as an endpoint, is left out.
    """
    path = saved_class(state) or class_path(kind)
    found: Any = kind if path == class_path(kind) else _class_at(path, allow_custom)
    if found is not kind and found.load_state.__func__ is not kind.load_state.__func__:  # type: ignore[attr-defined]
        return found.load_state(state)  # a class that keeps more says itself how it is made again
    names = {*ATTRIBUTES, *PARAMETERS, *(TRUSTED_ONLY if allow_custom else ())}
    return found(**{name: value for name, value in state.items() if name in names})


def _class_at(path: str, allow_custom: bool) -> Any:
    if path == OWN or path in ("dspy.LM", "dspy.clients.lm.LM", "LM"):
        from whet.lm.lm import LM  # noqa: PLC0415 - it builds on what uses this

        return LM
    if not allow_custom:
        raise StateError(
            f"The state is of a model of class `{path}`, which a file may not choose. Pass `allow_custom_lm_class=True` if you trust it."
        )
    # Nothing is imported on a file's word: the class must be there already.
    parts = path.split(".")
    for size in range(len(parts) - 1, 0, -1):
        thing: Any = sys.modules.get(".".join(parts[:size]))
        for name in parts[size:]:
            thing = getattr(thing, name, None)
        if isinstance(thing, type):
            return thing
    raise StateError(f"The class `{path}` is not there. Import its module before you load the state.")
