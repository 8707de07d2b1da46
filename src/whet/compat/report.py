"""Reads programs that DSPy saved as JSON, and says what of them could not be mapped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.core.wording import counted
from whet.errors import StateError
from whet.modules.saved_shape import check_shape
from whet.modules.state import parts_of, refuse_pickles, restore_predictor, retrieval_depths
from whet.modules.tree import leaves_of

__all__ = ["LoadReport", "load_saved"]

# DSPy 2.4 wrote the instructions alone; what optimizers changed is in the extended ones.
_INSTRUCTIONS = frozenset({"signature_instructions", "extended_signature_instructions"})
_KNOWN = frozenset({"traces", "train", "demos", "signature", "extended_signature", "lm"}) | _INSTRUCTIONS
_LEFT_OUT = frozenset({"traces", "train"})
_ENDPOINTS = frozenset({"api_base", "base_url", "model_list", "api_key", "headers"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What became of a saved program: the predictors that were `loaded`, and a sentence for everything that was not (`unmapped`)."""

    loaded: tuple[str, ...]
    unmapped: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether everything found its place."""
        return not self.unmapped

    def __str__(self) -> str:
        head = f"{counted(len(self.loaded), 'predictor')} loaded: {', '.join(self.loaded) or 'none'}."
        return "\n".join([head, *(f"- {text}" for text in self.unmapped)])


def load_saved(program: Any, path: Any) -> LoadReport:
    """Load what fits of a saved program into `program`, and report the rest; for files that DSPy wrote.

    Instructions, descriptions, demos and the names of models are loaded, and how many passages a `Retrieve` gives. Where paths differ
    between versions (`_predict`, a `ChainOfThought` saved without its inner `predict`) the predictor is found all the same. Raises
    `StateError` for a file that is no saved program, `ConfigurationError` for a pickled one.
    """
    saved = _read(Path(path))
    for module, depth in retrieval_depths(program, saved):
        module.k = depth
    predictors = dict(leaves_of(program, frozen=True))
    loaded, unmapped = [], []
    for name, old in saved.items():
        place = _place(name, predictors)
        if place is None:
            unmapped.append(f"`{name}` is in the file, and the program has no such predictor: {', '.join(predictors) or 'it has none'}.")
            continue
        state = _renamed(predictors[place], old)
        unmapped += [f"`{name}`: {text}" for text in _differences(predictors[place], state)]
        try:
            left_out: list[str] = []
            restore_predictor(predictors[place], {**state, "lm": _safe_model(state.get("lm"))}, left_out=left_out)
            loaded.append(place)
            unmapped += [f"`{name}`: {text}" for text in left_out]
        except StateError as error:
            unmapped.append(f"`{name}` was not loaded: {error}")
    unmapped += [f"`{name}` is in the program, and the file has nothing for it." for name in predictors if name not in loaded]
    return LoadReport(loaded=tuple(loaded), unmapped=tuple(dict.fromkeys(unmapped)))


def _read(path: Path) -> dict[str, Any]:
    refuse_pickles(path)
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise StateError(f"{str(path)!r} is no JSON file: {error}") from error
    if not isinstance(state, dict):
        raise StateError(f"{str(path)!r} holds no saved program.")
    saved = parts_of(state)[0]
    check_shape(saved, source=repr(str(path)))
    return saved


def _renamed(predictor: Any, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Demos with today's name of what `ChainOfThought` thinks first: until DSPy 2.5 it was the rationale."""
    names = predictor.signature.fields
    if "reasoning" not in names or "rationale" in names:
        return state
    demos = [{"reasoning" if key == "rationale" else key: value for key, value in demo.items()} for demo in state.get("demos", [])]
    return {**state, "demos": demos}


def _place(name: str, predictors: Mapping[str, Any]) -> str | None:
    plain = name.replace("._predict", ".predict").replace("_predict", "predict") if "_predict" in name else name
    for guess in (name, plain, f"{name}.predict", name.removesuffix(".predict"), f"{plain}.predict"):
        if guess in predictors:
            return guess
    return next(iter(predictors)) if len(predictors) == 1 and name in ("self", "predict") else None


def _differences(predictor: Any, state: Mapping[str, Any]) -> list[str]:
    signature = predictor.signature
    whole = state.get("extended_signature") or state.get("signature")
    saved = (whole or {}).get("fields", [])
    found = [f"`{key}` means nothing here and was left out." for key in state if key not in _KNOWN]
    found += [f"`{key}` was left out: whet keeps no such lists." for key in sorted(_LEFT_OUT) if state.get(key)]
    if len(saved) != len(signature.fields) and not (whole is None and _INSTRUCTIONS & set(state)):
        found.append(f"the file has {counted(len(saved), 'field')}, the signature {len(signature.fields)} ({', '.join(signature.fields)}).")
    for field, old in zip(signature.fields.values(), saved, strict=False):
        if old.get("prefix", field.prefix) != field.prefix:
            found.append(f"the prefix {old['prefix']!r} of `{field.name}` is kept, and has no effect on prompts.")
    strange = {key for demo in state.get("demos", []) for key in demo} - set(signature.fields) - {"augmented"}
    found += [f"demos have a value `{key}`, which is no field of the signature." for key in sorted(strange)]
    lm = state.get("lm") or {}
    found += [f"the model setting `{key}` was left out: a file may not choose where requests go." for key in sorted(_ENDPOINTS & set(lm))]
    return found


def _safe_model(state: Any) -> Any:
    return {k: v for k, v in state.items() if k not in _ENDPOINTS} if isinstance(state, dict) else None
