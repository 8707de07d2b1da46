"""Names of fields that a module needs for itself."""

from __future__ import annotations

from collections.abc import Sequence

from whet.core.signature import Signature
from whet.errors import ConfigurationError

__all__ = ["check_fields", "check_limit"]


def check_fields(module: str, signature: Signature, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Refuse a signature whose fields the module's own would replace. Raises `ConfigurationError` (a `ValueError`).

    >>> check_fields("ReAct", Signature("question -> answer"), ["trajectory"], ["trajectory"])
    """
    for kind, fields, taken in (("input", signature.input_fields, inputs), ("output", signature.output_fields, outputs)):
        for name in taken:
            if name in fields:
                raise ConfigurationError(
                    f"An {kind} of `{module}` cannot be called `{name}`: it has one of its own. Call it otherwise in the signature "
                    f"`{signature.signature}`."
                )


def check_limit(name: str, value: int, least: int = 0) -> int:
    """The limit, which must be a whole number that large. Raises `ConfigurationError` (a `ValueError`)."""
    if not isinstance(value, int) or value < least:
        raise ConfigurationError(f"`{name}` is {value!r}; it must be a whole number, {least} or more.")
    return value
