"""`load` and `load_settings`: what programs written for DSPy call to read files back; no pickle is ever read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from whet.compat.report import LoadReport, load_saved
from whet.errors import ConfigurationError
from whet.modules.state import refuse_pickles

__all__ = ["LoadReport", "load", "load_saved", "load_settings"]


def load(path: Any, program: Any = None, *, allow_pickle: bool = False, force: bool = False) -> Any:
    """Read a saved state (`.json`, ours or DSPy's) into `program` and return it. The code of a program is never in a file.

    Raises `FileNotFoundError` for a path where nothing is, `ConfigurationError` (a `ValueError`) for a pickled program or without
    `program`, `StateError` when the state does not fit; `force=True` loads what fits.

    >>> import tempfile, whet
    >>> path = tempfile.mkdtemp() + "/program.json"
    >>> whet.Predict(whet.Signature("question -> answer", "Be brief.")).save(path)
    >>> load(path, whet.Predict("question -> answer")).signature.instructions
    'Be brief.'
    """
    source = Path(path)
    if not source.exists():
        raise FileNotFoundError(f"There is nothing at {str(source)!r}.")
    refuse_pickles(source)
    if program is None:
        raise ConfigurationError("A saved state holds no code: `whet.load(path, program)`, or `program.load(path)`.")
    program.load(source, force=force)
    return program


def load_settings(path: Any, allow_pickle: bool = False) -> NoReturn:
    """Refused: DSPy's settings files are pickles, which can run code. Raises `ConfigurationError`, a `ValueError`.

    >>> load_settings("settings.pkl")
    Traceback (most recent call last):
    ...
    whet.errors.ConfigurationError: ...
    """
    raise ConfigurationError(
        f"{str(path)!r} is a pickle, and pickles are never loaded, with `allow_pickle=True` neither: they can run code. "
        "Write the settings down where the program starts: `whet.configure(...)`."
    )
