"""Running code that a model wrote, without files, network or environment."""

from __future__ import annotations

from whet.sandbox.backends import check_backends
from whet.sandbox.interpreter import PythonInterpreter
from whet.sandbox.protocol import BackendStatus, CodeInterpreter, FinalOutput
from whet.sandbox.serializable import SandboxSerializable

__all__ = ["BackendStatus", "CodeInterpreter", "FinalOutput", "PythonInterpreter", "SandboxSerializable", "check_backends"]
