"""Examples in docstrings are run apart from the tests as well, with the same walls around them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_examples_of_one_file_are_walled_in_as_tests_are() -> None:
    command = [sys.executable, "-m", "pytest", "--setup-show", "-p", "no:cacheprovider", "-p", "no:xdist", "src/whet/core/wording.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"_no_real_calls", "_own_cache", "_own_settings"} <= set(done.stdout.split())
