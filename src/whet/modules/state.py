"""Programs on disk: versioned JSON by field name. A file holds no code, no key, no header and no endpoint."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whet.core.param import VALUES
from whet.core.schema import schema_of
from whet.core.signature import Signature
from whet.core.types.blob import SHELF, blobs_in
from whet.core.whole import write_whole
from whet.core.wording import counted
from whet.errors import ConfigurationError, SchemaError, StateError
from whet.lm.base import BaseLM
from whet.lm.lm import LM
from whet.lm.site.access import ACCESS
from whet.lm.state import CLASS_KEY, OWN_AS_SAVED, saved_class
from whet.modules.saved_demos import restored_demos
from whet.modules.saved_shape import check_shape
from whet.modules.tool_texts import texts_of

if TYPE_CHECKING:
    from whet.modules.module import Module
    from whet.modules.predict import Predict

__all__ = [
    "dependency_versions",
    "load_into",
    "parts_of",
    "predictor_state",
    "refuse_pickles",
    "restore",
    "restore_predictor",
    "retrieval_depths",
    "save",
]

_logger = logging.getLogger(__name__)
# Version 1 had the predictors under `predictors`, and what `metadata` holds now beside them.
FORMAT, VERSION = "whet-program", 2
_LM_PARAMETERS = frozenset(
    "model model_type cache num_retries temperature max_tokens max_completion_tokens top_p top_k n seed stop frequency_penalty "
    "presence_penalty reasoning_effort verbosity use_developer_role".split()
)  # fmt: skip

_ELSEWHERE = ACCESS | {"model_list", "base_url"}
# What a model's state may hold besides, and a saved program has no use for.
_SILENT = frozenset({"class", CLASS_KEY, "cache_in_memory", "finetuning_model", "launch_kwargs", "train_kwargs"})


# -- writing -----------------------------------------------------------------------------------------------------------


def predictor_state(predictor: Predict) -> dict[str, Any]:
    """One predictor as plain data."""
    signature = predictor.signature
    return {
        "traces": [],
        "train": [],
        "demos": [_demo_state(signature, demo) for demo in predictor.demos],
        "signature": {"instructions": signature.instructions, "fields": [_field_state(f) for f in signature.fields.values()]},
        "lm": _lm_state(predictor.lm),
        **({"tools": dict(predictor.tool_descs)} if predictor.tool_descs else {}),
    }


def _lm_state(lm: Any) -> dict[str, Any] | None:
    if lm is None:
        return None
    state = lm.dump_state()
    if saved_class(state) in (None, OWN_AS_SAVED):
        return {name: value for name, value in state.items() if name in _LM_PARAMETERS and value is not None}
    return {name: value for name, value in state.items() if name not in _ELSEWHERE and value is not None}


def _field_state(field: Any) -> dict[str, Any]:
    return {"name": field.name, "kind": field.kind, "type": field.schema.name, "prefix": field.prefix, "description": field.description}


def _demo_state(signature: Signature, demo: Mapping[str, Any]) -> dict[str, Any]:
    plain = {}
    for name, value in demo.items():
        field = signature.fields.get(name)
        schema = field.schema if field is not None and value is not None else None
        try:
            plain[name] = schema.dump(value) if schema is not None else schema_of(type(value)).dump(value)
        except (SchemaError, ConfigurationError, TypeError) as error:
            raise StateError(f"The demo field `{name}` holds {value!r}, which cannot be written as JSON: {error}") from error
    return plain


def save(program: Module, path: Any, save_program: bool = False) -> None:
    """Write a program's state to a `.json` file, all of it or nothing; media in demos go into a `.media` folder beside it."""
    target = Path(path)
    if save_program or target.suffix != ".json":
        raise ConfigurationError(
            f"A program is saved as its state, in a `.json` file; got {str(path)!r}. Its code stays in your own modules: "
            "make the program there and call `program.load(path)`. Nothing is ever pickled."
        )  # fmt: skip
    frozen = [name for name, module in program.named_sub_modules() if name != "self" and getattr(module, "_compiled", False)]
    versions = dependency_versions()  # of these DSPy, which reads our files as well, must know every name
    about = {
        "format": FORMAT,
        "version": VERSION,
        "dependency_versions": {name: here for name, here in versions.items() if name != "whet"},
        "whet": versions["whet"],
        "compiled": bool(program._compiled),
        "frozen": frozen,
        "values": {name: param.label for name, param in program.registered().items()},
    }
    states = {name: predictor.dump_state() for name, predictor in _all_predictors(program).items()}
    # A predictor by itself is its own state, as `dump_state()` gives it and DSPy writes it.
    state = {**(states["self"] if set(states) == {"self"} else states), "metadata": about}
    try:
        text = json.dumps(state, ensure_ascii=False, indent=2)
    except (TypeError, ValueError) as error:
        raise StateError(f"The program's state cannot be written as JSON: {error}") from error
    write_whole(target, text + "\n", shared=True)
    demos = [demo for predictor in _all_predictors(program).values() for demo in predictor.demos]
    SHELF.save((blob for demo in demos for blob in blobs_in(demo)), _media_folder(target))


