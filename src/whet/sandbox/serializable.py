"""A value that brings its own way into a sandbox, such as a table that becomes a list of rows there."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod

__all__ = ["SandboxSerializable", "assembly"]


class SandboxSerializable(ABC):
    """Derive from it to say how a value is written, and rebuilt by code inside; then it can be a field type and a variable.

    The payload crosses once per session; bytes travel as base64.

    >>> from whet.sandbox import PythonInterpreter
    >>> class Table(SandboxSerializable):
    ...     def sandbox_setup(self): return "import json"
    ...     def to_sandbox(self): return '[{"city": "Oslo"}]'
    ...     def sandbox_assignment(self, var_name, data_expr): return f"{var_name} = json.loads({data_expr})"
    ...     def rlm_preview(self, max_chars=500): return "one row"[:max_chars]
    >>> PythonInterpreter().execute("rows[0]['city']", {"rows": Table()})
    'Oslo'
    """

    @abstractmethod
    def sandbox_setup(self) -> str:
        """Code that runs before the value is rebuilt, usually imports; may be empty."""

    @abstractmethod
    def to_sandbox(self) -> str | bytes:
        """The payload."""

    @abstractmethod
    def sandbox_assignment(self, var_name: str, data_expr: str) -> str:
        """Code that assigns the rebuilt value to `var_name`; `data_expr` is an expression for the payload."""

    @abstractmethod
    def rlm_preview(self, max_chars: int = 500) -> str:
        """What a model is shown of the value, at most so many characters."""


def assembly(name: str, value: SandboxSerializable) -> tuple[str, dict[str, str]]:
    """The code that rebuilds `value` as `name`, and the variables that it reads."""
    payload = value.to_sandbox()
    holder = f"_payload_of_{name}"
    lines = [value.sandbox_setup()]
    if isinstance(payload, bytes):
        payload = base64.b64encode(payload).decode("ascii")
        lines.append("import base64")
        lines.append(value.sandbox_assignment(name, f"base64.b64decode({holder})"))
    else:
        lines.append(value.sandbox_assignment(name, holder))
    # The trailing None keeps a last expression of the value's own code from being taken for a result.
    return "\n".join([*(line for line in lines if line), f"{holder} = None", ""]), {holder: payload}
