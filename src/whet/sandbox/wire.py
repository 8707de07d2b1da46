"""Messages between the host and the program inside a `bubblewrap` sandbox: four bytes of length, then JSON.

This file is also bound into the sandbox, so it imports nothing but the standard library.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["decode", "encode"]

# JSON has only text as keys, and Python refuses to read endless integers: both travel under a key that ordinary dicts hardly have.
PAIRS, INTEGER = "\x00pairs", "\x00int"
BIG = 10**4000


def encode(message: dict[str, Any]) -> bytes:
    """A message as bytes, its length first. Raises `ValueError` or `RecursionError` for what JSON cannot hold."""
    body = json.dumps(_packed(message), ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return len(body).to_bytes(4, "big") + body


def decode(body: bytes) -> dict[str, Any]:
    """The message in `body`, without its length. Raises `ValueError` or `RecursionError` for what is none."""
    message = _unpacked(json.loads(body))
    if not isinstance(message, dict):
        raise ValueError("a message is an object")
    return message


def _packed(value: Any) -> Any:
    if isinstance(value, dict):
        if all(isinstance(k, str) and not k.startswith("\x00") for k in value):
            return {k: _packed(v) for k, v in value.items()}
        return {PAIRS: [[_packed(k), _packed(v)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_packed(v) for v in value]
    if type(value) is int and (value >= BIG or value <= -BIG):
        return {INTEGER: hex(value)}
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and INTEGER in value:
        return int(value[INTEGER], 16)
    if len(value) == 1 and PAIRS in value:
        return {_unpacked(k): _unpacked(v) for k, v in value[PAIRS]}
    return {k: _unpacked(v) for k, v in value.items()}
