"""What an index of vectors keeps on disk: a folder with JSON, a plain array, and the file of the approximate index if there is one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from whet.core.wording import counted
from whet.errors import StateError
from whet.retrieve.passage import as_passages

__all__ = ["Saved", "read_saved", "write_saved"]

_FORMAT = "whet.embeddings/1"
_GRAPH = "graph.usearch"
# What each setting has to be; a truth is a whole number to Python, too.
_SETTINGS = {"k": int, "normalize": bool, "brute_force_threshold": int}


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The content of such a folder. `embedder` is the name of the model that made the vectors, where it has one."""

    corpus: list[Any]
    vectors: Any
    settings: dict[str, Any]
    embedder: str | None = None
    graph: Path | None = None


def write_saved(folder: Path, kept: Saved, save_graph: Callable[[str], Any] | None) -> None:
    """Write all files beside the old ones, then put them in their places. Raises `StateError` for a corpus that JSON cannot hold."""
    import numpy  # noqa: PLC0415 - optional

    try:
        corpus = json.dumps(kept.corpus)
    except (TypeError, ValueError, RecursionError) as error:
        raise StateError(f"The corpus cannot be written as JSON: {error}. Nothing was written.") from error
    folder.mkdir(parents=True, exist_ok=True)
    mark = token_hex(8)
    fresh = {name: folder / f".{mark}.{name}" for name in ("corpus.json", "embeddings.npy", _GRAPH, "config.json")}
    try:
        about = {"format": _FORMAT, **kept.settings, "embedder": kept.embedder}
        fresh["corpus.json"].write_text(corpus, encoding="utf-8")
        numpy.save(fresh["embeddings.npy"], kept.vectors, allow_pickle=False)
        if save_graph is not None:
            save_graph(str(fresh[_GRAPH]))
            about["graph"] = _digest(fresh[_GRAPH])
        fresh["config.json"].write_text(json.dumps(about), encoding="utf-8")
        for name, file in fresh.items():
            if file.exists():
                os.replace(file, folder / name)
            elif name == _GRAPH:
                (folder / name).unlink(missing_ok=True)
    finally:
        for file in fresh.values():
            file.unlink(missing_ok=True)


def read_saved(folder: Path, trusted: bool) -> Saved:
    """What `write_saved` wrote; `graph` is its file if the folder is `trusted`. Raises `FileNotFoundError` or `StateError`."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder `{folder}` with saved embeddings.")
    about, corpus, vectors = _read_json(folder / "config.json"), _read_json(folder / "corpus.json"), _read_vectors(folder)
    if not isinstance(about, dict) or about.get("format") != _FORMAT or not about.keys() >= _SETTINGS.keys():
        raise StateError(f"`{folder}` was not written by `Embeddings.save` of this version (its format is not {_FORMAT!r}).")
    wrong = [name for name, kind in _SETTINGS.items() if type(about[name]) is not kind]
    if wrong:
        raise StateError(f"`{folder / 'config.json'}` is damaged: `{wrong[0]}` is {about[wrong[0]]!r}.")
    if not isinstance(corpus, list) or not corpus or vectors.ndim != 2 or len(vectors) != len(corpus) or not vectors.size:
        held = counted(len(corpus), "text") if isinstance(corpus, list) else "no list of texts"
        raise StateError(f"`{folder}` holds {held}, but vectors of shape {vectors.shape}; save it again.")
    try:
        as_passages(corpus)
    except ValueError as error:
        raise StateError(f"`{folder / 'corpus.json'}` is damaged: {error}") from error
    graph = folder / _GRAPH if trusted and "graph" in about else None
    if graph is not None and _digest(graph) != about["graph"]:
        raise StateError(f"`{graph}` is not the file that was saved; save it again, or load without `trusted`.")
    settings = {name: about[name] for name in _SETTINGS}
    return Saved(corpus=corpus, vectors=vectors, settings=settings, embedder=about.get("embedder"), graph=graph)


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise StateError(f"`{file}` is damaged: {error}.") from error


def _read_vectors(folder: Path) -> Any:
    import numpy  # noqa: PLC0415 - optional

    try:
        vectors = numpy.load(folder / "embeddings.npy", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise StateError(f"`{folder / 'embeddings.npy'}` is damaged: {error}.") from error
    if vectors.dtype.kind != "f" or not numpy.isfinite(vectors).all():
        held = f"numbers that are not finite, in {vectors.dtype}" if vectors.dtype.kind == "f" else str(vectors.dtype)
        raise StateError(f"`{folder / 'embeddings.npy'}` holds no numbers with a point, but {held}.")
    return numpy.ascontiguousarray(vectors, dtype=numpy.float32)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