def _media_folder(path: Path) -> Path:
    """Where the bytes of images and files in demos are kept: beside the program, named by their hashes."""
    return path.with_suffix(".media")


def _all_predictors(program: Module) -> dict[str, Predict]:
    from whet.modules.tree import leaves_of  # noqa: PLC0415 - the tree knows all kinds of module

    return dict(leaves_of(program, frozen=True))


def dependency_versions() -> dict[str, str]:
    """What a saved program says it was saved with."""
    try:
        own = version("whet")
    except PackageNotFoundError:
        own = "unknown"
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "whet": own}


# -- reading -----------------------------------------------------------------------------------------------------------


def load_into(program: Module, path: Any, *, force: bool = False, allow_unsafe_lm_state: bool = False) -> None:
    """Read a state file into a program. Files written by DSPy load too."""
    source = Path(path)
    refuse_pickles(source)
    try:
        state = json.loads(source.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise StateError(f"{str(source)!r} is no JSON file, or only a part of one: {error}. Save the program again.") from error
    if not isinstance(state, dict) or not isinstance(state.get("metadata") or {}, dict):
        raise StateError(f"{str(source)!r} holds no saved program.")
    predictors, about = parts_of(state)
    check_shape(predictors, about, repr(str(source)))
    if about.get("format") == FORMAT and about.get("version") not in (1, VERSION):
        raise StateError(
            f"{str(source)!r} has version {about.get('version')} of the format; this whet reads version {VERSION}. Update whet."
        )  # fmt: skip
    SHELF.look_in(_media_folder(source))
    _compare_versions({"whet": about.get("whet"), **about.get("dependency_versions", {})})
    trusted = {"force": force, "allow_unsafe_lm_state": allow_unsafe_lm_state}
    restore(program, {**predictors, **({VALUES: about["values"]} if about.get("values") else {})}, **trusted)
    if about.get("format") == FORMAT:
        program._compiled = bool(about.get("compiled"))
        frozen = set(about.get("frozen", ()))
        for name, module in program.named_sub_modules():
            if name in frozen:
                module._compiled = True


def refuse_pickles(source: Path) -> None:
    """Raise `ConfigurationError` for a pickle, and for a folder, which is how DSPy saves a pickled program."""
    if source.suffix == ".pkl" or source.is_dir():
        raise ConfigurationError(
            f"{str(source)!r} is a pickled program, and pickles are never loaded: they can run code. Make the program from its class, "
            "save it as `.json` where it can still be loaded, and read that with `program.load(path)`."
        )


def parts_of(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A file's content as the states of its predictors by path, and what it says of itself; DSPy's files as well.

    >>> parts_of({"demos": [], "signature": {}, "metadata": {}})[0].keys()
    dict_keys(['self'])
    """
    about = dict(state.get("metadata") or {})
    if state.get("format") == FORMAT:
        about |= {name: value for name, value in state.items() if name not in ("metadata", "predictors")}
        return dict(state.get("predictors") or {}), about
    predictors = {name: value for name, value in state.items() if name != "metadata"}
    alone = isinstance(predictors.get("demos"), list) and "signature" in predictors
    return {"self": predictors} if alone else predictors, about


def _compare_versions(saved: Mapping[str, str | None]) -> None:
    for name, here in dependency_versions().items():
        if saved.get(name) not in (None, here):
            _logger.warning(
                "There is a mismatch of %s version: the program was saved with %s, this is %s. "
                "If something looks wrong, save it again here.", name, saved[name], here,
            )  # fmt: skip


class _MissingPart(StateError, KeyError):
    """A file without one of the predictors: a `KeyError`, too."""

    __str__ = Exception.__str__


def restore(program: Module, state: Mapping[str, Any], *, force: bool = False, allow_unsafe_lm_state: bool = False, **_: Any) -> None:
    """Put saved states into a program's predictors: all of them, or none."""
    predictors = _all_predictors(program)
    state = dict(state)
    values: Mapping[str, str] = state.pop(VALUES, {})
    check_shape(state)
    depths = retrieval_depths(program, state)
    drift = _drift_of_values(program, values)
    drift += [f"Predictor `{name}` is in the program and not in the file." for name in predictors if name not in state]
    drift += [f"Predictor `{name}` is in the file and not in the program." for name in state if name not in predictors]
    for name, predictor in predictors.items():
        if name in state:
            drift += [f"Predictor `{name}`: {text}" for text in _drift(predictor.signature, state[name])]
            drift += [f"Predictor `{name}`: {text}" for text in _drift_of_tools(predictor, state[name])]
    if drift and not force:
        raise (StateError if predictors.keys() <= state.keys() else _MissingPart)(
            "The saved program does not fit this one:\n- " + "\n- ".join(drift) + "\n" + _way_out(predictors, state),
            drift=tuple(drift),
        )  # fmt: skip
    _set_values(program, {name: label for name, label in values.items() if not _drift_of_values(program, {name: label})})
    loaded = {}
    for name, predictor in predictors.items():
        if name in state:
            left_out: list[str] | None = [] if force else None
            loaded[name] = _restored(predictor, state[name], allow_unsafe_lm_state, left_out)
            for text in left_out or ():
                _logger.warning("Predictor `%s`: %s", name, text)
    for name, values in loaded.items():
        for attribute, value in values.items():
            setattr(predictors[name], attribute, value)
    for module, depth in depths:
        module.k = depth


def _way_out(predictors: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    if any(name.removesuffix(".predict") in state for name in predictors if name not in state):
        return "These look like names as DSPy 2.4 and 2.5 wrote them: `whet.compat.report.load_saved(program, path)` finds their places."
    return "Pass `force=True` to load what fits."


def retrieval_depths(program: Module, state: dict[str, Any]) -> list[tuple[Any, int]]:
    """The `Retrieve` steps whose `k` is in a file of DSPy, which keeps it beside the predictors; their states are taken out."""
    modules = dict(program.named_sub_modules())
    found = [(modules.get(f"self.{name}"), name) for name, saved in state.items() if isinstance(saved, Mapping) and set(saved) == {"k"}]
    return [(module, state.pop(name)["k"]) for module, name in found if hasattr(module, "k")]


def _drift_of_values(program: Module, values: Mapping[str, str]) -> list[str]:
    """How saved values differ from what the program registers; what a file does not have stays as it is."""
    known = program.registered()
    drift = [f"The value `{name}` is in the file and not in the program." for name in values if name not in known]
    for name, label in values.items():
        if name in known and known[name].labels and label not in known[name].labels:
            drift.append(f"The value `{name}` was {label!r}, which is no longer one of its choices: {', '.join(known[name].labels)}.")
    return drift


def _set_values(program: Module, values: Mapping[str, str]) -> None:
    from whet.modules.tree import set_registered  # noqa: PLC0415 - the tree knows all kinds of module

    set_registered(program, values)


def restore_predictor(
    predictor: Predict, state: Mapping[str, Any], *, allow_unsafe_lm_state: bool = False, left_out: list[str] | None = None, **_: Any
) -> None:
    """Put one saved state into one predictor; demos that do not fit are told in `left_out`, where it is given."""
    for attribute, value in _restored(predictor, state, allow_unsafe_lm_state, left_out).items():
        setattr(predictor, attribute, value)


def _drift(signature: Signature, state: Mapping[str, Any]) -> list[str]:
    saved = _saved_signature(state).get("fields")
    if saved is None:  # a file of DSPy 2.4, which names no fields
        return []
    if not all("name" in f for f in saved):  # DSPy's files know fields by place only
        return [] if len(saved) == len(signature.fields) else [f"has {counted(len(signature.fields), 'field')}, the file {len(saved)}."]
    drift = []
    by_name = {f["name"]: f for f in saved}
    for f in signature.fields.values():
        if f.name not in by_name:
            drift.append(f"field `{f.name}` was added since.")
        elif (old := by_name[f.name].get("kind", f.kind)) != f.kind:
            drift.append(f"field `{f.name}` was an {old} and is an {f.kind} now.")
        elif (old := by_name[f.name].get("type", f.schema.name)) != f.schema.name:
            drift.append(f"field `{f.name}` had the type {old} and has {f.schema.name} now.")
    return drift + [f"field `{name}` is gone." for name in by_name if name not in signature.fields]


def _saved_signature(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The signature of a saved predictor: of ours and of DSPy since 2.5 a mapping; before, DSPy wrote only the instructions."""
    for name in ("extended_signature", "signature"):
        if f"{name}_instructions" in state:
            return {"instructions": state[f"{name}_instructions"]}
    return state.get("extended_signature") or state.get("signature") or {"fields": []}  # 2.5 wrote both, and changed the extended one


def _drift_of_tools(predictor: Predict, state: Mapping[str, Any]) -> list[str]:
    known = texts_of(predictor.known_tools.values())
    if not known:  # the tools come with each call
        return []
    return [f"the file describes `{name}`, which is none of the tools; they are: {', '.join(predictor.known_tools)}."
            for name in state.get("tools", {}) if name not in known]  # fmt: skip


def _restored(predictor: Predict, state: Mapping[str, Any], trusted: bool, left_out: list[str] | None) -> dict[str, Any]:
    signature = _restored_signature(predictor.signature, _saved_signature(state))
    return {
        "signature": signature,
        "demos": restored_demos(signature, state.get("demos", []), left_out),
        "lm": _restored_lm(state.get("lm"), trusted),
        "tool_descs": {str(name): str(text) for name, text in state.get("tools", {}).items()},
    }


def _restored_signature(signature: Signature, state: Mapping[str, Any]) -> Signature:
    fields = []
    saved = state.get("fields", [])
    by_name = {f["name"]: f for f in saved if "name" in f}
    for place, field in enumerate(signature.fields.values()):
        old = by_name.get(field.name) or (saved[place] if not by_name and place < len(saved) else None)
        if old is None:
            fields.append(field)
            continue
        desc = old.get("description", old.get("desc", ""))
        prefix = old.get("prefix", field.prefix)
        extra = {**field.extra, "prefix": prefix} if prefix != field.prefix else field.extra
        fields.append(field.evolve(desc="" if desc == f"${{{field.name}}}" else desc, extra=extra))
    return signature._with_fields(fields, state.get("instructions", signature.instructions))


def _restored_lm(state: Mapping[str, Any] | None, trusted: bool) -> Any:
    if state is None:
        return None
    kind = str(saved_class(state) or "LM")
    own = kind.rpartition(".")[2] == "LM"
    kept = {name: value for name, value in state.items() if (name in _LM_PARAMETERS if own else name not in _ELSEWHERE)}
    if dropped := sorted(state.keys() - kept.keys() - _SILENT):
        _logger.warning(
            "The saved model settings %s are left out: a file may not choose where requests go. Bind the model with `program.set_lm(...)`.",
            ", ".join(f"`{name}`" for name in dropped),
        )  # fmt: skip
    if own:
        return LM(**kept)
    if trusted:
        return BaseLM.load_state(kept, allow_custom_lm_class=True)
    _logger.warning(
        "The saved program used a model of class `%s`, which a file may not choose. Bind it with `program.set_lm(...)`, or pass "
        "`allow_unsafe_lm_state=True` if you trust the file and have imported the class.", kind,
    )  # fmt: skip
    return None
