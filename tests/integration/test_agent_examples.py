"""The agents of `examples/agents` run as a newcomer runs them: without a key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {
    "calculator_agent.py": ["= 126   (finish, 2 model calls)", "tool calculate"],
    "customer_service.py": ["I am sorry! 35.00 paid back for a teapot.", "passed your wish on", "not approved", "Paid back: [17]"],
    "mcp_files.py": ["Tools: list_files, read_file", "The launch moves to 14 May.", "Answer: On 14 May."],
    "data_question.py": ["[Error] KeyError", "(submit)", "characters of data"],
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_it_runs(name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", str(ROOT / "examples" / "agents" / name)],
        capture_output=True, text=True, timeout=100, env=environment, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for piece in EXPECTED[name]:
        assert piece in done.stdout, done.stdout
