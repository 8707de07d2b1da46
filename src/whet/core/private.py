"""Files that only their owner may read: what whet keeps of prompts and answers on its own account."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["make_folder", "private"]


def private(path: str, flags: int) -> int:
    """The `opener` for such a file. One that is there keeps the permissions it has.

    >>> import tempfile
    >>> with open(tempfile.mkdtemp() + "/notes", "w", opener=private) as file:
    ...     oct(os.stat(file.fileno()).st_mode & 0o777)
    '0o600'
    """
    return os.open(path, flags, 0o600)


def make_folder(folder: Path) -> None:
    """A folder for such files, with those above it; one that is there stays as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
