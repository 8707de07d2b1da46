"""The model home: where trained models live, each in a folder whose name ends in the hash of its content."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from whet.errors import ConfigurationError, LMNotConfiguredError, StateError, TrainingError

__all__ = ["cannot_write", "find_model", "home_folder", "manifest_of", "models_folder", "publish", "seal", "sync_folder", "verify"]

MANIFEST: Final = "whet-model.json"
_FORMAT: Final = "whet.model/1"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
_HASHED: Final = re.compile(r"-([0-9a-f]{16})$")


def home_folder(*parts: str) -> Path:
    """A folder below `$WHET_HOME` (default `~/.whet`); it is looked up at each call and made by whoever writes to it."""
    return Path(os.environ.get("WHET_HOME") or "~/.whet").expanduser().joinpath(*parts)


def models_folder() -> Path:
    """The folder of all trained models: `models` below `$WHET_HOME`, by default below `~/.whet`."""
    return home_folder("models")


def find_model(name: str) -> Path:
    """The folder of a model: a path that exists, or a name in the model home. Its files are not read here (see `verify`).

    Raises `LMNotConfiguredError` where there is no such model, with what there is.
    """
    given = Path(name).expanduser()
    if given.is_dir():
        return given
    stored = models_folder() / name
    if name and name == stored.name and stored.is_dir():
        return stored
    there = sorted(p.name for p in models_folder().glob("*-*") if (p / MANIFEST).is_file()) if models_folder().is_dir() else []
    raise LMNotConfiguredError(
        f"There is no trained model `{name}`: no folder of this path, and none in the model home `{models_folder()}`, which holds: "
        f"{', '.join(there[:8]) or 'nothing'}. Train it again, copy its folder there, or set `WHET_HOME` to the home it was trained under.",
        model=name,
    )


def publish(name: str, kind: str, fill: Callable[[Path], Any], facts: Mapping[str, Any] | None = None) -> str:
    """Puts a model into the home, all of it or nothing, and returns its name: `name`, a hyphen and 16 hex digits of its content's hash.

    `fill(folder)` writes the model's files into a folder that is not there yet. They are flushed to the disk, listed with their checksums
    in `whet-model.json`, and the folder is renamed into its place; a model of the same content is left as it is.

    Raises:
        TrainingError: the disk is full, or the files cannot be written; nothing is left behind.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"A model is named with lower-case letters, digits, dots, hyphens and underscores; got {name!r}.")
    home = models_folder()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".new-", dir=home))
    except OSError as error:
        raise cannot_write(home, error) from error
    try:
        fresh = beside / "model"
        fill(fresh)
        final = f"{name}-{seal(fresh, kind, name, facts)[:16]}"
        _move(fresh, home / final)
    except OSError as error:
        raise cannot_write(home, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return final


def seal(folder: Path, kind: str, name: str, facts: Mapping[str, Any] | None = None) -> str:
    """Flushes a folder's files and lists them with their checksums in its manifest, so that `verify` tells whole from half-written.

    Returns the hash of its content.
    """
    files = _listed(folder)
    digest = _digest(kind, files)
    _write_manifest(folder, {"format": _FORMAT, "name": name, "kind": kind, "sha256": digest, "files": files, "facts": dict(facts or {})})
    return digest


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """What `publish` wrote about the model; `None` for a folder that it did not write.

    Raises `StateError` for one that cannot be read, or whose name promises other content.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_bytes())
        files: dict[str, Any] = manifest["files"]
        known = manifest["format"] == _FORMAT and manifest["sha256"] == _digest(manifest["kind"], files)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"its `{MANIFEST}` cannot be read ({error})") from error
    if not known:
        raise _damaged(folder, f"its `{MANIFEST}` does not match its own checksum")
    if (hashed := _HASHED.search(folder.name)) and hashed[1] != manifest["sha256"][:16]:
        raise _damaged(folder, f"its name promises the content {hashed[1]}, its files are {manifest['sha256'][:16]}")
    return dict(manifest)


def verify(folder: Path) -> dict[str, Any]:
    """The manifest, after every file has been compared with its checksum. Raises `StateError` unless the model is whole."""
    manifest = manifest_of(folder)
    if manifest is None:
        raise _damaged(folder, f"it has no `{MANIFEST}`, so it was never finished or is no model of whet's")
    for name, (size, digest) in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size or _sha256(path) != digest:
            raise _damaged(folder, f"its file `{name}` is missing or is not what was saved")
    return manifest


def _damaged(folder: Path, why: str) -> StateError:
    return StateError(f"The model in `{folder}` is damaged and is not loaded: {why}. Restore it from a copy, or train it again.")


def cannot_write(folder: Path, error: OSError) -> TrainingError:
    """What is said of a training whose files could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "The disk is full" if full else f"The model cannot be written ({error})"
    return TrainingError(f"{what}: no model was put into `{folder}`. Make room, or set `WHET_HOME` to another place, and train again.")


def _listed(folder: Path) -> dict[str, list[Any]]:
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return {p.relative_to(folder).as_posix(): [p.stat().st_size, _sha256(p)] for p in paths}


def _digest(kind: str, files: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([kind, dict(files)], sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    with (folder / MANIFEST).open("wb") as file:
        file.write(json.dumps(manifest, indent=1, sort_keys=True).encode())
        file.flush()
        os.fsync(file.fileno())


def _move(fresh: Path, target: Path) -> None:
    sync_folder(fresh)
    if not _is_whole(target):
        if target.exists():  # damaged, or not ours: it steps aside and is not lost
            target.rename(target.with_name(f".aside-{target.name}-{os.getpid()}-{time.time_ns()}"))
        try:
            fresh.rename(target)
        except OSError:
            if not _is_whole(target):  # unless another process was quicker with the same content
                raise
    sync_folder(target.parent)


def _is_whole(folder: Path) -> bool:
    try:
        return bool(verify(folder))
    except StateError:
        return False


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
