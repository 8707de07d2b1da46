"""A key or a token that can be used and not be seen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from whet.errors import LMNotConfiguredError

__all__ = ["Headers", "Secret", "scrub"]

MASK = "***"


class Secret:
    """Holds a credential, or the way to get one, and shows it to nobody but the caller of `reveal()`.

    Whatever prints, formats, copies, pickles or serialises it sees three stars or fails. A callable is asked at each `reveal()`, so a
    rotating token stays fresh; `Secret.env(...)` reads the environment at each call.

    >>> key = Secret("sk-123")
    >>> repr(key), f"{key}", key.reveal()
    ("Secret('***')", '***', 'sk-123')
    """

    __slots__ = ("_read",)

    def __init__(self, source: str | Callable[[], str]) -> None:
        self._read: Callable[[], str] = (lambda: source) if isinstance(source, str) else source

    @classmethod
    def env(cls, *names: str) -> Secret:
        """The first of these environment variables that is set and not empty, looked up at each `reveal()`.

        Raises `LMNotConfiguredError` there when none is set.
        """

        def read() -> str:
            for name in names:
                if value := os.environ.get(name):
                    return value
            raise LMNotConfiguredError(
                f"No API key found. Set the environment variable {' or '.join(f'`{n}`' for n in names)}, or pass `api_key=`."
            )

        return cls(read)

    def reveal(self) -> str:
        """The credential itself. Only what writes it to a socket should ask."""
        return self._read()

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("A Secret is never written anywhere. Save the name of the environment variable instead.")

    def __dir__(self) -> list[str]:
        return ["reveal"]


class Headers(dict[str, str]):
    """Headers of a request, of which only the names are ever shown.

    >>> Headers({"authorization": "Bearer sk-123"})
    Headers('authorization')
    """

    def __repr__(self) -> str:
        return f"Headers({', '.join(map(repr, self))})"


def scrub(text: str, values: Iterable[str]) -> str:
    """`text` with each of these credentials replaced by three stars; values under 4 characters are too common to look for.

    >>> scrub("bad key sk-123", ["sk-123"])
    'bad key ***'
    """
    for value in values:
        if len(value) >= 4 and value in text:
            text = text.replace(value, MASK)
    return text
