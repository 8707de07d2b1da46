"""What comes over the wire is read as `json.loads` reads it, only quicker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from whet.lm.wire.parse import parsed

BODIES = [
    b'{"a": [1, 2.5, null]}', b'{"a": 1}\r\n\t ', b'\n\n  {"a": 1}', b'\xef\xbb\xbf{"a": 1}', '{"a": "ü"}'.encode("utf-16"),
    '{"a": "ü"}'.encode(), b"", b" ", b'{"a": 1} x', b'{"a": 1}{"b": 2}', b'{"a": ', b"\xff\xfe", b'{"a": "\xff"}', b"NaN", b"12",
    b'"\\ud800"', b'{"a": 1}\xc2\xa0', b"[" * 100_000,
]  # fmt: skip


def outcome(read: Any, data: bytes) -> str:
    try:
        return repr(read(data))
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("data", BODIES, ids=lambda data: repr(data[:20]))
def test_the_same_value_or_the_same_error(data: bytes) -> None:
    assert outcome(parsed, data) == outcome(json.loads, data)
