"""Files that a reader, or a crash, finds whole: the old one or the new one and never a part."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex

from whet.core.private import make_folder, private

__all__ = ["can_be_written", "write_whole"]


def write_whole(target: Path, text: str, *, shared: bool = False, errors: str = "strict") -> None:
    """Write a text in UTF-8 so that a reader, or a crash, finds the old file or the new one and never a part.

    Only its owner may read it, unless it is `shared`; one that is there keeps its permissions. What is no file (`/dev/stdout`, a pipe) is
    written to as it is. An `OSError` names the file.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> write_whole(target, "all of it")
    >>> target.read_text()
    'all of it'
    """
    content = text.encode("utf-8", errors)
    target = target.resolve()  # a link stays a link
    if shared:
        target.parent.mkdir(parents=True, exist_ok=True)
    else:
        make_folder(target.parent)
    if _is_a_device(target):
        target.write_bytes(content)
        return
    fresh = target.with_name(f".{target.name}.{token_hex(8)}")
    try:
        with open(fresh, "xb", opener=None if shared else private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            fresh.chmod(target.stat().st_mode & 0o777)
        fresh.replace(target)
    except BaseException as error:
        fresh.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(target)  # a full disk does not say of itself which file it was
        raise


def can_be_written(target: Path) -> bool:
    """Whether `write_whole` would be let in, in a folder that is there: asked before something is paid for that is to be written.

    >>> can_be_written(Path.cwd())
    False
    """
    if _is_a_device(target):
        return os.access(target, os.W_OK)
    return not target.is_dir() and os.access(target.resolve().parent, os.W_OK)


def _is_a_device(target: Path) -> bool:
    return target.exists() and not target.is_file() and not target.is_dir()
