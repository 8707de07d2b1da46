"""The header that carries the key, in each provider's style."""

from __future__ import annotations

from typing import Final

from whet.core.secret import Secret
from whet.errors import ConfigurationError

__all__ = ["auth_headers"]

STYLES: Final = {
    "bearer": ("authorization", "Bearer "),
    "x-api-key": ("x-api-key", ""),
    "api-key": ("api-key", ""),
    "x-goog-api-key": ("x-goog-api-key", ""),
}


def auth_headers(style: str, key: Secret | None) -> dict[str, str]:
    """The header for a key, revealed here and now; nothing without a key or for the style `none`.

    Raises `ConfigurationError` for a key that no header can carry, such as one with a line break in it; the key is not shown.

    >>> auth_headers("bearer", Secret("sk-1"))
    {'authorization': 'Bearer sk-1'}
    """
    if key is None or style == "none":
        return {}
    value = key.reveal()
    if not value:
        return {}
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(
            "The API key holds a line break or another character that no header can carry. Strip what you read it from."
        )
    name, prefix = STYLES[style]
    return {name: prefix + value}
